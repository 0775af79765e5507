# SPDX-License-Identifier: GPL-2.0-or-later
"""Text from outside does nothing to a terminal, a log, a file system or a program, wherever it comes in."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table

import softfax
from softfax.cli.lines import json_line
from softfax.cli.report import Reporter
from softfax.cli.tables import show_table
from softfax.cli.terminal import Terminal
from softfax.engine.abi import EventType
from softfax.errors import UsageError, in_short
from softfax.fax import t30
from softfax.fax.trace import Trace, text_of
from softfax.mailboxes.targets import Item, print_out, run_program
from softfax.model import CallEvent, CallState
from softfax.ops.journal import datagram
from softfax.ops.logs import JournalFormatter, JsonFormatter, TextFormatter
from softfax.outside import argument, clean, escaped_json, file_name, paragraphs
from softfax.sip.headers import display_name, headers_of, number_of
from softfax.sip.types import CallerId
from softfax.station.config.mailboxes import CommandTarget, PrinterTarget

#: Clears the screen, sets the title by C0 and C1, rings, turns text round, ends lines in every way there is.
HOSTILE = "\x1b[2J\x1b]0;owned\x07\x9b31m\x90q\x9c\u202egpj.exe\u2066\x00\x08\r\n\x0b\x85\u2028X: y\x7f\ufeff\ud800"
BAD = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def harmless(text: str) -> bool:
    return not BAD.search(text.replace("\r\n", "").replace("\n", ""))


@given(st.text() | st.just(HOSTILE))
def test_a_line_is_one_line_of_what_can_be_seen(text: str) -> None:
    shown = clean(text)
    assert not BAD.search(shown)
    assert len(shown) == len(text)
    assert clean(shown) == shown
    assert shown.encode().decode() == shown
    assert len(clean(text, 5)) <= 5


def test_what_people_write_stays() -> None:
    for name in ("Praxis Dr. Müller & Söhne", "می‌خواهم", "क्‍ष", "株式会社 電話", "O'Neil “Fax” — €5 👍", "$(rm)`x`;<b>"):
        assert clean(name) == name
        assert paragraphs(f"{name}\r\n\t{name}\n") == f"{name}\r\n\t{name}\n"


@given(st.text(alphabet=st.sampled_from("a\x1b\r\n\t\x85 é")))
def test_lines_stay_lines(text: str) -> None:
    shown = paragraphs(text)
    assert shown.count("\n") == text.count("\n")
    assert harmless(re.sub(r"\r\n|\t", "", shown))


@given(st.text())
def test_json_is_read_as_it_was_written(text: str) -> None:
    shown = escaped_json(json.dumps({"name": text}, ensure_ascii=False))
    assert json.loads(shown) == {"name": text}
    assert harmless(shown)


@given(st.text() | st.sampled_from(["-rf", " --version", "\x1b-x", "../../-x", "-", "a/-b", "x." + "y" * 99]))
def test_names_and_arguments(text: str) -> None:
    assert not argument(text).startswith("-")
    name = file_name(text)
    assert not BAD.search(name)
    assert not set(name) & set("/\\#*;$<>|'\"")
    assert not name.startswith(("-", ".", " "))
    assert len(name.encode()) <= 170


def test_callers_of_sip() -> None:
    header = f'"{HOSTILE}" <sip:{"1" + chr(0x1B)}2@h>'
    assert not BAD.search(display_name(header) + number_of(header))
    assert display_name(header)
    # What PJSIP takes for text is no end of a header here.
    for end in ("\x0b", "\x0c", "\x1c", "\x85", "\u2028"):
        head = f'INVITE sip:1@h SIP/2.0\r\nFrom: "a{end}P-Asserted-Identity: <sip:boss@h>" <sip:2@h>\r\n'
        assert "P-Asserted-Identity" not in headers_of(head)
    assert CallerId(name=HOSTILE).display() == '"[2J]0;owned31mqgpj.exe   X: y" ' or harmless(
        CallerId(name=HOSTILE).display()
    )


def test_identities_of_t30() -> None:
    frame = t30.decode(b"\xff\x13\x40" + bytes(int(f"{ord(ch):08b}"[::-1], 2) for ch in "\x1b[2Jab"))
    assert not BAD.search("".join(frame.fields.values()))


def test_traces() -> None:
    trace = Trace("0" * 24)
    trace.sip(False, HOSTILE, f"SIP/2.0 200 {HOSTILE}\r\nFrom: {HOSTILE}\r\n\r\nv=0\r\n")
    trace.add("note", HOSTILE, detail=HOSTILE, fields={"a": HOSTILE})
    text = text_of(trace.to_json())
    assert harmless(text.replace("\r\n", "\n"))
    assert "\r\nv=0" in text


def test_logs() -> None:
    try:
        raise UsageError(HOSTILE) from ValueError(HOSTILE)
    except UsageError:
        record = logging.LogRecord("softfax", logging.INFO, __file__, 1, "call of %s", (HOSTILE,), sys.exc_info())
    record.exc_text = logging.Formatter().formatException(record.exc_info)  # type: ignore[arg-type]
    record.fax_id = record.call_id = record.session = ""
    for formatter in (TextFormatter(), JsonFormatter(), JournalFormatter()):
        shown = formatter.format(record)
        assert harmless(shown)
        assert "owned" in shown.partition("Traceback")[0]
    assert json.loads(JsonFormatter().format(record))["message"] == f"call of {HOSTILE}"
    assert b"\x1b" not in datagram(record, JournalFormatter().format(record))


@pytest.mark.parametrize("terminal", [False, True])
def test_the_terminal(terminal: bool, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = io.StringIO(), io.StringIO()
    reporter = Reporter(label=HOSTILE, out=out, err=err)
    reporter.console = Terminal(file=out, force_terminal=terminal, soft_wrap=True)
    reporter.text(HOSTILE)
    reporter.problem(HOSTILE)
    reporter.event(CallEvent(state=CallState.RINGING, reason=HOSTILE))
    table = Table(box=None)
    table.add_column("name")
    table.add_row(HOSTILE)
    reporter.console.print(table)
    show_table(table, out)
    print(json_line("job", name=HOSTILE), file=out)
    shown = out.getvalue() + err.getvalue() + "".join(capsys.readouterr())
    # Colours and weights are ours.
    assert harmless(re.sub(r"\x1b\[[\d;]*m", "", shown))
    assert shown.count("owned") >= 5


def test_errors_are_one_line() -> None:
    assert not BAD.search(str(UsageError(HOSTILE, HOSTILE)))
    assert in_short(ValueError("one\ntwo")) == "one"
    assert in_short(sa.exc.OperationalError("SELECT 1", {}, OSError("the disk is gone"))) == "the disk is gone"
    assert in_short(TimeoutError()) == "TimeoutError"


# ---- arguments -----------------------------------------------------------------------------------------------------------


def item(folder: Path, **facts: str) -> Item:
    said = {
        "caller": "",
        "caller_name": "",
        "to": "100",
        "remote_station_id": "",
        "mailbox": "m",
        "state": "received",
    }
    fax = {"id": "0" * 24, "created": datetime.now(UTC).isoformat(), "pages": 1, **said, **facts}
    return Item(fax=fax, pdf=folder / "fax.pdf")


def test_programs_get_names_as_they_came_and_none_as_an_option(tmp_path: Path) -> None:
    program, heard = tmp_path / "program", tmp_path / "heard"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" "$SOFTFAX_FAX_CALLER_NAME" >> {heard}\n')
    program.chmod(0o755)
    cases = {
        "-rf": ("rf", "name=-rf", "-rf"),
        "--version": ("version", "name=--version", "--version"),
        "{pdf}{caller}": ("{pdf}{caller}", "name={pdf}{caller}", "{pdf}{caller}"),
        "$(touch x)`y`; z": ("$(touch x)`y`; z", "name=$(touch x)`y`; z", "$(touch x)`y`; z"),
        "a\x00\x1b[2Jb": ("a\ufffd\ufffd[2Jb", "name=a\ufffd\ufffd[2Jb", "a\ufffd\ufffd[2Jb"),
        "\n-x": ("x", "name= -x", " -x"),
    }
    for name, wanted in cases.items():
        heard.unlink(missing_ok=True)
        target = CommandTarget(argv=(str(program), "{caller_name}", "name={caller_name}", "-n", "{pdf}", "{other}"))
        run_program(target, item(tmp_path, caller_name=name))
        first, second, env = wanted
        assert heard.read_text().splitlines() == [first, second, "-n", str(tmp_path / "fax.pdf"), "{other}", env]


def test_a_print_job_of_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lp, heard = tmp_path / "lp", tmp_path / "heard"
    lp.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {heard}\n')
    lp.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    print_out(PrinterTarget(name="office", options=()), item(Path("-rf"), remote_station_id="-o raw\x1b"))
    assert heard.read_text().splitlines() == [
        "-d",
        "office",
        "-t",
        "Fax -o raw\ufffd",
        str(tmp_path / "-rf" / "fax.pdf"),
    ]


def test_events_of_the_engine_are_read_as_text() -> None:
    """Its identities are what a far end sent; they are cleaned where they enter."""
    from softfax.engine import core
    from softfax.engine.abi import EventRecord

    record = EventRecord(type=int(EventType.NEGOTIATED), text=b"\x1b[2J49 30\x9b1m")
    assert core._event(record).text == "\ufffd[2J49 30\ufffd1m"


def test_nothing_else_decides_what_can_be_shown() -> None:
    """A second function of the kind would leave out what the first one knows."""
    package = Path(softfax.__file__).parent
    others = [
        path for path in package.rglob("*.py") if re.search(r"for \w+ in .* if \w+\.isprintable", path.read_text())
    ]
    assert [path.name for path in others if path.name != "outside.py"] == []
