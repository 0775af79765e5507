# SPDX-License-Identifier: GPL-2.0-or-later
"""Compressed RTF, as Outlook keeps the text of an e-mail ([MS-OXRTFCP]). Pure, within limits."""

from __future__ import annotations

import struct

__all__ = ["RtfError", "unpacked"]

SIZE_MAX = 32 << 20
COMPRESSED, PLAIN = 0x75465A4C, 0x414C454D
HEADER = 16
DICTIONARY = (
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \\fdecor MS Sans Serif"
    b"SymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx"
)


class RtfError(ValueError):
    """Truncated, or not compressed RTF."""


def unpacked(data: bytes) -> tuple[bytes, bool]:
    """The RTF, and whether it is there to its end. Raises RtfError."""
    if len(data) < HEADER:
        raise RtfError("it is cut off")
    _, size, kind, _ = struct.unpack_from("<IIII", data)
    if size > SIZE_MAX:
        raise RtfError("it is too large")
    if kind == PLAIN:
        return data[HEADER : HEADER + size], len(data) >= HEADER + size
    if kind != COMPRESSED:
        raise RtfError("no compressed RTF")
    window = bytearray(DICTIONARY) + bytes(4096 - len(DICTIONARY))
    write, at = len(DICTIONARY), HEADER
    out = bytearray()
    while at < len(data) and len(out) < size:
        control = data[at]
        at += 1
        for bit in range(8):
            if at >= len(data) or len(out) >= size:
                break
            if not control >> bit & 1:
                out.append(data[at])
                window[write] = data[at]
                write = (write + 1) % 4096
                at += 1
                continue
            if at + 1 >= len(data):
                return bytes(out), False
            place, length = data[at] << 4 | data[at + 1] >> 4, (data[at + 1] & 15) + 2
            at += 2
            if place == write:
                return bytes(out), True
            for step in range(length):
                octet = window[(place + step) % 4096]
                out.append(octet)
                window[write] = octet
                write = (write + 1) % 4096
    return bytes(out), len(out) >= size
