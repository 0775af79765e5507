# SPDX-License-Identifier: GPL-2.0-or-later
"""Logins to the manager interface: users, networks, challenges and the throttle. Time is passed in."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from softfax.ami.access import Permission
from softfax.errors import ConfigError
from softfax.peers import network_of

__all__ = ["Networks", "Throttle", "User", "Users", "md5_key", "new_challenge"]

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Networks:
    """Deny and permit lists. The deny list is looked at first and the permit list after it; the last that matches decides.

    So `permit` alone restricts nothing: as in Asterisk one denies everything and permits what is wanted.
    """

    def __init__(self, deny: Iterable[str] = (), permit: Iterable[str] = ()) -> None:
        self._rules = [(False, _network(text)) for text in deny] + [(True, _network(text)) for text in permit]

    def allow(self, host: str) -> bool:
        """Return True if a client at the IP address `host` may log in. With rules, a malformed address may not."""
        if not self._rules:
            return True
        try:
            address = ip_address(host)
        except ValueError:
            return False
        allowed = True
        for permit, network in self._rules:
            if address.version == network.version and address in network:
                allowed = permit
        return allowed


@dataclass(frozen=True)
class User:
    """One user. `read` are the classes of events it sees, `write` those of the actions it may use."""

    name: str
    secret: str = field(repr=False)
    read: Permission = Permission.ALL
    write: Permission = Permission.ALL
    networks: Networks = field(default_factory=Networks)


class Users:
    """All users, by name; case does not count, as in Asterisk."""

    def __init__(self, users: Iterable[User]) -> None:
        self._users: Mapping[str, User] = {user.name.lower(): user for user in users}

    def __len__(self) -> int:
        return len(self._users)

    def with_secret(self, name: str, secret: str, host: str) -> User | None:
        """The user if the secret is right and the address allowed. Takes as long for a user that does not exist."""
        user = self._users.get(name.lower())
        right = hmac.compare_digest(_octets(user.secret if user else secrets.token_hex(8)), _octets(secret))
        return user if user and user.secret and right and user.networks.allow(host) else None

    def with_key(self, name: str, key: str, challenge: str, host: str) -> User | None:
        """Return the user for the answer to an MD5 challenge; None without a challenge."""
        user = self._users.get(name.lower())
        wanted = md5_key(challenge, user.secret if user else secrets.token_hex(8))
        right = hmac.compare_digest(wanted.encode(), _octets(key.lower()))
        return user if user and user.secret and challenge and right and user.networks.allow(host) else None


class Throttle:
    """Counts failed logins per address: after `failures` of them within `window_s` the address is refused for a while.

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


def new_challenge() -> str:
    """A challenge as Asterisk forms it: a decimal number, here of a good random source."""
    return str(secrets.randbelow(9 * 10**17) + 10**17)


def md5_key(challenge: str, secret: str) -> str:
    """The answer to a challenge: MD5, in hexadecimal, of challenge and secret."""
    return hashlib.md5(_octets(challenge + secret), usedforsecurity=False).hexdigest()


def ip_address(host: str) -> Address:
    """The address, an IPv4 one where IPv6 only wraps it. Raises ValueError."""
    address = ipaddress.ip_address(host.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text.strip(), strict=False)
    except ValueError as error:
        raise ConfigError(f"no network: {text!r}", "use ADDRESS, ADDRESS/BITS or ADDRESS/MASK") from error


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
