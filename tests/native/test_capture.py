# SPDX-License-Identifier: GPL-2.0-or-later
"""Packets kept in a pcap file: all of them, as they were on the network, and never more than there is room for."""

from __future__ import annotations

import socket
import struct
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from softfax.engine.abi import EventType, SessionStats
from softfax.engine.core import Engine, T30Settings, UdptlSettings
from softfax.errors import NativeError
from tests.native.pages import write_pages
from tests.support.absent import absent
from tests.support.pcap import Packet, packets_of


@dataclass
class Captured:
    packets: list[Packet]
    stats: SessionStats
    here: tuple[str, int]
    there: tuple[str, int]
    bytes: int


def fax(
    tmp_path: Path, *, host: str = "127.0.0.1", bound: str = "", mode: str = "T38", limit: int = 1 << 20
) -> Captured:
    """A fax over sockets, as fast as T.38 goes; the receiver's packets are kept."""
    write_pages(tmp_path / "sent.tif", 1, rows=100)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with Engine(shards=1) as engine:
        a = engine.session(T30Settings(caller=True, tx_file=tmp_path / "sent.tif"))
        b = engine.session(T30Settings(caller=False, rx_file=tmp_path / "received.tif"))
        socks = [socket.socket(family, socket.SOCK_DGRAM) for _ in range(2)]
        socks[0].bind((host, 0))
        socks[1].bind((bound or host, 0))
        there, here = ((host, int(sock.getsockname()[1])) for sock in socks)
        b.capture(tmp_path / "b.pcap", limit)
        for session, sock, far in ((a, socks[0], here), (b, socks[1], there)):
            if mode == "T38":
                session.start_t38(sock.detach(), far, UdptlSettings(no_pacing=True))
            else:
                session.start_audio(sock.detach(), far, codec="PCMU", payload_type=0)
        done = 0
        end = time.monotonic() + (20 if mode == "T38" else 0.7)
        while done < 2 and time.monotonic() < end:
            done += sum(event.type is EventType.COMPLETE for event in engine.events())
            time.sleep(0.02)
        if mode == "T38":
            assert done == 2
        stats = b.stats()
        a.close()
        b.close()
    data = (tmp_path / "b.pcap").read_bytes()
    return Captured(packets_of(data), stats, here, there, len(data))


@pytest.mark.parametrize(("host", "bound"), [("127.0.0.1", ""), ("127.0.0.1", "0.0.0.0"), ("::1", "")])
def test_all_packets_are_kept_with_their_headers(tmp_path: Path, host: str, bound: str) -> None:
    if ":" in host and not socket.has_ipv6:
        absent("this machine has no IPv6")

    got = fax(tmp_path, host=host, bound=bound)

    sent = [p for p in got.packets if (p.source, p.destination) == (got.here, got.there)]
    received = [p for p in got.packets if (p.source, p.destination) == (got.there, got.here)]
    assert len(sent) + len(received) == len(got.packets)
    assert len(sent) >= got.stats.udptl_tx_packets > 0
    assert len(received) >= got.stats.udptl_rx_packets > 0
    assert got.stats.capture_left_out == 0
    assert all(p.checksums_hold for p in got.packets)
    numbers = [struct.unpack("!H", p.payload[:2])[0] for p in received]
    assert sorted(set(numbers)) == list(range(max(numbers) + 1)), "every packet of UDPTL"
    assert all(abs(p.time_s - time.time()) < 60 for p in got.packets)


def test_audio_has_times_of_the_kernel(tmp_path: Path) -> None:
    got = fax(tmp_path, mode="PCMU")

    assert len(got.packets) > 30
    assert {p.payload[0] for p in got.packets} == {0x80}
    assert all(len(p.payload) == 172 and p.checksums_hold for p in got.packets)


def test_a_file_never_grows_beyond_its_limit(tmp_path: Path) -> None:
    got = fax(tmp_path, limit=3000)

    assert 1000 < got.bytes <= 3000
    assert 0 < len(got.packets) < got.stats.captured
    assert (tmp_path / "b.pcap").stat().st_mode & 0o777 == 0o600


def test_what_cannot_be_captured_is_said(tmp_path: Path) -> None:
    with Engine(shards=1) as engine:
        session = engine.session(T30Settings(caller=False, rx_file=tmp_path / "r.tif"))
        with pytest.raises(NativeError, match="No such file"):
            session.capture(tmp_path / "none" / "x.pcap", 1000)
        session.capture(tmp_path / "x.pcap", 1000)
        with pytest.raises(NativeError, match="busy"):
            session.capture(tmp_path / "y.pcap", 1000)
        session.close()
    assert len((tmp_path / "x.pcap").read_bytes()) == 24
