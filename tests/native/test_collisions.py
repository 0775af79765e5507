# SPDX-License-Identifier: GPL-2.0-or-later
"""Both sides speak at once over T.38, as no modem could: neither breaks off what it says, and a far end that does gives no
octets of one frame for another's."""

from __future__ import annotations

import struct
import time
from pathlib import Path

import pytest

from softfax.engine.abi import EventType
from softfax.engine.core import Engine, EngineEvent, T30Settings, UdptlSettings, completion_text
from softfax.engine.line import LineSettings, run_line
from softfax.fax import t30
from tests.native.test_line import fax
from tests.support.media_sockets import media_sockets

PREAMBLE, FRAME_ENDS, SIGNAL_ENDS = b"\x06", b"\xc0\x01\x20", b"\xc0\x01\x40"


def turned(octets: bytes) -> bytes:
    """On the wire of T.38 the bit sent first is the highest."""
    return bytes(int(f"{octet:08b}"[::-1], 2) for octet in octets)


def tsi(text: bytes) -> bytes:
    return b"\xff\xc0\xc2" + turned(text.rjust(20)[::-1])


DCS = b"\xff\xc8\xc1" + turned(b"\x00\x06\x00")


def ifps(octets: bytes) -> list[bytes]:
    """An IFP packet of V.21 for each octet."""
    return [b"\xc0\x01\x80\x00\x00" + bytes([octet]) for octet in octets]


def receive(tmp_path: Path, packets: list[bytes]) -> list[EngineEvent]:
    """Events of a receiver that gets these IFP packets, until it heard a final frame."""
    seen: list[EngineEvent] = []
    with Engine(shards=1) as engine, media_sockets() as (ours, far):
        session = engine.session(T30Settings(caller=False, rx_file=tmp_path / "received.tif", trace=True))
        session.start_t38(ours.dup().detach(), far.getsockname(), UdptlSettings())
        for seq, body in enumerate(packets):
            far.sendto(struct.pack("!HB", seq, len(body)) + body + b"\0\0", ours.getsockname())
        end = time.monotonic() + 20
        while names(seen)[-1:] != ["DCS"] and time.monotonic() < end:
            seen += engine.events()
            time.sleep(0.02)
        session.close()
        seen += engine.events()
    return seen


def names(events: list[EngineEvent]) -> list[str]:
    return [t30.decode(e.data).name for e in events if e.type is EventType.FRAME and e.code]


def ident(events: list[EngineEvent]) -> str:
    return next(e.text for e in events if e.type is EventType.COMPLETE)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (b"+49 30 1234567", "+49 30 1234567"),
        (b"+49 30 1234567".ljust(20, b"\0"), "+49 30 1234567"),
        (b"+49 30 1234567".rjust(20, b"\0"), "+49 30 1234567"),
        (b"M\xdcLLER\x1b[31m\x07", "M?LLER?[31m?"),
    ],
)
def test_an_identity_is_printable(tmp_path: Path, text: bytes, shown: str) -> None:
    seen = receive(tmp_path, [PREAMBLE, *ifps(tsi(text)), FRAME_ENDS, *ifps(DCS), SIGNAL_ENDS])

    assert names(seen) == ["TSI", "DCS"]
    assert ident(seen).strip() == shown


@pytest.mark.parametrize("octets", [4, 8, 14, 22])
def test_a_frame_broken_off_leaves_nothing_in_the_next(tmp_path: Path, octets: int) -> None:
    """A spandsp that is asked anew while it speaks begins again without a word."""
    broken = ifps(tsi(b"ASTERISK 16")[:octets])

    by_itself = receive(tmp_path, [PREAMBLE, *broken, *ifps(tsi(b"ASTERISK 16")), FRAME_ENDS, *ifps(DCS), SIGNAL_ENDS])
    by_the_next = receive(tmp_path, [PREAMBLE, *broken, *ifps(DCS), SIGNAL_ENDS])

    assert names(by_itself) == ["TSI", "DCS"]
    assert ident(by_itself) == "ASTERISK 16"
    assert names(by_the_next) == ["DCS"]
    assert ident(by_the_next) == ""


@pytest.mark.parametrize("octets", [4, 5])
def test_a_dcs_broken_off_is_no_attack(tmp_path: Path, octets: int) -> None:
    seen = receive(tmp_path, [PREAMBLE, *ifps(DCS[:octets]), *ifps(DCS), SIGNAL_ENDS])

    assert names(seen) == ["DCS"]
    assert not [e for e in seen if e.type is EventType.HOSTILE]


@pytest.mark.parametrize("redundancy", [0, 3])
@pytest.mark.parametrize("delay_ms", [1650, 2250, 2400, 2800, 3300])
def test_commands_said_again_while_the_answer_is_on_its_way(tmp_path: Path, delay_ms: int, redundancy: int) -> None:
    """An answer takes longer than T4: what asks for it comes again, in the middle of it."""
    line = LineSettings(mode="T38", delay_ms=delay_ms, limit_s=600, udptl=UdptlSettings(redundancy=redundancy))

    result = fax(tmp_path, line, rows=100)

    assert result.identical
    ends = [result.last(side, EventType.COMPLETE) for side in (result.sender, result.receiver)]
    assert [(end.code, end.text) for end in ends] == [(0, "RECEIVER 2"), (0, "SENDER 1")]


@pytest.mark.parametrize("delay_ms", range(1700, 2250, 50))
def test_no_collision_makes_an_identity_of_other_octets(tmp_path: Path, delay_ms: int) -> None:
    result = fax(tmp_path, LineSettings(mode="T38", delay_ms=delay_ms, limit_s=600), rows=100)

    assert result.last(result.sender, EventType.COMPLETE).text in ("", "RECEIVER 2")
    assert result.last(result.receiver, EventType.COMPLETE).text in ("", "SENDER 1")


@pytest.mark.parametrize("mode", ["T38", "PCMU"])
def test_where_there_is_nothing_to_poll_it_is_heard_soon(tmp_path: Path, mode: str) -> None:
    """Both say their DIS at the same time: the one that called listens for longer, and hears that there is nothing."""
    with Engine(shards=1) as engine:
        ours = engine.session(T30Settings(caller=False, poller=True, rx_file=tmp_path / "ours.tif"))
        theirs = engine.session(T30Settings(caller=False, rx_file=tmp_path / "theirs.tif"))
        run_line(ours, theirs, LineSettings(mode=mode, limit_s=120))
        (end,) = [e for e in engine.events() if e.session == ours.id and e.type is EventType.COMPLETE]
        ours.close()
        theirs.close()

    assert completion_text(end.code) == "Far end is not able to transmit"
    assert end.time_s < 16
