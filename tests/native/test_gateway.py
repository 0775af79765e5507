# SPDX-License-Identifier: GPL-2.0-or-later
"""A gateway between two fax machines: pages arrive dot for dot whatever each leg has, voice passes octet for octet, and hostile
packets end at most the call."""

from __future__ import annotations

import itertools
import os
import random
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from softfax.documents.tiff import read_pages
from softfax.engine.abi import ErrorCorrection, EventType, Signal
from softfax.engine.core import Engine, EngineEvent, PagePreview, T30Settings, UdptlSettings
from softfax.engine.gateway import Gateway, LegSettings, run_gateway_line
from softfax.engine.line import LineSettings
from softfax.errors import NativeError
from softfax.fax import t30
from tests.native.pages import write_pages
from tests.support.engine_testing import feed_gateway, run_impaired_gateway_line

T38_TO_AUDIO = [("T38", "PCMU"), ("PCMA", "T38")]
#: The mutated faxes of a run; `make asan` has the packets looked at by the sanitizers.
SEEDS = range(int(os.environ.get("GATEWAY_SEEDS") or 6))


@dataclass
class Passed:
    """Outcome of a fax through a gateway."""

    completed: bool
    identical: bool
    caller: list[EngineEvent]
    a: list[EngineEvent]
    b: list[EngineEvent]

    @property
    def legs(self) -> list[EngineEvent]:
        return self.a + self.b


def events_of(events: list[EngineEvent], kind: EventType) -> list[EngineEvent]:
    return [e for e in events if e.type is kind]


def fax(
    tmp_path: Path,
    a: LineSettings,
    b: LineSettings,
    *,
    pages: int = 2,
    sender: Any = None,
    receiver: Any = None,
    mutate: float = 0.0,
    **page: Any,
) -> Passed:
    """Send pages from the caller, on line `a`, by a gateway to the answerer, on line `b`."""
    sent, received = tmp_path / "sent.tif", tmp_path / "received.tif"
    write_pages(sent, pages, **page)
    with Engine(shards=1) as engine:
        caller = engine.session(T30Settings(caller=True, tx_file=sent, ident="SENDER 1", **(sender or {})))
        answerer = engine.session(T30Settings(caller=False, rx_file=received, ident="RECEIVER 2", **(receiver or {})))
        gateway = Gateway(engine, LegSettings(trace=True), LegSettings(trace=True))
        if mutate:
            _, completed = run_impaired_gateway_line(caller, gateway, answerer, a, b, mutate=mutate)
        else:
            _, completed = run_gateway_line(caller, gateway, answerer, a, b)
        events = list(engine.events())
        ids = caller.id, gateway.a.id, gateway.b.id
        gateway.close()
        caller.close()
        answerer.close()
    got = [dots for _, dots in read_pages(received)] if received.exists() and not mutate else []
    want = [dots for _, dots in read_pages(sent)]
    same = len(got) == len(want) and all(np.array_equal(x, y) for x, y in zip(want, got, strict=True))
    return Passed(completed, same, *([e for e in events if e.session == one] for one in ids))


@pytest.mark.parametrize("ecm", [True, False])
@pytest.mark.parametrize(("a", "b"), [*T38_TO_AUDIO, ("PCMU", "T38"), ("T38", "T38"), ("PCMU", "PCMA")])
def test_pages_arrive_dot_for_dot(tmp_path: Path, a: str, b: str, ecm: bool) -> None:
    result = fax(tmp_path, LineSettings(mode=a), LineSettings(mode=b), sender={"ecm": ecm})

    assert result.completed
    assert result.identical
    assert events_of(result.caller, EventType.COMPLETE)[-1].code == 0
    assert events_of(result.caller, EventType.COMPLETE)[-1].text == "RECEIVER 2"


@pytest.mark.parametrize("ecm", [True, False])
@pytest.mark.parametrize(("a", "b"), [*T38_TO_AUDIO, ("T38", "T38"), ("PCMU", "PCMU")])
def test_what_passes_is_reported(tmp_path: Path, a: str, b: str, ecm: bool) -> None:
    result = fax(tmp_path, LineSettings(mode=a), LineSettings(mode=b), sender={"ecm": ecm}, pages=3, rows=200)

    (negotiated,) = events_of(result.legs, EventType.NEGOTIATED)
    assert negotiated in result.b  # the receiver confirms the training
    assert negotiated.values[:6] == (14400, int(ecm), 3 if ecm else 2, 8031, 7700, 1728)
    assert (negotiated.text, negotiated.data) == ("SENDER 1", b"RECEIVER 2")
    passed = events_of(result.legs, EventType.PAGE)
    assert [(p.values[0], p.values[7], p.code) for p in passed] == [(1, 1, 0), (2, 1, 0), (3, 1, 1)]
    (complete,) = events_of(result.legs, EventType.COMPLETE)
    assert complete in result.a  # DCN
    assert (complete.code, complete.values[0]) == (0, 3)
    kinds = [t30.decode(e.data).name for e in events_of(result.b, EventType.FRAME)]
    assert {"DIS", "CSI", "CFR", "MCF"} <= set(kinds)


