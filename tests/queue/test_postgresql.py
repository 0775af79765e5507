# SPDX-License-Identifier: GPL-2.0-or-later
"""The queue on PostgreSQL: the same faxes come to the same ends as on SQLite, in order, and go on after a restart."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from softfax.database import postgresql as limits
from softfax.database import stations
from softfax.database.away import is_away
from softfax.database.database import Database, database_url
from softfax.database.schema import StationLock, one_at_a_time
from softfax.model import Cause, FaxState
from tests.queue.test_queue import LIMIT_S, QUICK, running
from tests.support.postgresql import postgresql
from tests.unit.database.test_schema import what_waits_in_version_3_is_due

LIMITS = {"idle_in_transaction_session_timeout": "5s", "lock_timeout": "4s", "statement_timeout": "10s"}


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    with postgresql() as url:
        yield url


def test_faxes_end_wait_and_go_on(database: str, tmp_path: Path) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_text("One\fTwo\fThree")
    tables: dict[str, Any] = {
        "data": {"dir": tmp_path / "data", "url": database},
        "queue": {**QUICK, "give_up_s": 3600},
    }

    async def first() -> str:
        async with running(tmp_path, **tables) as r:
            numbers = ("ok", "busy", "refused", "cut2", "crash1")
            faxes = {number: await r.send(number, letter) for number in numbers}
            ended = {number: await r.until(fax.id) for number, fax in faxes.items()}
            assert {n: (f.state, f.cause, len(f.attempts), f.pages) for n, f in ended.items()} == {
                "ok": (FaxState.DELIVERED, None, 1, 3),
                "busy": (FaxState.FAILED, Cause.BUSY, 3, 0),
                "refused": (FaxState.FAILED, Cause.REFUSED, 1, 0),
                "cut2": (FaxState.DELIVERED, None, 2, 3),
                "crash1": (FaxState.UNCERTAIN, Cause.CRASH, 1, 1),
            }
            held = await r.send("held", letter, deadline=datetime.now(UTC) + timedelta(hours=1))
            await r.until(held.id, FaxState.SENDING)
            # The number has no channel slot for another.
            late = await r.send("held", letter, deadline=datetime.now(UTC) + timedelta(seconds=4))
            assert (await r.until(late.id)).state is FaxState.EXPIRED
            waiting = await r.send("ok-later", letter, not_before=datetime.now(UTC) + timedelta(hours=1))
            cancelled = await r.send("ok-never", letter, not_before=datetime.now(UTC) + timedelta(hours=1))
            assert (await r.queue.cancel(cancelled.id)).state is FaxState.CANCELLED
            await asyncio.to_thread(r.queue.store.clock_set, -7200.0)
            r.far_ends.release.set()
            assert (await r.until(held.id)).state is FaxState.DELIVERED
            return waiting.id

    async def again(fax_id: str) -> None:
        engine = sa.create_engine(database_url(tmp_path, database))
        left = sa.text(
            "UPDATE softfax_faxes SET held = true, state = 'preparing', due = 1,"
            " data = (data::jsonb - 'not_before' || '{\"not_before\": null}')::text WHERE id = :id"
        )
        with engine.begin() as connection:
            assert connection.execute(left, {"id": fax_id}).rowcount == 1
        engine.dispose()
        async with running(tmp_path, **tables) as r:
            assert (await r.until(fax_id)).state is FaxState.DELIVERED

    asyncio.run(again(asyncio.run(first())))


def test_a_station_that_lost_its_lock_calls_nobody(database: str, tmp_path: Path) -> None:
    """A failover of the server: the session that has the lock is ended, and another station is quicker to take it."""
    letter = tmp_path / "letter.txt"
    letter.write_text("One")
    url = database_url(tmp_path, database)

    async def run() -> None:
        async with running(tmp_path, data={"dir": tmp_path / "data", "url": database}) as r:
            held = await r.send("held", letter)
            await r.until(held.id, FaxState.SENDING)
            engine = sa.create_engine(url)
            other = StationLock(url, engine)
            taking = asyncio.ensure_future(asyncio.to_thread(other.acquire, 60.0))
            await asyncio.sleep(1.0)
            with engine.begin() as connection:
                ended = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid != pg_backend_pid()"
                assert connection.execute(sa.text(ended)).rowcount >= 1
            await taking
            async with asyncio.timeout(LIMIT_S):
                while r.station.database.jobs.may():  # type: ignore[union-attr]
                    await asyncio.sleep(0.1)
            waiting = await r.send("ok", letter)
            # What is under way goes on, and is written down.
            r.far_ends.release.set()
            assert (await r.until(held.id)).state is FaxState.DELIVERED
            await asyncio.sleep(2.0)
            assert (await r.queue.get(waiting.id)).state is FaxState.QUEUED  # type: ignore[union-attr]
            assert r.far_ends.calls == ["held"]
            await asyncio.to_thread(other.release)
            assert (await r.until(waiting.id)).state is FaxState.DELIVERED
            engine.dispose()

    asyncio.run(run())


def test_a_database_of_before(database: str, tmp_path: Path) -> None:
    with sa.create_engine(database_url(tmp_path, database), isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(sa.text("CREATE DATABASE before"))
    what_waits_in_version_3_is_due(database_url(tmp_path, database.replace("/postgres", "/before")))


def test_a_server_that_hangs_is_one_that_is_lost(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its system keeps the connection, so that nothing else would end the wait."""
    monkeypatch.setattr(limits, "ANSWER_S", 1.0)
    made = Database(database_url(tmp_path, database))
    nap = sa.text("SELECT pg_sleep(2.5)")
    with made.engine.connect() as connection:
        pid = connection.execute(sa.text("SELECT pg_backend_pid()")).scalar_one()
        os.kill(pid, signal.SIGSTOP)
        try:
            with pytest.raises(sa.exc.OperationalError, match="the server has not answered for 1 s") as lost:
                connection.execute(sa.text("SELECT 1"))
        finally:
            os.kill(pid, signal.SIGCONT)
    assert is_away(lost.value)
    # What brings tables up to date may take its time; what uses the same connection next may not.
    with made.engine.begin() as connection:
        one_at_a_time(connection)
        connection.execute(nap)
    with pytest.raises(sa.exc.OperationalError, match="has not answered"), made.engine.begin() as connection:
        connection.execute(nap)
    made.engine.dispose()


