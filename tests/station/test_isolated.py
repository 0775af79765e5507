# SPDX-License-Identifier: GPL-2.0-or-later
"""A station whose calls run in processes of their own: faxes go through, and a process that dies costs its own calls alone."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from softfax.errors import PortInUseError
from softfax.fax import outcome
from softfax.fax.trace import load_trace
from softfax.model import FaxResult, FaxUpdate, ProgressEvent, SessionState
from softfax.station import FaxOrder, Station, workers
from softfax.station.call import FaxCall

pytestmark = pytest.mark.sip

LIMIT_S = 120.0


@asynccontextmanager
async def isolated(folder: Path, **tables: dict[str, Any]) -> AsyncIterator[Station]:
    config = {
        "sip": {"listen": "127.0.0.1:0", "direct": False},
        "data": {"dir": folder},
        "fax": {"ident": folder.name, "resolution": "standard", "mode": "t38"},
        "callbacks": {"enabled": False},
        **tables,
    }
    async with Station(config, isolated=True) as station:
        yield station


def uri(station: Station) -> str:
    host, port = station.bound_address
    return f"sip:1234@{host}:{port}"


@pytest.fixture
def letter(tmp_path: Path) -> str:
    path = tmp_path / "letter.txt"
    path.write_text("One short line.\n\fAnother page.\n")
    return str(path)


async def ended(call: FaxCall) -> FaxResult:
    return await asyncio.wait_for(call.result, LIMIT_S)


async def active(call: FaxCall) -> None:
    async with asyncio.timeout(LIMIT_S):
        while call.state is not SessionState.ACTIVE:
            assert not call.ended
            await asyncio.sleep(0.05)


class Watch:
    """Writes down what an order's owner is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def ready(self, call: FaxCall) -> None:
        assert call.call_state is None
        self.asked.append("ready")

    async def ended(self, call: FaxCall, result: FaxResult) -> FaxResult:
        self.asked.append("ended")
        return result


def test_a_fax_between_stations_and_a_process_that_dies(tmp_path: Path, letter: str) -> None:
    async def run() -> None:
        async with isolated(tmp_path / "one") as one, isolated(tmp_path / "two") as two:
            received: list[FaxUpdate] = []
            progress: list[FaxUpdate] = []
            two.subscribe(received.append)
            unwatch = one.watch_progress(progress.append)
            watch = Watch()
            call = one.originate(FaxOrder(destination=uri(two), documents=(letter,), watch=watch))
            await active(call)
            assert [view.calls for view in one.workers() + two.workers()] == [1, 1]
            result = await ended(call)
            assert (result.success, result.pages, result.attempt) == (True, 2, 1)
            assert watch.asked == ["ready", "ended"]
            assert any(isinstance(update.event, ProgressEvent) for update in progress)
            unwatch()
            await two.idle(10)
            last = received[-1].event
            assert isinstance(last, FaxResult)
            assert last.success
            assert [Path(name).suffix for name in last.documents] == [".pdf"]
            assert received[0].context.session_number == last.session == 1
            await asyncio.sleep(1.0)
            for station, fax_id in ((one, result.fax_id), (two, last.fax_id)):
                trace = load_trace(station.trace_folder, fax_id)
                assert trace is not None
                titles = [entry["title"].split()[0] for entry in trace["entries"]]
                assert [t for t in titles if t in ("INVITE", "DIS", "DCS", "CFR", "BYE")][:2] == ["INVITE", "INVITE"]
                assert {"DIS", "DCS", "CFR", "PPS-EOP", "MCF", "BYE"} <= set(titles)
                assert trace["statistics"].get("udptl_rx_packets", 0) > 50, trace["statistics"]

            # Dies in the middle of a fax: that fax is lost at both ends, everything else goes on.
            call = one.originate(FaxOrder(destination=uri(two), documents=(letter,)))
            await active(call)
            os.kill(one.workers()[0].pid, signal.SIGSEGV)
            result = await ended(call)
            assert (result.success, result.error, result.result_code) == (False, "UNKNOWN", outcome.CRASHED)
            assert "SIGSEGV" in result.status_string
            address = uri(one)
            async with asyncio.timeout(LIMIT_S):
                while one.workers()[0].state != "running":
                    await asyncio.sleep(0.05)
            assert (uri(one), one.workers()[0].restarts) == (address, 1)
            call = one.originate(FaxOrder(destination=uri(two), documents=(letter,)))
            assert (await ended(call)).success

    asyncio.run(run())


