# SPDX-License-Identifier: GPL-2.0-or-later
"""A station with queue and HTTP in this process, on a port of its own, with simulated far ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any

import httpx

from softfax.queue.queue import FaxQueue
from softfax.station import Station
from softfax.web.server import WebServer
from tests.support.described import check_async
from tests.support.simulated_calls import FarEnds, SimulatedCalls

ADMIN = "a-secret-of-the-tests"
READER = "a-reader-of-the-tests"
SENDER = "a-sender-of-the-tests"
TOKENS = [
    {"name": "admin", "secret": ADMIN, "scopes": ["admin"]},
    {"name": "reader", "secret": READER, "scopes": ["read"]},
    {"name": "sender", "secret": SENDER, "scopes": ["send", "events"]},
]
QUICK = {f"retry_{cause}_s": [0.05] for cause in ("busy", "no_answer", "training", "broken", "not_fax", "unreachable")}
LIMIT_S = 90.0


@dataclass
class Running:
    """A station that runs, and where it answers."""

    station: Station
    queue: FaxQueue
    web: WebServer
    far_ends: FarEnds

    @property
    def url(self) -> str:
        host, port = self.web.address
        return f"http://{host}:{port}"

    def client(self, token: str = ADMIN, **more: Any) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.AsyncClient(
            base_url=self.url,
            headers={**headers, **more.pop("headers", {})},
            timeout=LIMIT_S,
            trust_env=False,
            event_hooks={"response": [check_async]},
            **more,
        )


@asynccontextmanager
async def running(
    folder: Path, *, step_s: float = 0.0, far_ends: FarEnds | None = None, **tables: Any
) -> AsyncIterator[Running]:
    """A station whose tables of configuration may be given; `http` is joined with ours."""
    far_ends = far_ends or FarEnds()
    http = {"listen": "127.0.0.1:0", "token": TOKENS, **tables.pop("http", {})}
    config = {
        "data": {"dir": folder / "data"},
        "fax": {"header": "Clinic", "resolution": "standard"},
        "queue": {**QUICK, "attempts": 3},
        "callbacks": {"allow_private": True},
        "http": http,
        **tables,
    }
    station = Station(config, calls=partial(SimulatedCalls, far_ends=far_ends, step_s=step_s))
    queue = FaxQueue(station)
    web = WebServer(station, queue)
    station.add(web)
    await station.__aenter__()
    try:
        yield Running(station, queue, web, far_ends)
    finally:
        await station.__aexit__(None, None, None)


@contextmanager
def running_beside(folder: Path, **options: Any) -> Iterator[Running]:
    """Run such a station in a thread, for a test that has no loop of its own."""
    loop = asyncio.new_event_loop()
    found: list[Running] = []
    ready: asyncio.Event = asyncio.Event()
    stop = asyncio.Event()

    async def run() -> None:
        async with running(folder, **options) as one:
            found.append(one)
            ready.set()
            await stop.wait()

    task = loop.create_task(run())
    thread = Thread(target=partial(_run, loop, task), daemon=True)
    thread.start()
    asyncio.run_coroutine_threadsafe(_either(ready, task), loop).result(LIMIT_S)
    try:
        yield found[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(LIMIT_S)
        loop.close()


def _run(loop: asyncio.AbstractEventLoop, task: asyncio.Task[None]) -> None:
    asyncio.set_event_loop(loop)
    loop.run_until_complete(task)


async def _either(ready: asyncio.Event, task: asyncio.Task[None]) -> None:
    waiting = asyncio.ensure_future(ready.wait())
    await asyncio.wait([waiting, task], return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()


async def over(client: httpx.AsyncClient, path: str) -> dict[str, Any]:
    """A fax or a run, once it has ended."""

    async def look() -> dict[str, Any] | None:
        one: dict[str, Any] = (await client.get(path)).json()
        return one if one["ended"] else None

    found: dict[str, Any] = await until(look)
    return found


async def until(what: Callable[[], Any]) -> Any:
    """Waits until `what` (which may be a coroutine function) gives something true, and gives that."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            found = what()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return found
            await asyncio.sleep(0.02)
