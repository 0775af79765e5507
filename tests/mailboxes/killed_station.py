# SPDX-License-Identifier: GPL-2.0-or-later
"""A station that receives a fax and takes it to a mailbox until it is killed: `python -m tests.mailboxes.killed_station FOLDER`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from tests.mailboxes.test_mailboxes import receive, running

__all__ = ["mailboxes_of"]


def mailboxes_of(folder: Path) -> list[dict[str, Any]]:
    """A mailbox with a program that hangs until it may go on."""
    script = f'echo tried >> "{folder}/tries"; while [ ! -e "{folder}/go" ]; do sleep 0.1; done'
    return [{"name": "a", "command": [{"argv": ["/bin/sh", "-c", script]}]}]


async def main(folder: Path) -> None:
    """Runs until it is killed."""
    async with running(folder, mailbox=mailboxes_of(folder)) as (station, queue, _):
        await receive(station, queue, "a")
        await asyncio.sleep(60)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