def test_a_frame_that_kills_a_process_costs_its_calls_alone(
    tmp_path: Path, letter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def variant(name: str) -> None:
        monkeypatch.setattr(workers, "COMMAND", (sys.executable, "-m", "tests.support.worker_variants", name))

    async def run() -> None:
        variant("unguarded")
        async with isolated(tmp_path / "victim", workers={"count": 2}) as victim:
            variant("hostile")
            async with isolated(tmp_path / "hostile") as hostile:
                monkeypatch.undo()
                async with isolated(tmp_path / "good") as good:
                    updates: list[FaxUpdate] = []
                    victim.subscribe(updates.append)
                    sending = victim.originate(FaxOrder(destination=uri(good), documents=(letter,)))
                    await active(sending)
                    attacked = next(view for view in victim.workers() if not view.calls)
                    address = f"sip:1234@{attacked.address[0]}:{attacked.address[1]}"
                    hostile.originate(FaxOrder(destination=address, documents=(letter,)))
                    async with asyncio.timeout(LIMIT_S):
                        while [view.restarts for view in victim.workers()] != [0, 1]:
                            await asyncio.sleep(0.05)
                        while victim.workers()[1].state != "running":
                            await asyncio.sleep(0.05)
                    again = good.originate(FaxOrder(destination=address, documents=(letter,)))
                    assert (await ended(sending)).success
                    lost = [u.event for u in updates if isinstance(u.event, FaxResult) and not u.context.outgoing]
                    assert [(r.success, r.result_code) for r in lost] == [(False, outcome.CRASHED)]
                    assert "SIGSEGV" in lost[0].status_string
                    assert (await ended(again)).success

    asyncio.run(run())


def test_an_order_is_withdrawn_before_it_is_dialled(tmp_path: Path, letter: str) -> None:
    class Refuses(Watch):
        async def ready(self, call: FaxCall) -> None:
            raise PortInUseError("not today")

    async def run() -> None:
        async with isolated(tmp_path / "one") as one:
            call = one.originate(FaxOrder(destination=uri(one), documents=(letter,), watch=Refuses()))
            result = await ended(call)
            assert (result.success, result.error, result.status_string) == (False, "CANCEL", "not today")
            assert call.call_state is None
            bad = one.originate(FaxOrder(destination=uri(one), documents=(str(tmp_path / "none.pdf"),)))
            assert (await ended(bad)).error == "FILE_ERROR"

    asyncio.run(run())


def test_a_port_in_use_is_said_as_if_there_were_one_process(tmp_path: Path) -> None:
    async def run() -> None:
        async with isolated(tmp_path / "one") as one:
            host, port = one.bound_address
            with pytest.raises(PortInUseError, match=f"{host}:{port} is in use"):
                async with isolated(tmp_path / "two", sip={"listen": f"{host}:{port}"}):
                    pass

    asyncio.run(run())


def test_without_the_station_calls_are_hung_up(tmp_path: Path, letter: str) -> None:
    script = f"""
import asyncio, sys
from softfax.station import FaxOrder, Station, workers
async def run():
    async with Station({{"sip": {{"listen": "127.0.0.1:0"}}, "data": {{"dir": {str(tmp_path / "other")!r}}},
                        "fax": {{"mode": "t38"}}, "callbacks": {{"enabled": False}}}}, isolated=True) as station:
        station.originate(FaxOrder(destination=sys.argv[1], documents=({letter!r},)))
        print(station.workers()[0].pid, flush=True)
        await asyncio.sleep(60)
asyncio.run(run())
"""

    async def run() -> None:
        async with isolated(tmp_path / "two") as two:
            updates: list[FaxUpdate] = []
            two.subscribe(updates.append)
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", script, uri(two), stdout=asyncio.subprocess.PIPE
            )
            assert process.stdout is not None
            worker = int(await process.stdout.readline())
            async with asyncio.timeout(LIMIT_S):
                while not two.calls() or two.calls()[0].state is not SessionState.ACTIVE:
                    await asyncio.sleep(0.05)
            process.kill()
            await process.wait()
            async with asyncio.timeout(LIMIT_S):
                while two.calls() or os.path.exists(f"/proc/{worker}"):
                    await asyncio.sleep(0.05)
            last = updates[-1].event
            assert isinstance(last, FaxResult)
            assert not last.success

    asyncio.run(run())
