# SPDX-License-Identifier: GPL-2.0-or-later
"""T.38 after audio: a far end that has learnt our audio's port, and sends UDPTL there, is heard."""

from __future__ import annotations

import socket
import struct
import time
from pathlib import Path

import pytest

from softfax.engine.abi import EventType
from softfax.engine.core import Engine, T30Settings, UdptlSettings
from tests.native.pages import write_pages

DIS = b"\xff\xc8\x01" + bytes.fromhex("007377") + b"\x01"


def datagram(seq: int, ifp: bytes) -> bytes:
    return struct.pack("!HB", seq, len(ifp)) + ifp + b"\0\0"


@pytest.mark.parametrize("port", ["T.38", "audio"])
def test_a_dis_is_heard_at_either_port(tmp_path: Path, port: str) -> None:
    write_pages(tmp_path / "sent.tif", 1, rows=50)
    seen: set[EventType] = set()
    with (
        Engine(shards=1) as engine,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as audio,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udptl,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far,
    ):
        for one in (audio, udptl, far):
            one.bind(("127.0.0.1", 0))
        session = engine.session(T30Settings(caller=True, tx_file=tmp_path / "sent.tif"))
        session.start_audio(audio.dup().detach(), far.getsockname(), codec="PCMU", payload_type=0)
        session.start_t38(udptl.dup().detach(), far.getsockname(), UdptlSettings())
        there = (audio if port == "audio" else udptl).getsockname()
        frame = b"\xc0\x02\x80" + struct.pack("!H", len(DIS) - 1) + DIS + b"\x40"
        for seq, ifp in enumerate((b"\x06", frame)):
            far.sendto(datagram(seq, ifp), there)
        end = time.monotonic() + 20
        while EventType.DIS not in seen and time.monotonic() < end:
            seen |= {e.type for e in engine.events()}
            time.sleep(0.02)
        session.close()

    assert EventType.DIS in seen
