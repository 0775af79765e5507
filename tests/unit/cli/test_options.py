# SPDX-License-Identifier: GPL-2.0-or-later
"""Options: what is typed wins, then the environment, then the file; and mistakes are said in one line."""

from __future__ import annotations

import argparse
import errno
import json
import os
from datetime import datetime
from pathlib import Path

import pytest

from softfax import settings_file
from softfax.cli import options as cli_options
from softfax.cli import swml
from softfax.cli.common import destination_uri
from softfax.cli.main import build_parser, main
from softfax.cli.options import fill_defaults
from softfax.documents.load import open_document
from softfax.documents.types import DocumentLimits, Source
from softfax.errors import ConfigError, DocumentUnsupportedError


def _options(arguments: list[str], environ: dict[str, str], config: str, tmp_path: Path) -> argparse.Namespace:
    file = tmp_path / "softfax.toml"
    file.write_text(config)
    parser, verbs = build_parser("send")
    options = parser.parse_args(["send", "sip:a@b", "x.pdf", "--config", str(file), *arguments])
    fill_defaults(verbs["send"], options, environ)
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


def test_an_option_has_the_name_that_is_typed(tmp_path: Path) -> None:
    environ = {"SOFTFAX_FROM": "sip:me@here.example", "SOFTFAX_COVER_FROM": "Ada"}

    options = vars(_options([], environ, '[send]\nmax-rate = 9600\nno-ecm = true\ncover_to = "Bob"\n', tmp_path))

    assert (options["from_uri"], options["cover_sender"], options["cover_to"]) == ("sip:me@here.example", "Ada", "Bob")
    assert (options["max_rate"], options["no_ecm"]) == (9600, True)


def test_a_station_s_file_says_what_its_faxes_and_numbers_are_like(tmp_path: Path) -> None:
    config = """
        header = "Top"
        [fax]
        ident = "+49 30 1"
        header = "Station"
        ecm = false
        [[account]]
        name = "pbx"
        server = "sip:pbx.example:5070"
        user = "fax"
        password = "secret"
    """
    options = _options([], {}, config, tmp_path)

    said = vars(options)
    assert (said["ident"], said["header"], said["no_ecm"], said["user"]) == ("+49 30 1", "Top", True, None)
    assert destination_uri("+49 (30) 99", options) == "sip:+493099@pbx.example:5070"
    assert destination_uri("recv", options) == "sip:recv@pbx.example:5070"
    assert (said["user"], said["password"]) == ("fax", "secret")
    registrar = _options([], {"SOFTFAX_REGISTER": "sip:other.example"}, config, tmp_path)
    assert destination_uri("99", registrar) == "sip:99@other.example"


def test_what_other_verbs_are_told_does_not_stop_this_one(tmp_path: Path) -> None:
    file = tmp_path / "softfax.toml"
    file.write_text('resolution = 400\nregister = "sip:pbx.example"\nkeep_tiff = true\n')
    parser, verbs = build_parser("loopback")
    options = parser.parse_args(["loopback", "--config", str(file)])
    fill_defaults(verbs["loopback"], options, {"SOFTFAX_MODE": "auto"})

    assert (options.mode, options.resolution) == ("both", "fine")


def test_one_of_two_ways_can_be_said_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "softfax.toml"
    file.write_text("[jobs]\nsent = false\nreceived = true\n")
    parser, verbs = build_parser("jobs")
    options = parser.parse_args(["jobs", "--config", str(file)])
    fill_defaults(verbs["jobs"], options, {})

    assert options.direction == "receive"


@pytest.mark.parametrize(
    "config",
    ["max_rate = 1", "mode = 'carrier pigeon'", "no_ecm = 'maybe'", "timeout = 'soon'", "= broken", "send = 3", "idnt = 'x'",
     "[send]\nheadr = 'x'", "[send]\nregister = 'sip:a'"],
)  # fmt: skip
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
        (["frobnicate"], "there is no verb frobnicate"),
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


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["send", "sip:a@b", "/nonexistent.pdf", "--json"], "FILE_ERROR"),
        (["send", "--json", "sip:a@b", "x.pdf", "--ident", "x" * 21], "INVALID_ARGUMENTS"),
        (["convert", "/nonexistent.pdf", "-o", "/tmp/softfax-x.tif", "--json"], "FILE_ERROR"),
    ],
)
def test_programs_get_a_result_of_what_never_began(
    arguments: list[str], error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()

    (line,) = captured.out.splitlines()
    result = json.loads(line)
    assert (result["event"], result["success"], result["status"], result["error"]) == ("result", False, "FAILED", error)
    assert result["result_code"] != 0
    assert f"softfax: {result['status_string']}\n" == captured.err


def test_a_conversion_tells_programs_of_its_pages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_text("One\fTwo\n")
    out = tmp_path / "letter.tif"

    assert main(["convert", str(letter), "-o", str(out), "--json"]) == 0

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["event"] for line in lines] == ["page", "page", "result"]
    assert all(datetime.fromisoformat(line["time"]).tzinfo for line in lines)
    assert (lines[1]["number"], lines[1]["width"], lines[1]["resolution"]) == (2, 1728, "204x196")
    assert (lines[2]["success"], lines[2]["pages"], lines[2]["output"]) == (True, 2, str(out))


