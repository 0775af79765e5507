# SPDX-License-Identifier: GPL-2.0-or-later
"""The log of a station: ids on every record, one line an event, no floods, the journal's protocol."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import socket
import sqlite3
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from softfax import logcontext
from softfax.model import (
    CallEvent,
    CallState,
    Direction,
    FaxContext,
    FaxResult,
    FaxUpdate,
    Mode,
    PageEvent,
    ProgressEvent,
)
from softfax.ops import logs
from softfax.ops.journal import JournalHandler, datagram, in_journal
from softfax.station import StationConfig

FAX = "0123456789abcdef01234567"
CONTEXT = FaxContext(
    fax_id=FAX, direction=Direction.SEND, outgoing=True, session_number=7, unique_id="1.1", channel="PJSIP/x-1",
    called_number="1234",
)  # fmt: skip
RESULT = FaxResult(
    session=7, direction=Direction.SEND, success=False, status="FAILED", error="HANGUP", status_string="the far end hung up",
    result_code=9, mode=Mode.T38, pages=1, pages_total=2, bitrate=14400, ecm=True, encoding="T.6", resolution="204x196",
    local_station_id="", remote_station_id="+49 1", bad_rows=0, duration_s=12.5, documents=["a.pdf"], call_id="abc@x",
    fax_id=FAX,
)  # fmt: skip


@pytest.fixture(autouse=True)
def _logging() -> Iterator[None]:
    """Leaves logging as it was."""
    root = logging.getLogger()
    ours = logging.getLogger("softfax")
    handlers, level, our_level = list(root.handlers), root.level, ours.level
    yield
    ours.setLevel(our_level)
    for handler in set(root.handlers) - set(handlers):
        handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    logcontext._current.set(None)
    logs._under_way.clear()


def start(path: Path, **log: object) -> logging.Logger:
    config = StationConfig.checked({"log": {"to": str(path), **log}, "callbacks": {"secret": "hidden-one"}}, "")
    logs.set_up(config, {})
    return logging.getLogger("softfax.station")


def written(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_json_with_ids_and_without_secrets(tmp_path: Path) -> None:
    file = tmp_path / "log" / "softfax.log"
    log = start(file)
    assert file.stat().st_mode & 0o777 == 0o640
    sink = logs.EventLogger()
    sink(FaxUpdate(CONTEXT, CallEvent(state=CallState.CALLING, call_id="abc@x", fax_id=FAX)))
    sink(FaxUpdate(CONTEXT, ProgressEvent(direction=Direction.SEND, page=1, bytes=10, fax_id=FAX)))
    log.error("fax %s stays in %s", FAX, "/spool")
    sink(
        FaxUpdate(
            CONTEXT,
            PageEvent(direction=Direction.SEND, number=1, bytes=9, rows=3, bad_rows=0, seconds=1.5, quality="good"),
        )
    )
    sink(FaxUpdate(CONTEXT, RESULT))
    log.info("posted to https://u:pw@x/?token=abc with hidden-one")
    try:
        raise ValueError("Authorization: Bearer hidden-one")
    except ValueError:
        log.exception("it failed")
    log.debug("not written")
    lines = written(file)
    assert [line["level"] for line in lines] == ["info", "error", "info", "warning", "info", "error"]
    assert all((line["fax_id"], line["call_id"], line["session"]) == (FAX, "abc@x", 7) for line in lines[:4]), (
        "every record of the fax has its ids"
    )
    assert lines[0]["message"] == "call to 1234: state=calling sip_code=0"
    assert lines[3]["event"]["status_string"] == "the far end hung up"  # type: ignore[index]
    assert "fax_id" not in lines[4]
    text = file.read_text()
    assert not re.search(r"hidden-one|pw@|token=abc", text)
    assert "ValueError" in str(lines[5]["exception"])
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}Z", str(line["time"])) for line in lines)


def test_a_database_that_goes_away_is_a_line(tmp_path: Path) -> None:
    log = start(tmp_path / "softfax.log")
    try:
        raise sa.exc.InternalError(
            "UPDATE softfax_faxes", {"id": FAX}, ValueError("terminating connection\nmore of it")
        )
    except sa.exc.SQLAlchemyError:
        log.exception("the upkeep of the queue failed")
    (line,) = written(tmp_path / "softfax.log")
    assert line["message"] == "the upkeep of the queue failed: the database says terminating connection"
    assert "exception" not in line


def test_an_error_of_a_database_is_its_first_line_wherever_it_stands(tmp_path: Path) -> None:
    log = start(tmp_path / "softfax.log")
    gone = sa.exc.OperationalError(
        "SELECT x", {"to": "0301234"}, ValueError("server closed the connection\nThis probably")
    )
    log.warning("fax %s gets no slot: %s", FAX, gone)
    # What goes wrong as a connection is thrown away is the driver's own.
    logging.getLogger("sqlalchemy.pool").error(
        "Exception terminating connection %r", 1, exc_info=sqlite3.OperationalError("100 % gone")
    )
    logging.getLogger("asyncio").error(f"Task exception was never retrieved, 100 %\nfuture: {gone!r}", exc_info=gone)
    log.error("fax %s is ended: %s", FAX, gone, exc_info=gone)
    lines = written(tmp_path / "softfax.log")
    assert [line["message"] for line in lines] == [
        f"fax {FAX} gets no slot: server closed the connection",
        "Exception terminating connection 1: the database says 100 % gone",
        "Task exception was never retrieved, 100 %: the database says server closed the connection",
        f"fax {FAX} is ended: server closed the connection",
    ]
    assert "exception" not in lines[1] | lines[2] | lines[3]


def test_what_a_database_says_for_many_faxes_is_counted(tmp_path: Path) -> None:
    log = start(tmp_path / "softfax.log", repeats=3)
    for number in range(9):
        log.error("fax %s is not dialled", f"{number:024x}", exc_info=sqlite3.OperationalError("database is locked"))
    assert len(written(tmp_path / "softfax.log")) == 3


def test_text(tmp_path: Path) -> None:
    file = tmp_path / "softfax.log"
    log = start(file, format="text", level="warning")
    log.warning("fax %s: %s", FAX, "two\nlines\x1b[31m")
    log.info("less")
    assert re.fullmatch(
        rf"[\d:T.-]+Z WARNING softfax.station: fax {FAX}: two\\nlines\ufffd\[31m \[fax={FAX}\]\n", file.read_text()
    )


def test_what_a_task_works_for(tmp_path: Path) -> None:
    file = tmp_path / "softfax.log"
    log = start(file)
    logcontext.fax(FAX, session=3)
    log.warning("a page is damaged")
    assert written(file)[0] | {"time": ""} == {
        "time": "", "level": "warning", "logger": "softfax.station", "message": "a page is damaged", "fax_id": FAX,
        "session": 3,
    }  # fmt: skip


def test_level_of_the_environment_wins_and_a_reload_replaces(tmp_path: Path) -> None:
    start(tmp_path / "a.log")
    config = StationConfig.checked({"log": {"to": str(tmp_path / "b.log"), "level": "error"}}, "")
    logs.set_up(config, {"SOFTFAX_LOG": "debug"})
    logging.getLogger("softfax.x").debug("seen")
    assert "seen" in (tmp_path / "b.log").read_text()
    assert not (tmp_path / "a.log").read_text()


def test_what_libraries_say_in_passing_is_not_in_the_log(tmp_path: Path) -> None:
    start(path := tmp_path / "log").info("ours")
    logging.getLogger("pikepdf._core").info("pikepdf C++ to Python logger bridge initialized")
    logging.getLogger("pikepdf._core").warning("an object is damaged")
    assert [line["message"] for line in written(path)] == ["ours", "an object is damaged"]


def test_what_the_station_says_itself_is_said_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for to, there in (("stderr", False), (str(tmp_path / "log"), True)):
        logs.set_up(StationConfig.checked({"log": {"to": to}}, ""), {})
        logging.getLogger("softfax.station").warning("pbx: 401", extra={"said": True})
        logging.getLogger("softfax.station").warning("another")
        text = capsys.readouterr().err if to == "stderr" else (tmp_path / "log").read_text()
        assert ("another" in text, "pbx: 401" in text) == (True, there)


def test_a_file_that_cannot_be_written() -> None:
    from softfax.errors import LocalError

    with pytest.raises(LocalError, match="the log /dev/null/x cannot be written"):
        start(Path("/dev/null/x"))


def test_a_flood_is_counted() -> None:
    now = [0.0]
    limit = logs.Repetition(3, lambda: now[0])

    def one(message: str = "call from %s refused", **more: object) -> str:
        record = logging.makeLogRecord({"name": "x", "levelno": 30, "msg": message, "args": ("a",), **more})
        return record.getMessage() if limit.filter(record) else ""

    said = [one() for _ in range(50)]
    assert [text for text in said if text] == ["call from a refused"] * 3
    assert one("other %s"), "other messages are not held back"
    assert all(one(event={}) for _ in range(10)), "nor are events"
    now[0] = 61.0
    assert one() == "call from a refused (and 47 more like it in 61 s)"
    assert one() == "call from a refused"


def test_the_journal_gets_fields(tmp_path: Path) -> None:
    address = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(str(address))
        handler = JournalHandler(address)
        handler.setFormatter(logging.Formatter("%(message)s"))
        record = logging.makeLogRecord(
            {"name": "softfax.x", "levelno": 40, "msg": "one\ntwo", "fax_id": FAX, "session": 7}
        )
        handler.handle(record)
        journal.settimeout(2)
        data = journal.recv(65536)
        handler.close()
    assert b"PRIORITY=3\n" in data
    assert f"SOFTFAX_FAX_ID={FAX}\n".encode() in data
    assert b"MESSAGE\n" + struct.pack("<Q", 7) + b"one\ntwo\n" in data
    assert b"\nMESSAGE=" not in data
    assert datagram(logging.makeLogRecord({"msg": "x", "levelno": 20}), "x").startswith(b"MESSAGE=x\n")


def test_a_journal_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    handler = JournalHandler(tmp_path / "none")
    handler.handle(logging.makeLogRecord({"msg": "kept", "levelno": 20}))
    handler.close()
    assert capsys.readouterr().err == "kept\n"
    assert not in_journal({"JOURNAL_STREAM": "1:2"})


def test_a_file_that_is_moved_away_is_made_anew_and_nothing_fails_where_it_cannot_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "log"
    file, moved = folder / "softfax.log", folder / "softfax.log.1"
    before = os.umask(0o022)
    try:
        log = start(file)
        log.info("one")
        file.rename(moved)
        log.info("two")
        assert ("one" in moved.read_text(), "two" in moved.read_text()) == (True, False)
        assert "two" in file.read_text()
        assert file.stat().st_mode & 0o777 == 0o640
        # As by a cleaner of old files, and as a file in the folder's place.
        shutil.rmtree(folder)
        log.info("three")
        assert "three" in file.read_text()
        shutil.rmtree(folder)
        folder.write_text("")
        log.info("four")
        assert capsys.readouterr().err.startswith(f"log {file} cannot be written (Not a directory): {{")
        folder.unlink()
        log.info("five")
        assert "five" in file.read_text()
    finally:
        os.umask(before)
