# SPDX-License-Identifier: GPL-2.0-or-later
"""A document that a station puts out for polling: fetched by number, selection and password, recorded each time, gone when it ends."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from softfax.documents.tiff import read_pages
from softfax.model import Cause, Direction, Fax, FaxResult, FaxState, FaxUpdate, Operation, SessionEvent, new_fax_id
from softfax.queue.queue import FaxQueue
from softfax.records.model import Document, FaxFilter, FaxRequest
from softfax.station import Station
from softfax.station.admission import CallFacts, polled_of
from softfax.station.config import StationConfig
from softfax.station.polled import PolledDocument, of_config
from tests.support.command import SoftfaxProcess

LIMIT_S = 120.0
PRICES = {"name": "prices", "numbers": ["4711"], "poll_document": "17", "poll_password": "99"}


async def fetch(tmp_path: Path, asks: Sequence[str]) -> tuple[dict[str, Any], Fax, list[FaxUpdate], Path]:
    """A machine fetches from a station: its result, and the station's record."""
    letter = tmp_path / "prices.txt"
    letter.write_text("Prices\n\fMore prices\n")
    told: list[FaxUpdate] = []
    config = {
        "sip": {"listen": "127.0.0.1:0"},
        "data": {"dir": tmp_path / "data"},
        "callbacks": {"enabled": False},
        "fax": {"resolution": "standard", "ident": "PRICES"},
        "polled": [{**PRICES, "documents": [letter]}],
    }
    station = Station(config, isolated=True)
    queue = FaxQueue(station)
    async with station:
        station.subscribe(told.append)
        host, port = station.bound_address
        uri = f"sip:4711@{host}:{port}"
        poller = await SoftfaxProcess.start("receive", "--dir", "fetched", "--call", uri, "--poll", *asks, cwd=tmp_path)
        await poller.wait(LIMIT_S)
        async with asyncio.timeout(30):
            while not any(isinstance(update.event, FaxResult) for update in told):
                await asyncio.sleep(0.05)
            fax_id = told[0].context.fax_id
            while (fax := await queue.get(fax_id)) is None or not fax.terminal:
                await asyncio.sleep(0.05)
    assert poller.results, poller.stderr
    return poller.results[0], fax, told, tmp_path / "fetched"


@pytest.mark.sip
def test_it_is_fetched_and_recorded(tmp_path: Path) -> None:
    asks = ("--poll-document", "17", "--poll-password", "99")
    result, fax, told, fetched = asyncio.run(fetch(tmp_path, asks))

    assert (result["success"], result["pages"], result["remote_station_id"]) == (True, 2, "PRICES")
    assert (fax.direction, fax.state, fax.pages) == (Direction.SEND, FaxState.DELIVERED, 2)
    assert (fax.to, fax.documents) == ("4711", ("prices.txt",))
    assert dict(fax.tags) == {"polled": "prices"}
    assert len(list(fetched.glob("*.pdf"))) == 1
    sessions = [update.event for update in told if isinstance(update.event, SessionEvent)]
    assert {session.operation for session in sessions} == {Operation.SEND}
    assert "99" not in str([update.event for update in told if "password" in str(update.event).lower()])


@pytest.mark.sip
def test_it_is_not_had_without_its_password(tmp_path: Path) -> None:
    result, fax, _, fetched = asyncio.run(fetch(tmp_path, ("--poll-document", "17")))

    assert not result["success"]
    assert (fax.direction, fax.state, fax.pages) == (Direction.SEND, FaxState.FAILED, 0)
    assert not list(fetched.glob("*.pdf"))


@pytest.mark.sip
def test_orders_put_several_out_and_the_far_end_names_one(tmp_path: Path) -> None:
    """Also after a restart; the record says which it was."""

    async def run() -> tuple[list[dict[str, Any]], list[Fax], int]:
        results: list[dict[str, Any]] = []
        faxes: list[Fax] = []
        for asks in (["--poll-document", "2"], ["--poll-document", "3"]):
            station = Station(CONFIG | {"data": {"dir": tmp_path / "data"}}, isolated=True)
            queue = FaxQueue(station)
            async with station:
                if not results:
                    for number in (1, 2):
                        await put_out(queue, tmp_path, number)
                host, port = station.bound_address
                uri = f"sip:4711@{host}:{port}"
                words = ("receive", "--dir", "fetched", "--call", uri, "--poll", *asks)
                poller = await SoftfaxProcess.start(*words, cwd=tmp_path)
                await poller.wait(LIMIT_S)
                results += poller.results
                async with asyncio.timeout(30):
                    while not (found := await queue.list(FaxFilter())).faxes or not found.faxes[0].terminal:
                        await asyncio.sleep(0.05)
                faxes.append(found.faxes[0])
                out = queue.polled.all()[1]
                count, _ = await queue.polled.fetched(out)
                if len(results) == 2:
                    assert await queue.polled.take_back(out.id)
                    assert [one.name for one in queue.polled.all()] == ["letter-1"]
                    assert not (queue.folder / out.id).exists()
        return results, faxes, count

    results, faxes, count = asyncio.run(run())

    assert [(one["success"], one["pages"]) for one in results] == [(True, 2), (False, 0)]
    assert [(one.state, dict(one.tags)) for one in faxes] == [
        (FaxState.DELIVERED, {"polled": "letter-2"}),
        (FaxState.FAILED, {"polled": "letter-1"}),
    ]
    assert (faxes[0].documents, count) == (("2.txt",), 1)


