# SPDX-License-Identifier: GPL-2.0-or-later
"""Media of a session over sockets: what counts as its own, from whom, and where it sends."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from softfax.engine.core import Engine, EngineSession, T30Settings, UdptlSettings
from tests.support.engine_testing import behind_nat

#: T.38 indicator "no signal" with no secondary packet.
NO_SIGNAL = b"\x01\x00\x00\x00"


class FarEnd:
    """A UDP socket that talks to a session."""

    def __init__(self) -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.sock.settimeout(5)
        self.address: tuple[str, int] = self.sock.getsockname()
        self.seq = 1000

    def rtp(self, to: tuple[str, int], *, payload_type: int = 0, ssrc: int = 7, octet: int = 0xFF) -> None:
        self.seq += 1
        head = struct.pack(">BBHII", 0x80, payload_type, self.seq & 0xFFFF, self.seq * 160 & 0xFFFFFFFF, ssrc)
        self.sock.sendto(head + bytes([octet]) * 160, to)

    def udptl(self, to: tuple[str, int], seq: int) -> None:
        self.sock.sendto(struct.pack(">H", seq) + NO_SIGNAL, to)

    def hears(self) -> bool:
        self.sock.settimeout(0.1)
        try:
            self.sock.recv(2048)
        except TimeoutError:
            return False
        return True


@pytest.fixture
def session(tmp_path: Path) -> Iterator[EngineSession]:
    with Engine(shards=1) as engine:
        made = engine.session(T30Settings(caller=False, rx_file=tmp_path / "r.tif"))
        yield made
        made.close()


@pytest.fixture
def ours() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock


@pytest.fixture
def far() -> Iterator[Callable[[], FarEnd]]:
    made: list[FarEnd] = []

    def make() -> FarEnd:
        made.append(FarEnd())
        return made[-1]

    yield make
    for one in made:
        one.sock.close()


def until(condition: Callable[[], bool], meanwhile: Callable[[], None] = lambda: None) -> None:
    """Waits for a condition."""
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        meanwhile()
        time.sleep(0.02)


def test_rtp_that_still_comes_is_not_taken_for_t38(
    session: EngineSession, ours: socket.socket, far: Callable[[], FarEnd]
) -> None:
    end, here = far(), ours.getsockname()
    session.start_audio(ours.dup().detach(), end.address, codec="PCMU", payload_type=0)
    until(lambda: session.stats().rtp_rx_packets > 0, lambda: end.rtp(here))
    session.start_t38(ours.dup().detach(), end.address, UdptlSettings())
    for _ in range(20):
        end.rtp(here)
        end.rtp(here, ssrc=8)  # of a stream that was not heard before
    end.udptl(here, 0)

    until(lambda: session.stats().udptl_rx_packets > 0)
    assert session.stats().udptl_rx_packets == 1
    assert session.stats().udptl_rx_bad == session.stats().udptl_rx_lost == 0


def test_what_is_no_media_does_not_draw_the_far_end_to_itself(
    session: EngineSession, ours: socket.socket, far: Callable[[], FarEnd]
) -> None:
    nobody, stranger, end, here = far(), far(), far(), ours.getsockname()
    session.start_t38(ours.dup().detach(), nobody.address, UdptlSettings())
    until(lambda: session.stats().media_us > 1_000_000)
    stranger.sock.sendto(b"\x00\x01\x00\x00!\x12\xa4B" + bytes(12), here)  # a STUN binding request
    stranger.rtp(here)
    until(lambda: session.stats().udptl_rx_packets > 0, lambda: end.udptl(here, 0))


def test_a_far_end_that_comes_from_another_port_is_heard_again(
    session: EngineSession, ours: socket.socket, far: Callable[[], FarEnd]
) -> None:
    before, after, here = far(), far(), ours.getsockname()
    session.start_audio(ours.dup().detach(), before.address, codec="PCMU", payload_type=0)
    until(lambda: session.stats().rtp_rx_packets > 0, lambda: before.rtp(here))
    heard = session.stats().rtp_rx_packets
    after.seq = before.seq

    until(lambda: session.stats().rtp_rx_packets > heard, lambda: after.rtp(here))
    assert session.stats().media_us > 1_000_000  # not before the first has been silent for a while


def test_nothing_is_sent_to_nowhere(session: EngineSession, ours: socket.socket, far: Callable[[], FarEnd]) -> None:
    end = far()
    session.start_audio(ours.dup().detach(), ("0.0.0.0", end.address[1]), codec="PCMU", payload_type=0)
    until(lambda: session.stats().rtp_tx_packets > 10)
    assert not end.hears()

    session.start_audio(ours.dup().detach(), end.address, codec="PCMU", payload_type=0)
    assert end.hears()


def test_the_other_law_is_understood_without_a_word(
    session: EngineSession, ours: socket.socket, far: Callable[[], FarEnd]
) -> None:
    end, here = far(), ours.getsockname()
    session.start_audio(ours.dup().detach(), end.address, codec="PCMU", payload_type=0)
    for _ in range(5):
        end.rtp(here, payload_type=8, octet=0xD5)
        end.rtp(here, payload_type=101)
        end.seq -= 1
    until(lambda: session.stats().rtp_rx_packets == 5)


def test_a_flood_does_not_hold_up_the_clock(
    session: EngineSession, ours: socket.socket, far: Callable[[], FarEnd]
) -> None:
    end, here = far(), ours.getsockname()
    session.start_t38(ours.dup().detach(), end.address, UdptlSettings())

    def flood() -> None:
        for seq in range(500):
            end.udptl(here, seq)

    until(lambda: session.stats().media_us > 500_000, flood)


def test_media_may_change_over_and_over(session: EngineSession, ours: socket.socket, far: Callable[[], FarEnd]) -> None:
    end = far()
    for _ in range(50):
        session.start_audio(ours.dup().detach(), end.address, codec="PCMU", payload_type=0)
        session.start_t38(ours.dup().detach(), end.address, UdptlSettings())
    assert session.stats().media == 2


@pytest.mark.parametrize(
    ("signalled", "seen", "behind"),
    [
        ("192.168.1.20", "203.0.113.9", True),
        ("100.64.3.4", "203.0.113.9", True),
        ("fd00::1", "2001:db8::1", True),
        ("203.0.113.5", "203.0.113.9", False),  # an SBC that sends from another address than it listens at
        ("192.168.1.20", "192.168.1.21", False),
        ("172.32.0.1", "203.0.113.9", False),
        ("192.168.1.20", "192.168.1.20", False),
    ],
)
def test_nat_is_told_by_the_addresses(signalled: str, seen: str, behind: bool) -> None:
    assert behind_nat(signalled, seen) == behind


def test_a_socket_that_is_not_taken_is_closed(session: EngineSession, ours: socket.socket) -> None:
    fd = ours.dup().detach()
    with pytest.raises(Exception, match="starting audio"):
        session.start_audio(fd, ("no address", 4000), codec="PCMU", payload_type=0)
    with pytest.raises(OSError, match="Bad file descriptor"):
        socket.socket(fileno=fd)
