# SPDX-License-Identifier: GPL-2.0-or-later
"""G.711 in RTP as captures have it: alone, or with earlier packets (RFC 2198). Pure."""

from __future__ import annotations

__all__ = ["audio_blocks"]

LAWS = (0, 8)
FIRST_DYNAMIC = 96


def audio_blocks(packet: bytes) -> list[tuple[int, bytes]]:
    """Payload types and octets of the blocks of an RTP packet, its own the last; none for what is no G.711.

    Nothing but its form tells redundant audio where SDP is not at hand: every block has to be of G.711, and have its octets.
    """
    head = 12 + 4 * (packet[0] & 15)
    if packet[0] & 0x10 and len(packet) >= head + 4:
        head += 4 + 4 * int.from_bytes(packet[head + 2 : head + 4], "big")
    kind, payload = packet[1] & 0x7F, packet[head:]
    if kind in LAWS:
        return [(kind, payload)] if payload else []
    return _redundant(payload) if kind >= FIRST_DYNAMIC else []


def _redundant(payload: bytes) -> list[tuple[int, bytes]]:
    heads, at = [], 0
    while len(payload) >= at + 4 and payload[at] & 0x80:
        heads.append((payload[at] & 0x7F, int.from_bytes(payload[at + 2 : at + 4], "big") & 0x3FF))
        at += 4
    sizes = sum(size for _, size in heads)
    if len(payload) <= at + 1 + sizes or payload[at] not in LAWS or any(kind not in LAWS for kind, _ in heads):
        return []
    heads.append((payload[at], len(payload) - at - 1 - sizes))
    at += 1
    found = []
    for kind, size in heads:
        found.append((kind, payload[at : at + size]))
        at += size
    return found
