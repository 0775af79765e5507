# SPDX-License-Identifier: GPL-2.0-or-later
"""Many faxes at once through one `softfax gateway`, from T.38 to G.711 and back, beside what spandsp's gateway costs in memory.

    python -m bench.gateways [--calls 100] [--pages 1]

It prints CPU of the gateway's process a call, of its engine and of all else, and how often the former is what the gateway alone
costs where the same fax passes in memory, without sockets, clock and SIP. It asserts no times; it fails if a page does not arrive
identical, dot for dot.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.limit import LINES, faxes_in_memory
from bench.orders import Cost, cost
from bench.run import CALL_LIMIT_S, SETTLE_S, Document, Station
from softfax.engine.line import LineSettings
from tests.support.background import REPOSITORY

SENDER, RECEIVER = "127.0.0.21", "127.0.0.22"
WAYS = {("t38", "audio"): "T.38 to G.711", ("audio", "t38"): "G.711 to T.38", ("t38", "t38"): "T.38 to T.38"}
REPEATS = 10


@dataclass
class Passed:
    """Figures of one direction: CPU of the gateway, and the seconds of all calls together."""

    calls: int
    cost: Cost
    identical: int = 0
    call_s: float = 0.0


def alone_s(document: Document, way: tuple[str, str], folder: Path) -> float:
    """CPU seconds that one fax costs spandsp's gateway in memory: of the whole, less the halves of the two ends."""
    first, second = (LINES[mode] for mode in way)

    def fax_s(line: LineSettings, onward: LineSettings | None = None) -> float:
        return faxes_in_memory(document.path, folder, REPEATS, line, onward).cpu_s / REPEATS

    return fax_s(first, second) - (fax_s(first) + fax_s(second)) / 2


async def pass_faxes(document: Document, way: tuple[str, str], calls: int, folder: Path) -> Passed:
    """All at once by real calls: a process that sends, `softfax gateway`, and one that receives."""
    common = ("--count", str(calls), "--pages", str(len(document.pages)))
    receiver = await Station.start(
        "receive", "--mode", way[1], "--listen", RECEIVER, "--folder", str(folder), "--count", str(calls)
    )
    onward = f"sip:{RECEIVER}:{(await receiver.read())['ready']}"
    gateway = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "softfax.cli.main", "gateway", "--json", "--listen", "127.0.0.1:0"),
        *("--count", str(calls), f"sip:{SENDER}", onward),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=REPOSITORY, limit=1 << 24,
    )  # fmt: skip
    drained: list[asyncio.Task[bytes]] = []
    try:
        assert gateway.stdout
        assert gateway.stderr
        listening = (await gateway.stderr.readline()).decode()
        address = listening.partition("sip:")[2].partition(" ")[0]
        drained = [asyncio.create_task(pipe.read()) for pipe in (gateway.stdout, gateway.stderr)]
        sender = await Station.start(
            *("send", "--mode", way[0], "--listen", SENDER, "--to", f"sip:bench@{address}"),
            *("--file", str(document.path), *common),
        )
        await sender.read()
        begin = spent = cost(gateway.pid)
        assert sender.process.stdin
        sender.process.stdin.write(b"go\n")

        async def watch() -> None:
            nonlocal spent
            while gateway.returncode is None:
                spent = cost(gateway.pid)
                await asyncio.sleep(0.1)

        watching = asyncio.create_task(watch())
        async with asyncio.timeout(CALL_LIMIT_S):
            await sender.faxes_over()
        await asyncio.sleep(SETTLE_S)
        watching.cancel()
        passed = Passed(calls, spent - begin)
        for text in sorted({fax["text"] for fax in sender.faxes if not fax["success"]}):
            print(f"bench: {text}", file=sys.stderr)
        passed.call_s = sum(fax["seconds"] for fax in sender.faxes)
        passed.identical = sum(document.is_identical(file) for file in folder.iterdir())
        await asyncio.gather(sender.stop(), receiver.stop())
        return passed
    finally:
        if gateway.returncode is None:
            gateway.terminate()
        await gateway.wait()
        await asyncio.gather(*drained)


def main() -> int:
    """Measure each direction, print a table, and tell whether all pages were identical."""
    parser = argparse.ArgumentParser(prog="python -m bench.gateways", description=__doc__.split("\n\n")[0])
    parser.add_argument("--calls", type=int, default=100, help="calls at once (100)")
    parser.add_argument("--pages", type=int, default=1, help="pages of the fax (1)")
    options = parser.parse_args()
    whole = True
    print(
        "| | at once | identical | % of a core a call | CPU s a call: engine | all else | spandsp's gateway alone | times |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for way, name in WAYS.items():
        with tempfile.TemporaryDirectory(prefix="softfax-bench-") as work:
            document = Document(Path(work), options.pages)
            alone = alone_s(document, way, Path(work))
            (received := Path(work) / "received").mkdir()
            passed = asyncio.run(pass_faxes(document, way, options.calls, received))
        engine_s, else_s = (part / passed.calls for part in (passed.cost.engine_s, passed.cost.other_s))
        percent = 100 * (passed.cost.engine_s + passed.cost.other_s) / passed.call_s
        print(
            f"| {name} | {passed.calls} | {passed.identical} of {passed.calls} | {percent:.3f} "
            f"| {engine_s:.3f} | {else_s:.3f} | {alone:.3f} | {engine_s / alone:.1f} |",
            flush=True,
        )
        whole &= passed.identical == passed.calls
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main())
