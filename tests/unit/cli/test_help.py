# SPDX-License-Identifier: GPL-2.0-or-later
"""Help of the command and its verbs, and the answer to words that it does not know."""

from __future__ import annotations

import pytest

from softfax.cli.main import VERBS, main

COLUMNS = 80


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_that_fits_a_terminal(
    verb: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(COLUMNS))
    with pytest.raises(SystemExit) as ended:
        main([verb, "--help"])
    lines = capsys.readouterr().out.splitlines()
    assert ended.value.code == 0
    assert lines[0].startswith(f"usage: softfax {verb}")
    assert max(map(len, lines)) <= COLUMNS


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ["send", "sip:a@b", "--headr", "x", "f.pdf"],
            "softfax send: there is no option --headr; did you mean --header?",
        ),
        (["send", "sip:a@b", "f.pdf", "--headr=secret"], "there is no option --headr; did you mean --header?"),
        (["impair", "--loss", "much"], "argument --loss: write 0 to 1, or a percentage such as 2%"),
        (["status", "now"], "softfax status: this is too much: now; see `softfax status --help`"),
    ],
)
def test_a_word_that_no_verb_takes_is_named(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert told in said
    assert said.count("\n") == 1
    assert "secret" not in said
