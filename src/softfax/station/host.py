# SPDX-License-Identifier: GPL-2.0-or-later
"""The host of a station's calls, as the station sees it: orders one way, reports the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from softfax.station import wire

__all__ = ["CallHost", "Report"]

Report = Callable[[wire.Message], None]


class CallHost(Protocol):
    """Host of calls: this process (`softfax.station.calls.Calls`), or others (`softfax.station.workers.Workers`)."""

    async def start(self) -> None:
        """Listens. Raises PortInUseError, NativeError, UsageError."""

    async def close(self) -> None:
        """Ends what is under way, with its reports, and stops."""

    def order(self, message: wire.Message) -> None:
        """Takes an order; what comes of it is reported."""

    def room(self, account: str) -> int:
        """Number of further calls that it takes now through an account, so that those under way lose nothing."""

    @property
    def bound_addresses(self) -> tuple[tuple[str, int], ...]:
        """Addresses and ports on which SIP listens, one for each version of IP."""

    async def preview(self, fax_id: str) -> bytes | None:
        """The page being received as far as its lines have come, as PNG."""
