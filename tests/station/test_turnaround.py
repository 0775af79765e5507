# SPDX-License-Identifier: GPL-2.0-or-later
"""A number with something out for polling takes faxes as well, and both in one call: sent there, fetched back."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from softfax.documents.tiff import read_pages
from softfax.model import Direction, Fax, FaxState
from softfax.queue.queue import FaxQueue
from softfax.records.model import Document, FaxFilter, FaxRequest
from softfax.station import Station
from tests.support.command import SoftfaxProcess

LIMIT_S = 120.0
ASKS = ("--poll-document", "17", "--poll-password", "99")


@dataclass
class Called:
    """The outcome of a call: the caller's results and exit status, the station's faxes, the oldest first, and what came."""

    results: list[dict[str, Any]]
    status: int
    faxes: list[Fax]
    received: list[int]
    fetched: int


async def call(tmp_path: Path, *words: str, out: bool = True, asks: Sequence[str] = ASKS, faxes: int = 2) -> Called:
    """A machine calls a station that has two pages out, and sends it one page with `--poll` and `words`."""
    prices, letter = tmp_path / "prices.txt", tmp_path / "letter.txt"
    prices.write_text("Prices\n\fMore prices\n")
    letter.write_text("A letter\n")
    polled = {"name": "prices", "numbers": ["4711"], "poll_document": "17", "poll_password": "99"}
    config = {
        "sip": {"listen": "127.0.0.1:0"},
        "data": {"dir": tmp_path / "data"},
        "callbacks": {"enabled": False},
        "fax": {"resolution": "standard", "ident": "PRICES"},
        "polled": [{**polled, "documents": [prices]}] if out else [],
    }
    station = Station(config, isolated=True)
    queue = FaxQueue(station)
    async with station:
        host, port = station.bound_address
        uri = f"sip:4711@{host}:{port}"
        sender = await SoftfaxProcess.start("send", "--dir", "fetched", uri, str(letter), *words, *asks, cwd=tmp_path)
        status = await sender.wait(LIMIT_S)
        async with asyncio.timeout(30):
            while len(found := (await queue.list(FaxFilter())).faxes) < faxes or not all(f.terminal for f in found):
                await asyncio.sleep(0.05)
        paths = [await queue.document(fax.id) for fax in found if fax.direction is Direction.RECEIVE]
    came = sorted(found, key=lambda fax: fax.created)
    received = [len(list(read_pages(path))) for path in paths if path is not None]
    return Called(sender.results, status, came, received, len(list((tmp_path / "fetched").glob("*.pdf"))))


@pytest.mark.sip
@pytest.mark.parametrize("mode", ["auto", "audio"])
def test_a_fax_is_sent_and_another_fetched_in_one_call(tmp_path: Path, mode: str) -> None:
    done = asyncio.run(call(tmp_path, "--poll", "--mode", mode))

    assert done.status == 0, done.results
    assert [(one["direction"], one["success"], one["pages"]) for one in done.results] == [
        ("send", True, 1),
        ("receive", True, 2),
    ]
    assert len({one["call_id"] for one in done.results}) == 1
    assert (done.received, done.fetched) == ([1], 1)
    assert [(fax.direction, fax.state, fax.pages, dict(fax.tags)) for fax in done.faxes] == [
        (Direction.RECEIVE, FaxState.RECEIVED, 1, {}),
        (Direction.SEND, FaxState.DELIVERED, 2, {"polled": "prices"}),
    ]


@pytest.mark.sip
def test_what_was_sent_is_delivered_though_nothing_comes_back(tmp_path: Path) -> None:
    done = asyncio.run(call(tmp_path, "--poll", asks=("--poll-document", "17", "--poll-password", "1")))

    assert done.status == 1
    assert [(one["success"], one["pages"]) for one in done.results] == [(True, 1), (False, 0)]
    assert "(PWD)" in done.results[1]["status_string"]
    assert [fax.state for fax in done.faxes] == [FaxState.RECEIVED, FaxState.FAILED]


@pytest.mark.sip
def test_where_nothing_is_out_it_is_said_so(tmp_path: Path) -> None:
    done = asyncio.run(call(tmp_path, "--poll", out=False, faxes=1))

    assert [(one["success"], one["pages"]) for one in done.results] == [(True, 1), (False, 0)]
    assert "nothing to poll" in done.results[1]["status_string"]
    assert [(fax.direction, fax.state) for fax in done.faxes] == [(Direction.RECEIVE, FaxState.RECEIVED)]


@pytest.mark.sip
def test_who_only_sends_is_received(tmp_path: Path) -> None:
    done = asyncio.run(call(tmp_path, asks=(), faxes=1))

    assert done.status == 0
    assert [(fax.direction, fax.state, fax.pages) for fax in done.faxes] == [(Direction.RECEIVE, FaxState.RECEIVED, 1)]
    assert done.received == [1]


@pytest.mark.sip
@pytest.mark.parametrize("out", [True, False])
def test_an_order_with_documents_fetches_after_them(tmp_path: Path, out: bool) -> None:
    """A fax that comes is a received one; the order is delivered either way, and says where nothing was out."""

    async def run() -> tuple[list[Fax], list[int]]:
        letter = tmp_path / "letter.txt"
        letter.write_text("A letter\n")
        config: dict[str, Any] = {
            "sip": {"listen": "127.0.0.1:0"}, "callbacks": {"enabled": False}, "fax": {"resolution": "standard"}
        }  # fmt: skip
        polled = [{"name": "prices", "numbers": ["4711"], "poll_document": "17", "documents": [letter]}] if out else []
        here = Station(config | {"data": {"dir": tmp_path / "here"}, "polled": polled}, isolated=True)
        there = Station(config | {"data": {"dir": tmp_path / "there"}}, isolated=True)
        FaxQueue(here)
        orders = FaxQueue(there)
        async with here, there:
            host, port = here.bound_address
            request = FaxRequest(
                to=f"sip:4711@{host}:{port}", documents=(Document(path=letter),), poll=True, poll_document="17"
            )
            await orders.submit([request])
            async with asyncio.timeout(LIMIT_S):
                while len(found := (await orders.list(FaxFilter())).faxes) < 1 + out or not all(
                    f.terminal for f in found
                ):
                    await asyncio.sleep(0.1)
            paths = [await orders.document(fax.id) for fax in found if fax.direction is Direction.RECEIVE]
        return sorted(found, key=lambda fax: fax.created), [len(list(read_pages(p))) for p in paths if p is not None]

    (sent, *fetched), pages = asyncio.run(run())

    assert (sent.direction, sent.state, sent.pages, sent.poll) == (Direction.SEND, FaxState.DELIVERED, 1, True)
    assert (sent.documents, len(sent.attempts)) == (("letter.txt",), 1)
    if out:
        assert [(one.direction, one.state, one.pages, one.unread, one.caller) for one in fetched] == [
            (Direction.RECEIVE, FaxState.RECEIVED, 1, True, "4711")
        ]
        assert (dict(fetched[0].tags), pages) == ({"fetched_with": sent.id}, [1])
    else:
        assert (fetched, pages) == ([], [])
        assert sent.result is not None
        assert "nothing to poll" in str(sent.result.warnings)


@pytest.mark.sip
@pytest.mark.parametrize("alone", [False, True])
def test_a_machine_without_a_station_is_polled_as_well(tmp_path: Path, alone: bool) -> None:
    """`softfax receive --polled`: by who sends and then fetches, and by who only fetches."""

    async def run() -> tuple[list[dict[str, Any]], list[dict[str, Any]], int | None, int | None]:
        for name, pages in (("prices.txt", 2), ("letter.txt", 1)):
            (tmp_path / name).write_text("\f".join(["A page\n"] * pages))
        listens = ("receive", "--listen", "127.0.0.1:0", "--dir", "came", "--count", "1", "--polled", "prices.txt")
        there = await SoftfaxProcess.start(*listens, "--poll-document", "17", cwd=tmp_path)
        uri = f"sip:127.0.0.1:{await there.listening_port()}"
        asks = ("--dir", "fetched", "--poll", "--poll-document", "17")
        words = ("receive", "--call", uri) if alone else ("send", uri, "letter.txt")
        here = await SoftfaxProcess.start(*words, *asks, cwd=tmp_path)
        ended = await here.wait(LIMIT_S), await there.wait(LIMIT_S)
        return here.results, there.results, *ended

    here, there, *ended = asyncio.run(run())

    assert ended == [0, 0], (here, there)
    assert [(one["direction"], one["pages"]) for one in here][-1] == ("receive", 2)
    assert sorted((one["direction"], one["pages"]) for one in there) == [("receive", 1), ("send", 2)][alone:]
    assert [len(list((tmp_path / name).glob("*.pdf"))) for name in ("fetched", "came")] == [1, 0 if alone else 1]
