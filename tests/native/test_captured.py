# SPDX-License-Identifier: GPL-2.0-or-later
"""Captured calls: pcap and pcapng of T.38 and G.711 give what was said, the pages dot for dot, and faults in words."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from softfax.captured.calls import CapturedCall, calls_of
from softfax.captured.packets import datagrams
from softfax.cli.main import main
from softfax.documents.tiff import read_pages
from softfax.engine.core import Engine, T30Settings
from softfax.engine.line import LineSettings
from softfax.errors import UsageError
from softfax.fax.pcap import Datagram, merged
from tests.native.pages import write_pages
from tests.support.engine_testing import run_tapped_line

A, B = ("192.0.2.1", 4000), ("198.51.100.2", 5000)
PHONES = {A: ("192.0.2.1", 5060), B: ("198.51.100.2", 5060)}
BEGAN_US = 1_700_000_000_000_000


def sip(first: str, cseq: str, media: str = "", at: tuple[str, int] = A) -> bytes:
    body = f"v=0\r\no=- 1 1 IN IP4 {at[0]}\r\ns=-\r\nc=IN IP4 {at[0]}\r\nt=0 0\r\n{media}\r\n" if media else ""
    return (
        f"{first}\r\nCall-ID: one@call\r\nCSeq: {cseq}\r\nFrom: <sip:4930@a.example>;tag=1\r\nTo: <sip:4940@b.example>\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def capture(tmp_path: Path, line: LineSettings, *, pages: int = 2, ecm: bool = True, with_sip: bool = True) -> bytes:
    """A capture of one fax."""
    write_pages(tmp_path / "sent.tif", pages, rows=300)
    with Engine(shards=1) as engine:
        a = engine.session(T30Settings(caller=True, tx_file=tmp_path / "sent.tif", ident="+49 30 1", ecm=ecm))
        b = engine.session(T30Settings(caller=False, rx_file=tmp_path / "received.tif", ident="+49 40 2"))
        seen = run_tapped_line(a, b, line)
        a.close()
        b.close()
    media = "m=image {} udptl t38" if line.mode == "T38" else "m=audio {} RTP/AVP 0 8"
    found = [Datagram(BEGAN_US + 3_000_000 + t, *((A, B) if of_a else (B, A)), packet) for of_a, t, packet in seen]
    if with_sip:
        out, back = (PHONES[A], PHONES[B]), (PHONES[B], PHONES[A])
        found += [
            Datagram(BEGAN_US, *out, sip("INVITE sip:4940@b.example SIP/2.0", "1 INVITE", media.format(A[1]))),
            Datagram(BEGAN_US + 100_000, *back, sip("SIP/2.0 180 Ringing", "1 INVITE")),
            Datagram(BEGAN_US + 2_000_000, *back, sip("SIP/2.0 200 OK", "1 INVITE", media.format(B[1]), B)),
            Datagram(BEGAN_US + 2_100_000, *out, sip("ACK sip:4940@b.example SIP/2.0", "1 ACK")),
        ]
    return merged([], found)


def the_call(data: bytes) -> CapturedCall:
    (call,) = calls_of(datagrams(data))
    return call


@pytest.mark.parametrize("mode", ["T38", "PCMU", "PCMA"])
@pytest.mark.parametrize("ecm", [True, False])
@pytest.mark.parametrize("with_sip", [True, False])
def test_pages_come_out_dot_for_dot(
    tmp_path: Path, mode: str, ecm: bool, with_sip: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "call.pcap"
    path.write_bytes(capture(tmp_path, LineSettings(mode=mode), ecm=ecm, with_sip=with_sip))

    words = ["trace", str(path), "--pages", str(tmp_path / "pages"), "--json", "--config", "/dev/null"]
    assert main(words) == 0

    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    call = said[-1]
    assert call["delivered"]
    assert call["faults"] == []
    assert call["identities"] == {"caller": "+49 30 1", "answerer": "+49 40 2"}
    names = [one["title"] for one in said if one["event"] == "entry" and one["kind"] == "t30"]
    order = [names.index(name) for name in ("DIS", "DCS", "CFR", "MCF", "DCN")]
    assert order == sorted(order)
    sent = [dots for _, dots in read_pages(tmp_path / "sent.tif")]
    got = [~np.asarray(Image.open(name).convert("1"), dtype=bool) for name in call["pictures"]]
    assert len(got) == len(sent) == 2
    assert all(np.array_equal(x, y) for x, y in zip(sent, got, strict=True))


def test_redundant_audio_makes_good_what_the_capture_lacks(tmp_path: Path) -> None:
    """RFC 2198, with every fifteenth packet lost before it came to the capture."""
    packets = list(datagrams(capture(tmp_path, LineSettings(mode="PCMU", red=1))))
    whole = [one for n, one in enumerate(packets) if n % 15 or b"SIP/2.0" in one.payload]
    call = the_call(merged([], whole))
    assert call.media == {"G.711 (PCMU)"}
    assert call.fax.delivered
    assert call.faults == []


def test_people_read_what_was_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "call.pcap"
    path.write_bytes(capture(tmp_path, LineSettings(mode="T38")))

    assert main(["trace", str(path), "--config", "/dev/null"]) == 0

    text = capsys.readouterr().out
    assert "from <sip:4930@a.example>;tag=1 to <sip:4940@b.example>" in text
    assert "the answerer says it is +49 40 2" in text
    assert "delivered: 2 pages confirmed, at 14400 V.17" in text
    assert "--> INVITE  (offers T.38 at 192.0.2.1:4000)" in text
    assert "<-- MCF  (page confirmed)" in text
    assert "nothing went wrong" in text


def test_what_was_lost_is_told(tmp_path: Path) -> None:
    line = LineSettings(mode="PCMU")
    whole = list(datagrams(capture(tmp_path, line, pages=1)))
    kept = [d for i, d in enumerate(whole) if i % 37 or d.payload[0] >> 6 != 2]

    (call,) = calls_of(kept)

    assert any("packets of audio from the caller never came" in fault for fault in call.faults)


def test_a_capture_of_sip_alone_tells_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "call.pcap"
    path.write_bytes(
        merged([], [d for d in datagrams(capture(tmp_path, LineSettings(mode="T38"))) if d.source[1] == 5060])
    )

    assert main(["trace", str(path)]) == 1

    text = capsys.readouterr().out
    assert "no media; what was faxed is not in the capture" in text
    assert "packets = true in [trace]" in text


def test_a_fax_broken_off_is_not_delivered(tmp_path: Path) -> None:
    whole = datagrams(capture(tmp_path, LineSettings(mode="T38")))

    (call,) = calls_of(d for d in whole if d.time_us < BEGAN_US + 20_000_000)

    assert not call.fax.delivered
    assert "The last page was never confirmed: the sender cannot know that it came." in call.faults


def test_media_to_a_port_that_no_description_names_are_told(tmp_path: Path) -> None:
    elsewhere = ("198.51.100.2", 5999)
    moved = [
        Datagram(d.time_us, d.source, elsewhere if d.destination == B else d.destination, d.payload)
        for d in datagrams(capture(tmp_path, LineSettings(mode="T38")))
    ]

    (call,) = calls_of(moved)

    assert any("packets to 198.51.100.2:5999, which no description names" in fault for fault in call.faults)
    assert call.fax.delivered


def test_pcapng_with_ethernet_and_vlan_is_read(tmp_path: Path) -> None:
    plain = datagrams(capture(tmp_path, LineSettings(mode="T38"), pages=1))

    def block(kind: int, body: bytes) -> bytes:
        body += b"\0" * (-len(body) % 4)
        return struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)

    data = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)) + block(1, struct.pack("<HHI", 1, 0, 0))
    for one in plain:
        frame = bytes(12) + b"\x81\x00\x00\x05\x08\x00" + one.to_packet()
        data += block(
            6, struct.pack("<IIIII", 0, one.time_us >> 32, one.time_us & 0xFFFFFFFF, len(frame), len(frame)) + frame
        )

    assert datagrams(data) == plain
    assert the_call(data).fax.delivered


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"\xd4\xc3\xb2\xa1", b"\x0a\x0d\x0d\x0a" + bytes(40)])
def test_what_is_no_capture_ends_in_one_line(tmp_path: Path, data: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x").write_bytes(data)
    assert main(["trace", str(tmp_path / "x"), "--config", "/dev/null"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("seed", range(30))
def test_spoilt_captures_do_no_harm(tmp_path: Path, seed: int) -> None:
    """Bits of the packets are changed; whatever is in them is read or passed over."""
    random = np.random.default_rng(seed)
    data = bytearray(capture(tmp_path, LineSettings(mode="T38" if seed % 2 else "PCMU"), pages=1)[:400_000])
    for at in random.integers(24, len(data), 400):
        data[at] ^= 1 << int(random.integers(0, 8))
    try:
        calls_of(datagrams(bytes(data)))
    except UsageError:
        pass


GATEWAY = "203.0.113.9"


def leg(data: bytes, far: str, call_id: str, later_us: int) -> list[Datagram]:
    """The call of a capture with a gateway in place of one of the two."""

    def at(address: tuple[str, int]) -> tuple[str, int]:
        return (GATEWAY, address[1]) if address[0] == far else address

    return [
        Datagram(
            one.time_us + later_us,
            at(one.source),
            at(one.destination),
            one.payload.replace(b"one@call", call_id.encode()).replace(far.encode(), GATEWAY.encode())
            if b"Call-ID" in one.payload
            else one.payload,
        )
        for one in datagrams(data)
    ]


def test_the_two_calls_of_a_gateway_are_one_in_three_columns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, whole = tmp_path / "call.pcap", capture(tmp_path, LineSettings(mode="T38"), pages=1)
    path.write_bytes(merged([], leg(whole, B[0], "in@gw", 0) + leg(whole, A[0], "out@gw", 40_000)))

    assert main(["trace", str(path), "--config", "/dev/null"]) == 0
    text = capsys.readouterr().out
    assert "call 1 goes on as call 2" in text
    for line in (
        "0.000  |-->|   | INVITE",
        "0.040  |   |-->| INVITE",
        "2.000  |<--|   | 200 OK",
        "|<--|   | MCF",
        "|   |<--| MCF",
    ):
        assert line in text

    assert main(["trace", str(path), "--json", "--config", "/dev/null"]) == 0
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    calls = [(one["call"], one["leg"], one["joined"], one["delivered"]) for one in said if one["event"] == "call"]
    assert calls == [(1, "caller", 2, True), (2, "callee", 1, True)]


def test_calls_one_after_the_other_are_no_gateways(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, whole = tmp_path / "call.pcap", capture(tmp_path, LineSettings(mode="T38"), pages=1)
    path.write_bytes(merged([], leg(whole, B[0], "in@gw", 0) + leg(whole, A[0], "out@gw", 3_600_000_000)))
    assert main(["trace", str(path), "--config", "/dev/null"]) == 0
    assert "goes on as" not in capsys.readouterr().out
