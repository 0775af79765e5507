# SPDX-License-Identifier: GPL-2.0-or-later
"""The whole station: one order to many far ends, from one `softfax serve` to another, with SQLite, and both followed by events.

    python -m bench.orders [--faxes 500] [--calls 500] [--mode t38] [--document FILE] [--out FILE]

It says how long it takes until every channel slot is in use and until all faxes have ended, how many went through at the first
attempt and are identical, dot for dot, below their header lines, and what it costs: of the engine's threads, and of all else. It
asserts no times; it fails if a fax is not delivered or not identical.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pikepdf
from PIL import Image

from bench.process import stat_s
from softfax.client import AsyncSoftfaxClient
from softfax.client.models import Fax
from softfax.documents.convert import convert
from softfax.documents.header import header_rows
from softfax.documents.types import RasterSettings
from tests.peer.asterisk import free_port
from tests.support.served import Served, serving

__all__ = ["main"]

SAMPLES = Path(__file__).parents[1] / "samples"
LIMIT_S = 1800.0
FINE_DPI = 196.0
CALLS_PER_PROCESS = 1000


@dataclass
class Cost:
    """CPU seconds of a station: of its engine's threads, and of everything else, processes that ended included."""

    engine_s: float = 0.0
    other_s: float = 0.0

    def __sub__(self, before: Cost) -> Cost:
        return Cost(round(self.engine_s - before.engine_s, 2), round(self.other_s - before.other_s, 2))


@dataclass
class Run:
    """Measurements of one order."""

    faxes: int
    mode: str
    posted_s: float = 0.0
    """Until the order was answered."""
    placed_s: float = 0.0
    """Until the first attempt of the last fax had a channel slot."""
    filled_s: float | None = None
    """Until as many calls were up as there are slots or faxes."""
    ended_s: float = 0.0
    calls_max: int = 0
    states: dict[str, int] = field(default_factory=dict)
    first_attempt: int = 0
    identical: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    events: int = 0
    sender: Cost = field(default_factory=Cost)
    receiver: Cost = field(default_factory=Cost)
    sender_load: dict[str, Any] = field(default_factory=dict)
    receiver_load: dict[str, Any] = field(default_factory=dict)

    @property
    def right(self) -> bool:
        return self.states.get("delivered", 0) == self.identical == self.faxes

    def __str__(self) -> str:
        filled = "never all at once" if self.filled_s is None else f"all up after {self.filled_s:.1f} s"
        each = {
            name: f"{cost.engine_s / self.faxes:.3f} + {cost.other_s / self.faxes:.3f}"
            for name, cost in (("sender", self.sender), ("receiver", self.receiver))
        }
        lines = [
            f"{self.faxes} faxes, {self.mode}: answered in {self.posted_s} s, all placed after {self.placed_s} s, {filled}",
            f"  at most {self.calls_max} calls, all ended after {self.ended_s:.0f} s",
            f"  {self.states}, {self.first_attempt} at the first attempt, {self.identical} identical, {self.events} events",
            f"  CPU seconds a fax, engine + all else: sender {each['sender']}, receiver {each['receiver']}",
        ]
        lines += [f"  {count} times: {what}" for what, count in self.failures.items()]
        lines += [f"  refused by the {name}: {load.get('refused')}" for name, load in self.loads().items()]
        return "\n".join(lines)

    def loads(self) -> dict[str, dict[str, Any]]:
        return {"sender": self.sender_load, "receiver": self.receiver_load}


def tree(pid: int) -> list[int]:
    """A process and those it started."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            for child in (task / "children").read_text().split():
                found += tree(int(child))
    return found


def cost(pid: int) -> Cost:
    """CPU of a station so far."""
    total = engine = 0.0
    for one in tree(pid):
        with contextlib.suppress(OSError):
            total += stat_s(Path(f"/proc/{one}/stat"), children=True)
            for task in Path(f"/proc/{one}/task").iterdir():
                if (task / "comm").read_text().startswith("softfax-media"):
                    engine += stat_s(task / "stat")
    return Cost(engine, total - engine)


def config(folder: Path, calls: int, *, sip: str = "", fax: str = "", data: str = "") -> str:
    """A station with so many channel slots; the others are more lines of these tables.

    Its port is a free one by number, since a station of several processes counts its ports from the first.
    """
    return f"""
[sip]
listen = "127.0.0.1:{free_port(udp=True)}"
max_calls = {calls}
unknown_calls = {calls}
sending_calls = 0
unacknowledged_calls = {min(1000, calls)}
{sip}
[http]
listen = "127.0.0.1:0"
[inbox]
dir = "{folder}/received"
[fax]
header = "Praxis am See"
{fax}
[data]
dir = "{folder}/data"
{data}
"""


class Watcher:
    """Follows the events of a station, as its page does."""

    def __init__(self, client: AsyncSoftfaxClient) -> None:
        self.client = client
        self.count = 0

    async def follow(self) -> None:
        async for _ in self.client.events():
            self.count += 1


async def watch_calls(client: AsyncSoftfaxClient, wanted: int, run: Run, begun: float) -> None:
    """Notes how many calls are up, until it is cancelled."""
    while True:
        status = await client.status()
        used = status["lines"]["used"]
        run.calls_max = max(run.calls_max, used)
        if used >= wanted and run.filled_s is None:
            run.filled_s = time.monotonic() - begun
        await asyncio.sleep(0.5)


async def all_ended(client: AsyncSoftfaxClient, faxes: list[Fax]) -> list[Fax]:
    """The faxes once all of them have ended."""
    until = time.monotonic() + LIMIT_S
    while time.monotonic() < until:
        status = await client.status()
        by_state = status["queue"]["by_state"]
        if sum(by_state.get(state, 0) for state in ("delivered", "failed", "expired", "uncertain")) >= len(faxes):
            break
        await asyncio.sleep(2)
    return [await client.get(fax.id) for fax in faxes]


def rows_of(image: Image.Image) -> bytes:
    """The dots below the header line."""
    image = image.convert("1")
    return image.crop((0, header_rows(FINE_DPI), image.width, image.height)).tobytes()


def page_of(pdf: bytes) -> bytes:
    """The dots of a received PDF's only page."""
    with pikepdf.open(io.BytesIO(pdf)) as document:
        (image,) = document.pages[0].get_images().values()
        return rows_of(pikepdf.PdfImage(image).as_pil_image())


