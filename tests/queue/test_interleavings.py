# SPDX-License-Identifier: GPL-2.0-or-later
"""Events between any two steps of a fax: it is neither lost, nor sent twice unsaid, and its record says what was."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from softfax.database.stations import Stations
from softfax.delivery.targets import CallbackTarget
from softfax.documents.job import RasterJob
from softfax.errors import PortInUseError
from softfax.fax.inbox import Inbox
from softfax.model import Cause, Direction, Fax, FaxContext, FaxResult, FaxState, new_fax_id
from softfax.queue import pages
from softfax.records.errors import EndedError
from softfax.records.model import Document, FaxRequest, RetryRules
from softfax.records.store import QueueStore
from softfax.station import Station, StationConfig
from tests.queue.test_queue import LIMIT_S, QUICK, Running, running
from tests.support.pages import draw_page, write_fax_tiff
from tests.support.receiver import receiver
from tests.support.simulated_calls import SimulatedCalls

pytestmark = pytest.mark.xdist_group("queue")

SOON = {**QUICK, "retry_ours_s": [0.05]}


@pytest.fixture
def letter(tmp_path: Path) -> Path:
    path = tmp_path / "letter.txt"
    path.write_text("\f".join(f"Page {n}" for n in (1, 2, 3)))
    return path


def ends(r: Running, fax_id: str) -> int:
    return sum(result.retry_at is None for result in r.results(fax_id))


def test_what_ends_before_it_is_dialled_is_a_fault_of_ours(tmp_path: Path, letter: Path) -> None:
    """No process for the call, or one that dies before the call: nobody was called, so nothing is uncertain."""

    async def run() -> None:
        async with running(tmp_path, queue={**SOON, "attempts": 1}) as r:
            for kind in ("away", "lost"):
                fax = await r.until((await r.send(kind, letter)).id)
                assert (fax.state, [a.cause for a in fax.attempts]) == (FaxState.DELIVERED, [Cause.OURS, None]), kind
                assert not any(a.resent for a in fax.attempts)
                # It is written down before it is told.
                await r.all_told()
                assert (r.far_ends.calls.count(kind), ends(r, fax.id)) == (1, 1)

    asyncio.run(run())


def test_marks_stay_until_the_page_is_confirmed(tmp_path: Path, letter: Path) -> None:
    """Pages that may be at the far end since a crash are sent marked until confirmed; a rejected page stays unconfirmed."""

    async def run() -> None:
        async with running(tmp_path, queue=SOON) as r:
            resend = RetryRules(on_uncertain="resend", attempts=9)
            fax = await r.until((await r.send("crash1+busy+cut1+ok", letter, retry=resend)).id)
            assert [(a.first_page, a.pages, a.resent) for a in fax.attempts] == [
                (1, 1, False),
                (2, 0, True),
                (2, 1, True),
                (3, 1, False),
            ]
            assert [page for _, page in r.far_ends.pages] == [1, 2, 3]
            fax = await r.until((await r.send("reject1", letter, retry=resend)).id)
            assert [(a.first_page, a.pages, a.resent) for a in fax.attempts] == [(1, 1, False), (2, 2, True)]

    asyncio.run(run())


def test_cancelled_at_any_moment(tmp_path: Path, letter: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()
    make = pages.make

    def slowly(*args: Any, **more: Any) -> pages.Made:
        go_on.wait(LIMIT_S)
        return make(*args, **more)

    async def run() -> None:
        async with running(tmp_path, queue=SOON) as r:
            monkeypatch.setattr(pages, "make", slowly)
            preparing = await r.send("ok-preparing", letter)
            await r.until(preparing.id, FaxState.PREPARING)
            await r.queue.cancel(preparing.id)
            go_on.set()
            # As the call has just failed, and its next round is not yet written down.
            looked = r.queue.store.is_cancelled

            def cancelled_after_that(fax_id: str) -> bool:
                found = looked(fax_id)
                if not found:
                    r.queue.store.cancel(fax_id)
                return found

            failed = await r.send("busy", letter)
            await r.until(failed.id, FaxState.WAITING)
            monkeypatch.setattr(r.queue.store, "is_cancelled", cancelled_after_that)
            for fax in (preparing, failed):
                fax = await r.until(fax.id)
                await r.all_told()
                assert (fax.state, fax.cause, ends(r, fax.id)) == (FaxState.CANCELLED, Cause.CANCELLED, 1)
            assert r.far_ends.calls == ["busy", "busy"]

    asyncio.run(run())


def test_a_process_for_documents_that_is_killed_is_no_bad_document(
    tmp_path: Path, letter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = RasterJob._start
    killed = []

    def killed_twice(job: RasterJob) -> subprocess.Popen[bytes]:
        process = start(job)
        if len(killed) < 2:
            killed.append(process)
            process.send_signal(signal.SIGKILL)
        return process

    async def run() -> None:
        async with running(tmp_path, queue={**SOON, "attempts": 1}) as r:
            monkeypatch.setattr(RasterJob, "_start", killed_twice)
            fax = await r.until((await r.send("ok", letter)).id)
            assert [a.cause for a in fax.attempts] == [Cause.OURS, Cause.OURS, None]
            assert r.far_ends.calls == ["ok"]

    asyncio.run(run())


def test_once_more_asked_twice_is_one_call(tmp_path: Path, letter: Path) -> None:
    async def run() -> None:
        async with running(tmp_path, queue=SOON) as r:
            fax = await r.until((await r.send("refused+ok", letter)).id)
            asked = await asyncio.gather(*(r.queue.retry(fax.id) for _ in range(5)), return_exceptions=True)
            assert [type(one) for one in asked].count(Fax) == 1
            assert all(isinstance(one, (Fax, EndedError)) for one in asked)
            assert (await r.until(fax.id)).state is FaxState.DELIVERED
            assert r.far_ends.calls == ["refused+ok", "refused+ok"]

    asyncio.run(run())


def test_a_database_that_fails_holds_the_end_back(
    tmp_path: Path, letter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Locked or full when the far end has confirmed the last page: nothing is told until it is written, and nothing is lost."""
    refused = []

    async def run() -> None:
        async with running(tmp_path, queue=SOON) as r:
            for name in ("settle", "pages"):
                whole = getattr(QueueStore, name)

                def failing(self: QueueStore, *args: Any, whole: Any = whole, name: str = name, **more: Any) -> Any:
                    if refused.count(name) < 2:
                        refused.append(name)
                        raise sa.exc.OperationalError("", {}, Exception("database or disk is full"))
                    return whole(self, *args, **more)

                monkeypatch.setattr(QueueStore, name, failing)
            fax = await r.until((await r.send("ok", letter)).id)
            await r.all_told()
            assert (fax.state, fax.pages, len(fax.attempts), ends(r, fax.id)) == (FaxState.DELIVERED, 3, 1, 1)
            assert refused == ["pages", "pages", "settle", "settle"]

    asyncio.run(run())


