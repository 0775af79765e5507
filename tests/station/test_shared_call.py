# SPDX-License-Identifier: GPL-2.0-or-later
"""Several faxes on one call, over SIP on loopback: a station that calls itself."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from softfax.documents.tiff import TiffWriter, read_pages
from softfax.errors import UsageError
from softfax.fax import outcome
from softfax.model import (
    CallEvent,
    Direction,
    FaxResult,
    FaxUpdate,
    Mode,
    PageEvent,
    SessionEvent,
    SessionState,
)
from softfax.station import FaxCall, FaxOrder, Station
from softfax.vocabularies import callbacks

pytestmark = pytest.mark.sip

LIMIT_S = 120.0


def fax_tiff(path: Path, pages: int, *, y_dpi: int = 98, width: int = 1728) -> Path:
    """A fax whose pages differ from those of others."""
    with TiffWriter(path) as writer:
        for number in range(1, pages + 1):
            page = Image.new("1", (width, 400), 1)
            ImageDraw.Draw(page).text((200, 100), f"{path.stem} {number}", fill=0, font_size=120)
            writer.add(page, 204, y_dpi)
    return path


class Watch:
    """Owner of an order, which may refuse it when its turn comes, and take its time for that."""

    def __init__(self, *, refuses: bool = False, takes_s: float = 0.0) -> None:
        self.asked, self._refuses, self._takes_s = asyncio.Event(), refuses, takes_s

    async def ready(self, call: FaxCall) -> None:
        self.asked.set()
        await asyncio.sleep(self._takes_s)
        if self._refuses:
            raise UsageError("cancelled")

    async def ended(self, call: FaxCall, result: FaxResult) -> FaxResult:
        return result


@contextlib.asynccontextmanager
async def a_station(
    folder: Path, *, direct: bool, mode: str = "auto"
) -> AsyncIterator[tuple[Station, list[FaxUpdate]]]:
    config = {
        "sip": {"listen": "127.0.0.1:0", "direct": direct},
        "data": {"dir": folder / "data"},
        "inbox": {"keep_tiff": True},
        "fax": {"ident": "OWN", "resolution": "standard", "mode": mode},
        "callbacks": {"enabled": False},
    }
    updates: list[FaxUpdate] = []
    async with Station(config) as station:
        station.subscribe(updates.append)
        yield station, updates


def begin(station: Station, documents: list[Path], watches: list[Watch] | None = None) -> list[FaxCall]:
    """Order faxes, all on the call of the first."""
    host, port = station.bound_address
    calls: list[FaxCall] = []
    for place, document in enumerate(documents):
        order = FaxOrder(
            destination=f"sip:100@{host}:{port}",
            documents=(str(document),),
            raster=document,
            joins=calls[0].context.fax_id if calls else "",
            place=place,
            watch=watches[place] if watches else None,
        )
        calls.append(station.originate(order))
    return calls


async def results(calls: list[FaxCall]) -> list[FaxResult]:
    return list(await asyncio.wait_for(asyncio.gather(*(call.result for call in calls)), LIMIT_S))


async def received(updates: list[FaxUpdate]) -> FaxResult:
    """The result of who receives, whose document another process makes."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            for update in updates:
                if isinstance(update.event, FaxResult) and update.event.direction is Direction.RECEIVE:
                    return update.event
            await asyncio.sleep(0.05)


async def far_end_known(call: FaxCall) -> None:
    """Wait until the far end has said who it is; a fax that ends before is told with its result."""
    async with asyncio.timeout(LIMIT_S):
        while not call.remote_station_id:
            assert not call.ended, call.result
            await asyncio.sleep(0.05)


def dots(path: Path) -> list[bytes]:
    return [pixels.tobytes() for _, pixels in read_pages(path)]


def arrived(result: FaxResult) -> list[bytes]:
    return dots(Path(result.documents[0]).with_suffix(".tif"))


