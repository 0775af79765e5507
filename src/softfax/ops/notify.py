# SPDX-License-Identifier: GPL-2.0-or-later
"""Reports the station's status to a service manager: sd_notify(3). Does nothing without NOTIFY_SOCKET."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Mapping

__all__ = ["Notifier"]


class Notifier:
    """READY, RELOADING, STOPPING, STATUS, and the watchdog, which is fed as long as the loop turns."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "")
        mine = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        usec = environ.get("WATCHDOG_USEC", "0")
        self._watchdog_s = int(usec) / 1e6 if mine and usec.isdigit() else 0.0
        self._task: asyncio.Task[None] | None = None

    def _send(self, *lines: str) -> None:
        if not self._address.startswith(("/", "@")):
            return
        address = "\0" + self._address[1:] if self._address[0] == "@" else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
                sock.settimeout(1.0)
                sock.sendto("\n".join(lines).encode(), address)
        except OSError:
            return

    def ready(self, status: str = "") -> None:
        """The station runs, or has read its configuration again. Starts to feed the watchdog; called on the loop."""
        self._send("READY=1", f"STATUS={status}")
        if self._watchdog_s and self._task is None:
            self._task = asyncio.ensure_future(self._feed())

    def reloading(self) -> None:
        """The configuration is read again; `ready` follows."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self, status: str = "") -> None:
        """No new calls; those under way are finished. The watchdog is fed until `close`."""
        self._send("STOPPING=1", f"STATUS={status}")

    def close(self) -> None:
        """Feeds the watchdog no more."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _feed(self) -> None:
        while True:
            self._send("WATCHDOG=1")
            await asyncio.sleep(self._watchdog_s / 3)
