# SPDX-License-Identifier: GPL-2.0-or-later
"""Faxes between softfax and a real Asterisk over bad networks, in real time: the table of docs/reliability.md.

`python -m tests.interop.lines [--faxes N] [--at-once N] [--newer] [CELL…]` prints a row for each kind of line as it is done.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from softfax.impair.cells import Cell, cells_named
from softfax.impair.faxes import draw_pages
from softfax.impair.relay import Damage
from tests.interop.cases import LISTEN
from tests.peer.ami import Ami
from tests.peer.asterisk import Asterisk, PeerAddress, originate
from tests.peer.chroot import NEWER_SUITES, SUITES
from tests.support.bad_network import BadNetwork
from tests.support.command import SoftfaxProcess
from tests.support.pages import page_differences, read_tiff

FAX_S = 600.0
#: What a network does to packets; the other kinds of line are of the sound.
CELLS = ("t38", "t38-1%", "t38-20%", "t38-burst-200ms", "audio", "audio-0.1%", "audio-0.5%", "audio-1%", "audio-jitter")


@dataclass(frozen=True)
class LineFax:
    """One fax: whether its sender says that it is delivered, whether it came dot for dot, and the duration of the call."""

    delivered: bool
    identical: bool
    seconds: float


class Rig:
    """An Asterisk, what is sent, and a folder for each fax."""

    def __init__(self, peer: PeerAddress, ami: Ami, document: Path, at_once: int) -> None:
        self.peer, self.ami, self.document = peer, ami, document
        self._gate = asyncio.Semaphore(at_once)
        self._pages = read_tiff(document)

    async def fax(self, cell: Cell, seed: int, *, sends: bool) -> LineFax:
        """One fax over the line of a cell; softfax `sends`, or Asterisk does."""
        line = cell.of(seed)
        damage = Damage(
            loss=line.loss, burst_s=line.burst_s, jitter_ms=line.jitter_ms, delay_ms=line.delay_ms,
            duplicate=line.duplicate,
        )  # fmt: skip
        folder = self.document.parent / f"{cell.name}-{seed}-{'out' if sends else 'in'}"
        folder.mkdir()
        async with self._gate, BadNetwork(self.peer.sip_port, damage, seed) as network:
            return await (self._send if sends else self._receive)(network, folder, line.mode != "T38")

    async def _send(self, network: BadNetwork, folder: Path, audio: bool) -> LineFax:
        uri = f"sip:{'recv-audio' if audio else 'recv'}@127.0.0.1:{network.port}"
        process = await SoftfaxProcess.start("send", uri, str(self.document), cwd=folder)
        await process.wait(FAX_S)
        result = process.results[-1] if process.results else {}
        message = await self._their_result(str(result.get("call_id", "")))
        return self._judged(bool(result.get("success")), self.peer.outside(message.get("File", "")), result)

    async def _their_result(self, call_id: str) -> dict[str, str]:
        for _ in range(60):
            for message in self.ami.history:
                if message.get("UserEvent") == "FaxResult" and message.get("CallID") == call_id:
                    return dict(message)
            await asyncio.sleep(0.5)
        return {}

    async def _receive(self, network: BadNetwork, folder: Path, audio: bool) -> LineFax:
        arguments = ("receive", *LISTEN, "--count", "1", "--dir", ".", "--keep-tiff")
        process = await SoftfaxProcess.start(*arguments, cwd=folder)
        uri = f"sip:fax@127.0.0.1:{network.towards(await process.listening_port())}"
        shutil.copy(self.document, self.peer.faxes / f"{folder.name}.tif")
        ended = await originate(
            self.ami, "send", uri, folder.name, options="F" if audio else "fz",
            file=f"{self.peer.folder}/fax/{folder.name}.tif",
        )  # fmt: skip
        await process.wait(FAX_S)
        message = await asyncio.wait_for(ended, 60)
        result = process.results[-1] if process.results else {}
        received = next(iter(sorted(folder.glob("2*.tif"))), folder / "nothing")
        return self._judged(message.get("Status") == "SUCCESS", received, result)

    def _judged(self, delivered: bool, received: Path, result: dict[str, object]) -> LineFax:
        identical = received.is_file() and page_differences(self._pages, read_tiff(received)) == ""
        return LineFax(delivered, identical, float(str(result.get("duration_s", 0.0))))


async def _run(peer: PeerAddress, cells: Sequence[Cell], faxes: int, at_once: int, folder: Path) -> bool:
    draw_pages(folder / "pages.tif")
    ami = await peer.manager()
    good = True
    try:
        rig = Rig(peer, ami, folder / "pages.tif", at_once)

        async def of(cell: Cell, sends: bool) -> list[LineFax]:
            found = await asyncio.gather(
                *(rig.fax(cell, seed, sends=sends) for seed in range(1, faxes + 1)), return_exceptions=True
            )
            for one in found:
                if isinstance(one, BaseException):
                    print(f"{cell.name}: {one!r}", file=sys.stderr)
            return [one if isinstance(one, LineFax) else LineFax(False, False, 0.0) for one in found]

        print(f"Asterisk {peer.version}, {faxes} faxes each way\n")
        print("| line | to it: delivered | identical | seconds | from it: delivered | identical | seconds |")
        print("| --- | --- | --- | --- | --- | --- | --- |", flush=True)
        rows = [(cell, asyncio.gather(of(cell, True), of(cell, False))) for cell in cells]
        for cell, both in rows:
            columns = []
            for ways in await both:
                good &= not any(one.delivered and not one.identical for one in ways)
                seconds = statistics.median(one.seconds for one in ways)
                columns += [sum(o.delivered for o in ways), sum(o.identical for o in ways), f"{seconds:.0f}"]
            print(f"| {cell.about} | {' | '.join(map(str, columns))} |", flush=True)
    finally:
        await ami.close()
    return good


def main() -> int:
    """Prints the table; 1 where a page that was confirmed differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cells", nargs="*", metavar="CELL", default=list(CELLS))
    parser.add_argument("--faxes", type=int, default=5)
    parser.add_argument("--at-once", type=int, default=8)
    parser.add_argument("--newer", action="store_true", help="Asterisk of Debian testing (22)")
    asked = parser.parse_args()
    cells = cells_named(asked.cells or list(CELLS))
    with tempfile.TemporaryDirectory() as folder, Asterisk(suites=NEWER_SUITES if asked.newer else SUITES) as peer:
        return int(not asyncio.run(_run(peer, cells, asked.faxes, asked.at_once, Path(folder))))


if __name__ == "__main__":
    sys.exit(main())
