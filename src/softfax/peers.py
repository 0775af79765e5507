# SPDX-License-Identifier: GPL-2.0-or-later
"""Far ends as limits count them: an IPv4 address, or a /64 of IPv6, is one. Pure; time is passed in."""

from __future__ import annotations

import ipaddress
from collections import Counter, OrderedDict, deque

__all__ = ["Places", "Throttle", "ip_of", "network_of"]


def ip_of(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The IP address, without its zone (%eth0); an IPv4 one where IPv6 only wraps it; None for text that is none."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return getattr(ip, "ipv4_mapped", None) or ip


def network_of(address: str) -> str:
    """The network that counts as one: an IPv4 address, a /64 of IPv6; text that is no address as it is."""
    ip = ip_of(address)
    if isinstance(ip, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((ip, 64), strict=False))
    return address if ip is None else str(ip)


class Places:
    """Places for so many at a time, `each` of them for one network at most."""

    def __init__(self, total: int, each: int) -> None:
        self.total, self._each = total, each
        self._taken: Counter[str] = Counter()

    @property
    def taken(self) -> int:
        """Number of places that are taken."""
        return self._taken.total()

    def take(self, address: str) -> bool:
        """Takes a place; False where there is none. `leave` undoes it."""
        key = network_of(address)
        if self.taken >= self.total or self._taken[key] >= self._each:
            return False
        self._taken[key] += 1
        return True

    def leave(self, address: str) -> None:
        """Frees a place."""
        key = network_of(address)
        self._taken[key] -= 1
        if self._taken[key] <= 0:
            del self._taken[key]


class Throttle:
    """Count of failed logins by address: after `failures` of them within `window_s` the address is refused for a while.

    An IPv6 network of 64 bits counts as one address. No more than `addresses` are remembered, the latest.
    """

    def __init__(self, failures: int = 5, window_s: float = 60.0, addresses: int = 4096) -> None:
        self._failures, self._window_s, self._addresses = failures, window_s, addresses
        self._seen: OrderedDict[str, deque[float]] = OrderedDict()

    def failed(self, host: str, now: float) -> None:
        """A login from `host` failed."""
        key = network_of(host)
        times = self._seen.setdefault(key, deque(maxlen=self._failures))
        times.append(now)
        self._seen.move_to_end(key)
        while len(self._seen) > self._addresses:
            self._seen.popitem(last=False)

    def succeeded(self, host: str) -> None:
        """A login from `host` went through."""
        self._seen.pop(network_of(host), None)

    def refuses(self, host: str, now: float) -> bool:
        """Return True while the throttle refuses every login from `host`."""
        times = self._seen.get(network_of(host))
        return times is not None and len(times) == self._failures and now - times[0] < self._window_s
