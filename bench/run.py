# SPDX-License-Identifier: GPL-2.0-or-later
"""CPU and memory of a call, beside two references of the same run: spandsp alone in memory, and Asterisk with the same
faxes. It measures and asserts no times; it does fail if a page arrives that is not identical, dot for dot.

    python -m bench [--calls 1 10 50] [--mode t38 audio] [--system softfax asterisk] [--pages 3] [--out FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.measurement import MODES, Measurement, Side, table
from bench.process import MemoryWatch, cpu_s, machine_cpu_s
from tests.peer.ami import Ami, Message
from tests.peer.asterisk import Asterisk, PeerAddress, originate
from tests.support.background import REPOSITORY
from tests.support.pages import Page, draw_page, page_differences, read_tiff, write_fax_tiff

__all__ = ["main"]

# A page of ordinary density: 24 lines, about 38 kB in T.6.
LINES_A_PAGE = 24
CALL_LIMIT_S = 420.0
STAGGER_S = 0.1
LIMIT_REPEATS = 10
# From the end of the last call to the reading of the counters: what is put away after a call belongs to it.
SETTLE_S = 1.0


class Document:
    """The fax that all systems send."""

    def __init__(self, folder: Path, pages: int) -> None:
        self.pages: list[Page] = [draw_page(f"Benchmark page {n + 1}", lines=LINES_A_PAGE) for n in range(pages)]
        self.path = write_fax_tiff(folder / "bench.tif", self.pages)

    def is_identical(self, received: Path) -> bool:
        return received.exists() and page_differences(self.pages, read_tiff(received)) == ""


# ---- the limit ----------------------------------------------------------------------------------------------------


async def measure_limit(mode: str, calls: int, document: Document, folder: Path) -> Measurement:
    """Both endpoints' CPU, half to each: in memory they run in one thread."""
    del calls
    arguments = (mode, str(document.path), str(folder), str(LIMIT_REPEATS))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.limit", *arguments, stdout=asyncio.subprocess.PIPE, cwd=REPOSITORY
    )
    out, _ = await process.communicate()
    said = json.loads(out)
    side = Side(said["cpu_s"] / 2)
    identical = sum(document.is_identical(Path(file)) for file in said["files"])
    return Measurement(
        system="spandsp in memory",
        mode=mode,
        calls=LIMIT_REPEATS,
        pages=len(document.pages),
        sender=side,
        receiver=side,
        call_s=[said["simulated_s"] / LIMIT_REPEATS] * LIMIT_REPEATS,
        went_through=LIMIT_REPEATS,
        identical=identical,
        wall_s=said["cpu_s"],
    )


# ---- the calls, of whichever system ---------------------------------------------------------------------------------


@asynccontextmanager
async def measured(system: str, mode: str, calls: int, pages: int, pids: tuple[int, int]) -> AsyncIterator[Measurement]:
    """CPU and memory of sender and receiver while the calls in the `async with` block run."""
    async with AsyncExitStack() as stack:
        watches = [await stack.enter_async_context(MemoryWatch(pid)) for pid in pids]
        begin, machine, clock = [cpu_s(pid) for pid in pids], machine_cpu_s(), time.monotonic()
        m = Measurement(system, mode, calls, pages, Side(0), Side(0))
        yield m
        m.wall_s = time.monotonic() - clock
        await asyncio.sleep(SETTLE_S)
        end = [cpu_s(pid) for pid in pids]
        m.other_cpu_s = machine_cpu_s() - machine - sum(end) + sum(begin)
        for side, watch, a, b in zip((m.sender, m.receiver), watches, begin, end, strict=True):
            side.cpu_s = b - a
            side.memory_begin_bytes, side.memory_peak_bytes = watch.begin, watch.peak


# ---- softfax --------------------------------------------------------------------------------------------------------