def test_an_end_that_is_told_again_is_the_same_event(tmp_path: Path, letter: Path) -> None:
    with receiver() as there:

        async def first() -> str:
            target = CallbackTarget(url=there.url)
            async with running(tmp_path, fax={"ident": "+49 30 1", "resolution": "standard"}) as r:
                fax = await r.until((await r.send("ok", letter, callbacks=(target,))).id)
                await r.all_told()
                # As if the station had been killed before it noted that it had told it.
                await asyncio.to_thread(r.queue.store.update, fax.id, {"told": False})
                return fax.id

        async def again() -> None:
            async with running(tmp_path) as r:
                await r.all_told()
                assert r.station.outbox is not None
                async with asyncio.timeout(LIMIT_S):
                    while (await asyncio.to_thread(r.station.outbox.store.counts))["waiting"]:
                        await asyncio.sleep(0.05)

        asyncio.run(first())
        asyncio.run(again())
        told = [q for q in there.requests if json.loads(q.body)["event"] == "result"]
        assert len({q.headers["softfax-event-id"] for q in told}) == 1


def test_every_way_is_tried_in_turn_and_a_way_may_come_back(tmp_path: Path, letter: Path) -> None:
    def tables(**more: Any) -> dict[str, Any]:
        accounts = []
        for name, number in (("one", "down-1"), ("two", "down+ok-2")):
            rule = {"match": ".*", "replace": number}
            accounts.append({"name": name, "server": f"sip:{name}.example", "number_format": "dialled", "rule": [rule]})
        return {"account": accounts, "queue": {**SOON, "attempts": 9}, **more}

    routes = {"route": [{"prefix": "5", "accounts": ["one", "two"]}]}

    async def run() -> None:
        async with running(tmp_path, **tables(**routes)) as r:
            (fax,) = await r.queue.submit([FaxRequest(to="5551", documents=(Document(path=letter),))])
            fax = await r.until(fax.id)
            assert (fax.state, [a.account for a in fax.attempts]) == (FaxState.DELIVERED, ["one", "two", "one", "two"])
            # The route goes while a fax waits, and comes back.
            (fax,) = await r.queue.submit([FaxRequest(to="5552", documents=(Document(path=letter),))])
            plain = r.station.config.model_dump(mode="json", by_alias=True)
            r.station.reload(StationConfig.checked({**plain, "route": [{"prefix": "6", "accounts": ["one"]}]}, "test"))
            async with asyncio.timeout(LIMIT_S):
                while not (fax := await r.until(fax.id, *FaxState)).reason:
                    await asyncio.sleep(0.05)
            assert "no route" in fax.reason
            assert not fax.terminal

    asyncio.run(run())


