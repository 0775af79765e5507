# SPDX-License-Identifier: GPL-2.0-or-later
"""A station as a gateway between two others: faxes arrive whatever each side speaks, and what ends a call on one side ends it on the
other, with its cause."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from softfax.captured.calls import calls_of
from softfax.captured.legs import join_legs
from softfax.captured.packets import datagrams
from softfax.model import Direction, FaxResult, FaxUpdate, Mode, Operation, PageEvent, SessionEvent
from softfax.station import FaxOrder, Station
from softfax.station.call import FaxCall

pytestmark = pytest.mark.sip

LIMIT_S = 150.0
#: Each on an address of its own: by it a station knows whose account a call belongs to.
CALLER, GATEWAY, ANSWERER = "127.0.0.11", "127.0.0.12", "127.0.0.13"


@dataclass
class Three:
    """A caller, a gateway, an answerer."""

    caller: Station
    gateway: Station
    answerer: Station
    passed: list[FaxUpdate] = field(default_factory=list)

    @property
    def number(self) -> str:
        """The number 1234 at the gateway."""
        host, port = self.gateway.bound_address
        return f"sip:1234@{host}:{port}"

    def call(self, letter: str) -> FaxCall:
        return self.caller.originate(FaxOrder(destination=self.number, documents=(letter,), caller_number="5551"))

    def events(self, kind: type[Any]) -> list[Any]:
        return [u.event for u in self.passed if isinstance(u.event, kind)]

    async def result(self) -> FaxResult:
        """The gateway's word on its call."""
        async with asyncio.timeout(LIMIT_S):
            while not self.events(FaxResult):
                await asyncio.sleep(0.05)
        (result,) = self.events(FaxResult)
        assert isinstance(result, FaxResult)
        return result


async def _station(stack: AsyncExitStack, folder: Path, host: str, **tables: Any) -> Station:
    config = {
        "sip": {"listen": f"{host}:0"},
        "data": {"dir": folder},
        "callbacks": {"enabled": False},
        **tables,
    }
    return await stack.enter_async_context(Station(config, isolated=True))


@asynccontextmanager
async def three(
    tmp_path: Path,
    *,
    caller: str = "auto",
    answerer: str = "auto",
    rule: dict[str, Any] | None = None,
    answers: bool = True,
    t38: tuple[str, str] = ("offer", "offer"),
) -> AsyncIterator[Three]:
    async with AsyncExitStack() as stack:
        fax = {"resolution": "standard"}
        a = await _station(stack, tmp_path / "caller", CALLER, fax={**fax, "ident": "CALLER", "mode": caller})
        b = await _station(
            stack,
            tmp_path / "answerer",
            ANSWERER,
            fax={**fax, "ident": "ANSWERER", "mode": answerer, "receive": answers},
        )
        accounts = [
            {"name": name, "server": f"sip:{one.bound_address[0]}:{one.bound_address[1]}", "t38": {"use": use}}
            for name, one, use in zip(("pbx", "trunk"), (a, b), t38, strict=True)
        ]
        rules = [{"name": "out", "from": ["pbx"], "accounts": ["trunk"], **(rule or {})}]
        trace = {"when": "always", "packets": True}
        gateway = await _station(stack, tmp_path / "gateway", GATEWAY, account=accounts, gateway=rules, trace=trace)
        made = Three(a, gateway, b)
        gateway.subscribe(made.passed.append)
        yield made


@pytest.fixture
def letter(tmp_path: Path) -> str:
    path = tmp_path / "letter.txt"
    # Long enough for a page to be seen while it passes, also by a busy machine.
    path.write_text("One short line.\n" * 25 + "\f" + "Another page.\n" * 25)
    return str(path)


def run(scenario: Callable[[], Any]) -> None:
    asyncio.run(asyncio.wait_for(scenario(), 2 * LIMIT_S))


async def pictures(stations: Three) -> bytes:
    """The first picture of the page that passes."""
    while True:
        await asyncio.sleep(0.3)
        for fax_id in {u.context.fax_id for u in stations.passed}:
            png = await stations.gateway.preview(fax_id)
            if png is not None:
                return png


@pytest.mark.parametrize(
    ("caller", "answerer", "mode"),
    [("t38", "audio", "T38"), ("audio", "t38", "T38"), ("auto", "auto", "T38"), ("audio", "audio", "audio")],
)
def test_a_fax_passes(tmp_path: Path, letter: str, caller: str, answerer: str, mode: str) -> None:
    async def scenario() -> None:
        received: list[FaxResult] = []
        async with three(tmp_path, caller=caller, answerer=answerer) as all_three:
            progress: list[FaxUpdate] = []
            all_three.gateway.watch_progress(progress.append)
            all_three.answerer.subscribe(lambda u: received.append(u.event) if isinstance(u.event, FaxResult) else None)
            looking = asyncio.ensure_future(pictures(all_three))
            sent = await asyncio.wait_for(all_three.call(letter).result, LIMIT_S)
            assert (sent.success, sent.pages, sent.remote_station_id) == (True, 2, "ANSWERER"), sent
            assert (await looking).startswith(b"\x89PNG"), "the page is seen while it passes"
            result = await all_three.result()
            (context,) = {u.context.fax_id: u.context for u in all_three.passed}.values()
            while not received:
                await asyncio.sleep(0.05)
        assert received[0].success
        assert received[0].pages == 2
        assert result.success
        assert (result.direction, result.mode, result.pages) == (Direction.GATEWAY, Mode(mode), 2)
        assert (result.remote_station_id, result.local_station_id) == ("CALLER", "ANSWERER")
        assert (context.direction, context.caller_number, context.called_number) == (Direction.GATEWAY, "5551", "1234")
        operations = [e.operation for e in all_three.events(SessionEvent)]
        assert operations[0] is Operation.V21
        assert operations[-1] is Operation.GATEWAY
        assert progress[-1].event["page"] in (1, 2)
        passed = all_three.events(PageEvent)
        assert len(passed) == 2
        assert all(page.rows > 1000 and page.bytes > 100 and not page.bad_rows for page in passed)
        (capture,) = (tmp_path / "gateway" / "traces").glob("*.pcap")
        ((first, second),) = join_legs(calls_of(datagrams(capture.read_bytes())))
        assert [(len(one.fax.pages), one.fax.delivered) for one in (first, second)] == [(2, True), (2, True)]

    run(scenario)
