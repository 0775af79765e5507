# SPDX-License-Identifier: GPL-2.0-or-later
"""Connections only to addresses that strangers' URLs may lead to: names are looked up once, what comes is checked, and the
connection goes to exactly that. For URLs of documents and of callbacks.
"""

from __future__ import annotations

import io
import ipaddress
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any

from softfax.errors import UsageError

__all__ = ["ForbiddenAddressError", "Link", "Resolver", "check_address", "check_host", "connect", "resolve_checked"]

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
#: Host and port to addresses as text. Raises OSError.
Resolver = Callable[[str, int], "list[str]"]

RESOLVE_S = 20.0
ADDRESSES_MAX = 32
ADDRESSES_TRIED_MAX = 4
HOST_MAX = 253


class ForbiddenAddressError(UsageError):
    """The name leads to an address that is not reached from here on a stranger's word."""


def _networks(*texts: str) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


#: Nobody's documents are there, whatever is allowed: unspecified, multicast, reserved, broadcast.
_NEVER = _networks("0.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4", "::/128", "ff00::/8")
#: Metadata services, which give cloud machines their secrets: AWS and most others, Alibaba, Oracle, Azure; AWS by IPv6.
_METADATA = _networks(
    "169.254.169.254/32",
    "169.254.170.0/24",
    "100.100.100.200/32",
    "192.0.0.192/32",
    "168.63.129.16/32",
    "fd00:ec2::/32",
    "fd20:ce::/64",
)
#: IANA IPv4 special-purpose registry (RFC 6890): what is not globally reachable, and the relays of 6to4.
_IPV4_SPECIAL = _networks(
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
)
_IPV6_GLOBAL = ipaddress.IPv6Network("2000::/3")
#: Within it: IETF protocols and Teredo, documentation, 6to4.
_IPV6_SPECIAL = _networks("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
#: An IPv4 address within an IPv6 one: mapped (RFC 4291 §2.5.5.2), translated by NAT64 (RFC 6052).
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def _within(address: Address, networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


def _carried(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for, or the address itself."""
    if address.version == 6 and (address in _MAPPED or address in _NAT64):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def check_address(address: str, *, allow_private: bool = False) -> None:
    """Raises ForbiddenAddressError unless the address is a public one.

    Loopback, private (RFC 1918, RFC 4193), link-local, shared (RFC 6598), documentation and benchmark addresses are not, nor
    are IPv6 forms of them and tunnels (6to4, Teredo). `allow_private` takes those, but never unspecified, multicast or
    reserved ones, nor those where cloud machines find their credentials.
    """
    plain, _, zone = address.partition("%")
    try:
        given: Address = ipaddress.ip_address(plain)
    except ValueError:
        raise ForbiddenAddressError(f"{address[:80]!r} is not an address", "check it") from None
    meant = _carried(given)
    if _within(given, _NEVER) or _within(meant, _NEVER):
        raise ForbiddenAddressError(f"{given} is not the address of one machine", "check the name or address")
    if _within(meant, _METADATA):
        raise ForbiddenAddressError(f"{given} is reserved for the metadata of cloud machines", "no document is there")
    if allow_private:
        return
    if meant.version == 4:
        public = not _within(meant, _IPV4_SPECIAL)
    else:
        public = meant in _IPV6_GLOBAL and not _within(meant, _IPV6_SPECIAL)
    if not public or zone:
        raise ForbiddenAddressError(
            f"{given} is not a public address",
            "if it is meant, allow private ones: --allow-private, or allow_private_documents in [fax] of a station",
        )


def check_host(host: str) -> str:
    """A host name or address of a URL, as it is looked up: IDNA in ASCII, an IPv6 address without brackets.

    Addresses are written in full: other ways to write an IPv4 address (`2130706433`, `0x7f.1`, `0177.0.0.1`) and IPv6 zones
    (`fe80::1%eth0`) are no names either. Raises UsageError.
    """
    if ":" in host:
        try:
            if "%" in host:
                raise ValueError
            return str(ipaddress.IPv6Address(host[1:-1] if host[0] + host[-1] == "[]" else host))
        except ValueError:
            raise UsageError(
                f"not an IPv6 address: {host[:60]!r}", "write it in full and without a zone, like [2001:db8::1]"
            ) from None
    try:
        name = host.encode("idna").decode("ascii").lower() if host else ""
    except UnicodeError:
        name = ""
    bare = name.removesuffix(".")
    if not bare or len(bare) > HOST_MAX or not re.fullmatch(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?", bare) or ".." in bare:
        raise UsageError(f"not a host name: {host[:60]!r}", "check the URL")
    if re.fullmatch(r"\d+|0x[0-9a-f]*", bare.rpartition(".")[2]):
        try:
            return str(ipaddress.IPv4Address(bare))
        except ValueError:
            raise UsageError(f"not an IPv4 address: {host[:60]!r}", "write it as four decimal numbers") from None
    return name


def _look_up(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


def resolve_checked(
    host: str,
    port: int,
    allow_private: bool = False,
    *,
    timeout_s: float = RESOLVE_S,
    resolver: Resolver = _look_up,
) -> list[str]:
    """The addresses of a host, in order, each of them checked: connect to these and look the name up no more.

    Raises ForbiddenAddressError if any of them is forbidden, UsageError for what is no host, OSError if it cannot be found,
    TimeoutError if that takes too long.
    """
    name = check_host(host)
    outcome: list[list[str] | BaseException] = []

    def look_up() -> None:
        try:
            outcome.append(resolver(name, port))
        except BaseException as error:
            outcome.append(error)

    # The system's resolver knows no time limit.
    thread = threading.Thread(target=look_up, name="softfax-resolve", daemon=True)
    thread.start()
    thread.join(max(timeout_s, 0.0))
    if not outcome:
        raise TimeoutError(f"looking up {name} takes too long")
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    addresses = list(dict.fromkeys(outcome[0]))[:ADDRESSES_MAX]
    if not addresses:
        raise OSError(f"{name} has no address")
    for address in addresses:
        try:
            check_address(address, allow_private=allow_private)
        except ForbiddenAddressError as error:
            where = "" if address == name else f"{name} is at an address that is not used: "
            raise ForbiddenAddressError(where + error.problem, error.remedy) from None
    return addresses


class _Raw(io.RawIOBase):
    def __init__(self, link: Link) -> None:
        self._link = link

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._link.arm()
        return self._link.sock.recv_into(buffer)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._link.reader_closed()


class Link:
    """A connected socket as `http.client` uses one, with one deadline (time.monotonic) for all that goes over it.

    However slowly something trickles, nothing waits beyond `deadline`, nor longer than `pause_s` for the next byte.
    """

    def __init__(self, sock: socket.socket, deadline: float, pause_s: float) -> None:
        self.sock = sock
        self.deadline = deadline
        self.pause_s = pause_s
        self._readers = 0
        self._closed = False

    def arm(self) -> None:
        """Sets the time the next operation may take. Raises TimeoutError when there is none left."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("it takes too long")
        self.sock.settimeout(min(left, self.pause_s))

    def sendall(self, data: bytes) -> None:
        """Sends it all."""
        self.arm()
        self.sock.sendall(data)

    def makefile(self, mode: str = "rb", *args: Any, **options: Any) -> io.BufferedReader:
        """Reads from it."""
        self._readers += 1
        return io.BufferedReader(_Raw(self))

    def close(self) -> None:
        """Ends the connection when all that is read from it is closed, as sockets do; `http.client` counts on that."""
        self._closed = True
        if not self._readers:
            self.abort()

    def abort(self) -> None:
        """Ends the connection now."""
        self.sock.close()

    def reader_closed(self) -> None:
        """Note that the file from `makefile` is closed."""
        self._readers -= 1
        if self._closed:
            self.close()


def connect(
    host: str,
    port: int,
    *,
    deadline: float,
    connect_s: float = 10.0,
    pause_s: float = 30.0,
    tls: ssl.SSLContext | None = None,
    allow_private: bool = False,
    resolver: Resolver = _look_up,
) -> Link:
    """A connection to a checked address of `host`, by TLS where there is a context: the certificate has to be the host's.

    Raises as `resolve_checked`, and OSError (ssl.SSLError) if none of the addresses answers.
    """
    left = deadline - time.monotonic()
    addresses = resolve_checked(host, port, allow_private, timeout_s=min(left, RESOLVE_S), resolver=resolver)
    problem: OSError = OSError("it has no address")
    for address in addresses[:ADDRESSES_TRIED_MAX]:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("no connection in time")
        try:
            sock = socket.create_connection((address, port), timeout=min(left, connect_s))
        except OSError as error:
            problem = error
            continue
        try:
            if tls is not None:
                # The timeout of a handshake counts for the whole of it.
                sock = tls.wrap_socket(sock, server_hostname=check_host(host).removesuffix("."))
        except BaseException:
            sock.close()
            raise
        return Link(sock, deadline, pause_s)
    raise problem