@pytest.mark.parametrize("ecm", [True, False])
@pytest.mark.parametrize(("a", "b"), [*T38_TO_AUDIO, ("PCMU", "T38"), ("T38", "T38"), ("PCMU", "PCMA")])
def test_a_page_that_passes_is_seen_as_it_comes(tmp_path: Path, a: str, b: str, ecm: bool) -> None:
    seen: list[tuple[PagePreview, int]] = []
    sent = tmp_path / "sent.tif"
    write_pages(sent, 2, rows=2000, density=0.3)
    with Engine(shards=1) as engine:
        caller = engine.session(T30Settings(caller=True, tx_file=sent, ecm=ecm))
        answerer = engine.session(T30Settings(caller=False, rx_file=tmp_path / "received.tif"))
        gateway = Gateway(engine, LegSettings(), LegSettings())
        lines = LineSettings(mode=a, pace_us=300), LineSettings(mode=b, pace_us=300)  # type: ignore[arg-type]
        line = threading.Thread(target=run_gateway_line, args=(caller, gateway, answerer, *lines))
        line.start()
        while line.is_alive():
            page = gateway.a.preview()
            if page is not None:
                seen.append((page, gateway.a.stats().image_bytes))
            time.sleep(0.02)
        line.join()
        passed = [e for e in engine.events() if e.type is EventType.PAGE and e.session in (gateway.a.id, gateway.b.id)]
        assert gateway.a.preview() is None
        gateway.close()
        caller.close()
        answerer.close()
    received = [dots for _, dots in read_pages(tmp_path / "received.tif")]

    assert [(p.values[0], p.values[2], p.values[3]) for p in passed] == [(1, 2000, 0), (2, 2000, 0)]
    assert all(20_000 < p.values[1] < 100_000 for p in passed)
    assert {page.page for page, _ in seen} == {1, 2}
    for number in (1, 2):
        rows = [page.rows for page, _ in seen if page.page == number]
        assert len(set(rows)) > 2
        assert rows == sorted(rows)
    for page, _ in seen:
        dots = np.unpackbits(np.frombuffer(page.dots, np.uint8).reshape(page.rows, -1), axis=1)[:, : page.width]
        assert np.array_equal(dots.astype(bool), received[page.page - 1][: page.rows])
    assert max(octets for _, octets in seen) > 10_000


def test_tones_and_v21_are_heard_on_audio(tmp_path: Path) -> None:
    result = fax(tmp_path, LineSettings(mode="PCMU"), LineSettings(mode="PCMU"), pages=1, rows=100)

    assert [e.values[0] for e in events_of(result.a, EventType.SIGNAL)] == [Signal.CNG]
    assert [e.values[0] for e in events_of(result.b, EventType.SIGNAL)] == [Signal.CED]
    assert len(events_of(result.b, EventType.V21)) == 1


@pytest.mark.parametrize(("a", "b"), T38_TO_AUDIO)
@pytest.mark.parametrize("rate", [2400, 4800, 7200, 9600, 12000])
def test_every_rate_passes(tmp_path: Path, a: str, b: str, rate: int) -> None:
    result = fax(tmp_path, LineSettings(mode=a), LineSettings(mode=b), sender={"max_rate_bps": rate}, pages=1, rows=100)

    assert result.identical
    assert events_of(result.caller, EventType.NEGOTIATED)[-1].values[0] == rate


def test_a_lower_rate_agreed_for_t38_holds_on_audio_too(tmp_path: Path) -> None:
    slow = LineSettings(mode="T38", udptl=UdptlSettings(max_rate_bps=9600))

    result = fax(tmp_path, LineSettings(mode="PCMU"), slow, pages=1, rows=100)

    assert result.identical
    assert events_of(result.caller, EventType.NEGOTIATED)[-1].values[0] == 9600


