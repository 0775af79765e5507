# SPDX-License-Identifier: GPL-2.0-or-later
"""G.711 in captured packets, alone and redundant (RFC 2198)."""

from __future__ import annotations

import struct

import pytest

from softfax.captured.rtp import audio_blocks


def packet(kind: int, payload: bytes) -> bytes:
    return struct.pack("!BBHII", 0x80, kind, 1, 160, 7) + payload


def test_the_earlier_come_first() -> None:
    heads = struct.pack("!II", 1 << 31 | 320 << 10 | 2, 1 << 31 | 8 << 24 | 160 << 10 | 3)
    assert audio_blocks(packet(121, heads + b"\x00" + b"aabbbccc")) == [(0, b"aa"), (8, b"bbb"), (0, b"ccc")]
    assert audio_blocks(packet(8, b"xyz")) == [(8, b"xyz")]


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        (18, b"xyz"),
        (0, b""),
        (121, b""),
        (121, b"\x80"),
        (121, b"\x00"),
        (121, struct.pack("!I", 1 << 31 | 160 << 10 | 9) + b"\x00abc"),
        (121, struct.pack("!I", 1 << 31 | 96 << 24 | 160 << 10 | 1) + b"\x00abc"),
        (121, b"\x65abc"),
        (72, b"\x00abc"),
    ],
)
def test_what_is_no_audio_of_ours(kind: int, payload: bytes) -> None:
    assert audio_blocks(packet(kind, payload)) == []
