# SPDX-License-Identifier: GPL-2.0-or-later
"""Logins to the manager interface: users, networks and challenges."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from softfax.ami.access import Permission
from softfax.errors import ConfigError
from softfax.peers import ip_of

__all__ = ["Networks", "User", "Users", "md5_key", "new_challenge"]


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
        address, allowed = ip_of(host), True
        for permit, network in self._rules:
            if address is not None and address in network:
                allowed = permit
        return allowed and address is not None


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


def new_challenge() -> str:
    """A challenge as Asterisk forms it: a decimal number, here of a good random source."""
    return str(secrets.randbelow(9 * 10**17) + 10**17)


def md5_key(challenge: str, secret: str) -> str:
    """The answer to a challenge: MD5, in hexadecimal, of challenge and secret."""
    return hashlib.md5(_octets(challenge + secret), usedforsecurity=False).hexdigest()


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text.strip(), strict=False)
    except ValueError as error:
        raise ConfigError(f"no network: {text!r}", "use ADDRESS, ADDRESS/BITS or ADDRESS/MASK") from error


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
