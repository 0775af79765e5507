# SPDX-License-Identifier: GPL-2.0-or-later
"""A station's queue on a real database and real claims, with simulated far ends that count what reaches them."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from softfax.delivery.targets import CallbackTarget
from softfax.errors import DocumentError, DoNotFaxError, UsageError
from softfax.model import BroadcastEvent, Cause, Direction, Fax, FaxResult, FaxState, FaxUpdate, JobEvent
from softfax.queue.queue import FaxQueue
from softfax.records import tables
from softfax.records.errors import EndedError, IdempotencyError, NoFaxError
from softfax.records.model import Document, FaxFilter, FaxRequest, RetryRules
from softfax.station import FaxOrder, Station
from tests.support.pdf_pages import pdf, text
from tests.support.receiver import receiver
from tests.support.simulated_calls import FarEnds, SimulatedCalls

QUICK = {
    "retry_busy_s": [0.05],
    "retry_no_answer_s": [0.05],
    "retry_training_s": [0.05],
    "retry_broken_s": [0.05],
    "retry_not_fax_s": [0.05],
    "retry_unreachable_s": [0.05],
    "attempts": 3,
}
LIMIT_S = 90.0


class Running:
    """A station with a queue, and what it told."""

    def __init__(self, station: Station, queue: FaxQueue, far_ends: FarEnds) -> None:
        self.station, self.queue, self.far_ends = station, queue, far_ends
        self.updates: list[FaxUpdate] = []
        station.subscribe(self.updates.append)

    async def send(self, to: str, *files: Path, **more: Any) -> Fax:
        (fax,) = await self.queue.submit([request(to, *files, **more)])
        return fax

    async def until(self, fax_id: str, *states: FaxState) -> Fax:
        async with asyncio.timeout(LIMIT_S):
            while True:
                fax = await self.queue.get(fax_id)
                if fax is not None and (fax.state in states if states else fax.terminal):
                    return fax
                await asyncio.sleep(0.02)

    async def all_told(self) -> None:
        async with asyncio.timeout(LIMIT_S):
            while await asyncio.to_thread(self.queue.store.untold):
                await asyncio.sleep(0.02)

    def results(self, fax_id: str) -> list[FaxResult]:
        return [u.event for u in self.updates if u.context.fax_id == fax_id and isinstance(u.event, FaxResult)]

    def states(self, fax_id: str) -> list[str]:
        return [u.event.state for u in self.updates if u.context.fax_id == fax_id and isinstance(u.event, JobEvent)]


@asynccontextmanager
async def running(
    folder: Path, step_s: float = 0.0, far_ends: FarEnds | None = None, **tables: Any
) -> AsyncIterator[Running]:
    far_ends = far_ends or FarEnds()
    config = {
        "data": {"dir": folder / "data"},
        "fax": {"header": "Clinic", "resolution": "standard"},
        "queue": QUICK,
        "callbacks": {"allow_private": True},
        **tables,
    }
    station = Station(config, calls=partial(SimulatedCalls, far_ends=far_ends, step_s=step_s))
    queue = FaxQueue(station)
    async with station:
        yield Running(station, queue, far_ends)


def request(to: str, *files: Path, **more: Any) -> FaxRequest:
    return FaxRequest(to=f"sip:{to}@far.example", documents=tuple(Document(path=f, name=f.name) for f in files), **more)


@pytest.fixture
def letter(tmp_path: Path) -> Path:
    path = tmp_path / "letter.txt"
    path.write_text("\f".join(f"Page {n}" for n in (1, 2, 3)))
    return path


def test_what_becomes_of_faxes(tmp_path: Path, letter: Path) -> None:
    async def run() -> None:
        async with running(tmp_path) as r:
            numbers = ("ok", "busy", "noanswer", "refused", "notfax", "train", "cut2", "crash1")
            faxes = {number: await r.send(number, letter) for number in numbers}
            ended = {number: await r.until(fax.id) for number, fax in faxes.items()}
            await r.all_told()  # a result is on disk before it is reported
            said = {n: (f.state, f.cause, len(f.attempts), f.pages) for n, f in ended.items()}
            assert said == {
                "ok": (FaxState.DELIVERED, None, 1, 3),
                "busy": (FaxState.FAILED, Cause.BUSY, 3, 0),
                "noanswer": (FaxState.FAILED, Cause.NO_ANSWER, 3, 0),
                "refused": (FaxState.FAILED, Cause.REFUSED, 1, 0),
                "notfax": (FaxState.FAILED, Cause.NOT_FAX, 2, 0),
                "train": (FaxState.FAILED, Cause.TRAINING, 3, 0),
                "cut2": (FaxState.DELIVERED, None, 2, 3),
                "crash1": (FaxState.UNCERTAIN, Cause.CRASH, 1, 1),
            }
            # A fax that broke off went on at the third page, and said so.
            assert [page for number, page in r.far_ends.pages if number == "cut2"] == [1, 2, 3]
            cut = ended["cut2"]
            assert [(a.first_page, a.pages, a.cause) for a in cut.attempts] == [(1, 2, Cause.BROKEN), (3, 1, None)]
            assert [h for n, h in zip(r.far_ends.calls, r.far_ends.headers, strict=True) if n == "cut2"] == [
                "Clinic False",
                "Clinic True",
            ]
            first, last = r.results(cut.id)
            assert (first.attempt, first.pages, first.pages_total, first.success) == (1, 2, 3, False)
            assert first.retry_at is not None
            assert (last.attempt, last.pages, last.retry_at, last.success) == (2, 3, None, True)
            assert last.documents == ["letter.txt"]
            assert r.states(cut.id) == [
                "queued",
                "preparing",
                "sending",
                "waiting",
                "preparing",
                "sending",
                "delivered",
            ]
            # Each has one end, also in the record.
            await r.all_told()
            assert all(sum(x.retry_at is None for x in r.results(f.id)) == 1 for f in faxes.values())
            assert ended["busy"].remedy
            await r.all_told()
            pdf = await r.queue.document(cut.id)
            assert pdf is not None
            assert pdf.read_bytes().startswith(b"%PDF")
            async with asyncio.timeout(LIMIT_S):
                # What is told is in the log a moment later.
                while True:
                    logged = await r.queue.events.since(0, fax_id=cut.id)
                    if [e.event["event"] for e in logged].count("result") == 2:
                        break
                    await asyncio.sleep(0.05)
            assert [e.id for e in logged] == sorted({e.id for e in logged})
            # A result is kept once, with the attempt it is of; the log of events names it.
            told = [{**result.to_json(), "fax_id": cut.id} for result in r.results(cut.id)]
            async with asyncio.timeout(LIMIT_S):
                while (await asyncio.to_thread(_bodies, r, cut.id)).count("stored") != 2:
                    await asyncio.sleep(0.05)
            assert "status_string" not in await asyncio.to_thread(_bodies, r, cut.id)
            logged = await r.queue.events.since(0, fax_id=cut.id)
            assert [e.event for e in logged if e.event["event"] == "result"] == told

    asyncio.run(run())


def _bodies(r: Running, fax_id: str) -> str:
    """Return what the log of events has of a fax, and the row of the fax."""
    assert r.station.database is not None
    events, faxes = tables.events.c, tables.faxes.c
    with r.station.database.engine.connect() as connection:
        found = connection.execute(sa.select(events.body).where(events.fax_id == fax_id)).scalars().all()
        row = connection.execute(sa.select(faxes.data, faxes.result_event).where(faxes.id == fax_id)).one()
    return "\n".join([*found, *row])


def test_asking_refusing_cancelling_and_trying_once_more(tmp_path: Path, letter: Path) -> None:
    async def run() -> None:
        async with running(tmp_path, step_s=0.3) as r:
            # The same key gives the same faxes; with another request it is an error.
            one = await r.queue.submit([request("ok-key", letter)], key="k", body_hash="1")
            assert [f.id for f in await r.queue.submit([request("ok-key", letter)], key="k", body_hash="1")] == [
                one[0].id
            ]
            with pytest.raises(IdempotencyError):
                await r.queue.submit([request("ok-key", letter)], key="k", body_hash="2")
            await r.queue.forbid("sip:ok-not@far.example", "asked us")
            with pytest.raises(DoNotFaxError):
                await r.send("ok-not", letter)
            assert await r.queue.allow("ok-not")
            for bad in (
                replace(request("ok", letter), to="not a number @"),
                request("ok"),
                request("ok", letter, not_before=datetime.now(UTC) + timedelta(days=1), deadline=datetime.now(UTC)),
            ):
                with pytest.raises(UsageError):
                    await r.queue.submit([bad])
            with pytest.raises(DocumentError):
                await r.send("ok", tmp_path / "none.pdf")
            # Waiting, and under way.
            later = await r.send("ok-later", letter, not_before=datetime.now(UTC) + timedelta(hours=1))
            assert (await r.queue.cancel(later.id)).state is FaxState.CANCELLED
            now = await r.send("ok-now", letter)
            await r.until(now.id, FaxState.SENDING)
            await r.queue.cancel(now.id)
            ended = await r.until(now.id)
            assert (ended.state, ended.cause) == (FaxState.CANCELLED, Cause.CANCELLED)
            # While its pages are made: it stays the fax that was ordered.
            long = tmp_path / "long.txt"
            long.write_text("\f".join(f"Page {n}" for n in range(1, 9)))
            early = await r.send("ok-early", long, tags={"matter": "17"})
            await r.until(early.id, FaxState.PREPARING)
            await r.queue.cancel(early.id)
            await r.until(early.id)
            await r.all_told()
            await r.queue.recorder.written()
            ended = await r.until(early.id)
            assert (ended.state, ended.created, ended.tags) == (FaxState.CANCELLED, early.created, {"matter": "17"})
            assert "ok-early" not in r.far_ends.calls
            with pytest.raises(EndedError):
                await r.queue.cancel(now.id)
            with pytest.raises(NoFaxError):
                await r.queue.cancel("0" * 24)
            assert [len([x for x in r.results(f.id) if x.retry_at is None]) for f in (later, now)] == [1, 1]
            context = next(u.context for u in r.updates if u.context.fax_id == later.id)
            assert re.fullmatch(r"\d+\.\d+", context.unique_id)
            # Nobody has counted its pages; the key is there all the same.
            assert r.results(later.id)[0].to_json()["pages_total"] == 0
            # Once more, from where it was.
            again = await r.queue.retry(now.id)
            assert again.state is FaxState.WAITING
            assert (await r.until(now.id)).state is FaxState.DELIVERED
            with pytest.raises(EndedError):
                await r.queue.retry(now.id)
            with pytest.raises(EndedError):
                await r.queue.retry(one[0].id) if (await r.until(one[0].id)) else None
            bad_file = tmp_path / "bad.pdf"
            bad_file.write_bytes(b"%PDF-1.4 nothing")
            bad_fax = await r.until((await r.send("ok-bad", bad_file)).id)
            assert (bad_fax.state, bad_fax.cause) == (FaxState.FAILED, Cause.DOCUMENT)
            assert "ok-bad" not in r.far_ends.calls
            # Looking and forgetting.
            sent = await r.queue.list(FaxFilter(states=frozenset({FaxState.DELIVERED}), limit=1))
            assert (len(sent.faxes), bool(sent.cursor)) == (1, True)
            rest = await r.queue.list(FaxFilter(states=frozenset({FaxState.DELIVERED}), limit=1, cursor=sent.cursor))
            assert {sent.faxes[0].id, rest.faxes[0].id} == {one[0].id, now.id}
            assert [f.id for f in (await r.queue.list(FaxFilter(text="ok-BAD letter"))).faxes] == []
            assert [f.id for f in (await r.queue.list(FaxFilter(text="OK-bad"))).faxes] == [bad_fax.id]
            folder = r.queue.folder / now.id
            assert folder.is_dir()
            await r.queue.erase(now.id)
            assert (await r.queue.get(now.id), folder.exists()) == (None, False)

    asyncio.run(run())


def test_times_and_priority_of_a_fax_that_waits(tmp_path: Path, letter: Path) -> None:
    async def run() -> None:
        now = datetime.now(UTC)
        async with running(tmp_path, step_s=0.3) as r:
            later = await r.send("ok-later", letter, not_before=now + timedelta(hours=1), tags={"matter": "17"})
            day = now + timedelta(days=1)
            moved = await r.queue.update(later.id, not_before=day, deadline=day + timedelta(hours=1), priority=9)
            assert (moved.priority, moved.not_before, moved.next_attempt, moved.tags) == (9, day, day, {"matter": "17"})
            with pytest.raises(UsageError, match="before its deadline"):
                await r.queue.update(later.id, deadline=now + timedelta(hours=2))
            assert (await r.queue.get(later.id)).deadline == day + timedelta(hours=1)
            # A claim on what was read before comes too late.
            stale = await asyncio.to_thread(r.queue.store.kept, later.id)
            await r.queue.update(later.id, priority=1)
            with r.queue.store.engine.begin() as connection:
                assert r.queue.store.begin(connection, stale, None) is None
            # Now: it is called at once, and what is called or has ended is not moved any more.
            await r.queue.update(later.id, not_before=now)
            await r.until(later.id, FaxState.SENDING)
            with pytest.raises(EndedError):
                await r.queue.update(later.id, priority=3)
            assert (await r.until(later.id)).state is FaxState.DELIVERED
            with pytest.raises(EndedError):
                await r.queue.update(later.id, not_before=day)
        # It is on disk as it was changed.
        async with running(tmp_path, step_s=0.3) as r:
            assert (await r.queue.get(later.id)).priority == 1

    asyncio.run(run())


def test_a_broadcast_is_drawn_once_and_numbers_are_called_one_at_a_time(tmp_path: Path, letter: Path) -> None:
    async def run() -> None:
        async with running(tmp_path, step_s=0.05, sip={"max_calls": 4}) as r:
            requests = [request(f"ok-{n % 5}", letter, broadcast_id="b" * 24, priority=n % 10) for n in range(15)]
            faxes = await r.queue.submit(requests)
            for fax in faxes:
                assert (await r.until(fax.id)).state is FaxState.DELIVERED
            assert len(list((r.queue.folder / ("b" * 24)).glob("fax-*.tif"))) == 1
            assert r.station._host.most <= 4  # type: ignore[union-attr]
            assert len(r.far_ends.pages) == 45
            counts = await r.queue.counts()
            assert (dict(counts.by_state), counts.due) == ({FaxState.DELIVERED: 15}, 0)

    asyncio.run(run())


def test_the_end_of_a_broadcast_is_told_once(tmp_path: Path, letter: Path) -> None:
    def ends(r: Running) -> list[BroadcastEvent]:
        return [u.event for u in r.updates if isinstance(u.event, BroadcastEvent)]

    async def run() -> None:
        with receiver() as seen:
            target = CallbackTarget(url=seen.url, events=("broadcast",))
            later = {"not_before": datetime.now(UTC) + timedelta(hours=1)}
            async with running(tmp_path) as r:
                common: dict[str, Any] = {"broadcast_id": "b" * 24, "callbacks": (target,)}
                wanted = [request(f"ok-{n}", letter, **common, **(later if n == 2 else {})) for n in range(3)]
                faxes = await r.queue.submit(wanted)
                for fax in faxes[:2]:
                    await r.until(fax.id)
                await r.all_told()
                assert ends(r) == []
            # The last one ends after a restart, and the end of all is told once.
            async with running(tmp_path) as r:
                await r.queue.cancel(faxes[2].id)
                async with asyncio.timeout(LIMIT_S):
                    while not seen.requests:
                        await asyncio.sleep(0.02)
                (end,) = ends(r)
                assert (end.total, end.by_state, end.pages) == (3, {"cancelled": 1, "delivered": 2}, 6)
                await r.all_told()
            async with running(tmp_path) as r:
                assert ends(r) == []
            (told,) = [json.loads(q.body) for q in seen.requests]
            assert (told["event"], told["broadcast_id"]) == ("broadcast", "b" * 24)

    asyncio.run(run())


def test_another_account_is_tried_and_then_the_fax_fails(tmp_path: Path, letter: Path) -> None:
    accounts = [{"name": n, "server": f"sip:{n}.example", "number_format": "dialled"} for n in ("one", "two")]
    rules = [{"match": ".*", "replace": "down-1"}], [{"match": ".*", "replace": "ok-1"}]
    for account, rule in zip(accounts, rules, strict=True):
        account["rule"] = rule

    async def run() -> None:
        async with running(tmp_path, account=accounts, route=[{"accounts": ["one", "two"]}]) as r:
            (fax,) = await r.queue.submit([FaxRequest(to="5551", documents=(Document(path=letter),))])
            fax = await r.until(fax.id)
            assert (fax.state, [a.account for a in fax.attempts]) == (FaxState.DELIVERED, ["one", "two"])

    asyncio.run(run())


def test_after_a_restart_faxes_go_on_and_ends_are_told_once(tmp_path: Path, letter: Path) -> None:
    with receiver() as there:

        async def first() -> str:
            async with running(tmp_path, step_s=0.5, queue={**QUICK, "retry_broken_s": [1.0]}) as r:
                target = CallbackTarget(url=f"{there.url}/told")
                fax = await r.send("ok-stopped", letter, callbacks=(target,), tags={"case": "1"})
                await r.until(fax.id, FaxState.SENDING)
                await asyncio.sleep(0.7)
                return fax.id

        async def second(fax_id: str) -> None:
            async with running(tmp_path) as r:
                fax = await r.until(fax_id)
                assert (fax.state, fax.pages, dict(fax.tags)) == (FaxState.DELIVERED, 3, {"case": "1"})
                assert [a.cause for a in fax.attempts] == [Cause.BROKEN, None]
                async with asyncio.timeout(LIMIT_S):
                    while not _ends():
                        await asyncio.sleep(0.05)
                # Told again by a station that does not know that it has been: dropped by the outbox.
                await asyncio.to_thread(r.queue.store.update, fax_id, {"told": False})
            async with running(tmp_path) as r:
                await r.all_told()

        def _ends() -> list[dict[str, Any]]:
            bodies = [json.loads(q.body) for q in there.requests]
            return [b for b in bodies if b["event"] == "result" and "retry_at" not in b]

        asyncio.run(second(asyncio.run(first())))
        assert len(_ends()) == 1


def test_a_received_fax_and_a_direct_call_are_recorded(tmp_path: Path, letter: Path) -> None:
    async def run() -> None:
        async with running(tmp_path) as r:
            taken: list[Fax] = []

            async def take(fax: Fax, result: FaxResult) -> None:
                taken.append(fax)

            r.queue.on_received.append(take)
            raster = await asyncio.to_thread(_raster, letter, tmp_path)
            call = r.station.originate(
                FaxOrder(destination="sip:ok@far.example", documents=(str(letter),), raster=raster)
            )
            await call.result
            fax = await r.until(call.context.fax_id)
            assert (fax.direction, fax.state, fax.pages, taken) == (Direction.SEND, FaxState.DELIVERED, 3, [])

    asyncio.run(run())


def test_rules_of_a_request_win(tmp_path: Path, letter: Path) -> None:
    async def run() -> None:
        async with running(tmp_path) as r:
            fax = await r.send("busy", letter, retry=RetryRules(attempts=1))
            assert len((await r.until(fax.id)).attempts) == 1
            fax = await r.send("crash1", letter, retry=RetryRules(on_uncertain="resend"))
            done = await r.until(fax.id)
            assert (done.state, [a.resent for a in done.attempts]) == (FaxState.DELIVERED, [False, True])
            assert r.far_ends.headers[-1] == "Clinic (sent again) True"

    asyncio.run(run())


def _raster(letter: Path, folder: Path) -> Path:
    from softfax.documents.begin import prepare
    from softfax.documents.types import RasterSettings

    return prepare([letter], RasterSettings(resolution="standard"), folder).tiff


def test_one_key_asked_by_several_at_once_is_one_fax(tmp_path: Path, letter: Path) -> None:
    async def run() -> None:
        async with running(tmp_path) as r:
            for number in range(5):
                orders = (r.queue.submit([request("ok", letter)], key=f"k{number}", body_hash="b") for _ in range(6))
                assert len({faxes[0].id for faxes in await asyncio.gather(*orders)}) == 1

    asyncio.run(run())


def test_what_a_document_loses_is_in_the_result(tmp_path: Path) -> None:
    field = "<< /Type /Annot /Subtype /Widget /FT /Tx /T (a) /V (Words) /F 0 /Rect [20 700 180 720] >>"
    form = "/AcroForm << /Fields [7 0 R] >>"
    file = pdf(tmp_path / "form.pdf", text(60, 700, 20, "Form"), page="/Annots [7 0 R]", catalog=form, objects=[field])

    async def run() -> None:
        async with running(tmp_path) as r:
            fax = await r.send("1001", file)
            ended = await r.until(fax.id)
        assert ended.state is FaxState.DELIVERED
        assert ended.result is not None
        (line,) = ended.result["warnings"]
        assert "not to be printed" in line
        assert [a.result["warnings"] for a in ended.attempts if a.result] == [[line]]

    asyncio.run(run())


def test_a_document_that_cannot_be_faxed_has_its_own_remedy_in_the_result_too(tmp_path: Path) -> None:
    file = tmp_path / "tool.jpg"
    file.write_bytes(b"\x7fELF" + bytes(3000))

    async def run() -> None:
        async with running(tmp_path) as r:
            fax = await r.send("1001", file)
            ended = await r.until(fax.id)
            await r.all_told()
            (told,) = r.results(fax.id)
        assert (ended.state, ended.reason) == (FaxState.FAILED, "tool.jpg is not a document that can be faxed")
        assert ended.remedy.startswith("use PDF, TIFF")
        assert told.to_json()["remedy"] == ended.remedy
        assert ended.result is not None
        assert ended.result["remedy"] == ended.remedy

    asyncio.run(run())
