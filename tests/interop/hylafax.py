# SPDX-License-Identifier: GPL-2.0-or-later
"""Faxes to and from HylaFAX, all at the same time, each modem one after the other.

`python -m tests.interop.hylafax --peer STATE --folder FOLDER CASE…` writes FOLDER/CASE.json for each case as it ends.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from softfax.impair.relay import Damage
from tests.interop.campaign import attempt, command
from tests.interop.cases import IDENT, LISTEN
from tests.interop.joining import send_in_one_call
from tests.interop.outcome import Outcome
from tests.peer.asterisk import PeerAddress
from tests.peer.chroot import PeerUnavailableError
from tests.peer.hylafax import MODEMS, Hylafax
from tests.support.bad_network import BadNetwork
from tests.support.command import SoftfaxProcess
from tests.support.pages import draw_page, page_differences, read_tiff, write_fax_tiff
from tests.support.peer import campaign_peer

__all__ = ["CASES", "LIMIT_S"]

LIMIT_S = 240.0
FAX_S = 150.0
#: Rows of pages: A4 is 2292, of which HylaFAX sends 2286 as they are; A5 across, A5, Letter.
ONE, TWO = (2280,), (2280, 2280)
SIZES = (1144, 1640, 2156, 2280)
#: Pages of dots alone: a loss of a few packets spoils some of their rows, and nothing between them is blank.
DOTS, DOTS_BELOW = (1000,), 1100
#: In the middle of a page that takes some twelve seconds; losses that spoil it, in so many places.
MID_PAGE_S, SPOILT_S, SPOILT_EVERY_S, SPOILT_PLACES = 4.0, 0.04, 0.12, 80
REGISTERED_S, STARTS = 20.0, 3
DECLINED = 3  # by the modem, which is not ready for a while after a call

Case = tuple[int, Callable[["Rig", Outcome, int], Awaitable[None]]]


class Rig:
    """Things that the cases share."""

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
        chance = np.random.default_rng(7)
        drawn = [
            draw_page(title, rows=count) if count > DOTS_BELOW else chance.random((count, 1728)) < 0.008
            for title, count in zip(titles, rows, strict=True)
        ]
        path = self.folder(case) / f"{case}.tif"
        if not for_hylafax:
            return write_fax_tiff(path, drawn)
        first, *others = [Image.fromarray(~page) for page in drawn]
        tags = {262: 0, 266: 1, 278: max(rows), 292: 0}
        first.save(path, save_all=True, append_images=others, compression="group3", dpi=(204, 196), tiffinfo=tags)
        return path

    async def registered(self) -> None:
        """Wait until Asterisk knows where the modems are: one that waits for a call may not have registered yet."""
        ami = await self.peer.manager()
        until = time.monotonic() + REGISTERED_S
        try:
            while (
                len(re.findall(r"^modem\d+\S*\s+127\.", peers := await ami.command("iax2 show peers"), re.M)) < MODEMS
            ):
                if time.monotonic() > until:
                    raise PeerUnavailableError(f"modems have not registered:\n{peers}\n{self.hylafax.modem_logs()}")
                await asyncio.sleep(0.3)
        finally:
            await ami.close()

    async def idle(self, modem: int) -> None:
        """Waits until a modem has hung up."""
        async with asyncio.timeout(60):
            while not self.hylafax.is_idle(modem):
                await asyncio.sleep(0.3)
        await asyncio.sleep(5)


#: What is done in the middle of a fax.
Meanwhile = Callable[["Rig", int, SoftfaxProcess, BadNetwork, str], Awaitable[None]]


async def _we_end_after_a_page(rig: Rig, modem: int, process: SoftfaxProcess, network: BadNetwork, job: str) -> None:
    del rig, modem, network, job
    await process.wait_event(FAX_S, event="page")
    process.interrupt()


async def _in_mid_page(process: SoftfaxProcess) -> None:
    """Waits until lines of the first page are on the line: training and its answer take some seconds."""
    await process.wait_event(FAX_S, event="negotiated")
    await asyncio.sleep(MID_PAGE_S)


async def _we_end_in_mid_page(rig: Rig, modem: int, process: SoftfaxProcess, network: BadNetwork, job: str) -> None:
    del rig, modem, network, job
    await _in_mid_page(process)
    process.interrupt()


async def _the_call_is_cut(rig: Rig, modem: int, process: SoftfaxProcess, network: BadNetwork, job: str) -> None:
    """Its modem is gone in the middle of a page; neither side has said DCN."""
    del network, job
    await _in_mid_page(process)
    ami = await rig.peer.manager()
    try:
        await ami.action("Hangup", Channel=f"/^IAX2.modem{modem}-/")
    finally:
        await ami.close()


async def _line_spoils_a_page(rig: Rig, modem: int, process: SoftfaxProcess, network: BadNetwork, job: str) -> None:
    """Packets are lost in so many places that a page without error correction is refused."""
    del rig, modem
    await _in_mid_page(process)
    way = network.ways[1 if job else 0]
    for _ in range(SPOILT_PLACES):
        if any(event["event"] == "page" for event in process.events):
            return
        way.lost_until_s = asyncio.get_running_loop().time() + SPOILT_S
        await asyncio.sleep(SPOILT_EVERY_S)


def to(modem: int, *options: str, rows: Sequence[int] = TWO, meanwhile: Meanwhile | None = None) -> Case:
    """We call a modem and send."""

    async def case(rig: Rig, outcome: Outcome, modem: int) -> None:
        document = rig.document(outcome.case, rows)
        outcome.sent = str(document)
        async with BadNetwork(rig.peer.sip_port, Damage(), 1) as network:
            to = f"sip:modem{modem}@127.0.0.1:{network.port}"
            arguments = ("send", to, str(document), "--ident", IDENT, "--mode", "audio", *options)
            for _ in range(3):
                process = await SoftfaxProcess.start(*arguments, cwd=rig.folder(outcome.case))
                if meanwhile is not None:
                    await meanwhile(rig, modem, process, network, "")
                await _finish(outcome, process)
                await rig.idle(modem)
                if outcome.exit_status != DECLINED:
                    break
        await asyncio.to_thread(_take_received, rig, outcome)

    return modem, case


def come_from(
    modem: int,
    *options: str,
    ours: tuple[str, ...] = (),
    rows: Sequence[int] = TWO,
    meanwhile: Meanwhile | None = None,
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
        async with BadNetwork(rig.peer.sip_port, Damage(), 1) as network:
            number = f"9{network.towards(await process.listening_port())}"
            job = await asyncio.to_thread(rig.hylafax.send, modem, number, document, "-m", *options)
            if meanwhile is not None:
                await meanwhile(rig, modem, process, network, job)
            await _finish(outcome, process)
        outcome.peers.append(await _job_done(rig, job))
        outcome.received += sorted(map(str, rig.folder(outcome.case).glob("2*.tif")))
        await rig.idle(modem)

    return modem, case


async def _job_done(rig: Rig, job: str) -> dict[str, str]:
    end = time.monotonic() + 30
    while not (done := rig.hylafax.job(job)) and time.monotonic() < end:
        await asyncio.sleep(0.3)
    return done


def polled_by(modem: int) -> Case:
    """A modem calls us and polls what we have put out."""

    async def case(rig: Rig, outcome: Outcome, modem: int) -> None:
        document = rig.document(outcome.case, TWO)
        outcome.sent = str(document)
        process = await SoftfaxProcess.start(
            *("send", "--answer", "--polled", str(document), *LISTEN, "--ident", IDENT, "--mode", "audio"),
            cwd=rig.folder(outcome.case),
        )
        number = f"9{await process.listening_port()}"
        job = await asyncio.to_thread(rig.hylafax.send, modem, number, None, "-p")
        await _finish(outcome, process)
        outcome.peers.append(await _job_done(rig, job))
        await rig.idle(modem)
        await asyncio.to_thread(_take_received, rig, outcome)

    return modem, case


def turned(modem: int) -> Case:
    """A modem calls us, sends, and polls what we have put out in the same call."""

    async def case(rig: Rig, outcome: Outcome, modem: int) -> None:
        document = rig.document(outcome.case, TWO)
        theirs = rig.document(f"{outcome.case}-theirs", ONE, for_hylafax=True)
        outcome.sent = str(document)
        process = await SoftfaxProcess.start(
            *("receive", "--polled", str(document), *LISTEN, "--count", "1", "--dir", ".", "--keep-tiff"),
            *("--ident", IDENT, "--mode", "audio"),
            cwd=rig.folder(outcome.case),
        )
        number = f"9{await process.listening_port()}"
        job = await asyncio.to_thread(rig.hylafax.send, modem, number, theirs, "-m", "-p")
        await _finish(outcome, process)
        outcome.peers.append(await _job_done(rig, job))
        await rig.idle(modem)
        await asyncio.to_thread(_take_received, rig, outcome)

    return modem, case


def joined(modem: int) -> Case:
    """We call a modem and send three faxes, of a page each."""

    async def case(rig: Rig, outcome: Outcome, modem: int) -> None:
        documents = [rig.document(f"{outcome.case}-{number}", ONE) for number in range(3)]
        folder, to = rig.folder(outcome.case), rig.peer.uri(f"modem{modem}")
        faxes = await asyncio.to_thread(send_in_one_call, folder / "station", to, documents, "audio", FAX_S)
        outcome.exit_status = 0
        outcome.events = [
            {"event": "fax", "state": fax.state, "pages": fax.pages, "call_id": fax.result and fax.result.call_id}
            for fax in faxes
        ]
        await rig.idle(modem)
        for document in documents:
            outcome.sent = str(document)
            await asyncio.to_thread(_take_received, rig, outcome)

    return modem, case


def _take_received(rig: Rig, outcome: Outcome) -> None:
    """Takes what HylaFAX has received of a document into the outcome."""
    sent = read_tiff(Path(outcome.sent))
    for file in rig.hylafax.received():
        # Others are still being received.
        with suppress(UnidentifiedImageError, OSError, SyntaxError):
            if page_differences(sent, read_tiff(file)) == "":
                kept = rig.folder(outcome.case) / f"peer-{len(outcome.received)}.tif"
                outcome.received.append(str(shutil.copy(file, kept)))


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
    "to-joined": joined(0),
    "to-noecm": to(1),
    "to-v27ter": to(1, "--max-rate", "4800", rows=ONE),
    "to-given-up": to(1, meanwhile=_we_end_after_a_page),
    "to-cut": to(0, meanwhile=_we_end_in_mid_page),
    "to-hung-up": to(0, meanwhile=_the_call_is_cut),
    "to-refused": to(3, "--no-ecm", meanwhile=_line_spoils_a_page),
    "polled-by": polled_by(2),
    "turned": turned(2),
    "from": come_from(2),
    "from-v29": come_from(2, ours=("--max-rate", "9600"), rows=ONE),
    "from-sizes": come_from(2, rows=SIZES),
    "from-noecm": come_from(3, ours=("--no-ecm",)),
    "from-v27ter": come_from(2, ours=("--max-rate", "4800"), rows=ONE),
    "from-given-up": come_from(3, meanwhile=_we_end_after_a_page),
    "from-cut": come_from(3, meanwhile=_we_end_in_mid_page),
    "from-hung-up": come_from(2, meanwhile=_the_call_is_cut),
    "from-refused": come_from(3, ours=("--no-ecm",), rows=DOTS, meanwhile=_line_spoils_a_page),
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


async def _modems(peer: PeerAddress, folder: Path) -> Rig:
    """Start HylaFAX, and again where its modems do not register. Raises PeerUnavailableError."""
    for left in reversed(range(STARTS)):
        hylafax = await asyncio.to_thread(Hylafax(peer).__enter__)
        rig = Rig(peer, hylafax, folder)
        try:
            await rig.registered()
        except BaseException as error:
            hylafax.stop()
            if not (left and isinstance(error, PeerUnavailableError)):
                raise
            print(f"once more: {error}", flush=True)
        else:
            return rig
    raise AssertionError


async def _run(peer_state: Path, folder: Path, cases: list[str], owner: int | None) -> None:
    peer = await campaign_peer(peer_state, owner)
    rig = await _modems(peer, folder)
    try:
        async with asyncio.TaskGroup() as group:
            for name in sorted(cases, key=list(CASES).index):
                group.create_task(_run_case(rig, name, folder))
    finally:
        rig.hylafax.stop()


if __name__ == "__main__":
    command(__doc__, _run)
