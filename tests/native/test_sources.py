# SPDX-License-Identifier: GPL-2.0-or-later
"""Sources of packets: strangers end no call, draw no media to themselves and break into no stream; nobody is flooded."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from softfax.engine.abi import EventType
from softfax.engine.core import Engine, EngineEvent, EngineSession, T30Settings, UdptlSettings
from tests.support.pcap import packets_of

#: T.38 indicators with no secondary packet: no signal, V.21 preamble.
NO_SIGNAL, PREAMBLE = b"\x01\x00\x00\x00", b"\x01\x06\x00\x00"
DCN = (b"\xff\xc8\xdf", b"\xff\xc8\x5f")
#: V.17 at 14400 bit/s, a page of A4; the training that follows it, and a part of its check.
DCS = b"\xff\xc8\xc1\x00\x46\x0e"
TRAINING, CHECK, CHECK_END = b"\x01\x1e\x00\x00", b"\xd0\x01\xe0", b"\xd0\x02\xe0"
#: Facsimile control fields as they are sent, from left to right.
TSI, SUB, SID = 0xC2, 0xC3, 0xC5


def frame(octets: bytes) -> bytes:
    """A whole V.21 frame in one IFP packet, with no secondary packet."""
    return whole(b"\xc0\x02\x80" + struct.pack("!H", len(octets) - 1) + octets + b"\x40")


def whole(ifp: bytes) -> bytes:
    """UDPTL's body of one IFP packet, with no secondary packet. Its length is in one octet below 128, else in two."""
    return (bytes([len(ifp)]) if len(ifp) < 128 else struct.pack("!H", 0x8000 | len(ifp))) + ifp + b"\0\0"


def reversed_bits(octets: bytes) -> bytes:
    return bytes(int(f"{octet:08b}"[::-1], 2) for octet in octets)


def digits(fcf: int, text: str) -> bytes:
    """A frame with digits (TSI, SUB, SID), not the last of its carrier."""
    return b"\xff\xc0" + bytes([fcf]) + reversed_bits(text.rjust(20)[::-1].encode())


class Sender:
    """A UDP socket of some host."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((host, 0))
        self.address: tuple[str, int] = self.sock.getsockname()
        self.seq = 0

    def udptl(self, to: tuple[str, int], body: bytes, seq: int | None = None) -> None:
        self.seq += seq is None
        self.sock.sendto(struct.pack("!H", self.seq if seq is None else seq) + body, to)

    def dcn(self, to: tuple[str, int]) -> None:
        for octets in DCN:
            self.udptl(to, frame(octets))

    def rtp(self, to: tuple[str, int], *, ssrc: int = 7) -> None:
        self.seq += 1
        head = struct.pack("!BBHII", 0x80, 0, self.seq & 0xFFFF, self.seq * 160 & 0xFFFFFFFF, ssrc)
        self.sock.sendto(head + b"\xff" * 160, to)


class Rig:
    """A session that receives, and the sockets that talk to it."""

    def __init__(self, folder: Path) -> None:
        self.engine = Engine(shards=1)
        self.folder = folder
        self.session: EngineSession = self.engine.session(T30Settings(caller=False, rx_file=folder / "r.tif"))
        self.session.capture(folder / "p.pcap", 1 << 20)
        self.ours = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.ours.bind(("127.0.0.1", 0))
        self.here: tuple[str, int] = self.ours.getsockname()
        self.senders: list[Sender] = []

    def sender(self, host: str = "127.0.0.1") -> Sender:
        self.senders.append(Sender(host))
        return self.senders[-1]

    def audio(self, remote: tuple[str, int]) -> None:
        self.session.start_audio(self.ours.dup().detach(), remote, codec="PCMU", payload_type=0)

    def t38(self, remote: tuple[str, int]) -> None:
        self.session.start_t38(self.ours.dup().detach(), remote, UdptlSettings())

    def has_ended(self) -> bool:
        return any(event.type is EventType.COMPLETE for event in self.engine.events())

    def media_passes(self, seconds: float, meanwhile: Callable[[], None] = lambda: None) -> None:
        """So much of the session's own time goes by."""
        until = self.session.stats().media_us + seconds * 1e6
        self.until(lambda: self.session.stats().media_us > until, meanwhile)

    def until(self, condition: Callable[[], bool], meanwhile: Callable[[], None] = lambda: None) -> None:
        end = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < end
            meanwhile()
            time.sleep(0.02)

    def sent(self) -> list[tuple[str, int]]:
        """Return where packets went, in order, and end the session."""
        self.close()
        return [p.destination for p in packets_of((self.folder / "p.pcap").read_bytes()) if p.source == self.here]

    def close(self) -> None:
        self.session.close()
        self.engine.close()
        self.ours.close()
        for one in self.senders:
            one.sock.close()


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    yield made
    made.close()