class Station:
    """A bench.station process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.faxes: list[dict[str, Any]] = []
        self.engine_cpu_s: float | None = None

    @classmethod
    async def start(cls, *arguments: str) -> Station:
        return cls(
            await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "bench.station", *arguments),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                cwd=REPOSITORY,
            )
        )

    async def read(self) -> dict[str, Any]:
        assert self.process.stdout
        line = await self.process.stdout.readline()
        if not line:
            raise RuntimeError("the bench station ended by itself")
        said: dict[str, Any] = json.loads(line)
        return said

    async def faxes_over(self) -> None:
        while self.engine_cpu_s is None:
            said = await self.read()
            if "fax" in said:
                self.faxes.append(said)
            self.engine_cpu_s = said.get("engine_cpu_s")

    async def stop(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        try:
            await asyncio.wait_for(self.process.wait(), 30)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()


async def measure_softfax(mode: str, calls: int, document: Document, folder: Path) -> Measurement:
    """Two processes, each with all the calls."""
    common = ("--mode", mode, "--count", str(calls))
    receiver = await Station.start("receive", *common, "--folder", str(folder))
    port = (await receiver.read())["ready"]
    sender = await Station.start(
        *("send", *common, "--to", f"sip:bench@127.0.0.1:{port}", "--file", str(document.path)),
        *("--pages", str(len(document.pages)), "--stagger", str(STAGGER_S)),
    )
    await sender.read()
    pids = (sender.process.pid, receiver.process.pid)
    async with measured("softfax", mode, calls, len(document.pages), pids) as m:
        assert sender.process.stdin
        sender.process.stdin.write(b"go\n")
        try:
            async with asyncio.timeout(CALL_LIMIT_S):
                await asyncio.gather(sender.faxes_over(), receiver.faxes_over())
        except TimeoutError:
            m.notes.append("not over in time")
    await asyncio.gather(sender.stop(), receiver.stop())
    m.sender.engine_cpu_s, m.receiver.engine_cpu_s = sender.engine_cpu_s, receiver.engine_cpu_s
    m.call_s = [fax["seconds"] for fax in sender.faxes if fax["seconds"]]
    wanted = {"t38": "T38", "audio": "audio"}[mode]
    m.went_through = sum(fax["success"] and fax["mode"] == wanted for fax in sender.faxes)
    m.identical = sum(document.is_identical(Path(fax["fax"])) for fax in receiver.faxes if fax["success"])
    m.notes += sorted({fax["text"] for fax in sender.faxes + receiver.faxes if not fax["success"]})
    return m


# ---- Asterisk -------------------------------------------------------------------------------------------------------


async def measure_asterisk(mode: str, calls: int, document: Document, folder: Path) -> Measurement:
    """Two Asterisk processes."""
    del folder
    a, b = Asterisk(send_file=document.path), Asterisk()
    try:
        sender, receiver = await asyncio.to_thread(a.start), await asyncio.to_thread(b.start)
        # What it does once after the start is not a call's.
        await asyncio.sleep(2)
        return await _asterisk_calls(mode, calls, document, sender, receiver)
    finally:
        a.stop()
        b.stop()


async def _asterisk_calls(
    mode: str, calls: int, document: Document, sender: PeerAddress, receiver: PeerAddress
) -> Measurement:
    uri, endpoint, options = {
        "t38": (receiver.uri("recv"), "out", "fz"),
        "audio": (receiver.uri("recv-audio"), "out-audio", "F"),
    }[mode]
    at_sender, at_receiver = await sender.manager("call,user"), await receiver.manager("user")
    up: dict[str, float] = {}
    down: dict[str, float] = {}
    try:
        async with measured(
            f"Asterisk {sender.version.split('.')[0]}", mode, calls, len(document.pages), (sender.pid, receiver.pid)
        ) as m:
            ends: dict[str, asyncio.Future[Message]] = {}
            for n in range(calls):
                tag = f"bench-{n}"
                _note_answer(at_sender, tag, up)
                ends[tag] = await originate(at_sender, "send", uri, tag, endpoint=endpoint, options=options)
                ends[tag].add_done_callback(lambda _, tag=tag: down.setdefault(tag, time.monotonic()))
                await asyncio.sleep(STAGGER_S)
            _, pending = await asyncio.wait(ends.values(), timeout=CALL_LIMIT_S)
            m.notes += ["not over in time"] * bool(pending)
        sent = [end.result() for end in ends.values() if end.done()]
        received = [e for e in at_receiver.history if e.get("UserEvent") == "FaxResult"]
    finally:
        await at_sender.close()
        await at_receiver.close()
    m.call_s = [down[tag] - up[tag] for tag in up if tag in down]
    m.went_through = sum(end.get("Status") == "SUCCESS" for end in sent)
    m.identical = sum(document.is_identical(receiver.outside(e["File"])) for e in received if e["Status"] == "SUCCESS")
    m.notes += sorted({e.get("StatusString", "no answer") for e in sent + received if e.get("Status") != "SUCCESS"})
    return m


def _note_answer(ami: Ami, tag: str, up: dict[str, float]) -> None:
    answered = ami.expect(
        lambda m: m.get("Event") == "OriginateResponse" and m.get("ActionID") == tag and m.get("Response") == "Success"
    )
    answered.add_done_callback(lambda f: None if f.cancelled() else up.setdefault(tag, time.monotonic()))


# ---- all of it ------------------------------------------------------------------------------------------------------

Measure = Callable[[str, int, Document, Path], Awaitable[Measurement]]
SYSTEMS: dict[str, Measure] = {"limit": measure_limit, "softfax": measure_softfax, "asterisk": measure_asterisk}


async def measure_all(options: argparse.Namespace) -> list[Measurement]:
    """One measurement after the other, each alone on the machine."""
    done: list[Measurement] = []
    with tempfile.TemporaryDirectory(prefix="softfax-bench-") as work:
        document = Document(Path(work), options.pages)
        print(f"{options.pages} pages, {document.path.stat().st_size} bytes", flush=True)
        for mode in options.mode:
            plan = [("limit", 1)] + [(system, n) for n in options.calls for system in options.system]
            for system, calls in plan:
                with tempfile.TemporaryDirectory(dir=work) as folder:
                    m = await SYSTEMS[system](mode, calls, document, Path(folder))
                done.append(m)
                seconds = f"{statistics.median(m.call_s):.1f} s" if m.call_s else "-"
                print(
                    f"{MODES[mode]:<6} {m.calls:>3} x {m.system:<18} {seconds:>8}  {m.mean_percent:.3f} % a call, "
                    f"{m.identical} of {m.calls} identical {'; '.join(m.notes)}",
                    flush=True,
                )
    return done


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.split("\n\n")[0])
    parser.add_argument("--calls", type=int, nargs="+", default=[1, 10, 50], help="concurrent calls (1 10 50)")
    parser.add_argument("--mode", nargs="+", choices=list(MODES), default=list(MODES))
    parser.add_argument("--system", nargs="+", choices=["softfax", "asterisk"], default=["softfax", "asterisk"])
    parser.add_argument("--pages", type=int, default=3, help="pages of the fax (3, about 90 seconds)")
    parser.add_argument("--out", type=Path, help="the JSON file (bench/results/TIME.json)")
    options = parser.parse_args()
    began = datetime.now(UTC)
    done = asyncio.run(measure_all(options))
    out = options.out or REPOSITORY / "bench" / "results" / f"{began:%Y%m%dT%H%M%SZ}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    machine = {"cores": os.cpu_count(), "processor": _processor(), "kernel": platform.release()}
    report = {"began": began.isoformat(), "machine": machine, "measurements": [m.to_json() for m in done]}
    out.write_text(json.dumps(report, indent=1) + "\n")
    print(f"\nCPU in percent of a core per call, over the time the calls were up\n\n{table(done)}\n\n{out}")
    failed = [m for m in done if not m.whole]
    for m in failed:
        what = f"{m.went_through} went through, {m.identical} identical: {'; '.join(m.notes)}"
        print(f"bench: {m.calls} calls of {m.system} by {MODES[m.mode]}: {what}", file=sys.stderr)
    return 1 if failed else 0


def _processor() -> str:
    with open("/proc/cpuinfo") as file:
        return next((line.partition(":")[2].strip() for line in file if line.startswith("model name")), "")
