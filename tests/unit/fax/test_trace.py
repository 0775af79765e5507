# SPDX-License-Identifier: GPL-2.0-or-later
"""T.30 frames in words, and the trace of a fax as text and JSON."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softfax.engine.abi import Signal
from softfax.fax import t30
from softfax.fax.pcap import Datagram, merged
from softfax.fax.trace import Trace, TraceSettings, load_trace, pcap_path, text_of, trace_path
from softfax.fax.tracing import SipMessages, Tracing
from tests.support.pcap import packets_of


def frame(control: int, body: bytes = b"") -> t30.Frame:
    return t30.decode(bytes([0xFF, 0x13, control]) + body)


@pytest.mark.parametrize(
    ("control", "body", "name"),
    [
        (0x84, b"", "CFR"),
        (0x44, b"", "FTT"),
        (0x8C, b"", "MCF"),
        (0x8D, b"", "MCF"),
        (0x4D, b"", "RTN"),
        (0x2F, b"", "EOP"),
        (0x4F, b"", "MPS"),
        (0xFB, b"", "DCN"),
        (0xBF, b"\x2f\x00\x00\x1f", "PPS-EOP"),
        (0xBF, b"\x00\x01\x02\xff", "PPS-NULL"),
        (0x81, b"", "DTC"),
        (0x06, b"\x07" + bytes(256), "FCD"),
        (0x86, b"", "RCP"),
        (0x1A, b"", "CRP"),
    ],
)
def test_names(control: int, body: bytes, name: str) -> None:
    assert frame(control, body).name == name


@pytest.mark.parametrize(
    ("facilities", "maker"),
    [
        ("00 00 25 10 00", "Ricoh"),
        ("00 00 0e 02", "Panasonic"),
        ("ad 00 36 20 41", "HP"),
        ("b5 00 1e", None),
        ("00", None),
        ("", None),
    ],
)
def test_own_facilities_name_a_maker(facilities: str, maker: str | None) -> None:
    assert frame(0x20, bytes.fromhex(facilities)).fields.get("maker") == maker


@given(st.binary(max_size=300))
def test_any_facilities_are_read(octets: bytes) -> None:
    assert len(frame(0x20, octets).fields.get("maker", "")) < 128


def test_what_frames_carry() -> None:
    # A DIS of spandsp: V.27ter, V.29, V.17; fine; MMR; ECM; A4, any length.
    dis = frame(0x80, bytes([0x00, 0xEE, 0xF8, 0xC4, 0x80, 0x00]))
    assert dis.fields["takes faxes"] == "yes"
    assert "204x196" in dis.fields["resolutions"]
    dcs = frame(0x83, bytes([0x00, 0x22 | 0x40, 0x78, 0x45]))
    assert dcs.name == "DCS"
    assert dcs.fields["rate"] == "14400 V.17"
    assert dcs.fields["resolution"] == "204x196"
    assert dcs.fields["ECM"].startswith("yes")
    assert dcs.fields["code"] == "MMR"
    assert frame(0x40, b"54321 +" + b" " * 13).fields == {"says": "+ 12345"}
    internet = frame(0x62, bytes([0, 1, 12]) + b"fax@example.")
    assert (internet.name, internet.fields) == ("TSA", {"kind": "e-mail", "says": "fax@example."})
    assert [frame(octet).name for octet in (0x24, 0xE1, 0x11)] == ["CSA", "CIA", "ISP"]
    assert "operator" in frame(0xAC).meaning
    assert "operator" in frame(0x2C).meaning
    pps = frame(0xBF, b"\x2f\x02\x00\x1f")
    assert pps.fields == {"page": "3", "block": "1", "frames": "32"}
    assert frame(0xBD, b"\x05" + bytes(31)).fields == {"missing": "0, 2", "count": "2"}
    assert frame(0x55, b"abc").fields["octets"].startswith("ff 13 55")


@given(st.binary(max_size=300))
def test_whatever_comes_has_a_name(data: bytes) -> None:
    found = t30.decode(data)
    assert found.name
    assert all(isinstance(value, str) for value in found.fields.values())


def test_a_trace_is_written_read_and_shown(tmp_path: Path) -> None:
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    trace = Trace("0" * 24, now)
    trace.frame(True, bytes([0xFF, 0x13, 0x8C]))
    trace.sip(
        True, "192.0.2.1:5060", "INVITE sip:x SIP/2.0\r\nCSeq: 1 INVITE\r\n\r\nm=audio 4000 RTP/AVP 0\r\n", now=now
    )
    trace.sip(False, "192.0.2.1:5060", "SIP/2.0 200 OK\r\nCSeq: 1 INVITE\r\n\r\n", now=now + timedelta(seconds=1))
    trace.statistics = {"udptl_rx_packets": 7}
    trace.sort()
    path = trace.write(tmp_path / "traces")
    assert path.stat().st_mode & 0o777 == 0o600
    found = load_trace(tmp_path / "traces", "0" * 24)
    assert found is not None
    assert [entry["title"] for entry in found["entries"]][:2] == ["INVITE sip:x SIP/2.0", "200 OK"]
    assert found["entries"][0]["fields"]["media"] == "audio 4000 RTP/AVP"
    text = text_of(found)
    assert "    0.000  sip    --> INVITE sip:x" in text
    assert "MCF  (page confirmed)" in text
    assert "udptl_rx_packets         7" in text
    assert load_trace(tmp_path, "1" * 24) is None
    assert load_trace(tmp_path, "../etc/passwd") is None
    with pytest.raises(ValueError):
        trace_path(tmp_path, "../x")
    path.write_bytes(b"no gzip")
    assert load_trace(tmp_path / "traces", "0" * 24) is None


def test_signals_are_words_and_a_page_that_comes_again_says_so() -> None:
    trace = Trace("0" * 24)
    for received, signal, page in ((True, Signal.CNG, 1), (False, Signal.TCF, 1), (False, Signal.IMAGE, 1),
                                   (False, Signal.IMAGE, 1), (False, Signal.IMAGE, 2)):  # fmt: skip
        trace.signal(received, signal, 14400, page)

    said = [(e.kind, e.direction, e.title) for e in trace.entries]
    assert said == [
        ("signal", "received", "CNG"),
        ("signal", "sent", "TCF"),
        ("media", "sent", "page 1"),
        ("media", "sent", "page 1, again"),
        ("media", "sent", "page 2"),
    ]
    assert trace.entries[1].fields == {"rate": "14400"}


def test_limits() -> None:
    trace = Trace("0" * 24)
    for _ in range(6000):
        trace.add("note", "x")
    assert (len(trace.entries), trace.left_out) == (5000, 1000)
    messages = SipMessages()
    for number in range(3000):
        messages.take(True, "x", f"INVITE x\r\nCall-ID: {number}\r\n\r\n")
    messages.take(True, "x", "INVITE x\r\n\r\n")
    assert not messages.of("5")
    assert len(messages.of("2999")) == 1
    assert not messages.of("2999")


INVITE = "INVITE sip:x SIP/2.0\r\nCall-ID: c\r\nContent-Length: 99\r\n\r\nv=0\r\n"


def ended(tmp_path: Path, when: str, *, success: bool) -> tuple[Path, Path]:
    """A fax whose packets were kept has ended; where its trace and packets are."""

    async def run() -> None:
        messages = SipMessages()
        messages.take(True, "192.0.2.7:5080", INVITE)
        tracing = Tracing("0" * 24, 2, TraceSettings(tmp_path, when, 1000), messages, [("192.0.2.1", 5060)])  # type: ignore[arg-type]
        media = Datagram(1, ("192.0.2.1", 4000), ("192.0.2.7", 4002), b"media")
        pcap_path(tmp_path, "0" * 24, 2).write_bytes(merged([], [media]))
        result: Any = SimpleNamespace(success=success)
        tracing.end(result, {"c": ""}, None)
        await tracing.finish()
        assert not tracing.busy

    asyncio.run(run())
    return trace_path(tmp_path, "0" * 24, 2), pcap_path(tmp_path, "0" * 24, 2)


@pytest.mark.parametrize(("when", "success"), [("always", True), ("failed", False)])
def test_a_trace_is_there_when_the_calls_end_at_once(tmp_path: Path, when: str, success: bool) -> None:
    trace, pcap = ended(tmp_path, when, success=success)

    assert trace.exists()
    media, invite = packets_of(pcap.read_bytes())
    assert media.payload == b"media"
    assert invite.source == ("192.0.2.1", 5060)
    assert invite.destination == ("192.0.2.7", 5080)
    assert invite.payload.decode() == INVITE.replace("99", "5"), "the length is that of what is there"
    assert pcap.stat().st_mode & 0o777 == 0o600


def test_nothing_stays_of_a_good_fax_where_only_failed_ones_are_kept(tmp_path: Path) -> None:
    ended(tmp_path, "failed", success=True)

    assert list(tmp_path.iterdir()) == []


def test_a_gateway_stands_between_two_sides(tmp_path: Path) -> None:
    trace = Trace("0" * 24)
    trace.sip(False, "192.0.2.7:5060", "INVITE sip:x SIP/2.0\r\n", leg="caller")
    trace.sip(True, "192.0.2.9:5060", "INVITE sip:y SIP/2.0\r\n", leg="callee")
    trace.sip(False, "192.0.2.9:5060", "SIP/2.0 200 OK\r\n", leg="callee")
    trace.sip(True, "192.0.2.7:5060", "SIP/2.0 200 OK\r\n", leg="caller")
    trace.frame(True, bytes([0xFF, 0x13, 0x80, 0x00]), "callee")
    trace.signal(True, Signal.CNG, 0, 1, "caller")
    trace.add("note", "page 1 good")
    told = text_of(trace.to_json())

    said = [line[17:].partition(" (")[0].strip() for line in told.splitlines()[3:10]]
    assert said == [
        "|-->|   | INVITE sip:x SIP/2.0", "|   |-->| INVITE sip:y SIP/2.0", "|   |<--| 200 OK", "|<--|   | 200 OK",
        "|<--|<--| DIS", "|-->|-->| CNG", "|   |   | page 1 good",
    ]  # fmt: skip
    assert "caller, softfax, callee" in told
    legs = [entry["leg"] for entry in trace.to_json()["entries"]]
    assert legs == ["caller", "callee", "callee", "caller", "callee", "caller", ""]