async def raster_rows(document: Path) -> bytes:
    """The dots of a document's first page, as it is sent."""
    with tempfile.TemporaryDirectory() as folder:
        raster = Path(folder) / "page.tif"
        await asyncio.to_thread(convert, [document], raster, RasterSettings())
        with Image.open(raster) as image:
            return rows_of(image)


async def count_identical(client: AsyncSoftfaxClient, document: Path) -> int:
    """Count the faxes that came and are the document's first page."""
    wanted = await raster_rows(document)
    received = [fax async for fax in client.list(direction="receive")]
    return sum([page_of(await client.document(fax.id)) == wanted for fax in received if fax.pages])


def note(run: Run, faxes: list[Fax]) -> None:
    """Enter how the faxes ended."""
    run.states = dict(Counter(fax.state for fax in faxes))
    run.first_attempt = sum(fax.state == "delivered" and len(fax.attempts) == 1 for fax in faxes)
    run.failures = dict(
        Counter(
            f"{attempt.cause}: {attempt.result.status_string if attempt.result else 'no result'}"
            for fax in faxes
            for attempt in fax.attempts
            if attempt.cause
        )
    )


@contextlib.asynccontextmanager
async def following(*clients: AsyncSoftfaxClient) -> AsyncIterator[list[Watcher]]:
    """Follows the events of stations as long as the block lasts."""
    watchers = [Watcher(client) for client in clients]
    tasks = [asyncio.create_task(watcher.follow()) for watcher in watchers]
    try:
        yield watchers
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def ports_of(host: str, processes: int) -> list[str]:
    """Addresses of a station's processes for calls: each has a SIP port of its own, two above the one before."""
    address, _, port = host.rpartition(":")
    return [f"{address}:{int(port) + 2 * n}" for n in range(processes)]


async def measure(here: Served, there: Served, options: argparse.Namespace) -> Run:
    """One order, from its POST to the last fax."""
    run = Run(options.faxes, options.mode)
    async with (
        AsyncSoftfaxClient(here.url, timeout_s=120) as sender,
        AsyncSoftfaxClient(there.url, timeout_s=120) as receiver,
        following(sender, receiver) as watchers,
    ):
        before = cost(here.process.pid), cost(there.process.pid)
        begun, ordered = time.monotonic(), datetime.now(UTC)
        doors = ports_of(there.host, -(-options.calls // CALLS_PER_PROCESS))
        to = [f"sip:{5000 + n}@{doors[n % len(doors)]}" for n in range(options.faxes)]
        faxes = await sender.broadcast(to, [options.document])
        run.posted_s = round(time.monotonic() - begun, 1)
        watching = asyncio.create_task(watch_calls(sender, min(options.faxes, options.calls), run, begun))
        ended = await all_ended(sender, faxes)
        run.ended_s = round(time.monotonic() - begun, 1)
        run.placed_s = round(max((fax.attempts[0].started - ordered).total_seconds() for fax in ended), 1)
        watching.cancel()
        run.sender_load, run.receiver_load = (await sender.status())["load"], (await receiver.status())["load"]
        note(run, ended)
        await asyncio.sleep(2)
        run.sender, run.receiver = cost(here.process.pid) - before[0], cost(there.process.pid) - before[1]
        run.identical = await count_identical(receiver, options.document)
        run.events = sum(watcher.count for watcher in watchers)
    return run


def main() -> int:
    """Measure, print, and fail where a fax did not get through as it was."""
    parser = argparse.ArgumentParser(description="One order to many far ends, station to station.")
    parser.add_argument("--faxes", type=int, default=500)
    parser.add_argument("--calls", type=int, default=0, help="channel slots (as many as there are faxes)")
    parser.add_argument("--mode", default="auto", choices=["auto", "t38", "audio"])
    parser.add_argument("--document", type=Path, default=SAMPLES / "letter.pdf")
    parser.add_argument("--out", type=Path, help="write what was measured as JSON")
    parser.add_argument("--keep", type=Path, help="folder of the stations (a temporary one)")
    options = parser.parse_args()
    options.calls = options.calls or options.faxes
    with contextlib.ExitStack() as stack:
        folder = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="softfax-bench-")))
        folder.mkdir(exist_ok=True)
        for name in ("office", "clinic"):
            (folder / name).mkdir(exist_ok=True)
            text = config(folder / name, options.calls, fax=f'ident = "{name.upper()}"\nmode = "{options.mode}"')
            (folder / name / "softfax.toml").write_text(text)
        here = stack.enter_context(serving(folder / "office", "OFFICE"))
        there = stack.enter_context(serving(folder / "clinic", "CLINIC"))
        run = asyncio.run(measure(here, there, options))
    print(run)
    if options.out:
        options.out.write_text(json.dumps(asdict(run), indent=1))
    return 0 if run.right else 1


if __name__ == "__main__":
    sys.exit(main())
