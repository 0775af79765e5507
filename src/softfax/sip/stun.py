# SPDX-License-Identifier: GPL-2.0-or-later
"""Our address as the outside sees it: one STUN binding request (RFC 8489 §5, §14)."""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
import socket
import struct

from softfax.errors import LocalError, UsageError

__all__ = ["binding_request", "mapped_address", "public_address", "stun_server"]

MAGIC = 0x2112A442
PORT = 3478
HEAD = struct.Struct("!HHI12s")
ATTRIBUTE = struct.Struct("!HH")
BINDING, SUCCESS = 0x0001, 0x0101
MAPPED, XOR_MAPPED = 0x0001, 0x0020
#: When the request is said again, in seconds (RFC 8489 §6.2.1, cut short).
WAITS_S = (0.5, 1.0, 1.5, 2.0)


def stun_server(text: str) -> tuple[str, int]:
    """(host, port) of HOST, HOST:PORT or [IPV6]:PORT. Raises UsageError."""
    host, colon, port = text.rpartition(":") if text.count(":") == 1 or "]:" in text else (text, "", "")
    host = host.strip("[]")
    if not host or any(ch.isspace() for ch in host) or (colon and not (port.isdecimal() and 0 < int(port) < 65536)):
        raise UsageError(f"not a STUN server: {text!r}", "write HOST or HOST:PORT")
    return host, int(port) if colon else PORT


def binding_request(transaction: bytes) -> bytes:
    """The request; `transaction` is 12 octets drawn at random."""
    return HEAD.pack(BINDING, 0, MAGIC, transaction)


def mapped_address(datagram: bytes, transaction: bytes) -> str | None:
    """The address in the answer to that request; None for anything else."""
    if len(datagram) < HEAD.size:
        return None
    kind, length, magic, echoed = HEAD.unpack_from(datagram)
    if kind != SUCCESS or magic != MAGIC or echoed != transaction or length > len(datagram) - HEAD.size:
        return None
    at, end, plain = HEAD.size, HEAD.size + length, None
    while at + ATTRIBUTE.size <= end:
        attribute, size = ATTRIBUTE.unpack_from(datagram, at)
        value = datagram[at + ATTRIBUTE.size : min(end, at + ATTRIBUTE.size + size)]
        at += ATTRIBUTE.size + size + -size % 4
        if attribute == XOR_MAPPED:
            found = _address(value, struct.pack("!I", MAGIC) + transaction)
            if found is not None:
                return found
        elif attribute == MAPPED:
            plain = _address(value, bytes(16))
    return plain


def _address(value: bytes, mask: bytes) -> str | None:
    if len(value) not in (8, 20) or value[1] != (1 if len(value) == 8 else 2):
        return None
    return str(ipaddress.ip_address(bytes(a ^ b for a, b in zip(value[4:], mask, strict=False))))


class _Asking(asyncio.DatagramProtocol):
    def __init__(self, transaction: bytes) -> None:
        self.transaction = transaction
        self.found: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        address = mapped_address(data, self.transaction)
        if address is not None and not self.found.done():
            self.found.set_result(address)


async def public_address(server: str, local_host: str) -> str:
    """Our address as `server` sees packets from `local_host`. Raises LocalError if it does not say, UsageError."""
    host, port = stun_server(server)
    family = socket.AF_INET6 if ":" in local_host else socket.AF_INET
    remedy = "check its address, or set public_address"
    loop, transaction = asyncio.get_running_loop(), secrets.token_bytes(12)
    try:
        found = await loop.getaddrinfo(host, port, family=family, type=socket.SOCK_DGRAM)
        transport, protocol = await loop.create_datagram_endpoint(
            lambda: _Asking(transaction), local_addr=(local_host, 0), family=family
        )
    except OSError as error:
        raise LocalError(f"the STUN server {server} cannot be asked ({error.strerror})", remedy) from None
    try:
        for wait_s in WAITS_S:
            transport.sendto(binding_request(transaction), found[0][4])
            try:
                return await asyncio.wait_for(asyncio.shield(protocol.found), wait_s)
            except TimeoutError:
                continue
    finally:
        transport.close()
        protocol.found.cancel()
    raise LocalError(f"the STUN server {server} does not answer", remedy)
