# SPDX-License-Identifier: GPL-2.0-or-later
"""A station that is killed when it has taken an e-mail, before it says so: `python -m tests.mail.killed_gateway FOLDER`."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from softfax.mail import MailGateway
from tests.mail import rig

__all__: list[str] = []


class Killed(MailGateway):
    """Says nothing any more."""

    async def handle_DATA(self, *what: Any) -> str:
        said = await super().handle_DATA(*what)
        assert said.startswith("250 "), said
        os.kill(os.getpid(), signal.SIGKILL)
        return said


async def main(folder: Path) -> None:
    """Runs until it is killed."""
    rig.MailGateway = Killed  # type: ignore[misc]
    async with rig.running(folder) as station:
        print(station.gateway.address[1], flush=True)
        await asyncio.sleep(60)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
