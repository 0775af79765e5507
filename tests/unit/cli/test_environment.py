# SPDX-License-Identifier: GPL-2.0-or-later
"""The environment of the station's service: read as systemd reads it, and the same for the verbs that root types."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from softfax.cli import options
from softfax.cli.environment import parse_environment
from softfax.cli.main import build_parser, main
from softfax.cli.options import fill_defaults

CONFIG = """
    [data]
    dir = "{folder}"
    [[account]]
    name = "pbx"
    server = "sip:192.0.2.1"
    user = "fax"
    register = true
"""


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("A=plain", "plain"),
        ("  A = two words \t\n", "two words"),
        ("A=", ""),
        ('# A=0\n; A=0\nA=it\'s "so" # all of it', 'it\'s "so" # all of it'),
        ("A=a\\\nb\\ c\\\\", "ab c\\"),
        ("A='it\nis \\n'", "it\nis \\n"),
        (r'A="a \"b\" \\ \$ \n"', r'a "b" \ $ \n'),
        ("A=\"one\" 'two'three", "onetwothree"),
        ("A=1\nnothing\nA=2", "2"),
        ("A=p\r\nB=1", "p"),
    ],
)
def test_values_are_those_of_systemd(text: str, value: str) -> None:
    assert parse_environment(text)["A"] == value


@pytest.mark.parametrize("text", ["A='open\nB=1", "\\", "=1", 'A="\\', "\0=\0", "A" * 100_000])
def test_any_text_has_an_end(text: str) -> None:
    parse_environment(text)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The machine's configuration, with an environment beside it."""
    path = tmp_path / "etc" / "softfax.toml"
    path.parent.mkdir()
    path.write_text(CONFIG.format(folder=tmp_path))
    for name in ("SOFTFAX_PASSWORD", "SOFTFAX_DATABASE_URL", "SOFTFAX_CONFIG"):
        # Set and deleted, it is as before when the test is over, whoever sets it.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))
    monkeypatch.setattr(options, "MACHINE_CONFIG", path)
    path.with_name("environment").write_text(
        "SOFTFAX_PASSWORD='pass word'\nSOFTFAX_DATABASE_URL=postgresql://db.example/softfax\nPATH=/nowhere\n"
    )
    return path


def test_what_root_types_has_what_the_unit_has(
    machine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["config", "check"]) == 0
    assert "has no password" not in capsys.readouterr().out
    assert main(["backup", str(tmp_path / "b.tar")]) == 0
    assert "the database is elsewhere" in capsys.readouterr().err


def test_what_is_set_already_wins(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOFTFAX_PASSWORD", "ours")
    assert main(["config", "show"]) == 0
    assert os.environ["SOFTFAX_PASSWORD"] == "ours"
    assert os.environ["SOFTFAX_DATABASE_URL"] == "postgresql://db.example/softfax"


def test_another_configuration_is_not_the_service_s(
    machine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "etc" / "own.toml"
    own.write_text(machine.read_text())
    assert main(["config", "check", str(own)]) == 0
    assert "has no password" in capsys.readouterr().out


def test_options_come_from_it_too(machine: Path) -> None:
    parser, verbs = build_parser("send")
    typed = parser.parse_args(["send", "sip:a@b", "x.pdf"])
    fill_defaults(verbs["send"], typed, {"SOFTFAX_IDENT": "ours"})
    assert (typed.password, typed.ident) == ("pass word", "ours")