def test_the_first_come_first_where_lines_are_few(tmp_path: Path, letter: Path) -> None:
    """Faxes that wait for a line of an account, or for a number, are called by priority and then by age."""
    account: dict[str, Any] = {
        "name": "trunk",
        "server": "sip:trunk.example",
        "number_format": "dialled",
        "max_calls": 2,
    }
    account["rule"] = [{"match": "(held|ok)(.*)", "replace": r"\1-\2"}]

    def to_number(to: str, priority: int) -> FaxRequest:
        return FaxRequest(to=to, documents=(Document(path=letter),), priority=priority)

    async def run() -> None:
        async with running(tmp_path, account=[account], sip={"max_calls": 50}) as r:
            held = [(await r.queue.submit([to_number(f"held{n}", 0)]))[0].id for n in (1, 2)]
            for fax_id in held:
                await r.until(fax_id, FaxState.SENDING)
            # One that gets none in time has expired, though it would have looked by itself a minute later.
            late = to_number("ok9", 0)
            late = replace(late, deadline=datetime.now(UTC) + timedelta(seconds=2))
            (late_fax,) = await r.queue.submit([late])
            assert (await r.until(late_fax.id)).state is FaxState.EXPIRED
            orders = [("ok1", 3), ("ok1", 3), ("ok2", 3), ("ok3", 3), ("ok4", 9), ("ok1", 9)]
            faxes = [fax.id for fax in await r.queue.submit([to_number(*order) for order in orders])]
            # They have looked for a line and sleep for a minute, or will find none before others are through.
            await asyncio.sleep(1.0)
            r.far_ends.release.set()
            began = [(await r.until(fax_id)).attempts[0].started for fax_id in faxes]
            order = sorted(range(len(faxes)), key=began.__getitem__)
            assert sorted(order[:2]) == [4, 5]
            assert [n for n in order if orders[n][0] == "ok1"] == [5, 0, 1]

    asyncio.run(run())


def left_under_way(folder: Path, fax_id: str, state: str = "queued") -> None:
    """Leave a fax as a station does that has claimed it and is killed."""
    engine = sa.create_engine(f"sqlite:///{folder / 'data' / 'softfax.sqlite'}")
    with engine.begin() as connection:
        left = (
            "UPDATE softfax_faxes SET next_attempt = 1, due = 1, state = :state, held = true, token = token + 1,"
            " data = json_set(data, '$.not_before', NULL) WHERE id = :id"
        )
        assert connection.execute(sa.text(left), {"state": state, "id": fax_id}).rowcount == 1


