# SPDX-License-Identifier: GPL-2.0-or-later
"""Far ends as limits count them: an IPv4 address, or a /64 of IPv6, is one. Pure."""

from __future__ import annotations

import ipaddress
from collections import Counter

__all__ = ["Places", "network_of"]


def network_of(address: str) -> str:
    """The network that counts as one: an IPv4 address, a /64 of IPv6; text that is no address as it is."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(ipaddress.ip_network((ip, 64), strict=False))
    return str(ip)


class Places:
    """Places for so many at a time, `each` of them for one network at most."""

    def __init__(self, total: int, each: int) -> None:
        self._total, self._each = total, each
        self._taken: Counter[str] = Counter()

    def take(self, address: str) -> bool:
        """Takes a place; False where there is none. `leave` undoes it."""
        key = network_of(address)
        if self._taken.total() >= self._total or self._taken[key] >= self._each:
            return False
        self._taken[key] += 1
        return True

    def leave(self, address: str) -> None:
        """Frees a place."""
        key = network_of(address)
        self._taken[key] -= 1
        if self._taken[key] <= 0:
            del self._taken[key]