@pytest.mark.parametrize(("direct", "mode"), [(True, "auto"), (False, "audio")])
def test_three_faxes_go_in_one_call_page_for_page(tmp_path: Path, direct: bool, mode: str) -> None:
    async def run() -> None:
        faxes = [
            fax_tiff(tmp_path / "first.tif", 2),
            fax_tiff(tmp_path / "second.tif", 1, y_dpi=196),
            fax_tiff(tmp_path / "third.tif", 3 if direct else 1),
        ]
        async with a_station(tmp_path, direct=direct, mode=mode) as (station, updates):
            opened: dict[str, Mode | None] = {}

            def watch(update: FaxUpdate) -> None:
                call = station.find(update.context.fax_id)
                if isinstance(update.event, SessionEvent) and update.event.state is SessionState.OPEN and call:
                    opened[update.context.fax_id] = call.mode

            station.subscribe(watch)
            calls = begin(station, faxes)
            ended = await results(calls)
            there = await received(updates)
        fax_ids = [call.context.fax_id for call in calls]
        assert [opened[fax_id] for fax_id in fax_ids] == [Mode.T38 if direct else Mode.AUDIO] * 3, (
            "known from the beginning of each"
        )
        assert [(one.success, one.pages, one.pages_total) for one in ended] == [
            (True, n, n) for n in (2, 1, 3 if direct else 1)
        ]
        assert len({one.call_id for one in ended}) == 1, "one call"
        assert there.success
        assert arrived(there) == [page for fax in faxes for page in dots(fax)]
        for call, result in zip(calls, ended, strict=True):
            of_fax = [u.event for u in updates if u.context.fax_id == call.context.fax_id]
            numbers = [event.number for event in of_fax if isinstance(event, PageEvent)]
            assert numbers == list(range(1, result.pages + 1)), "each counts its own pages"
            states = [str(event.state) for event in of_fax if isinstance(event, CallEvent)]
            assert (states, isinstance(of_fax[-1], FaxResult)) == (["calling", "answered", "ended"], True)
            simotel = [
                one.body["state"] for event in of_fax for one in callbacks("simotel", FaxUpdate(call.context, event))
            ]
            assert simotel == ["SENDING", "SUCCESS"], "to integrators each is a call of its own"

    asyncio.run(run())


@pytest.mark.parametrize(("refused", "takes_s"), [((1,), 0.0), ((2,), 0.0), ((1, 2), 2.0), ((), 2.0)])
def test_a_fax_that_may_not_be_sent_any_more_is_passed_over(
    tmp_path: Path, refused: tuple[int, ...], takes_s: float
) -> None:
    """The answer comes before the last page of the one before is over, or after it."""

    async def run() -> None:
        faxes = [fax_tiff(tmp_path / f"{name}.tif", 2) for name in ("first", "second", "third")]
        watches = [Watch(refuses=n in refused, takes_s=takes_s if n else 0) for n in range(3)]
        async with a_station(tmp_path, direct=True) as (station, updates):
            calls = begin(station, faxes, watches)
            ended = await results(calls)
            there = await received(updates)
        assert [one.success for one in ended] == [n not in refused for n in range(3)]
        assert all(ended[n].error == "CANCEL" for n in refused)
        assert there.success, "the far end knows that it has everything"
        sent = [fax for n, fax in enumerate(faxes) if n not in refused]
        assert arrived(there) == [page for fax in sent for page in dots(fax)]

    asyncio.run(run())


def test_a_fax_that_is_cancelled_before_its_turn_is_not_sent(tmp_path: Path) -> None:
    async def run() -> None:
        faxes = [fax_tiff(tmp_path / f"{name}.tif", 2) for name in ("first", "second", "third")]
        watches = [Watch() for _ in faxes]
        async with a_station(tmp_path, direct=True) as (station, updates):
            calls = begin(station, faxes, watches)
            calls[1].cancel()
            ended = await results(calls)
            there = await received(updates)
        assert [one.success for one in ended] == [True, False, True]
        assert not watches[1].asked.is_set()
        assert arrived(there) == [page for fax in (faxes[0], faxes[2]) for page in dots(fax)]

    asyncio.run(run())


def test_the_others_are_not_reached_where_the_fax_under_way_is_cancelled(tmp_path: Path) -> None:
    async def run() -> None:
        faxes = [fax_tiff(tmp_path / f"{name}.tif", 3) for name in ("first", "second", "third")]
        watches = [Watch() for _ in faxes]
        async with a_station(tmp_path, direct=False, mode="t38") as (station, _):
            calls = begin(station, faxes, watches)
            await far_end_known(calls[0])
            calls[0].cancel()
            ended = await results(calls)
            late = begin(station, faxes[:1])
            late[0].cancel()
            await results(late)
        assert [one.error for one in ended] == ["CANCEL", "HANGUP", "HANGUP"]
        assert [one.result_code for one in ended[1:]] == [outcome.NOT_REACHED] * 2
        assert not watches[1].asked.is_set()

    asyncio.run(run())


def test_a_fax_whose_call_has_begun_or_ended_does_not_join_it(tmp_path: Path) -> None:
    async def run() -> None:
        fax = fax_tiff(tmp_path / "first.tif", 1)
        async with a_station(tmp_path, direct=True) as (station, _):
            (first,) = begin(station, [fax])
            (ended,) = await results([first])
            host, port = station.bound_address
            late = FaxOrder(
                destination=f"sip:100@{host}:{port}", documents=(str(fax),), raster=fax, joins=first.context.fax_id
            )
            (not_reached,) = await results([station.originate(late)])
        assert ended.success
        assert not_reached.result_code == outcome.NOT_REACHED

    asyncio.run(run())
