# SPDX-License-Identifier: GPL-2.0-or-later
"""The stream of events over a real connection: each once and in order, whatever breaks in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from softfax.client import AsyncSoftfaxClient, StreamEvent
from softfax.client.wire import EventParser
from softfax.model import CallEvent, CallState, Direction, FaxContext, FaxUpdate
from tests.web.rig import ADMIN, Running, running, until

FAX, OTHER = "0123456789abcdef01234567", "76543210fedcba9876543210"


def tell(r: Running, word: str, fax_id: str = FAX) -> None:
    """Something happens."""
    context = FaxContext(
        fax_id=fax_id, direction=Direction.SEND, outgoing=True, session_number=0, unique_id="1.1", channel=""
    )
    r.station.publish(FaxUpdate(context, CallEvent(state=CallState.CALLING, reason=word)))


def words(events: list[StreamEvent]) -> list[str]:
    return [event.body["reason"] for event in events]


class Reader:
    """Reads a stream as it comes."""

    def __init__(self, response: httpx.Response, parser: EventParser) -> None:
        self.events: list[StreamEvent] = []
        self.parser = parser
        self._task = asyncio.ensure_future(self._read(response))

    async def _read(self, response: httpx.Response) -> None:
        async for line in response.aiter_lines():
            if (event := self.parser.line(line)) is not None:
                self.events.append(event)

    async def has(self, count: int) -> list[StreamEvent]:
        await until(lambda: len(self.events) >= count)
        return self.events

    def close(self) -> None:
        self._task.cancel()


@asynccontextmanager
async def reading(r: Running, parser: EventParser | None = None, **query: Any) -> AsyncIterator[Reader]:
    parser = parser or EventParser()
    async with (
        r.client() as c,
        c.stream("GET", "/v1/events", params=query, headers=parser.headers) as response,
    ):
        assert response.status_code == 200
        reader = Reader(response, parser)
        try:
            yield reader
        finally:
            reader.close()


def test_each_event_once_and_in_order_over_breaks_and_restarts(tmp_path: Path) -> None:
    async def first() -> EventParser:
        async with running(tmp_path) as r:
            async with reading(r) as idle, reading(r, fax_id=OTHER) as other, reading(r, types="result") as typed:
                # Who broke off before anything came goes on from where they came.
                await until(lambda: idle.parser.last_id is not None)
                first_id = idle.parser.last_id
                for n in range(5):
                    tell(r, f"a{n}")
                tell(r, "x", OTHER)
                await idle.has(6)
                assert words(await other.has(1)) == ["x"]
                assert typed.events == []
            async with reading(r, EventParser(first_id)) as late:
                assert words(await late.has(6)) == ["a0", "a1", "a2", "a3", "a4", "x"]
                # Live on, without a seam.
                tell(r, "b0")
                assert words(await late.has(7))[-1] == "b0"
            tell(r, "while away")
            return late.parser

    async def second(parser: EventParser) -> None:
        seen: list[StreamEvent] = []
        async with running(tmp_path) as r:
            await asyncio.sleep(0)
            tell(r, "after the restart")
            async with reading(r, parser) as reader:
                seen += await reader.has(2)
            assert words(seen) == ["while away", "after the restart"]
            ids = [event.id for event in seen if event.id is not None]
            assert ids == sorted(set(ids))
            # The same, as a list.
            async with r.client() as c:
                listed = (await c.get(f"/v1/faxes/{FAX}/events")).json()["events"]
                assert [e["reason"] for e in listed] == [*(f"a{n}" for n in range(5)), "b0", *words(seen)]
                more = await c.get(f"/v1/faxes/{FAX}/events?after={listed[-2]['id']}")
                assert [e["reason"] for e in more.json()["events"]] == ["after the restart"]

    asyncio.run(second(asyncio.run(first())))


def test_a_busy_stream_breaks_again_and_again(tmp_path: Path) -> None:
    total = 1500

    async def run() -> None:
        async with running(tmp_path) as r:
            parser, seen = EventParser(r.queue.events.last_id), []

            async def talk() -> None:
                for n in range(total):
                    tell(r, str(n))
                    if not n % 10:
                        await asyncio.sleep(0.001)

            talking = asyncio.ensure_future(talk())
            while len(seen) < total:
                async with reading(r, parser) as reader:
                    await asyncio.wait([asyncio.ensure_future(reader.has(200))], timeout=0.3)
                    seen += reader.events
            await talking
            assert words(seen) == [str(n) for n in range(total)]

    asyncio.run(run())


def test_who_does_not_read_is_dropped_and_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("softfax.web.stream.SEND_S", 0.5)

    async def run() -> None:
        async with running(tmp_path, http={"max_streams": 2}) as r:
            _, lazy = await asyncio.open_connection(*r.web.address, limit=1)
            lazy.write(f"GET /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADMIN}\r\n\r\n".encode())
            assert r.web.web is not None
            streams = r.web.web.streams
            await until(lambda: len(streams) == 1)
            async with reading(r) as reader:
                async with r.client() as c:
                    third = await c.get("/v1/events")
                    assert (third.status_code, third.json()["type"]) == (503, "urn:softfax:problem:streams")
                for n in range(150):
                    tell(r, f"{n} " + "x" * 100_000)
                    await asyncio.sleep(0.002)
                await reader.has(150)
                await until(lambda: len(streams) == 1)
            lazy.close()
            await until(lambda: len(streams) == 0)

    asyncio.run(run())


def test_the_client_goes_on_where_it_was(tmp_path: Path) -> None:
    async def run() -> None:
        seen: list[str] = []

        async def follow(url: str) -> None:
            async with AsyncSoftfaxClient(url, token=ADMIN) as station:
                async for event in station.events():
                    seen.append(event.body["reason"])

        async with running(tmp_path) as r:
            address, url = r.web.address, r.url
            following = asyncio.ensure_future(follow(url))
            assert r.web.web is not None
            streams = r.web.web.streams
            await until(lambda: len(streams) == 1)
            tell(r, "one")
            await until(lambda: seen)
            # Everybody is asked to connect again, as after another configuration.
            streams.close()
            tell(r, "two")
            await until(lambda: len(seen) == 2)
        async with running(tmp_path, http={"listen": f"{address[0]}:{address[1]}"}) as r:
            tell(r, "three")
            await until(lambda: len(seen) == 3)
            following.cancel()
        assert seen == ["one", "two", "three"]

    asyncio.run(run())
