# SPDX-License-Identifier: GPL-2.0-or-later
"""The addresses that SIP is listened for at: one of IPv4, one of IPv6, or both; and which of the two a far end is reached by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from softfax.errors import UsageError
from softfax.sip.types import PublicAddress, is_numeric, is_unspecified, parse_listen

__all__ = [
    "Listening",
    "any_port",
    "by_version",
    "check_public",
    "host_port",
    "listen_addresses",
    "listen_of",
    "public_of",
    "shown",
    "texts_of",
    "version_of",
]

#: Host and port by the version of IP, in the order in which they were named.
Listening = dict[int, tuple[str, int]]

ONE_EACH = "name at most one address of IPv4 and one of IPv6, like 0.0.0.0:5060 and [::]:5060"


def version_of(host: str) -> int:
    """The version of IP of an address, 4 or 6; of a name, 4."""
    return 6 if ":" in host else 4


def host_port(host: str, port: int) -> str:
    """HOST:PORT, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def shown(addresses: Iterable[tuple[str, int]]) -> str:
    """Addresses for people."""
    return " and ".join(host_port(*one) for one in addresses)


def texts_of(listen: str | Sequence[str]) -> tuple[str, ...]:
    """The addresses as they were named."""
    return (listen,) if isinstance(listen, str) else tuple(listen)


def listen_addresses(listen: str | Sequence[str]) -> list[tuple[str, int]]:
    """(host, port) of each, `[::]` alone as 0.0.0.0 too. Raises UsageError for what is none, and for two of one version."""
    found = [parse_listen(text) for text in texts_of(listen)]
    if not found:
        raise UsageError("there is no address to listen on", "write HOST:PORT, like 127.0.0.1:5060")
    if len(found) > 2:
        raise UsageError(f"{len(found)} addresses to listen on", ONE_EACH)
    by_version(one for one in found if is_numeric(one[0]))
    if len(found) == 1 and ":" in found[0][0] and is_unspecified(found[0][0]):
        found.append(("0.0.0.0", found[0][1]))
    return found


def listen_of(listen: str | Sequence[str], process: int) -> tuple[str, ...]:
    """The addresses of one of several processes, which count from 0: ports go up by two."""
    return tuple(host_port(host, port + 2 * process if port else 0) for host, port in listen_addresses(listen))


def any_port(listen: str | Sequence[str]) -> tuple[str, ...]:
    """The addresses with any free port."""
    return tuple(host_port(host, 0) for host, _ in listen_addresses(listen))


def by_version(addresses: Iterable[tuple[str, int]]) -> Listening:
    """Numeric addresses by version. Raises UsageError for two of one version."""
    out: Listening = {}
    for one in addresses:
        version = version_of(one[0])
        if version in out:
            raise UsageError(f"{shown((out[version], one))} are both IPv{version}", ONE_EACH)
        out[version] = one
    return out


def check_public(address: PublicAddress) -> PublicAddress:
    """The address. Raises UsageError for two of one version of IP."""
    each = list(_each(address))
    for version in (4, 6):
        same = [one for one in each if not is_numeric(one) or version_of(one) == version]
        if len(same) > 1:
            raise UsageError(
                f"{' and '.join(same)} are both shown over IPv{version}", "name one of IPv4 and one of IPv6"
            )
    return address


def public_of(address: PublicAddress | None, version: int) -> str:
    """Our address as far ends of a version of IP see it: that of the version, or a name; empty for none."""
    for one in _each(address):
        if not is_numeric(one) or version_of(one) == version:
            return one.strip("[]")
    return ""


def _each(address: PublicAddress | None) -> Iterator[str]:
    yield from filter(None, (address,) if isinstance(address, str) else address or ())
