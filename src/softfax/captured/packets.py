# SPDX-License-Identifier: GPL-2.0-or-later
"""UDP datagrams of a capture file: pcap and pcapng, of the kinds of link that telephony is captured on. Pure."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterator

from softfax.errors import UsageError
from softfax.fax.pcap import Datagram

__all__ = ["datagrams"]

_ETHERTYPES = {0x0800: 4, 0x86DD: 6}
_VLAN = (0x8100, 0x88A8, 0x9100)
_UDP = 17


def datagrams(capture: bytes) -> list[Datagram]:
    """UDP datagrams in the order of the file; what is none, or cut short, is passed over. Raises UsageError."""
    magic = capture[:4]
    if magic == b"\x0a\x0d\x0d\x0a":
        packets = _pcapng(capture)
    elif magic in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\xc3\xd4", b"\xa1\xb2\x3c\x4d"):
        packets = _pcap(capture)
    else:
        raise UsageError("not a capture of packets", "save it as pcap or pcapng")
    found = []
    for time_us, link, packet in packets:
        one = _datagram(time_us, link, packet)
        if one is not None:
            found.append(one)
    return found


def _pcap(capture: bytes) -> Iterator[tuple[int, int, bytes]]:
    order = "<" if capture[0] in (0xD4, 0x4D) else ">"
    nanos = 0x4D in (capture[0], capture[3]) and 0x3C in (capture[1], capture[2])
    if len(capture) < 24:
        return
    link = struct.unpack_from(order + "I", capture, 20)[0] & 0xFFFF
    at = 24
    while at + 16 <= len(capture):
        seconds, part, kept, _ = struct.unpack_from(order + "IIII", capture, at)
        yield seconds * 1_000_000 + (part // 1000 if nanos else part), link, capture[at + 16 : at + 16 + kept]
        at += 16 + kept


def _pcapng(capture: bytes) -> Iterator[tuple[int, int, bytes]]:
    at, order = 0, "<"
    interfaces: list[tuple[int, int]] = []
    while at + 12 <= len(capture):
        if capture[at : at + 4] == b"\x0a\x0d\x0d\x0a":
            order = "<" if capture[at + 8 : at + 12] == b"\x4d\x3c\x2b\x1a" else ">"
            interfaces = []
        kind, size = struct.unpack_from(order + "II", capture, at)
        if size < 12 or at + size > len(capture):
            return
        body = capture[at + 8 : at + size - 4]
        if kind == 1 and len(body) >= 8:
            interfaces.append((struct.unpack_from(order + "H", body)[0], _ticks_a_second(body[8:], order)))
        elif kind == 6 and len(body) >= 20:
            number, high, low, kept, _ = struct.unpack_from(order + "IIIII", body)
            if number < len(interfaces):
                link, ticks = interfaces[number]
                yield (high << 32 | low) * 1_000_000 // ticks, link, body[20 : 20 + kept]
        at += size


def _ticks_a_second(options: bytes, order: str) -> int:
    """Resolution of an interface's times (if_tsresol); microseconds unless said otherwise."""
    at = 0
    while at + 4 <= len(options):
        code, size = struct.unpack_from(order + "HH", options, at)
        if code == 9 and size == 1 and at + 4 < len(options):
            value = options[at + 4]
            return int(2 ** (value & 0x7F) if value & 0x80 else 10 ** min(value, 18))
        if code == 0:
            break
        at += 4 + (size + 3 & ~3)
    return 1_000_000


def _ip_of(link: int, packet: bytes) -> bytes:
    """The packet from its IP header on; nothing for another kind of link."""
    if link in (12, 14, 101, 228, 229):
        return packet
    if link == 0:
        return packet[4:]
    if link in (113, 276):
        return packet[16 if link == 113 else 20 :]
    if link != 1 or len(packet) < 14:
        return b""
    at = 12
    while at + 4 <= len(packet) and int.from_bytes(packet[at : at + 2], "big") in _VLAN:
        at += 4
    return packet[at + 2 :] if int.from_bytes(packet[at : at + 2], "big") in _ETHERTYPES else b""


def _datagram(time_us: int, link: int, packet: bytes) -> Datagram | None:
    ip = _ip_of(link, packet)
    if len(ip) < 28:
        return None
    if ip[0] >> 4 == 4:
        head = (ip[0] & 15) * 4
        if ip[9] != _UDP or int.from_bytes(ip[6:8], "big") & 0x1FFF:
            return None
        source, destination = str(ipaddress.IPv4Address(ip[12:16])), str(ipaddress.IPv4Address(ip[16:20]))
    elif ip[0] >> 4 == 6 and ip[6] == _UDP and len(ip) >= 48:
        head = 40
        source, destination = str(ipaddress.IPv6Address(ip[8:24])), str(ipaddress.IPv6Address(ip[24:40]))
    else:
        return None
    udp = ip[head:]
    if len(udp) < 8:
        return None
    source_port, destination_port, length = struct.unpack_from("!HHH", udp)
    return Datagram(time_us, (source, source_port), (destination, destination_port), udp[8 : max(8, length)])