def test_a_strangers_dcn_ends_no_call(rig: Rig) -> None:
    """Neither in the first second nor after it; not from another host, nor from another port of the far end's."""
    end, stranger, neighbour = rig.sender(), rig.sender("127.0.0.5"), rig.sender()
    rig.audio(end.address)
    rig.media_passes(1.2)  # so that the call is older than a second when T.38 comes
    rig.t38(end.address)

    def attack() -> None:
        stranger.dcn(rig.here)
        neighbour.dcn(rig.here)

    rig.media_passes(2.5, attack)

    assert not rig.has_ended()
    assert rig.session.stats().udptl_rx_packets == 0

    end.dcn(rig.here)
    rig.until(rig.has_ended)


def test_what_waited_before_t38_was_agreed_does_not_count(rig: Rig) -> None:
    end, stranger = rig.sender(), rig.sender("127.0.0.5")
    for _ in range(40):
        stranger.udptl(rig.here, PREAMBLE)
        stranger.dcn(rig.here)
    end.udptl(rig.here, NO_SIGNAL)
    rig.t38(end.address)
    rig.until(lambda: rig.session.stats().udptl_rx_packets > 0)

    assert rig.session.stats().udptl_rx_packets == 1  # a far end that began at once is heard
    assert not rig.has_ended()


def test_audio_from_before_the_call_was_taken_is_thrown_away(rig: Rig) -> None:
    end = rig.sender()
    for _ in range(30):
        end.rtp(rig.here)
    rig.audio(end.address)
    end.rtp(rig.here)
    rig.until(lambda: rig.session.stats().rtp_rx_packets > 0)
    assert rig.session.stats().rtp_rx_packets == 1


def test_a_far_end_learnt_from_elsewhere_ends_nothing_before_it_has_answered_us(rig: Rig) -> None:
    """A far end behind NAT is heard, but its DCN counts only once it has answered us."""
    nobody, behind_nat = rig.sender(), rig.sender("127.0.0.5")
    rig.t38(nobody.address)
    rig.until(lambda: rig.session.stats().udptl_rx_packets > 0, lambda: behind_nat.udptl(rig.here, PREAMBLE))
    heard = rig.session.stats().udptl_rx_packets
    behind_nat.dcn(rig.here)
    rig.until(lambda: rig.session.stats().udptl_rx_packets >= heard + 2)
    rig.media_passes(0.2)
    assert not rig.has_ended()


def test_what_a_far_end_learnt_from_elsewhere_says_of_itself_is_kept(rig: Rig) -> None:
    """Identity, subaddress and sender's identity count before it has answered us, as they come once."""
    nobody, behind_nat = rig.sender(), rig.sender("127.0.0.5")
    rig.t38(nobody.address)
    rig.until(lambda: rig.session.stats().udptl_rx_packets > 0, lambda: behind_nat.udptl(rig.here, PREAMBLE))
    rig.media_passes(7)  # our CED and DIS, in which nothing is heard
    behind_nat.udptl(rig.here, PREAMBLE)
    for octets in (digits(TSI, "12345"), digits(SUB, "678"), digits(SID, "90"), DCS):
        behind_nat.udptl(rig.here, frame(octets))
    behind_nat.udptl(rig.here, TRAINING)
    for field in (*[CHECK] * 9, CHECK_END):
        behind_nat.udptl(rig.here, whole(field + b"\x00\xff" + bytes(256) + b"\x70" * (field is CHECK_END)))
    events: list[EngineEvent] = []
    rig.until(lambda: any(e.type is EventType.NEGOTIATED for e in events), lambda: events.extend(rig.engine.events()))
    (negotiated,) = (e for e in events if e.type is EventType.NEGOTIATED)
    assert (negotiated.text, negotiated.data) == ("12345", b"678\x0090\x00")


def test_the_signalled_address_takes_the_call_back(rig: Rig) -> None:
    end, stranger = rig.sender(), rig.sender("127.0.0.5")
    rig.t38(end.address)
    stranger.seq = 30000
    rig.until(lambda: rig.session.stats().udptl_rx_packets > 0, lambda: stranger.udptl(rig.here, PREAMBLE))
    heard = rig.session.stats().udptl_rx_packets
    end.dcn(rig.here)
    rig.until(rig.has_ended)
    assert rig.session.stats().udptl_rx_packets == heard + 2


