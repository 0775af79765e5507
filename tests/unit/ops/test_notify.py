# SPDX-License-Identifier: GPL-2.0-or-later
"""Messages that the service manager hears."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

from softfax.ops.notify import Notifier


def test_what_is_said(tmp_path: Path) -> None:
    async def run(manager: socket.socket) -> list[str]:
        environ = {
            "NOTIFY_SOCKET": str(tmp_path / "notify"),
            "WATCHDOG_USEC": "60000",
            "WATCHDOG_PID": str(os.getpid()),
        }
        notifier = Notifier(environ)
        notifier.ready("3 lines")
        await asyncio.sleep(0.07)
        notifier.reloading()
        notifier.ready()
        notifier.stopping("finishing 1 fax")
        notifier.close()
        said = []
        while True:
            try:
                said.append(manager.recv(4096).decode())
            except BlockingIOError:
                return said

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)
        said = asyncio.run(run(manager))
    assert said[0] == "READY=1\nSTATUS=3 lines"
    assert said.count("WATCHDOG=1") >= 2
    assert any(line.startswith("RELOADING=1\nMONOTONIC_USEC=") for line in said)
    assert said[-1] == "STOPPING=1\nSTATUS=finishing 1 fax"


def test_nobody_listens() -> None:
    async def run() -> None:
        for environ in ({}, {"NOTIFY_SOCKET": "/nowhere", "WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}):
            notifier = Notifier(environ)
            notifier.ready()
            assert notifier._task is None
            notifier.close()

    asyncio.run(run())