@pytest.mark.parametrize(("a", "b"), [("T38", "T38"), ("T38", "PCMU"), ("PCMU", "T38")])
def test_loss_on_a_leg_with_t38_is_made_good(tmp_path: Path, a: str, b: str) -> None:
    lossy = {"loss": 0.05, "jitter_ms": 20, "duplicate": 0.02, "seed": 5}
    lines = [LineSettings(mode=m, **(lossy if m == "T38" else {})) for m in (a, b)]  # type: ignore[arg-type]

    assert fax(tmp_path, *lines).identical


def test_each_leg_has_its_own_error_correction(tmp_path: Path) -> None:
    fec = UdptlSettings(error_correction=ErrorCorrection.FEC)

    result = fax(
        tmp_path,
        LineSettings(mode="T38", loss=0.02, udptl=fec),
        LineSettings(mode="T38", udptl=UdptlSettings(error_correction=ErrorCorrection.NONE)),
    )

    assert result.identical


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("a", "b"), [*T38_TO_AUDIO, ("T38", "T38")])
def test_spoilt_packets_end_at_most_the_call(tmp_path: Path, a: str, b: str, seed: int) -> None:
    lines = [LineSettings(mode=m, seed=seed + 1, limit_s=150) for m in (a, b)]

    fax(tmp_path, *lines, mutate=0.3, rows=150)  # and nothing worse


V21, V27TER_2400 = 0xC0, 0xC2  # the first octet of an IFP packet with data (T.38 §7.2)
NSF = bytes.fromhex("ffc804")


def datagram(seq: int, kind: int, octets: bytes) -> bytes:
    """A packet of UDPTL as `feed_gateway` takes it: octets of a frame."""
    ifp = bytes((kind, 1, 0x80)) + struct.pack("!H", len(octets) - 1) + octets
    packet = struct.pack("!HB", seq, len(ifp)) + ifp + b"\0\0"
    return b"\0" + struct.pack("!H", len(packet)) + packet


def test_a_frame_after_one_that_is_made_unreadable_and_broken_off() -> None:
    # spandsp would make unreadable what is before the first octet of the next one.
    feed_gateway(datagram(0, V21, NSF) + datagram(1, V27TER_2400, b"\xff\xc8") + datagram(2, V21, b"\xff\xc8\x04"))


# ---- in real time: voice ------------------------------------------------------------------------------------------------


@dataclass
class FarEnd:
    """A far end with a socket, seen from a leg."""

    socket: socket.socket
    leg: Any
    port: int = 0

    def start(self, codec: str, payload_type: int, ptime_ms: int = 20) -> None:
        ours = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        ours.bind(("127.0.0.1", 0))
        self.port = ours.getsockname()[1]
        to = self.socket.getsockname()
        self.leg.start_audio(ours.detach(), to, codec=codec, payload_type=payload_type, ptime_ms=ptime_ms)

    def send(self, seq: int, timestamp: int, payload: bytes, payload_type: int = 0) -> None:
        header = struct.pack("!BBHII", 0x80, payload_type, seq & 0xFFFF, timestamp & 0xFFFFFFFF, 0x1234)
        self.socket.sendto(header + payload, ("127.0.0.1", self.port))

    def receive(self, octets: int, timeout_s: float = 10.0) -> list[tuple[int, int, bytes]]:
        """Number, timestamp and payload of packets, until `octets` have come."""
        self.socket.settimeout(timeout_s)
        got: list[tuple[int, int, bytes]] = []
        while sum(len(payload) for *_, payload in got) < octets:
            packet = self.socket.recv(2048)
            _, _, seq, timestamp, _ = struct.unpack("!BBHII", packet[:12])
            got.append((seq, timestamp, packet[12:]))
        return got


@contextmanager
def voice(codecs: tuple[str, str] = ("PCMU", "PCMU")) -> Iterator[tuple[FarEnd, FarEnd, Gateway]]:
    with (
        Engine(shards=2) as engine,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as x,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as y,
    ):
        gateway = Gateway(engine, LegSettings(), LegSettings())
        ends = FarEnd(x, gateway.a), FarEnd(y, gateway.b)
        for end, codec in zip(ends, codecs, strict=True):
            end.socket.bind(("127.0.0.1", 0))
            end.start(codec, {"PCMU": 0, "PCMA": 8}[codec])
        try:
            yield *ends, gateway
        finally:
            gateway.close()


def noise(octets: int) -> bytes:
    return random.Random(3).randbytes(octets)