def test_an_answer_that_comes_slowly_is_one(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait as long as something comes, however long all of it takes."""
    monkeypatch.setattr(limits, "ANSWER_S", 1.0)
    made = Database(database_url(tmp_path, database))
    slowly = sa.text("SELECT repeat('x', 20000), pg_sleep(0.3) FROM generate_series(1, 8)")
    with made.engine.connect() as connection:
        assert len(connection.execute(slowly).all()) == 8
    made.engine.dispose()


def test_what_a_station_said_is_heard_again_where_the_database_did_not_let_it_be_taken(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stations, "BEAT_S", 0.5)
    url = database_url(tmp_path, database)
    with sa.create_engine(url, isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(sa.text("CREATE DATABASE heard"))
    url = url.replace("/postgres", "/heard")
    made, heard = Database(url, name="one", folder=tmp_path), list[str]()

    def listen(what: str) -> None:
        heard.append(what)
        if what == "said":
            raise sa.exc.OperationalError("SELECT", {}, Exception("server closed the connection"))

    made.prepare(sa.MetaData())
    try:
        made.stations.listeners.append(listen)
        end = time.monotonic() + LIMIT_S
        while "said" not in heard or heard[-1] != stations.GONE:
            assert time.monotonic() < end, heard
            if "said" not in heard:
                with made.engine.begin() as connection:
                    stations.notify(connection, "said")
            time.sleep(0.1)
    finally:
        made.close()


def test_a_transaction_that_is_held_is_ended(database: str, tmp_path: Path) -> None:
    """Locks of a station that is halted end after some seconds."""
    made = Database(database_url(tmp_path, database))
    with made.engine.connect() as connection:
        found = {name: connection.execute(sa.text(f"SHOW {name}")).scalar() for name in LIMITS}
    made.engine.dispose()
    assert found == LIMITS
