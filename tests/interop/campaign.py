# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs all cases against one Asterisk at the same time: a fax takes half a minute whether or not others are under way.

`python -m tests.interop.campaign --peer STATE --folder FOLDER CASE…` writes FOLDER/CASE.json for each case as it ends.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import time
import traceback
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.interop.outcome import Outcome
from tests.peer.ami import Ami, Message
from tests.peer.asterisk import PeerAddress
from tests.support.command import SoftfaxProcess
from tests.support.pages import draw_page, write_fax_tiff
from tests.support.peer import campaign_peer

__all__ = ["CASE_LIMIT_S", "Campaign", "attempt", "command"]

CASE_LIMIT_S = 200.0
STARTING_AT_ONCE = 2


class Campaign:
    """Things that the cases share: the peer, its manager connection, a folder for each case."""

    def __init__(self, peer: PeerAddress, ami: Ami, folder: Path) -> None:
        self.peer = peer
        self.ami = ami
        self._folder = folder
        # A start costs a second of CPU: many at once would starve the calls that are up.
        self._gate = asyncio.Semaphore(STARTING_AT_ONCE)

    def folder(self, case: str) -> Path:
        folder = self._folder / case
        folder.mkdir(exist_ok=True)
        return folder

    def document(self, case: str, pages: int = 1) -> Path:
        """A fax TIFF that no other case sends."""
        drawn = [draw_page(f"{case}, page {number} of {pages}") for number in range(1, pages + 1)]
        return write_fax_tiff(self.folder(case) / "sent.tif", drawn)

    def at_peer(self, document: Path, case: str) -> str:
        """Copies a document to where Asterisk can send it; returns the path inside its chroot."""
        shutil.copy(document, self.peer.faxes / f"{case}.tif")
        return f"{self.peer.folder}/fax/{case}.tif"

    async def softfax(self, case: str, *arguments: str, **variables: str) -> SoftfaxProcess:
        """Starts the command in the case's folder; returns once it says or does something."""
        async with self._gate:
            process = await SoftfaxProcess.start(*arguments, cwd=self.folder(case), variables=variables)
            await process.wait_stderr(".", 15)
            return process

    async def finish(self, outcome: Outcome, process: SoftfaxProcess, limit_s: float = CASE_LIMIT_S - 20) -> Outcome:
        """Waits for the command's end and takes what it said into the outcome."""
        outcome.exit_status = await process.wait(limit_s)
        outcome.seconds = round(process.seconds, 1)
        outcome.events, outcome.noise, outcome.stderr = process.events, process.noise, process.stderr
        return outcome

    async def peer_result(self, outcome: Outcome, call_id: str, limit_s: float = 60) -> None:
        """Takes Asterisk's FaxResult of a call it received into the outcome, and what it received."""

        def matches(m: Message) -> bool:
            return m.get("UserEvent") == "FaxResult" and m.get("CallID") == call_id

        later = self.ami.expect(matches)
        found = next((m for m in self.ami.history if matches(m)), None)
        with suppress(TimeoutError):
            self.take_peer(outcome, found or await asyncio.wait_for(later, limit_s))

    def take_peer(self, outcome: Outcome, message: Message) -> None:
        outcome.peers.append(message)
        file = self.peer.outside(message.get("File", ""))
        if message.get("Direction") == "receive" and file.is_file():
            kept = self.folder(outcome.case) / "peer.tif"
            shutil.copy(file, kept)
            outcome.received.append(str(kept))


async def attempt(outcome: Outcome, work: Awaitable[None], limit_s: float) -> float:
    """Runs a case; its problem, if it has one, is in its outcome. Returns the seconds it took."""
    began = time.monotonic()
    try:
        async with asyncio.timeout(limit_s):
            await work
    except TimeoutError:
        outcome.problem = f"not over after {time.monotonic() - began:.0f} s"
    except Exception:
        outcome.problem = traceback.format_exc()
    return time.monotonic() - began


async def _run_case(campaign: Campaign, name: str, folder: Path) -> None:
    from tests.interop.cases import CASES

    outcome = Outcome(name)
    seconds = await attempt(outcome, CASES[name](campaign, outcome), CASE_LIMIT_S)
    outcome.save(folder)
    result = outcome.results[-1] if outcome.results else {}
    print(
        f"{name:<24} {seconds:6.1f} s  exit {outcome.exit_status}  {result.get('mode', '-')} "
        f"{result.get('pages', '-')} pages {result.get('status_string', '')} {outcome.complaints} {outcome.problem}",
        flush=True,
    )


async def _run(peer_state: Path, folder: Path, cases: list[str], owner: int | None) -> None:
    peer = await campaign_peer(peer_state, owner)
    ami = await peer.manager()
    try:
        campaign = Campaign(peer, ami, folder)
        async with asyncio.TaskGroup() as group:
            for name in cases:
                group.create_task(_run_case(campaign, name, folder))
    finally:
        await ami.close()


def command(
    description: str | None, run: Callable[[Path, Path, list[str], int | None], Coroutine[Any, Any, None]]
) -> None:
    """Runs the cases that the command line names, until they have ended or their owner has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--peer", type=Path, required=True, help="the state file of tests.peer")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--owner", type=int, help="end when this process is gone")
    parser.add_argument("cases", nargs="+")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    with suppress(asyncio.CancelledError):
        asyncio.run(run(asked.peer, asked.folder.resolve(), asked.cases, asked.owner))


if __name__ == "__main__":
    command(__doc__, _run)
