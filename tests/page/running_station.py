# SPDX-License-Identifier: GPL-2.0-or-later
"""A station with its queue and its HTTP server in a process of its own: `python -m tests.page.running_station CONFIG.json`.
Says {"http": port, "sip": port} on a line of standard output; ends with its standard input."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from softfax.queue.queue import FaxQueue
from softfax.station import Station
from softfax.web.server import WebServer


async def run(config: dict[str, object]) -> None:
    station = Station(config)
    queue = FaxQueue(station)
    web = WebServer(station, queue)
    station.add(web)
    async with station:
        print(json.dumps({"http": web.address[1], "sip": station.bound_address[1]}), flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(run(json.loads(Path(sys.argv[1]).read_text())))
