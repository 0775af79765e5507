# SPDX-License-Identifier: GPL-2.0-or-later
"""The tables of older stations are brought up to date, those of newer ones refused; one station works on a database."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import TypeAdapter

from softfax.database.database import Database, database_engine, database_url
from softfax.database.schema import VERSION, StationLock, bring_up_to_date, schema_version
from softfax.delivery import store
from softfax.delivery.targets import CallbackTarget
from softfax.errors import LocalError
from softfax.fax.outcome import Outcome
from softfax.model import Attempt, Direction, Fax, FaxContext, FaxResult, FaxState
from softfax.records import rows, tables
from softfax.records.model import FaxFilter
from softfax.records.store import QueueStore
from softfax.station import making


def test_a_new_database_and_an_older_one(tmp_path: Path) -> None:
    engine = database_engine(database_url(tmp_path))
    with engine.connect() as connection:
        assert schema_version(connection) == 0
    store.METADATA.create_all(engine)
    names = sorted(store.METADATA.tables)
    with engine.connect() as connection:
        assert schema_version(connection) == 1
    database = Database(database_url(tmp_path))
    database.prepare(tables.METADATA)
    with engine.connect() as connection:
        assert schema_version(connection) == VERSION
        assert set(names) | set(tables.METADATA.tables) <= set(sa.inspect(connection).get_table_names())
    bring_up_to_date(engine)
    database.close()
    engine.dispose()


def test_a_newer_database_is_left_alone(tmp_path: Path) -> None:
    engine = database_engine(database_url(tmp_path))
    bring_up_to_date(engine)
    with engine.begin() as connection:
        connection.execute(sa.text("INSERT INTO softfax_schema VALUES (99, '9.9', 0)"))
    database = Database(database_url(tmp_path))
    with pytest.raises(
        LocalError, match=r"belongs to a newer softfax \(9\.9: tables 99; this is .*\); install that version"
    ):
        database.prepare(tables.METADATA)
    assert tables.faxes.name not in sa.inspect(engine).get_table_names()
    database.close()
    engine.dispose()


def test_a_locked_database_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("softfax.database.database.BUSY_TIMEOUT_MS", 50)
    engine = database_engine(database_url(tmp_path))
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE held (x)"))
        connection.execute(sa.text("INSERT INTO held VALUES (1)"))
        database = Database(database_url(tmp_path))
        with pytest.raises(LocalError, match=r"is locked by another program; end what has it open"):
            database.prepare(tables.METADATA)
    database.close()
    engine.dispose()


def test_one_station_on_a_database(tmp_path: Path) -> None:
    url = database_url(tmp_path)
    engine = database_engine(url)
    first, second = StationLock(url, engine), StationLock(url, engine)
    first.acquire()
    with pytest.raises(LocalError, match=r"another station runs on this database \(process \d+\)"):
        second.acquire(0.0)
    first.release()
    second.acquire(0.0)
    second.release()
    holder = (
        "import sys; from pathlib import Path; from softfax.database.database import *; from softfax.database.schema import *;"
        f"url = {url!r}; lock = StationLock(url, database_engine(url)); lock.acquire(); print('held', flush=True);"
        "sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        with pytest.raises(LocalError, match=f"process {child.pid}"):
            first.acquire(0.0)
        child.kill()
        child.wait(10)
        # The lock goes with its process.
        first.acquire()
        first.release()
    engine.dispose()


def test_results_of_version_2_are_kept_once(tmp_path: Path) -> None:
    """Faxes of a station of before stay as they were: sent at the second attempt, cancelled without a call, received, damaged."""
    now = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
    context = FaxContext(
        fax_id="", direction=Direction.SEND, outgoing=True, session_number=1, unique_id="1.1", channel="x"
    )
    failed, cancelled = (making.failed(context, Outcome(False, *why), 1.5) for why in _ENDS)
    failed, cancelled = (dataclasses.replace(one, pages_total=2) for one in (failed, cancelled))
    done = dataclasses.replace(failed, success=True, status="SUCCESS", pages=2, attempt=2)
    attempts = tuple(
        Attempt(number=n, started=now, ended=now, result=result) for n, result in enumerate((failed, done), 1)
    )
    faxes = [
        Fax(id="sent", direction=Direction.SEND, state=FaxState.DELIVERED, created=now, updated=now, to="1", result=done),
        Fax(id="gone", direction=Direction.SEND, state=FaxState.CANCELLED, created=now, updated=now, to="1", result=cancelled),
        Fax(id="came", direction=Direction.RECEIVE, state=FaxState.RECEIVED, created=now, updated=now, to="1", result=done),
        Fax(id="waits", direction=Direction.SEND, state=FaxState.QUEUED, created=now, updated=now, to="1"),
    ]  # fmt: skip
    engine = database_engine(database_url(tmp_path))
    bring_up_to_date(engine)
    tables.METADATA.create_all(engine)
    with engine.begin() as connection:
        for fax in faxes:
            columns = rows.columns(fax)
            result = fax.result.to_json() if fax.result else None
            columns["data"] = json.dumps({**json.loads(columns["data"]), "result": result})
            event = TypeAdapter(FaxResult).dump_json(fax.result).decode() if fax.result else ""
            more = {"due": 0.0, "request": "", "context": "", "told": True, "cancelled": False}
            connection.execute(tables.faxes.insert().values(**columns, **more, result_event=event))
        for attempt in attempts:
            values = rows.attempt_columns("sent", attempt)
            connection.execute(tables.attempts.insert().values(**values, dialled=True))
        connection.execute(sa.text("UPDATE softfax_schema SET version = 2"))
        connection.execute(sa.text("UPDATE softfax_faxes SET data = '{' WHERE id = 'waits'"))
    assert not bring_up_to_date(engine)
    store = QueueStore(engine)
    assert store.get("sent") == dataclasses.replace(faxes[0], attempts=attempts)
    assert [store.get(name) for name in ("gone", "came")] == faxes[1:3]
    assert list(store.list(FaxFilter()).faxes) == [
        faxes[2],
        faxes[1],
        dataclasses.replace(faxes[0], attempts=attempts),
    ]
    with engine.connect() as connection:
        kept = {row.id: (row.result_event, "result" in row.data) for row in connection.execute(sa.select(tables.faxes))}
    assert (kept["sent"], kept["gone"][1], bool(kept["gone"][0])) == (("", False), False, True)
    engine.dispose()


#: What version 4 did away with, and what it added, backwards.
_VERSION_3 = """
DROP INDEX softfax_faxes_due; DROP INDEX softfax_faxes_held; DROP INDEX softfax_faxes_order; DROP INDEX softfax_faxes_deadline;
DROP INDEX softfax_callback_sequences_due; DROP INDEX softfax_callback_sequences_held;
ALTER TABLE softfax_faxes ADD COLUMN round_id VARCHAR(64) NOT NULL DEFAULT '';
ALTER TABLE softfax_faxes DROP COLUMN token; ALTER TABLE softfax_faxes DROP COLUMN held; ALTER TABLE softfax_faxes DROP COLUMN deadline;
CREATE INDEX softfax_faxes_round ON softfax_faxes (round_id);
CREATE INDEX softfax_faxes_turn ON softfax_faxes (priority DESC, seq) WHERE round_id != '';
ALTER TABLE softfax_callback_sequences ADD COLUMN round_id VARCHAR(120) NOT NULL DEFAULT '';
ALTER TABLE softfax_callback_sequences ADD COLUMN generation BIGINT NOT NULL DEFAULT 1;
ALTER TABLE softfax_callback_sequences DROP COLUMN due; ALTER TABLE softfax_callback_sequences DROP COLUMN token;
ALTER TABLE softfax_callback_sequences DROP COLUMN held;
ALTER TABLE softfax_faxes DROP COLUMN station; ALTER TABLE softfax_callback_sequences DROP COLUMN station;
CREATE INDEX ix_softfax_callback_sequences_round_id ON softfax_callback_sequences (round_id);
CREATE TABLE workflow_status (workflow_uuid TEXT PRIMARY KEY, status TEXT);
CREATE TABLE operation_outputs (workflow_uuid TEXT REFERENCES workflow_status (workflow_uuid) ON DELETE CASCADE);
CREATE TABLE softfax_mail_reports (
    id VARCHAR(40) PRIMARY KEY, fax_id VARCHAR(24) NOT NULL, address VARCHAR(400) NOT NULL, state VARCHAR(10) NOT NULL,
    round_id VARCHAR(60) NOT NULL, attempts INTEGER NOT NULL, begun FLOAT NOT NULL, ended FLOAT NOT NULL, problem TEXT NOT NULL);
