# SPDX-License-Identifier: GPL-2.0-or-later
"""The test session's Asterisk: started in the background by whoever asks first."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

from tests.peer.asterisk import PeerAddress
from tests.peer.chroot import PeerUnavailableError
from tests.support import background
from tests.support.pages import draw_page, write_fax_tiff

__all__ = ["PeerUnavailableError", "address", "campaign_peer", "start", "state_file"]

# Setting up the chroot, the first time on a machine, takes a minute where the mirror is near.
START_LIMIT_S = 500.0


def state_file() -> Path:
    """Return the file in which the address appears."""
    return background.run_folder() / "peer.json"


def start() -> None:
    """Starts it, if nobody has, and returns at once."""
    folder = background.run_folder()
    background.start_once(
        "peer",
        "tests.peer",
        lambda: [
            "run",
            *("--state", str(state_file()), "--owner", str(background.owner())),
            *("--send-file", str(write_fax_tiff(folder / "send.tif", [draw_page("what the peer sends")]))),
            *("--log-copy", str(folder / "asterisk.log")),
        ],
    )


def address() -> PeerAddress:
    """Waits until it is up. Raises PeerUnavailableError with the reason if it does not come up."""
    if not background.wait_for("peer", state_file(), START_LIMIT_S):
        said = (background.run_folder() / "peer.log").read_text(errors="replace").strip()
        raise PeerUnavailableError(said or "the Asterisk peer did not start")
    return PeerAddress.from_json(state_file().read_text())


async def campaign_peer(state: Path, owner: int | None) -> PeerAddress:
    """Wait for the peer, for a process that faxes beside the tests; the task that asks ends with SIGTERM or with the owner."""
    end = time.monotonic() + START_LIMIT_S
    while not state.exists():
        if time.monotonic() > end:
            raise TimeoutError("the peer did not start")
        await asyncio.sleep(0.1)
    task = asyncio.current_task()
    assert task
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, task.cancel)
    if owner:
        loop.add_reader(os.pidfd_open(owner), task.cancel)
    return PeerAddress.from_json(state.read_text())