@pytest.mark.parametrize("codec", ["PCMU", "PCMA"])
@pytest.mark.parametrize("frame", [80, 160, 240, 480])
def test_voice_passes_octet_for_octet(codec: str, frame: int) -> None:
    said = noise(4800)
    kind = {"PCMU": 0, "PCMA": 8}[codec]
    with voice((codec, codec)) as (x, y, _):
        for n in range(len(said) // frame):
            x.send(65530 + n, n * frame, said[n * frame : (n + 1) * frame], kind)
            time.sleep(0.004)
        got = y.receive(len(said))

    assert b"".join(payload for *_, payload in got) == said
    assert all(b[0] == (a[0] + 1) & 0xFFFF and b[1] - a[1] == len(a[2]) for a, b in itertools.pairwise(got))


def test_voice_goes_on_in_packets_as_long_as_each_side_asks_for() -> None:
    with voice() as (x, y, _):
        y.leg.stop_media()
        y.start("PCMU", 0, ptime_ms=30)
        sent = noise(1200)
        for n in range(0, 1200, 160):
            x.send(n // 160, n, sent[n : n + 160])
        got = y.receive(1200)
    assert [len(payload) for *_, payload in got] == [240] * 5
    assert b"".join(payload for *_, payload in got) == sent


def test_between_the_laws_samples_are_those_of_the_tables() -> None:
    said = bytes(range(256)) * 5
    with voice(("PCMU", "PCMA")) as (x, y, _):
        for n in range(8):
            x.send(n, n * 160, said[n * 160 : (n + 1) * 160])
        got = b"".join(payload for *_, payload in y.receive(len(said)))

    # One octet becomes one other, wherever it stands.
    table = dict(zip(said, got, strict=True))
    assert got == bytes(table[octet] for octet in said)
    assert len(set(table.values())) > 150


def test_what_is_lost_on_one_leg_is_seen_to_be_lost_on_the_other() -> None:
    said = noise(160 * 20)
    with voice() as (x, y, _):
        for n in (n for n in range(20) if n not in (7, 8)):
            x.send(n, n * 160, said[n * 160 : (n + 1) * 160])
            time.sleep(0.002)
        got = y.receive(18 * 160)

    first = got[0]
    assert [(seq - first[0]) & 0xFFFF for seq, *_ in got] == [n for n in range(20) if n not in (7, 8)]
    for seq, timestamp, payload in got:
        n = (seq - first[0]) & 0xFFFF
        assert (timestamp - first[1]) & 0xFFFFFFFF == n * 160
        assert payload == said[n * 160 : (n + 1) * 160]


def test_a_pause_stays_as_long_as_it_was() -> None:
    with voice() as (x, y, _):
        x.send(1, 0, noise(160))
        x.send(2, 160 + 4000, noise(160))
        first, second = y.receive(320)

    assert (second[0] - first[0]) & 0xFFFF == 1
    assert (second[1] - first[1]) & 0xFFFFFFFF == 160 + 4000


def test_voice_is_silence_while_an_offer_is_under_way() -> None:
    with voice() as (x, y, gateway):
        gateway.hold(True)
        x.send(1, 0, noise(160))
        assert y.receive(160)[0][2] == b"\xff" * 160
        gateway.hold(False)
        x.send(2, 160, noise(160))
        assert y.receive(160)[0][2] == noise(160)


def test_ring_back_is_heard_until_the_other_side_is() -> None:
    with voice(("PCMA", "PCMU")) as (x, y, gateway):
        gateway.ring(0, True)
        y.send(1, 0, noise(160))
        tone = b"".join(payload for *_, payload in x.receive(16_000, 30.0))
        gateway.ring(0, False)
        for n in range(40):
            y.send(2 + n, 160 * (n + 1), noise(160))
            time.sleep(0.005)
        after = b"".join(payload for *_, payload in x.receive(3200))

    loud = np.frombuffer(tone, np.uint8) ^ 0x55
    level = (loud & 0x7F).reshape(-1, 160).max(axis=1)
    first, rest = level[:48], level[52:]
    assert first.min() > 40, "a second of tone"
    assert rest.max() < 16, "then silence"
    crossings = np.count_nonzero(np.diff((loud[:8000] >> 7).astype(int)))
    assert abs(crossings - 850) < 20, "425 Hz"
    assert len(set(after)) > 100, "what the other side says"


def test_a_leg_without_a_gateway_does_nothing() -> None:
    with Engine(shards=1) as engine, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
        ours.bind(("127.0.0.1", 0))
        gateway = Gateway(engine, LegSettings(), LegSettings())
        with pytest.raises(NativeError):
            gateway.a.start_audio(-1, ("127.0.0.1", 4000), codec="PCMU", payload_type=0)
        gateway.close()
        gateway.close()
