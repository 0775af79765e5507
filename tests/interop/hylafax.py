# SPDX-License-Identifier: GPL-2.0-or-later
"""Faxes to and from HylaFAX, all at the same time, each modem one after the other.

`python -m tests.interop.hylafax --peer STATE --folder FOLDER CASE…` writes FOLDER/CASE.json for each case as it ends.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from tests.interop.campaign import attempt, command
from tests.interop.cases import IDENT, LISTEN
from tests.interop.outcome import Outcome
from tests.peer.asterisk import PeerAddress
from tests.peer.hylafax import MODEMS, Hylafax
from tests.support.command import SoftfaxProcess
from tests.support.pages import draw_page, page_differences, read_tiff, write_fax_tiff
from tests.support.peer import campaign_peer

__all__ = ["CASES", "LIMIT_S"]

LIMIT_S = 240.0
FAX_S = 150.0
#: Rows of pages: A4 is 2292, of which HylaFAX sends 2286 as they are; A5 across, A5, Letter.
ONE, TWO = (2280,), (2280, 2280)
SIZES = (1144, 1640, 2156, 2280)
DECLINED = 3  # by the modem, which is not ready for a while after a call

Case = tuple[int, Callable[["Rig", Outcome, int], Awaitable[None]]]


class Rig:
    """What the cases share."""

    def __init__(self, peer: PeerAddress, hylafax: Hylafax, folder: Path) -> None:
        self.peer, self.hylafax, self._folder = peer, hylafax, folder
        self.modems = [asyncio.Lock() for _ in range(MODEMS)]

    def folder(self, case: str) -> Path:
        folder = self._folder / case
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def document(self, case: str, rows: Sequence[int], *, for_hylafax: bool = False) -> Path:
        """A fax TIFF of pages of so many rows, for HylaFAX one that it sends as it is: T.4, white 0, and no row longer than A4."""
        titles = (f"{case}, page {number} of {len(rows)}" for number in range(1, len(rows) + 1))
        drawn = [draw_page(title, rows=count) for title, count in zip(titles, rows, strict=True)]
        path = self.folder(case) / f"{case}.tif"
        if not for_hylafax:
            return write_fax_tiff(path, drawn)
        first, *others = [Image.fromarray(~page) for page in drawn]
        tags = {262: 0, 266: 1, 278: max(rows), 292: 0}
        first.save(path, save_all=True, append_images=others, compression="group3", dpi=(204, 196), tiffinfo=tags)
        return path

    async def idle(self, modem: int) -> None:
        """Waits until a modem has hung up."""
        async with asyncio.timeout(60):
            while not self.hylafax.is_idle(modem):
                await asyncio.sleep(0.3)
        await asyncio.sleep(5)


def to(modem: int, *options: str, rows: Sequence[int] = TWO, stop_after_page: bool = False) -> Case:
    """We call a modem and send."""

    async def case(rig: Rig, outcome: Outcome, modem: int) -> None:
        document = rig.document(outcome.case, rows)
        outcome.sent = str(document)
        arguments = ("send", rig.peer.uri(f"modem{modem}"), str(document), "--ident", IDENT, "--mode", "audio")
        for _ in range(3):
            process = await SoftfaxProcess.start(*arguments, *options, cwd=rig.folder(outcome.case))
            if stop_after_page:
                await process.wait_event(FAX_S, event="page")
                process.interrupt()
            await _finish(outcome, process)
            await rig.idle(modem)
            if outcome.exit_status != DECLINED:
                break
        if stop_after_page:
            return
        for file in rig.hylafax.received():
            # Others are still being received.
            with suppress(UnidentifiedImageError, OSError, SyntaxError):
                if page_differences(read_tiff(document), read_tiff(file)) == "":
                    outcome.received.append(str(shutil.copy(file, rig.folder(outcome.case) / "peer.tif")))

    return modem, case


def come_from(
    modem: int, *options: str, ours: tuple[str, ...] = (), rows: Sequence[int] = TWO, stop_after_page: bool = False
) -> Case:
    """A modem calls us and sends."""

    async def case(rig: Rig, outcome: Outcome, modem: int) -> None:
        document = rig.document(outcome.case, rows, for_hylafax=True)
        outcome.sent = str(document)
        process = await SoftfaxProcess.start(
            *("receive", *LISTEN, "--count", "1", "--dir", ".", "--keep-tiff", "--ident", IDENT, "--mode", "audio"),
            *ours,
            cwd=rig.folder(outcome.case),
        )
        number = f"9{await process.listening_port()}"
        job = await asyncio.to_thread(rig.hylafax.send, modem, number, document, "-m", *options)
        if stop_after_page:
            await process.wait_event(FAX_S, event="page")
            process.interrupt()
        await _finish(outcome, process)
        end = time.monotonic() + 30
        while not (done := rig.hylafax.job(job)) and time.monotonic() < end:
            await asyncio.sleep(0.3)
        outcome.peers.append(done)
        outcome.received += sorted(map(str, rig.folder(outcome.case).glob("2*.tif")))
        await rig.idle(modem)

    return modem, case


def fetched_from(modem: int) -> Case:
    """We call a modem that has nothing for us."""

    async def case(rig: Rig, outcome: Outcome, modem: int) -> None:
        arguments = ("receive", "--call", rig.peer.uri(f"modem{modem}"), "--dir", ".", "--ident", IDENT)
        process = await SoftfaxProcess.start(*arguments, "--mode", "audio", cwd=rig.folder(outcome.case))
        await _finish(outcome, process)
        await rig.idle(modem)

    return modem, case


async def _finish(outcome: Outcome, process: SoftfaxProcess) -> None:
    outcome.exit_status = await process.wait(FAX_S)
    outcome.seconds = round(process.seconds, 1)
    outcome.events, outcome.noise, outcome.stderr = process.events, process.noise, process.stderr


#: Modems 0 and 2 receive with error correction, 1 and 3 without.
CASES: dict[str, Case] = {
    "to": to(0),
    "to-v29": to(0, "--max-rate", "9600", rows=ONE),
    "to-sizes": to(0, rows=SIZES),
    "nothing-to-poll": fetched_from(0),
    "to-noecm": to(1),
    "to-v27ter": to(1, "--max-rate", "4800", rows=ONE),
    "to-given-up": to(1, stop_after_page=True),
    "from": come_from(2),
    "from-v29": come_from(2, ours=("--max-rate", "9600"), rows=ONE),
    "from-sizes": come_from(2, rows=SIZES),
    "from-noecm": come_from(3, ours=("--no-ecm",)),
    "from-v27ter": come_from(2, ours=("--max-rate", "4800"), rows=ONE),
    "from-given-up": come_from(3, stop_after_page=True),
}


async def _run_case(rig: Rig, name: str, folder: Path) -> None:
    modem, case = CASES[name]
    outcome = Outcome(name)
    async with rig.modems[modem]:
        seconds = await attempt(outcome, case(rig, outcome, modem), LIMIT_S)
    if outcome.exit_status:
        outcome.stderr += rig.hylafax.log()
    outcome.save(folder)
    result = outcome.results[-1] if outcome.results else {}
    print(
        f"{name:<20} {seconds:6.1f} s  exit {outcome.exit_status}  {result.get('pages', '-')} pages "
        f"{result.get('bitrate')} {result.get('status_string', '')} {outcome.problem}",
        flush=True,
    )


async def _run(peer_state: Path, folder: Path, cases: list[str], owner: int | None) -> None:
    peer = await campaign_peer(peer_state, owner)
    rig_of_modems = await asyncio.to_thread(Hylafax, peer)
    hylafax = await asyncio.to_thread(rig_of_modems.__enter__)
    try:
        rig = Rig(peer, hylafax, folder)
        async with asyncio.TaskGroup() as group:
            for name in sorted(cases, key=list(CASES).index):
                group.create_task(_run_case(rig, name, folder))
    finally:
        hylafax.stop()


if __name__ == "__main__":
    command(__doc__, _run)
