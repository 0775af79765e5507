# SPDX-License-Identifier: GPL-2.0-or-later
"""Options: what is typed wins, then the environment, then the file; and mistakes are said in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from softfax.cli.main import build_parser, main
from softfax.cli.options import fill_defaults
from softfax.cli.send import DEFAULTS
from softfax.errors import ConfigError


def _options(arguments: list[str], environ: dict[str, str], config: str, tmp_path: Path) -> object:
    file = tmp_path / "softfax.toml"
    file.write_text(config)
    parser, verbs = build_parser("send")
    options = parser.parse_args(["send", "sip:a@b", "x.pdf", "--config", str(file), *arguments])
    fill_defaults(verbs["send"], options, DEFAULTS, environ)
    return options


def test_typed_wins_then_environment_then_file_then_default(tmp_path: Path) -> None:
    config = 'ident = "FILE"\nmax_rate = 7200\ntimeout = 9\n[send]\nheader = "H"\nmax_rate = 9600\nno_ecm = true\n'
    environ = {"SOFTFAX_TIMEOUT": "12", "SOFTFAX_IDENT": "ENV"}

    options = vars(_options(["--ident", "TYPED"], environ, config, tmp_path))

    assert options["ident"] == "TYPED"
    assert options["timeout"] == 12
    assert options["max_rate"] == 9600
    assert options["header"] == "H"
    assert options["no_ecm"] is True
    assert options["mode"] == "auto"


@pytest.mark.parametrize(
    "config",
    ["max_rate = 1", "mode = 'carrier pigeon'", "no_ecm = 'maybe'", "timeout = 'soon'", "= broken", "send = 3"],
)
def test_mistakes_in_the_file_are_named(tmp_path: Path, config: str) -> None:
    with pytest.raises(ConfigError, match=r"softfax\.toml"):
        _options([], {}, config, tmp_path)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["send", "sip:a@b"], "a destination and a file are needed"),
        (["send", "nonsense here", "x.pdf"], "not a SIP URI or a number"),
        (["send", "+49301234", "x.pdf"], "no server for the number"),
        (["send", "sip:a@b:99999", "x.pdf"], "not a SIP URI"),
        (["send", "sip:a@b", "/nonexistent.pdf"], "cannot be read"),
        (["send", "sip:a@b", "x.pdf", "--ident", "x" * 21], "station identity"),
        (["send", "sip:a@b", "x.pdf", "--timeout", "-3"], "--timeout"),
        (["receive", "--listen", "nowhere"], "not an address to listen on"),
        (["receive", "--count", "0"], "--count"),
        (["convert", "/nonexistent.pdf", "-o", "/tmp/softfax-x.tif"], "cannot be read"),
        (["frobnicate"], "invalid choice"),
    ],
)
def test_wrong_usage_is_exit_status_2_and_one_line(
    arguments: list[str], text: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        status = main(arguments)
    except SystemExit as stop:
        status = int(stop.code or 0)
    captured = capsys.readouterr()

    assert status == 2
    assert text in captured.err
    assert len(captured.err.strip().splitlines()) == 1
    assert captured.out == ""