@pytest.mark.sip
def test_a_poll_is_an_order_of_the_queue(tmp_path: Path) -> None:
    """Tried again where it is refused; what comes is in the inbox, unread."""

    async def run() -> tuple[Fax, Fax, list[Path], list[Fax]]:
        here = Station(CONFIG | {"data": {"dir": tmp_path / "here"}}, isolated=True)
        queue = FaxQueue(here)
        retries = {"retry_refused_s": [0.1], "retry_broken_s": [0.1], "attempts": 2}
        there = Station(CONFIG | {"data": {"dir": tmp_path / "there"}, "queue": retries}, isolated=True)
        orders = FaxQueue(there)
        handed: list[Fax] = []

        async def hand(fax: Fax, result: FaxResult) -> None:
            handed.append(fax)

        orders.on_received.append(hand)
        async with here, there:
            await put_out(queue, tmp_path, 2, poll_password="99")
            host, port = here.bound_address
            ask = FaxRequest(to=f"sip:4711@{host}:{port}", documents=(), poll=True, poll_document="2")
            right = dataclasses.replace(ask, poll_password="99")
            faxes = await orders.submit([right, ask])
            assert all((fax.poll, fax.direction) == (True, Direction.RECEIVE) for fax in faxes)
            async with asyncio.timeout(LIMIT_S):
                while not all(fax.terminal for fax in faxes):
                    await asyncio.sleep(0.1)
                    faxes = [found for fax in faxes if (found := await orders.get(fax.id)) is not None]
                while not handed:
                    await asyncio.sleep(0.1)
            document = await orders.document(faxes[0].id)
            return faxes[0], faxes[1], [document] if document is not None else [], handed

    fetched, refused, documents, handed = asyncio.run(run())

    assert (fetched.state, fetched.pages, fetched.unread) == (FaxState.RECEIVED, 2, True)
    assert [fax.id for fax in handed] == [fetched.id]
    assert len(list(read_pages(documents[0]))) == 2
    assert (refused.state, refused.pages, len(refused.attempts)) == (FaxState.FAILED, 0, 2)
    assert (refused.cause, "(PWD)" in refused.reason, "(PWD)" in refused.remedy) == (Cause.REFUSED, True, True)
    assert "poll_password" not in fetched.to_json()


CONFIG = {"sip": {"listen": "127.0.0.1:0"}, "callbacks": {"enabled": False}, "fax": {"resolution": "standard"}}


async def put_out(queue: FaxQueue, folder: Path, number: int, **more: Any) -> PolledDocument:
    letter = folder / f"{number}.txt"
    letter.write_text("\f".join(["A page\n"] * number))
    request = FaxRequest(to="", documents=(Document(path=letter),), folder=queue.folder / new_fax_id())
    table = {"name": f"letter-{number}", "numbers": ("4711",), "poll_document": str(number), **more}
    return await queue.polled.put(PolledDocument(documents=(), **table), request)


@pytest.mark.parametrize(
    ("facts", "more", "out"),
    [
        ({"called_number": "4711"}, {}, True),
        ({"called_number": "4712"}, {}, False),
        ({"called_number": "4711"}, {"until": datetime.now(UTC) - timedelta(seconds=1)}, False),
        ({"called_number": "4711"}, {"until": datetime.now(UTC) + timedelta(hours=1)}, True),
        ({"called_number": "4711", "caller_number": "0301"}, {"callers": ["030*"]}, True),
        ({"called_number": "4711", "caller_number": "0401"}, {"callers": ["030*"]}, False),
    ],
)
def test_who_may_fetch_it(facts: dict[str, str], more: dict[str, Any], out: bool) -> None:
    config = StationConfig(polled=[{**PRICES, "documents": ["/srv/prices.pdf"], **more}])  # type: ignore[arg-type]

    found = polled_of(config, of_config(config.polled), CallFacts(**facts), datetime.now(UTC))  # type: ignore[arg-type]

    assert bool(found) is out
