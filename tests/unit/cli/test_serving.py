# SPDX-License-Identifier: GPL-2.0-or-later
"""A station that is told to stop waits for its calls, and not for ever for a database that takes nothing."""

from __future__ import annotations

import asyncio
from typing import Any

from softfax.cli.serving import settled

STEP_S = 0.001


class Calls:
    """A station's calls: `up` looks find them up, and `unwritten` more find their ends not written."""

    def __init__(self, up: int, unwritten: int) -> None:
        self.up, self.unwritten, self.looks = up, unwritten, 0

    async def idle(self, timeout_s: float) -> bool:
        self.looks += 1
        await asyncio.sleep(0)
        return self.looks > self.up + self.unwritten

    def is_calling(self) -> bool:
        return self.looks <= self.up


def stops(calls: Any) -> bool:
    return asyncio.run(settled(calls, writes_s=5 * STEP_S, step_s=STEP_S))


def test_calls_end_in_their_time() -> None:
    assert stops(Calls(up=50, unwritten=0))
    assert stops(Calls(up=50, unwritten=3))


def test_what_cannot_be_written_keeps_no_station_from_stopping() -> None:
    calls = Calls(up=50, unwritten=1000)
    assert not stops(calls)
    assert calls.looks < 60
