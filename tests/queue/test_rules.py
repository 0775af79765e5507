# SPDX-License-Identifier: GPL-2.0-or-later
"""The do-not-fax list and the hours hold for every way in, and however the number is written; nothing is dialled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from softfax.ami import AmiServer, User
from softfax.errors import DoNotFaxError, LocalError, OutOfHoursError
from softfax.model import FaxState
from softfax.queue.queue import FaxQueue
from softfax.records.model import Document, FaxFilter, FaxRequest
from softfax.station import FaxOrder, Station
from softfax.station.config.queue import WEEK
from softfax.swml.document import load
from softfax.swml.runner import SwmlRunner
from softfax.web.runs import Runs
from tests.support.simulated_calls import FarEnds, SimulatedCalls
from tests.unit.ami.fakes import Octets, settings

FORBIDDEN, WRITTEN = (
    "+49 30 99",
    ("030 99", "+493099", "0049-30-99", "sip:+493099@far.example", "sip:03099@elsewhere.example"),
)
TABLES: dict[str, Any] = {
    "fax": {"resolution": "standard"},
    "dialing": {"country": "49"},
    "account": [{"name": "pbx", "server": "sip:pbx.example", "max_calls": 2}],
    "callbacks": {"allow_private": True},
}
SWML = 'version: 1.0.0\nsections: {main: [{send_fax: {document: "https://example.com/a.pdf"}}]}'


@asynccontextmanager
async def running(
    folder: Path, *, nobody_called: bool = True, **tables: Any
) -> AsyncIterator[tuple[Station, FaxQueue, FarEnds]]:
    far_ends = FarEnds()
    config = {"data": {"dir": folder / "data"}, **TABLES, **tables}
    station = Station(config, calls=partial(SimulatedCalls, far_ends=far_ends))
    queue = FaxQueue(station)
    async with station:
        yield station, queue, far_ends
        assert not nobody_called or far_ends.headers == []


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 90))


def asked(to: str, folder: Path) -> FaxRequest:
    letter = folder / "letter.txt"
    letter.write_text("A letter")
    return FaxRequest(to=to, documents=(Document(path=letter),))


def test_a_fax_a_broadcast_and_a_retry(tmp_path: Path) -> None:
    async def test() -> None:
        async with running(tmp_path) as (station, queue, _):
            station.drain()  # so that faxes wait
            earlier = await queue.submit([asked(to, tmp_path) for to in WRITTEN])
            for fax in earlier:
                await queue.cancel(fax.id)
            await queue.forbid(FORBIDDEN)
            for to, fax in zip(WRITTEN, earlier, strict=True):
                with pytest.raises(DoNotFaxError):
                    await queue.retry(fax.id)
                with pytest.raises(DoNotFaxError):
                    await queue.submit([asked("+49 30 1", tmp_path), asked(to, tmp_path)])
                after = await queue.get(fax.id)
                assert after is not None
                assert after.state is FaxState.CANCELLED
            assert len((await queue.list(FaxFilter())).faxes) == len(WRITTEN)

    run(test)


def test_an_order_to_the_station_and_swml(tmp_path: Path) -> None:
    async def test() -> None:
        async with running(tmp_path) as (station, queue, _):
            await queue.forbid(FORBIDDEN)
            for to in WRITTEN:
                with pytest.raises(DoNotFaxError):
                    station.originate(FaxOrder(destination=to, documents=("letter.txt",)))
                with pytest.raises(DoNotFaxError):
                    await SwmlRunner(station, load(SWML), to).run()
                with pytest.raises(DoNotFaxError):
                    await Runs(station, queue, None).begin(load(SWML), to)  # type: ignore[arg-type]
            assert station.calls() == []

    run(test)


def test_the_manager_interface(tmp_path: Path) -> None:
    async def test() -> None:
        async with running(tmp_path) as (station, queue, _):
            await queue.forbid(FORBIDDEN)
            server = AmiServer(station, settings(users=(User("fax", "secret"),)))
            await server.start()
            try:
                client = await Octets.connect(server)
                await client.login()
                await client.next()  # FullyBooted
                for to in WRITTEN:
                    channel = f"PJSIP/pbx/{to}" if ":" in to else f"PJSIP/{to}@pbx"
                    answer = await client.say(Action="Originate", Channel=channel, Application="SendFAX", Data="/a.txt")
                    assert answer == "Response: Error\nMessage: Originate failed"
                    assert station.calls() == []
            finally:
                await server.close()

    run(test)


def test_outside_of_the_hours_the_queue_waits_and_others_are_refused(tmp_path: Path) -> None:
    async def test() -> None:
        later = WEEK[(datetime.now(UTC).weekday() + 3) % 7]
        hours = [{"days": [later], "begin": "08:00", "end": "09:00", "time_zone": "UTC"}]
        async with running(tmp_path, queue={"hours": hours, "give_up_s": 6 * 86400.0}) as (station, queue, _):
            (fax,) = await queue.submit([asked("+49 30 1", tmp_path)])
            assert fax.state is FaxState.QUEUED
            with pytest.raises(OutOfHoursError):
                station.originate(FaxOrder(destination="+49 30 1", documents=("letter.txt",)))

    run(test)


def test_an_account_has_no_more_calls_than_it_may(tmp_path: Path) -> None:
    async def test() -> None:
        async with running(tmp_path, nobody_called=False) as (station, _, _far_ends):
            order = FaxOrder(destination="+49 30 1", documents=("letter.txt",))
            calls = [station.originate(order), station.originate(order)]
            with pytest.raises(LocalError):
                station.originate(order)
            for call in calls:
                call.cancel()
            await asyncio.gather(*(call.result for call in calls))

    run(test)
