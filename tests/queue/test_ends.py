# SPDX-License-Identifier: GPL-2.0-or-later
"""The end of a fax is one transaction: its state, its events and its callbacks, whatever happens to the station after it."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from softfax.delivery.targets import CallbackTarget
from softfax.errors import LocalError
from softfax.model import Fax, FaxState
from softfax.records import tables
from softfax.records.store import QueueStore
from tests.queue.test_queue import Running, letter, request, running
from tests.support.receiver import Receiver, receiver

__all__ = ["letter"]

pytestmark = pytest.mark.xdist_group("queue")


def told(r: Running, fax_id: str) -> tuple[list[str], int]:
    """The last events of a fax in the log, by kind and state, and the number of callbacks of its result on disk."""
    assert r.station.outbox is not None
    events = r.queue.events._read(0, 1000, fax_id)
    callbacks = [one for one in r.station.outbox.store.list() if one.fax_id == fax_id]
    said = [f"{one.event['event']} {one.event.get('state', one.event.get('success', ''))}" for one in events]
    return said[-3:], len(callbacks)


def watched(r: Running, monkeypatch: pytest.MonkeyPatch, after: Any) -> None:
    """Call `after(fax)` when an end has been written, before the station knows."""
    settle = r.queue.store.settle

    def spy(fax: Fax, **how: Any) -> bool:
        done = settle(fax, **how)
        if fax.terminal:
            after(fax)
        return done

    monkeypatch.setattr(r.queue.store, "settle", spy)


def to(seen: Receiver) -> tuple[CallbackTarget, ...]:
    return (CallbackTarget(url=seen.url, dialect="json", events=("result",)),)


def test_what_is_told_of_an_end_is_on_disk_with_it(
    tmp_path: Path, letter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        at_its_end: dict[str, Any] = {}
        with receiver() as seen:
            async with running(tmp_path, step_s=0.01) as r:
                watched(r, monkeypatch, lambda fax: at_its_end.setdefault(fax.id, told(r, fax.id)))
                faxes = await r.queue.submit(
                    [request(n, letter, callbacks=to(seen)) for n in ("ok", "refused", "held")]
                )
                await r.until(faxes[2].id, FaxState.SENDING)
                await r.queue.cancel(faxes[2].id)
                for fax in faxes:
                    await r.until(fax.id)
                await r.all_told()
        ok, refused, cancelled = (at_its_end[fax.id] for fax in faxes)
        # In the order in which they happened, and nothing is added when the station has told it.
        assert ok == (["session Complete", "result True", "job delivered"], 1)
        assert refused == (["session Complete", "result False", "job failed"], 1)
        assert (cancelled[0][1:], cancelled[1]) == (["result False", "job cancelled"], 1)
        assert at_its_end == {fax.id: told(r, fax.id) for fax in faxes}
        assert sorted(one.headers["softfax-fax-id"] for one in seen.requests) == sorted(fax.id for fax in faxes)

    asyncio.run(run())


def test_an_end_whose_answer_got_lost_is_told_once(
    tmp_path: Path, letter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        lost: set[str] = set()

        def lose(fax: Fax) -> None:
            if fax.id not in lost:
                lost.add(fax.id)
                raise sa.exc.OperationalError("COMMIT", {}, Exception("server closed the connection unexpectedly"))

        with receiver() as seen:
            async with running(tmp_path) as r:
                watched(r, monkeypatch, lose)
                (fax,) = await r.queue.submit([request("ok", letter, callbacks=to(seen))])
                assert (await r.until(fax.id)).state is FaxState.DELIVERED
                await r.all_told()
                assert [one.retry_at for one in r.results(fax.id)] == [None]
                assert told(r, fax.id) == (["session Complete", "result True", "job delivered"], 1)
                assert len([1 for one in r.queue.events._read(0, 1000, fax.id) if one.event["event"] == "result"]) == 1
        assert lost == {fax.id}

    asyncio.run(run())


def test_faxes_wait_for_a_database_that_is_away_as_it_is_looked_for_them(
    tmp_path: Path, letter: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One line says so, not one for each fax."""

    async def run() -> None:
        async with running(tmp_path) as r:
            kept, asked = r.queue.store.kept, list[str]()

            def away(fax_id: str) -> Any:
                if threading.current_thread().name == "softfax-jobs" and len(asked) < 2:
                    asked.append(fax_id)
                    raise sa.exc.OperationalError("SELECT x", {}, Exception("server closed the connection"))
                return kept(fax_id)

            monkeypatch.setattr(r.queue.store, "kept", away)
            faxes = await r.queue.submit([request(f"ok-{n}", letter) for n in range(5)])
            for fax in faxes:
                ended = await r.until(fax.id)
                assert (ended.state, len(ended.attempts)) == (FaxState.DELIVERED, 1)
            await r.all_told()

    asyncio.run(run())
    said = [one.getMessage() for one in caplog.records if "claimed" in one.getMessage() or "slot" in one.getMessage()]
    assert said == ["no faxes can be claimed: server closed the connection"]


def test_a_database_that_goes_away_during_the_start_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any, **__: Any) -> Any:
        raise sa.exc.OperationalError("SELECT x", {}, Exception("server closed the connection\nThis probably means"))

    async def run() -> None:
        async with running(tmp_path):
            raise AssertionError("it has started")

    monkeypatch.setattr(QueueStore, "untold", away)
    with pytest.raises(LocalError) as error:
        asyncio.run(run())
    assert "cannot be used (server closed the connection); check" in str(error.value)


def test_a_corrected_end_leaves_the_first_as_it_was_told(tmp_path: Path, letter: Path) -> None:
    """The result of a call that was given up for dead is known after all: a second event, beside the first."""

    async def run() -> None:
        async with running(tmp_path) as r:
            fax = await r.send("crash1", letter)
            assert (await r.until(fax.id)).state is FaxState.UNCERTAIN
            await r.all_told()
            before = r.queue.events._read(0, 1000, fax.id)
            with r.queue.store.engine.begin() as connection:
                r.queue.events.keep(connection, fax.id, 1)
                connection.execute(tables.attempts.update().values(result='{"event": "another"}'))
            assert r.queue.events._read(0, 1000, fax.id) == before

    asyncio.run(run())
