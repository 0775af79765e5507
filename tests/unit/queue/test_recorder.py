# SPDX-License-Identifier: GPL-2.0-or-later
"""A received fax has its states as events: `receiving`, and `received` once it is written down and can be asked for."""

from __future__ import annotations

import asyncio
from typing import Any

from softfax.fax import outcome
from softfax.model import CallEvent, CallState, Direction, Event, Fax, FaxContext, FaxResult, FaxUpdate
from softfax.queue.recorder import Recorder
from softfax.station.making import failed


class Queue:
    """A queue that keeps what it is told, in order."""

    closed = False

    def __init__(self) -> None:
        self.told_of: list[str] = []
        self.store = self
        self.on_received: list[Any] = []

    def record(self, fax: Fax, context: FaxContext) -> None:
        self.told_of.append("written: begun")

    def update(self, fax_id: str, values: dict[str, Any]) -> None:
        self.told_of.append("written: pages")

    def settle(self, fax: Fax, **more: Any) -> None:
        self.told_of.append(f"written: {fax.state}")

    def say(self, fax: Fax, context: FaxContext, *, recorded: bool) -> None:
        self.told_of.append(str(fax.state))

    def under_way(self, fax_id: str) -> bool:
        return False

    async def told(self, fax: Fax) -> None:
        self.told_of.append("handed on")


def recorded(direction: Direction, *, success: bool) -> list[str]:
    async def run() -> list[str]:
        queue = Queue()
        recorder = Recorder(queue)  # type: ignore[arg-type]
        context = FaxContext(
            fax_id="4b0e7d5a9c1f2e3d4a5b6c7d", direction=direction, outgoing=False, session_number=1, unique_id="1.1",
            channel="PJSIP/x-1",
        )  # fmt: skip
        result: FaxResult = failed(context, outcome.OK if success else outcome.from_t30(49, "dropped"), 1.0)
        events: tuple[Event, ...] = (CallEvent(state=CallState.ANSWERED), result)
        for event in events:
            recorder.take(FaxUpdate(context, event))
            await asyncio.sleep(0)
        while "handed on" not in queue.told_of:
            await asyncio.sleep(0.001)
        await recorder.close()
        return [one for one in queue.told_of if one != "written: begun"]

    return asyncio.run(asyncio.wait_for(run(), 10))


def test_its_end_is_told_when_it_is_written() -> None:
    assert recorded(Direction.RECEIVE, success=True) == ["receiving", "written: received", "received", "handed on"]
    assert recorded(Direction.RECEIVE, success=False) == ["receiving", "written: failed", "failed", "handed on"]


def test_a_direct_call_is_in_no_queue() -> None:
    assert recorded(Direction.SEND, success=True) == ["written: delivered", "handed on"]
