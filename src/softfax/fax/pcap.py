# SPDX-License-Identifier: GPL-2.0-or-later
"""Packet captures that Wireshark reads (pcap, LINKTYPE_RAW): datagrams put among those the engine kept. Pure."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Datagram", "merged"]

#: Magic in our byte order, 2.4, UTC, octets kept of a packet, packets begin with their IP header.
_HEADER = struct.Struct("=IHHiIII")
_FILE_HEADER = _HEADER.pack(0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)
_RECORD = struct.Struct("=IIII")
PAYLOAD_MAX = 65000
_UDP = 17


@dataclass(frozen=True)
class Datagram:
    """A UDP datagram at a time (microseconds since 1970), between addresses that are numeric; others become 0.0.0.0."""

    time_us: int
    source: tuple[str, int]
    destination: tuple[str, int]
    payload: bytes

    def to_packet(self) -> bytes:
        """With its headers (RFC 768, 791, 8200)."""
        source, destination = _address(self.source[0]), _address(self.destination[0])
        if source.version != destination.version:
            source = ipaddress.ip_address("::" if destination.version == 6 else "0.0.0.0")
        payload = self.payload[:PAYLOAD_MAX]
        length = 8 + len(payload)
        ports = struct.pack("!HHH", self.source[1] & 0xFFFF, self.destination[1] & 0xFFFF, length)
        pseudo = source.packed + destination.packed + struct.pack("!II", length, _UDP)
        udp = ports + struct.pack("!H", _checksum(pseudo + ports + b"\0\0" + payload) or 0xFFFF) + payload
        if destination.version == 6:
            return struct.pack("!IHBB", 6 << 28, length, _UDP, 64) + source.packed + destination.packed + udp
        head = struct.pack("!BBHHHBB", 0x45, 0, 20 + length, 0, 0x4000, 64, _UDP)
        addresses = source.packed + destination.packed
        return head + struct.pack("!H", _checksum(head + b"\0\0" + addresses)) + addresses + udp


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        return ipaddress.ip_address(text.strip("[]").partition("%")[0])
    except ValueError:
        return ipaddress.ip_address("0.0.0.0")


def _checksum(data: bytes) -> int:
    """RFC 1071."""
    data += b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def merged(captures: Sequence[bytes], datagrams: Sequence[Datagram]) -> bytes:
    """Captures of the engine (which may be empty, or broken off) with these datagrams, in the order of time."""
    records: list[tuple[int, bytes | memoryview]] = []
    for capture in captures:
        if capture[:24] != _FILE_HEADER:
            continue
        view, at = memoryview(capture), 24
        while at + _RECORD.size <= len(view):
            seconds, micros, kept, _ = _RECORD.unpack_from(view, at)
            end = at + _RECORD.size + kept
            if end > len(view):
                break
            records.append((seconds * 1_000_000 + micros, view[at:end]))
            at = end
    for one in datagrams:
        packet = one.to_packet()
        head = _RECORD.pack(*divmod(one.time_us, 1_000_000), len(packet), len(packet))
        records.append((one.time_us, head + packet))
    records.sort(key=lambda record: record[0])
    return b"".join([_FILE_HEADER, *(record for _, record in records)])