INSERT INTO softfax_mail_reports VALUES ('a', 'f', 'x@y', 'waiting', 'a.mail.1', 0, 1, 0, ''), ('b', 'f', 'x@y', 'sent', 'b.mail.1', 1, 1, 2, '');
INSERT INTO workflow_status VALUES ('late.1', 'DELAYED'); INSERT INTO operation_outputs VALUES ('late.1');
UPDATE softfax_schema SET version = 3;
"""


def test_what_waits_in_version_3_is_due(tmp_path: Path) -> None:
    what_waits_in_version_3_is_due(database_url(tmp_path))


def what_waits_in_version_3_is_due(url: str) -> None:
    """Faxes, callbacks and reports that waited for a round are jobs; their rounds, and the workflows, are gone."""
    now = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
    engine = database_engine(url)
    bring_up_to_date(engine)
    tables.METADATA.create_all(engine)
    store.METADATA.create_all(engine)
    states = {"late": FaxState.QUEUED, "busy": FaxState.WAITING, "made": FaxState.PREPARING, "done": FaxState.DELIVERED}
    faxes = [Fax(id=name, direction=Direction.SEND, state=state, created=now, updated=now, to="1", deadline=now)
             for name, state in states.items()]  # fmt: skip
    target = CallbackTarget(url="http://example.com/")
    callbacks = [store.Callback(target=target, fax_id=name, event_id="e", body=b"{}") for name in ("late", "done")]
    with engine.begin() as connection:
        for fax in faxes:
            columns = rows.columns(fax)
            columns["data"] = json.dumps({**json.loads(columns["data"]), "deadline": columns.pop("deadline")})
            due = 5e9 if fax.id == "late" else 1.0 if not fax.terminal else 0.0
            more = {"due": due, "request": "", "context": "{}", "told": True, "cancelled": False, "result_event": ""}
            connection.execute(tables.faxes.insert().values(**columns, **more))
    outbox = store.Store(engine)
    outbox.put(callbacks)
    outbox.ended(2, store.DELIVERED, 1, 200, "")
    with engine.begin() as connection:
        for statement in (*_VERSION_3.split(";"), "UPDATE softfax_faxes SET round_id = id || '.1' WHERE due > 0"):
            if statement.strip():
                connection.execute(sa.text(statement))

    database = Database(url)
    database.prepare(tables.METADATA)
    database.prepare(store.METADATA)

    def rows_of(query: str) -> dict[str, tuple[Any, ...]]:
        with engine.connect() as connection:
            return {row[0]: tuple(row[1:]) for row in connection.execute(sa.text(query))}

    jobs = rows_of("SELECT id, due, held, token, station FROM softfax_faxes")
    assert jobs == {
        "late": (5e9, 0, 0, ""), "busy": (1.0, 0, 0, ""), "made": (1.0, 1, 0, ""), "done": (0.0, 0, 0, ""),
    }  # fmt: skip
    assert rows_of("SELECT fax_id, due > 0 FROM softfax_callback_sequences") == {"late": (1,), "done": (0,)}
    assert rows_of("SELECT id, due > 0 FROM softfax_mail_reports") == {"a": (1,), "b": (0,)}
    tables_left = sa.inspect(engine).get_table_names()
    if url.startswith("sqlite"):
        assert not {"workflow_status", "operation_outputs"} & set(tables_left)
    left = {index["name"] for index in sa.inspect(engine).get_indexes("softfax_faxes")}
    assert not left & {"softfax_faxes_round", "softfax_faxes_turn"}
    assert {"softfax_faxes_due", "softfax_faxes_held"} <= left
    assert [QueueStore(engine).get(fax.id) for fax in faxes] == faxes
    database.close()
    engine.dispose()


_ENDS = (("BUSY", "busy", 1486), ("CANCEL", "cancelled", 49))