def test_a_start_that_fails_ends_and_leaves_everything_for_the_next(
    tmp_path: Path, letter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def in_use(self: SimulatedCalls) -> None:
        await asyncio.sleep(1.0)  # what is due would have been claimed by then
        raise PortInUseError("127.0.0.1:5060 is in use")

    async def run() -> None:
        async with running(tmp_path, queue=SOON) as r:
            fax = await r.send("ok", letter, not_before=datetime.now(UTC) + timedelta(hours=1))
        left_under_way(tmp_path, fax.id)
        with monkeypatch.context() as patch:
            patch.setattr(SimulatedCalls, "start", in_use)
            async with asyncio.timeout(LIMIT_S):
                with pytest.raises(PortInUseError):
                    await running(tmp_path, queue=SOON).__aenter__()
        async with running(tmp_path, queue=SOON) as r:
            assert (await r.until(fax.id)).state is FaxState.DELIVERED

    asyncio.run(run())


def test_what_was_being_prepared_waits_for_a_line_too(tmp_path: Path, letter: Path) -> None:
    """A crash leaves two faxes to one number as being prepared: one after the other is called."""

    async def run() -> None:
        async with running(tmp_path, queue=SOON) as r:
            later = datetime.now(UTC) + timedelta(hours=1)
            faxes = [await r.send("held", letter, not_before=later) for _ in range(2)]
        for fax in faxes:
            left_under_way(tmp_path, fax.id, "preparing")
        async with running(tmp_path, queue=SOON) as r:
            async with asyncio.timeout(LIMIT_S):
                while r.far_ends.calls != ["held"] or (await r.queue.counts()).by_state.get(FaxState.PREPARING):
                    await asyncio.sleep(0.02)
            r.far_ends.release.set()
            for fax in faxes:
                assert (await r.until(fax.id)).state is FaxState.DELIVERED

    asyncio.run(run())


def being_received() -> tuple[Fax, FaxContext]:
    """A fax that is received as its station is killed."""
    context = FaxContext(
        fax_id=new_fax_id(), direction=Direction.RECEIVE, outgoing=False, session_number=1, unique_id="1.1",
        channel="PJSIP/pbx-1",
    )  # fmt: skip
    now = datetime.now(UTC)
    fax = Fax(id=context.fax_id, direction=Direction.RECEIVE, state=FaxState.RECEIVING, created=now, updated=now, to="")
    return fax, context


def test_a_received_fax_that_could_not_be_saved_is_saved_at_the_next_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full as a station starts that was receiving as it was killed."""
    salvage, tries = Station.salvage, []

    async def saved(station: Station, context: FaxContext) -> FaxResult:
        tries.append(context.fax_id)
        if len(tries) == 1:
            raise OSError("No space left on device")
        return await salvage(station, context)

    monkeypatch.setattr(Station, "salvage", saved)

    async def run() -> None:
        fax, context = being_received()
        async with running(tmp_path) as r:
            await asyncio.to_thread(r.queue.store.record, fax, context)
        async with running(tmp_path) as r:
            assert (await r.until(fax.id, FaxState.RECEIVING)).ended is None
            await r.queue.take_up()
            assert (await r.until(fax.id)).state is FaxState.FAILED
        assert tries == [fax.id] * 2

    asyncio.run(run())


def test_a_station_that_stops_as_it_saves_a_received_fax_has_its_pages_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stations that share a store have it too: the spool file is gone once the document is made."""
    deliver, begun = Inbox._deliver, threading.Event()

    def slow(inbox: Inbox, *given: Any) -> FaxResult:
        begun.set()
        time.sleep(0.5)
        return deliver(inbox, *given)

    monkeypatch.setattr(Inbox, "_deliver", slow)
    shared = {"data": {"dir": tmp_path / "data", "documents": f"file://{tmp_path}/store"}}

    fax, context = being_received()

    async def killed() -> None:
        async with running(tmp_path, **shared) as r:
            await asyncio.to_thread(r.queue.store.record, fax, context)
            write_fax_tiff(r.station.config.inbox_dir / f".{fax.id}.tif", [draw_page("received")])

    async def stopped() -> None:
        async with running(tmp_path, **shared):
            await asyncio.to_thread(begun.wait, LIMIT_S)

    async def again() -> None:
        async with running(tmp_path, **shared) as r:
            assert (await r.until(fax.id)).pages == 1
            assert await r.queue.document(fax.id) is not None

    for life in (killed, stopped, again):
        asyncio.run(life())


def test_whether_the_database_is_still_ours_is_not_asked_on_the_loop(
    tmp_path: Path, letter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL is asked over a connection, and its server may be away."""
    askers = set[threading.Thread]()
    holds = Stations.holds

    def asked(stations: Stations) -> bool:
        askers.add(threading.current_thread())
        return holds(stations)

    monkeypatch.setattr(Stations, "holds", asked)

    async def run() -> None:
        async with running(tmp_path) as r:
            assert (await r.until((await r.send("ok", letter)).id)).state is FaxState.DELIVERED

    asyncio.run(run())
    assert askers
    assert threading.current_thread() not in askers


def test_a_station_may_get_another_name(tmp_path: Path, letter: Path) -> None:
    """Faxes that were under way when a station of another name was killed go on."""

    async def run() -> None:
        async with running(tmp_path, queue=SOON) as r:
            fax = await r.send("ok", letter, not_before=datetime.now(UTC) + timedelta(hours=1))
        left_under_way(tmp_path, fax.id)
        async with running(tmp_path, data={"dir": tmp_path / "data", "name": "another"}, queue=SOON) as r:
            assert (await r.until(fax.id)).state is FaxState.DELIVERED

    asyncio.run(run())
