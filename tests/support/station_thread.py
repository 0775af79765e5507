# SPDX-License-Identifier: GPL-2.0-or-later
"""A station in a thread of its own, for tests whose far ends are plain sockets."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from softfax.model import FaxUpdate
from softfax.station import Station

__all__ = ["StationThread"]


class StationThread:
    """Runs from its making until `close`. `take` gets its events, in that thread."""

    def __init__(self, config: dict[str, Any], take: Callable[[FaxUpdate], None] | None = None) -> None:
        self.port = 0
        self._config, self._take = config, take
        self._started = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._main)
        self._thread.start()
        assert self._started.wait(60)

    def _main(self) -> None:
        async def run() -> None:
            async with Station(self._config, isolated=True) as station:
                if self._take is not None:
                    station.subscribe(self._take)
                self.port = station.bound_address[1]
                self._started.set()
                await self._stop.wait()

        self._loop.run_until_complete(run())

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(60)
