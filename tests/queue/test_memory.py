# SPDX-License-Identifier: GPL-2.0-or-later
"""Trouble of one fax is known to the others to that number, and what people set for a number holds."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

from softfax.model import FaxState
from softfax.options import ModePolicy
from softfax.queue.queue import FaxQueue
from softfax.records.model import Document, FaxRequest
from softfax.station import Station, wire
from tests.queue.test_rules import TABLES
from tests.support.simulated_calls import FarEnds, SimulatedCalls

PLACED: list[wire.PlaceCall] = []


class Watched(SimulatedCalls):
    """Keeps the orders it gets."""

    def order(self, message: wire.Message) -> None:
        """Takes an order."""
        if isinstance(message, wire.PlaceCall):
            PLACED.append(message)
        super().order(message)


async def send(queue: FaxQueue, to: str, letter: Path, state: FaxState, **options: Any) -> None:
    """Sends a fax and waits until it is in this state."""
    (fax,) = await queue.submit([FaxRequest(to=to, documents=(Document(path=letter),), **options)])
    while (found := await queue.get(fax.id)) is None or found.state is not state or not found.attempts[-1:]:
        await asyncio.sleep(0.05)
    while not (await queue.get(fax.id)).attempts[-1].ended:  # type: ignore[union-attr]
        await asyncio.sleep(0.05)


def test_the_next_fax_to_a_number_is_sent_as_the_last_one_taught(tmp_path: Path) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_text("Good day.\n")
    PLACED.clear()

    async def scene() -> None:
        config = {"data": {"dir": tmp_path / "data"}, **TABLES}
        station = Station(config, calls=partial(Watched, far_ends=FarEnds()))
        queue = FaxQueue(station)
        async with station:
            number = "sip:train+ok@far.example"
            await send(queue, number, letter, FaxState.WAITING)
            await send(queue, number, letter, FaxState.DELIVERED)
            # It is taken in after the result is written.
            while (memory := (await asyncio.to_thread(queue.memory.newest, 10))[0]).calls < 2:
                await asyncio.sleep(0.02)
            assert memory.delivered == 1

            await asyncio.to_thread(queue.memory.prefer, number, "audio", 4800)
            await send(queue, number, letter, FaxState.DELIVERED)
            await send(queue, number, letter, FaxState.DELIVERED, mode=ModePolicy.T38, max_rate_bps=2400)

    asyncio.run(asyncio.wait_for(scene(), 90))
    said = [(str(one.settings.mode), one.settings.max_rate_bps) for one in PLACED]
    assert said == [("auto", 14400), ("auto", 9600), ("audio", 4800), ("t38", 2400)]
