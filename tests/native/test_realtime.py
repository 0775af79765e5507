# SPDX-License-Identifier: GPL-2.0-or-later
"""Sessions on the engine's own threads and clock, over real sockets, poked from outside while they run."""

from __future__ import annotations

import itertools
import select
import socket
import struct
import time
from pathlib import Path

import pytest

from softfax.engine.abi import EventType
from softfax.engine.core import Engine, EngineSession, T30Settings, UdptlSettings
from tests.native.pages import write_pages


def _socket() -> tuple[int, int]:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    port = sock.getsockname()[1]
    return sock.detach(), port


def _join(a: EngineSession, b: EngineSession, mode: str) -> None:
    (fd_a, port_a), (fd_b, port_b) = _socket(), _socket()
    if mode == "T38":
        a.start_t38(fd_a, ("127.0.0.1", port_b), UdptlSettings())
        b.start_t38(fd_b, ("127.0.0.1", port_a), UdptlSettings())
    else:
        a.start_audio(fd_a, ("127.0.0.1", port_b), codec="PCMU", payload_type=0)
        b.start_audio(fd_b, ("127.0.0.1", port_a), codec="PCMU", payload_type=0)


def _pairs(engine: Engine, tmp_path: Path, count: int) -> list[tuple[EngineSession, EngineSession]]:
    sent = tmp_path / "sent.tif"
    write_pages(sent)
    return [
        (
            engine.session(T30Settings(caller=True, tx_file=sent, stall_s=1)),
            engine.session(T30Settings(caller=False, rx_file=tmp_path / f"{n}.tif", trace=True)),
        )
        for n in range(count)
    ]


def test_many_sessions_on_two_threads(tmp_path: Path) -> None:
    with Engine(shards=2) as engine:
        pairs = _pairs(engine, tmp_path, 6)
        for n, (a, b) in enumerate(pairs):
            _join(a, b, "T38" if n % 2 else "audio")
        end = time.monotonic() + 4
        events = []
        while time.monotonic() < end:
            select.select([engine.fileno()], [], [], 0.05)
            events += list(engine.events())
            for a, b in pairs:
                assert a.stats().media_us >= 0
                b.hold(False)
        for n, (a, b) in enumerate(pairs):
            stats = b.stats()
            received = stats.udptl_rx_packets if n % 2 else stats.rtp_rx_packets
            assert received > (3 if n % 2 else 150)
            assert stats.rtp_rx_lost == stats.udptl_rx_bad == 0
            a.cancel()
            b.close()
            a.close()
        events += list(engine.events())

    assert {e.code for e in events if e.type is EventType.COMPLETE} == {49}
    assert sum(e.type is EventType.V21 for e in events) == 3


def test_audio_moves_to_t38_on_the_same_session(tmp_path: Path) -> None:
    with Engine(shards=1) as engine:
        ((a, b),) = _pairs(engine, tmp_path, 1)
        _join(a, b, "audio")
        time.sleep(0.3)
        _join(a, b, "T38")
        time.sleep(0.5)
        assert a.stats().media == b.stats().media == 2
        a.stop_media()
        b.close()
        codes = [(e.session, e.code) for e in engine.events() if e.type is EventType.COMPLETE]
        a.close()

    assert len(codes) == 2  # the audio run ended without a word


@pytest.mark.parametrize(("ptime_ms", "octets"), [(10, 80), (20, 160), (30, 240), (40, 320), (60, 480)])
def test_packets_are_as_long_as_the_far_end_asks_for(tmp_path: Path, ptime_ms: int, octets: int) -> None:
    with Engine(shards=1) as engine, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far:
        far.bind(("127.0.0.1", 0))
        far.settimeout(5)
        ((a, b),) = _pairs(engine, tmp_path, 1)
        fd, _ = _socket()
        a.start_audio(fd, far.getsockname(), codec="PCMU", payload_type=0, ptime_ms=ptime_ms)
        began = time.monotonic()
        packets = [far.recv(2048) for _ in range(12)]
        took_s = time.monotonic() - began
        a.close()
        b.close()

    assert {len(packet) for packet in packets} == {12 + octets}
    numbers, times = zip(*(struct.unpack("!xxHI", packet[:8]) for packet in packets), strict=True)
    assert {(b - a) & 0xFFFF for a, b in itertools.pairwise(numbers)} == {1}
    assert {(b - a) & 0xFFFFFFFF for a, b in itertools.pairwise(times)} == {octets}
    assert took_s > 9 * ptime_ms / 1000


def test_a_silent_far_end_is_noticed(tmp_path: Path) -> None:
    with Engine(shards=1) as engine:
        ((a, b),) = _pairs(engine, tmp_path, 1)
        fd, _ = _socket()
        a.start_audio(fd, ("127.0.0.1", 9), codec="PCMA", payload_type=8)
        time.sleep(1.4)
        kinds = [e.type for e in engine.events() if e.session == a.id]
        a.close()
        b.close()

    assert kinds.count(EventType.STALLED) == 1


def test_an_engine_may_be_closed_with_sessions_alive(tmp_path: Path) -> None:
    engine = Engine(shards=2)
    for a, b in _pairs(engine, tmp_path, 3):
        _join(a, b, "audio")
    time.sleep(0.2)
    engine.close()
