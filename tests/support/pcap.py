# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads packet captures (pcap with LINKTYPE_RAW), independently of what writes them."""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass

__all__ = ["Packet", "packets_of"]


@dataclass(frozen=True)
class Packet:
    """A UDP packet."""

    time_s: float
    source: tuple[str, int]
    destination: tuple[str, int]
    payload: bytes
    checksums_hold: bool


def _sum_is_zero(data: bytes) -> bool:
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    return total % 0xFFFF == 0


def _packet(time_s: float, raw: bytes) -> Packet:
    if raw[0] >> 4 == 4:
        header, addresses = 20, (raw[12:16], raw[16:20])
        assert struct.unpack("!H", raw[2:4])[0] == len(raw)
        holds = _sum_is_zero(raw[:20])
        protocol = raw[9]
    else:
        header, addresses = 40, (raw[8:24], raw[24:40])
        assert struct.unpack("!H", raw[4:6])[0] == len(raw) - 40
        holds = True
        protocol = raw[6]
    assert protocol == 17
    udp = raw[header:]
    source, destination, length, checksum = struct.unpack("!HHHH", udp[:8])
    assert length == len(udp)
    assert checksum
    holds = holds and _sum_is_zero(b"".join(addresses) + struct.pack("!II", length, protocol) + udp)
    hosts = [str(ipaddress.ip_address(address)) for address in addresses]
    return Packet(time_s, (hosts[0], source), (hosts[1], destination), udp[8:], holds)


def packets_of(data: bytes) -> list[Packet]:
    """All packets of a file."""
    magic, major, minor, _, _, _, link = struct.unpack("=IHHiIII", data[:24])
    assert (magic, major, minor, link) == (0xA1B2C3D4, 2, 4, 101)
    found, at = [], 24
    while at < len(data):
        seconds, micros, kept, length = struct.unpack("=IIII", data[at : at + 16])
        assert kept == length
        found.append(_packet(seconds + micros / 1e6, data[at + 16 : at + 16 + kept]))
        at += 16 + kept
    assert at == len(data)
    return found
