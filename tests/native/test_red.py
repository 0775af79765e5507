# SPDX-License-Identifier: GPL-2.0-or-later
"""Redundant audio (RFC 2198): packets lost are made good by those that follow, and what is none of it harms nothing."""

from __future__ import annotations

import struct
import time
from pathlib import Path

import pytest

from softfax.engine.abi import EventType
from softfax.engine.core import Engine, RedSettings, T30Settings
from softfax.engine.line import LineSettings, run_line
from softfax.errors import NativeError
from tests.native.pages import write_pages
from tests.native.test_line import fax
from tests.support.engine_testing import run_tapped_line
from tests.support.media_sockets import media_sockets

RED_TYPE = 121


@pytest.mark.parametrize("mode", ["PCMU", "PCMA"])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_packet_lost_at_times_costs_nothing(tmp_path: Path, mode: str, seed: int) -> None:
    whole = fax(tmp_path, LineSettings(mode=mode), pages=2, rows=1100)
    line = LineSettings(mode=mode, loss=0.01, seed=seed, red=2, limit_s=900)

    result = fax(tmp_path, line, pages=2, rows=1100)

    assert result.identical
    assert [result.last(side, EventType.COMPLETE).code for side in (result.sender, result.receiver)] == [0, 0]
    assert result.seconds == pytest.approx(whole.seconds, abs=0.5)


@pytest.mark.parametrize("ptime_ms", [10, 20, 30, 60])
@pytest.mark.parametrize("red", [1, 3])
def test_jitter_and_losses_leave_every_sample_in_its_place(tmp_path: Path, ptime_ms: int, red: int) -> None:
    line = LineSettings(
        mode="PCMU", loss=0.002, duplicate=0.05, jitter_ms=40, delay_ms=20, ptime_ms=ptime_ms, red=red, limit_s=300
    )

    result = fax(tmp_path, line, rows=300)

    assert result.identical
    assert result.last(result.sender, EventType.COMPLETE).code == 0


def blocks(packet: bytes) -> list[tuple[int, int, bytes]]:
    """Type, samples back and octets of each block of a payload."""
    at, heads = 12, []
    while packet[at] & 0x80:
        word = struct.unpack_from("!I", packet, at)[0]
        heads.append((word >> 24 & 0x7F, word >> 10 & 0x3FFF, word & 0x3FF))
        at += 4
    own, found = packet[at], []
    at += 1
    for kind, back, size in heads:
        found.append((kind, back, packet[at : at + size]))
        at += size
    return [*found, (own, 0, packet[at:])]


def test_each_packet_has_the_ones_before_it(tmp_path: Path) -> None:
    write_pages(tmp_path / "sent.tif", 1, rows=50)
    with Engine(shards=1) as engine:
        a = engine.session(T30Settings(caller=True, tx_file=tmp_path / "sent.tif"))
        b = engine.session(T30Settings(caller=False, rx_file=tmp_path / "got.tif"))
        packets = [p for of_a, _, p in run_tapped_line(a, b, LineSettings(mode="PCMU", red=2)) if of_a]
        a.close()
        b.close()
    assert {p[1] & 0x7F for p in packets} == {RED_TYPE}
    taken = [blocks(p) for p in packets]
    assert [len(one) for one in taken[:3]] == [1, 2, 3]
    for number in range(2, 200):
        assert [(kind, back) for kind, back, _ in taken[number]] == [(0, 320), (0, 160), (0, 0)]
        assert [octets for *_, octets in taken[number]] == [taken[number - n][-1][2] for n in (2, 1, 0)]


def test_an_analogue_line_has_none(tmp_path: Path) -> None:
    write_pages(tmp_path / "sent.tif", 1, rows=50)
    with Engine(shards=1) as engine:
        a = engine.session(T30Settings(caller=True, tx_file=tmp_path / "sent.tif"))
        b = engine.session(T30Settings(caller=False, rx_file=tmp_path / "got.tif"))
        with pytest.raises(NativeError):
            run_line(a, b, LineSettings(mode="PCMU", red=1, gain_db=-6))
        a.close()
        b.close()


def test_what_comes_is_put_together_by_number_and_time(tmp_path: Path) -> None:
    """Two of four packets are lost: the one by itself comes with the next, and counts as restored."""
    with Engine(shards=1) as engine, media_sockets() as (ours, far):
        session = engine.session(T30Settings(caller=False, rx_file=tmp_path / "got.tif"))
        session.start_audio(
            ours.dup().detach(), far.getsockname(), codec="PCMU", payload_type=0, red=RedSettings(97, 98, 1)
        )

        def send(seq: int, *, back: int = 160, size: int = 160, own: int = 0) -> None:
            head = struct.pack("!BBHII", 0x80, 97, seq, seq * 160, 7)
            word = struct.pack("!I", 1 << 31 | back << 10 | size) + bytes([own])
            far.sendto(head + word + bytes([0xFF]) * (size + 160), ours.getsockname())

        for seq in (1, 3, 4, 6):
            send(seq)
        send(8, back=161)  # of no packet's time
        far.sendto(struct.pack("!BBHII", 0x80, 97, 9, 9 * 160, 7) + b"\x80", ours.getsockname())  # cut short
        send(10, own=101)  # a telephone event
        end = time.monotonic() + 10
        while session.stats().rtp_rx_packets < 5 and time.monotonic() < end:
            time.sleep(0.02)
        far.settimeout(5)
        assert far.recv(2048)[1] & 0x7F == 98
        stats = session.stats()
        session.close()
    assert (stats.rtp_rx_packets, stats.rtp_rx_restored) == (5, 2)