def test_a_certificate_is_for_the_calls_of_a_markup_document_too(tmp_path: Path) -> None:
    parser, verbs = build_parser("swml")
    typed = parser.parse_args(["swml", "run", "x.yaml", "--to", "sip:a@127.0.0.1", "--transport", "tls",
                               "--tls-certificate", "/our.pem", "--tls-private-key", "/our.key"])  # fmt: skip
    fill_defaults(verbs["swml"], typed, {}, layered=False)
    sip = swml._config(typed, "sip:a@127.0.0.1", tmp_path).sip
    assert (sip.tls_certificate, sip.tls_private_key) == (Path("/our.pem"), Path("/our.key"))


def test_a_mistyped_word_is_answered_with_the_one_that_was_meant(capsys: pytest.CaptureFixture[str]) -> None:
    for words, said in (
        (["sned", "x"], "softfax: there is no verb sned; did you mean send?; see `softfax --help`"),
        (["xyz"], "softfax: there is no verb xyz; see `softfax --help`"),
        (
            ["config", "chek"],
            "softfax config: argument init|check|show: invalid choice: 'chek' (choose from init, check, show); "
            "did you mean check?; see `softfax config --help`",
        ),
        (["config"], "softfax config: the following arguments are required: init|check|show; see `softfax config --help`"),
    ):  # fmt: skip
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert (ended.value.code, capsys.readouterr().err.strip()) == (2, said)


def test_polling_without_its_call_is_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["receive", "--poll"]) == 2
    assert "name whom to call with --call" in capsys.readouterr().err
    assert main(["send", "--polled", "sip:a@b", "x.pdf"]) == 2
    assert "add --answer" in capsys.readouterr().err


def test_the_configuration_of_a_station_that_is_not_ours_to_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Anybody may fax and ask a station, which takes none of its secrets; what is about its data says who may do that."""
    machine = tmp_path / "etc" / "softfax.toml"
    _stat, _open = Path.stat, Path.open

    def refused(path: Path) -> None:
        if machine in (path, path.with_name("softfax.toml")):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(cli_options, "MACHINE_CONFIG", machine)
    monkeypatch.setattr(Path, "stat", lambda path, **how: refused(path) or _stat(path, **how))
    monkeypatch.setattr(Path, "open", lambda path, *how, **more: refused(path) or _open(path, *how, **more))
    monkeypatch.setattr(settings_file, "_read", refused)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "own"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (letter := tmp_path / "letter.txt").write_text("Good day.\n")
    assert main(["convert", str(letter), "-o", str(tmp_path / "x.tif")]) == 0
    assert main(["jobs"]) == 3
    assert "no station answers" in capsys.readouterr().err
    for verb in (
        ["doctor"],
        ["config", "show"],
        ["serve"],
        ["backup", str(tmp_path / "b.tar")],
        ["deliveries", "list"],
    ):
        assert main(verb) == (1 if verb == ["doctor"] else 2)
        said = capsys.readouterr()
        assert "cannot be read: Permission denied" in said.out + said.err
        assert "run this as root, or as the station's user" in said.out + said.err
        assert str(machine) in said.out + said.err


@pytest.mark.parametrize(
    ("number", "remedy"),
    [(errno.EACCES, "run this as a user who may read it"), (errno.ENOENT, "check the file's name")],
)
def test_a_document_that_is_not_ours_to_read_has_no_wrong_name(
    number: int, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*given: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("softfax.documents.load.os.open", refused)
    with pytest.raises(DocumentUnsupportedError) as error:
        open_document(Source(path=Path("letter.txt")), DocumentLimits())
    assert error.value.remedy == remedy
