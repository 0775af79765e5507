# SPDX-License-Identifier: GPL-2.0-or-later
"""The tables of older stations are brought up to date, those of newer ones refused; one station works on a database."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from pydantic import TypeAdapter

from softfax.delivery import store
from softfax.delivery.durable import Durable, database_engine, database_url
from softfax.delivery.schema import VERSION, StationLock, bring_up_to_date, schema_version
from softfax.errors import LocalError
from softfax.fax.outcome import Outcome
from softfax.model import Attempt, Direction, Fax, FaxContext, FaxResult, FaxState
from softfax.queue import rows, tables
from softfax.queue.model import FaxFilter
from softfax.queue.store import QueueStore
from softfax.station import making


def test_a_new_database_and_an_older_one(tmp_path: Path) -> None:
    engine = database_engine(database_url(tmp_path))
    with engine.connect() as connection:
        assert schema_version(connection) == 0
    store.METADATA.create_all(engine)
    names = sorted(store.METADATA.tables)
    with engine.connect() as connection:
        assert schema_version(connection) == 1
    durable = Durable(database_url(tmp_path))
    durable.prepare(tables.METADATA)
    with engine.connect() as connection:
        assert schema_version(connection) == VERSION
        assert set(names) | set(tables.METADATA.tables) <= set(sa.inspect(connection).get_table_names())
    bring_up_to_date(engine)
    durable.close()
    engine.dispose()


def test_a_newer_database_is_left_alone(tmp_path: Path) -> None:
    engine = database_engine(database_url(tmp_path))
    bring_up_to_date(engine)
    with engine.begin() as connection:
        connection.execute(sa.text("INSERT INTO softfax_schema VALUES (99, '9.9', 0)"))
    durable = Durable(database_url(tmp_path))
    with pytest.raises(
        LocalError, match=r"belongs to a newer softfax \(9\.9: tables 99; this is .*\); install that version"
    ):
        durable.prepare(tables.METADATA)
    assert tables.faxes.name not in sa.inspect(engine).get_table_names()
    durable.close()
    engine.dispose()


def test_a_locked_database_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("softfax.delivery.durable.BUSY_TIMEOUT_MS", 50)
    engine = database_engine(database_url(tmp_path))
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE held (x)"))
        connection.execute(sa.text("INSERT INTO held VALUES (1)"))
        durable = Durable(database_url(tmp_path))
        with pytest.raises(LocalError, match=r"is locked by another program; end what has it open"):
            durable.prepare(tables.METADATA)
    durable.close()
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
        "import sys; from pathlib import Path; from softfax.delivery.durable import *; from softfax.delivery.schema import *;"
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
            more = {"round_id": "", "due": 0.0, "request": "", "context": "", "told": True, "cancelled": False}
            connection.execute(tables.faxes.insert().values(**columns, **more, result_event=event))
        for attempt in attempts:
            values = rows.attempt_columns("sent", attempt)
            connection.execute(tables.attempts.insert().values(**values, dialled=True))
        connection.execute(sa.text("UPDATE softfax_schema SET version = 2"))
        connection.execute(sa.text("UPDATE softfax_faxes SET data = '{' WHERE id = 'waits'"))
    assert not bring_up_to_date(engine)
    store = QueueStore(engine, lambda *_: None)
    assert store.get("sent") == dataclasses.replace(faxes[0], attempts=attempts)
    assert [store.get(name) for name in ("gone", "came")] == faxes[1:3]
    assert list(store.list(FaxFilter()).faxes) == [faxes[2], faxes[1], faxes[0]]
    with engine.connect() as connection:
        kept = {row.id: (row.result_event, "result" in row.data) for row in connection.execute(sa.select(tables.faxes))}
    assert (kept["sent"], kept["gone"][1], bool(kept["gone"][0])) == (("", False), False, True)
    engine.dispose()


_ENDS = (("BUSY", "busy", 1486), ("CANCEL", "cancelled", 49))
