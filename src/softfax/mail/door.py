# SPDX-License-Identifier: GPL-2.0-or-later
"""Limits on SMTP clients: permitted networks, connections at a time, and password attempts."""

from __future__ import annotations

import ipaddress
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Sequence

from softfax.peers import network_of
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
        self._inside: Counter[str] = Counter()
        self._known = 0
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    def trusts(self, address: str) -> bool:
        """Return True if an address may send e-mail without a password."""
        peer = _ip(address)
        nets = [network(text) for text in self._trusted()]
        return peer is not None and any(peer.version == net.version and peer in net for net in nets)

    def enter(self, address: str, *, trusted: bool) -> bool:
        """Counts a connection; False where it is one too many. `leave` undoes it."""
        if trusted:
            if self._known >= self._most():
                return False
            self._known += 1
            return True
        key = network_of(address)
        if self._inside.total() >= self._most() or self._inside[key] >= STRANGERS_MAX:
            return False
        self._inside[key] += 1
        return True

    def leave(self, address: str, *, trusted: bool) -> None:
        """A connection less."""
        if trusted:
            self._known -= 1
            return
        key = network_of(address)
        self._inside[key] -= 1
        if self._inside[key] <= 0:
            del self._inside[key]

    @property
    def connections(self) -> int:
        """Number of connections."""
        return self._known + self._inside.total()

    def may_try(self, address: str) -> bool:
        """Return True if a password from this address may be checked."""
        times = self._failures.get(network_of(address), deque())
        return len([t for t in times if t > self._clock() - FAILURES_S]) < FAILURES

    def failed(self, address: str) -> None:
        """A password was wrong."""
        key = network_of(address)
        self._failures.setdefault(key, deque(maxlen=FAILURES)).append(self._clock())
        self._failures.move_to_end(key)
        if len(self._failures) > KEPT:
            self._failures.popitem(last=False)


def _ip(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        peer = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return peer.ipv4_mapped or peer if isinstance(peer, ipaddress.IPv6Address) else peer
