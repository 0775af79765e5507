# SPDX-License-Identifier: GPL-2.0-or-later
"""Limits on SMTP clients: permitted networks, connections at a time, and password attempts."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from softfax.peers import Places, Throttle, ip_of
from softfax.sip.accounts import network

__all__ = ["LOGIN_S", "Door"]

#: Time that a client from no trusted network has until it is logged in.
LOGIN_S = 60.0
#: Connections of one such address.
STRANGERS_MAX = 5
FAILURES, FAILURES_S = 10, 60.0
KEPT = 10_000


class Door:
    """Counts connections. Those of trusted networks and those of strangers are counted apart: neither keeps the other out."""

    def __init__(
        self, trusted: Callable[[], Sequence[str]], most: Callable[[], int], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._trusted, self._most, self._clock = trusted, most, clock
        self._strangers, self._known = Places(most(), STRANGERS_MAX), 0
        self._wrong = Throttle(FAILURES, FAILURES_S, KEPT)

    def trusts(self, address: str) -> bool:
        """Return True if an address may send e-mail without a password."""
        peer = ip_of(address)
        return peer is not None and any(peer in network(text) for text in self._trusted())

    def enter(self, address: str, *, trusted: bool) -> bool:
        """Counts a connection; False where it is one too many. `leave` undoes it."""
        if trusted:
            if self._known >= self._most():
                return False
            self._known += 1
            return True
        self._strangers.total = self._most()
        return self._strangers.take(address)

    def leave(self, address: str, *, trusted: bool) -> None:
        """A connection less."""
        if trusted:
            self._known -= 1
        else:
            self._strangers.leave(address)

    @property
    def connections(self) -> int:
        """Number of connections."""
        return self._known + self._strangers.taken

    def may_try(self, address: str) -> bool:
        """Return True if a password from this address may be checked."""
        return not self._wrong.refuses(address, self._clock())

    def failed(self, address: str) -> None:
        """A password was wrong."""
        self._wrong.failed(address, self._clock())