def test_a_host_heard_on_audio_is_the_only_one_for_t38(rig: Rig) -> None:
    end, other_port, stranger = rig.sender(), rig.sender(), rig.sender("127.0.0.5")
    rig.audio(end.address)
    rig.until(lambda: rig.session.stats().rtp_rx_packets > 0, lambda: end.rtp(rig.here))
    rig.t38(("127.0.0.1", 9))
    rig.media_passes(1.5, lambda: stranger.udptl(rig.here, PREAMBLE))
    assert rig.session.stats().udptl_rx_packets == 0

    rig.until(lambda: rig.session.stats().udptl_rx_packets > 0, lambda: other_port.udptl(rig.here, PREAMBLE))


def test_on_hold_nobody_new_is_let_in(rig: Rig) -> None:
    end, stranger = rig.sender(), rig.sender("127.0.0.5")
    rig.audio(end.address)
    rig.until(lambda: rig.session.stats().rtp_rx_packets > 0, lambda: end.rtp(rig.here))
    rig.audio(("0.0.0.0", end.address[1]))
    rig.media_passes(1.5, lambda: stranger.rtp(rig.here, ssrc=9))
    rig.audio(end.address)
    rig.media_passes(1.5, lambda: stranger.rtp(rig.here, ssrc=9))
    assert rig.session.stats().rtp_rx_packets == 0  # counted anew with each offer

    end.rtp(rig.here)
    rig.until(lambda: rig.session.stats().rtp_rx_packets == 1)


def test_another_stream_does_not_break_into_one_that_goes_on(rig: Rig) -> None:
    """Packets from the far end's very address, as forged ones would come; a stream that has ended may be followed by another."""
    end = rig.sender()
    rig.audio(end.address)

    def both() -> None:
        end.rtp(rig.here)
        end.sock.sendto(struct.pack("!BBHII", 0x80, 0, 40000, 1, 99) + b"\x00" * 160, rig.here)

    rig.until(lambda: rig.session.stats().rtp_rx_packets >= 20, both)
    stats = rig.session.stats()
    assert stats.rtp_rx_lost == stats.rtp_rx_filled_samples == 0
    assert stats.rtp_rx_late >= 15

    rig.media_passes(0.2)
    before = rig.session.stats().rtp_rx_packets
    for _ in range(3):
        end.rtp(rig.here, ssrc=99)
    rig.until(lambda: rig.session.stats().rtp_rx_packets == before + 3)


def test_a_number_from_far_ahead_costs_nothing(rig: Rig) -> None:
    """One forged or stray packet; several in sequence are a far end after an outage."""
    end = rig.sender()
    rig.t38(end.address)
    end.seq = 99
    for n in range(20):
        end.udptl(rig.here, NO_SIGNAL)
        end.udptl(rig.here, frame(DCN[1]), seq=5000 + 700 * n)
    rig.until(lambda: rig.session.stats().udptl_rx_packets >= 40)
    assert not rig.has_ended()
    assert rig.session.stats().udptl_rx_lost == 0

    for n in range(2):
        end.udptl(rig.here, frame(DCN[n]), seq=9000 + n)
    rig.until(rig.has_ended)


def test_media_to_a_third_party_stop_after_a_second_unless_it_answers(rig: Rig) -> None:
    third = rig.sender("127.0.0.66")
    rig.session.signalled_from("127.0.0.1")
    rig.audio(third.address)
    rig.media_passes(1.6)
    third.sock.setblocking(False)
    heard = 0
    while True:
        try:
            third.sock.recv(2048)
            heard += 1
        except BlockingIOError:
            break
    assert 0 < heard <= 51

    rig.media_passes(0.2, lambda: third.rtp(rig.here))
    assert len(third.sock.recv(2048)) == 172


def test_a_call_cannot_name_one_third_party_after_another(rig: Rig) -> None:
    """A hundred offers are not a hundred seconds of media."""
    rig.session.signalled_from("127.0.0.1")
    for port in range(40000, 40010):
        rig.audio(("127.0.0.66", port))
        rig.media_passes(0.7)
    assert len(rig.sent()) <= 150


def test_media_to_the_caller_go_on(rig: Rig) -> None:
    end = rig.sender()
    rig.session.signalled_from("127.0.0.1")
    rig.audio(end.address)
    rig.media_passes(1.6)
    assert len(rig.sent()) > 60


@pytest.mark.parametrize("host", ["224.0.0.9", "239.1.2.3", "255.255.255.255", "0.1.2.3"])
def test_nothing_is_sent_to_many(rig: Rig, host: str) -> None:
    rig.audio((host, 40000))
    rig.media_passes(0.2)
    assert rig.sent() == []
