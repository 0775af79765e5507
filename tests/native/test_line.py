# SPDX-License-Identifier: GPL-2.0-or-later
"""Faxes over the in-memory line: every transport, every option of T.30, and what a bad network does to them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from softfax.documents.tiff import read_pages
from softfax.engine.abi import ErrorCorrection, EventType, Signal
from softfax.engine.core import Engine, EngineEvent, T30Settings, UdptlSettings
from softfax.engine.line import LineSettings, run_line
from softfax.errors import NativeError, UsageError
from softfax.fax import t30
from tests.native.pages import write_pages
from tests.support.engine_testing import Fault, misbehave, run_impaired_line


@dataclass
class Fax:
    """Outcome of one fax."""

    seconds: float
    completed: bool
    sender: list[EngineEvent]
    receiver: list[EngineEvent]
    identical: bool

    def last(self, side: list[EngineEvent], kind: EventType) -> EngineEvent:
        return [e for e in side if e.type is kind][-1]


def fax(
    tmp_path: Path,
    line: LineSettings,
    *,
    pages: int = 1,
    sender: Any = None,
    receiver: Any = None,
    faults: tuple[Fault, Fault] = (Fault.NONE, Fault.NONE),
    impairments: Any = None,
    **page: Any,
) -> Fax:
    """Send `pages` pages over the line; `faults` are the sender's and the receiver's."""
    sent, received = tmp_path / "sent.tif", tmp_path / "received.tif"
    write_pages(sent, pages, **page)
    with Engine(shards=1) as engine:
        a = engine.session(T30Settings(caller=True, tx_file=sent, ident="SENDER 1", **(sender or {})))
        b = engine.session(T30Settings(caller=False, rx_file=received, ident="RECEIVER 2", **(receiver or {})))
        for side, fault in zip((a, b), faults, strict=True):
            misbehave(side, fault)
        seconds, completed = run_impaired_line(a, b, line, **impairments) if impairments else run_line(a, b, line)
        events = list(engine.events())
        ids = a.id, b.id
        a.close()
        b.close()
    got = [dots for _, dots in read_pages(received)] if received.exists() else []
    want = [dots for _, dots in read_pages(sent)]
    same = len(got) == len(want) and all(np.array_equal(x, y) for x, y in zip(want, got, strict=True))
    return Fax(
        seconds,
        completed,
        [e for e in events if e.session == ids[0]],
        [e for e in events if e.session == ids[1]],
        same,
    )


@pytest.mark.parametrize("ptime_ms", [10, 30, 40, 60])
def test_pages_arrive_in_packets_of_any_length(tmp_path: Path, ptime_ms: int) -> None:
    result = fax(tmp_path, LineSettings(mode="PCMU", ptime_ms=ptime_ms), pages=2, sender={"ecm": False})

    assert result.completed
    assert result.identical


@pytest.mark.parametrize("mode", ["PCMU", "PCMA", "T38"])
@pytest.mark.parametrize("ecm", [True, False])
def test_three_pages_arrive_dot_for_dot(tmp_path: Path, mode: str, ecm: bool) -> None:
    result = fax(tmp_path, LineSettings(mode=mode), pages=3, sender={"ecm": ecm})

    assert result.completed
    assert result.identical
    for side, far in ((result.sender, "RECEIVER 2"), (result.receiver, "SENDER 1")):
        complete = result.last(side, EventType.COMPLETE)
        assert complete.code == 0
        assert complete.values[:2] == (3, 3)
        assert complete.text == far
        negotiated = result.last(side, EventType.NEGOTIATED)
        assert negotiated.values[:3] == (14400, int(ecm), 3 if ecm else 2)
        assert negotiated.values[3:6] == (8031, 7700, 1728)
        pages = [e for e in side if e.type is EventType.PAGE]
        assert [p.values[0] for p in pages] == [1, 2, 3]
        assert all(p.values[2] == 600 and p.values[3] == 0 and p.values[7] == 1 for p in pages)


@pytest.mark.parametrize("rate", [2400, 4800, 7200, 9600, 12000])
@pytest.mark.parametrize("mode", ["PCMU", "T38"])
def test_the_rate_is_never_above_the_limit(tmp_path: Path, mode: str, rate: int) -> None:
    result = fax(tmp_path, LineSettings(mode=mode), sender={"max_rate_bps": rate}, rows=200)

    assert result.identical
    assert result.last(result.sender, EventType.NEGOTIATED).values[0] == rate


def test_a_receiver_limits_the_modems(tmp_path: Path) -> None:
    result = fax(tmp_path, LineSettings(mode="PCMU"), receiver={"max_rate_bps": 9600}, rows=200)

    assert result.identical
    assert result.last(result.receiver, EventType.NEGOTIATED).values[0] == 9600


def modems(result: Fax) -> int:
    """Bits 11 to 14 of the DIS that the sender heard (T.30 table 2): 3 is V.27ter and V.29, 11 is V.17 too."""
    return result.last(result.sender, EventType.DIS).data[4] >> 2 & 15


@pytest.mark.parametrize(("agreed", "said"), [(2400, 2), (4800, 2), (9600, 3), (12000, 11), (33600, 11)])
def test_the_rate_agreed_for_t38_holds_for_t30(tmp_path: Path, agreed: int, said: int) -> None:
    line = LineSettings(mode="T38", udptl=UdptlSettings(max_rate_bps=agreed))

    result = fax(tmp_path, line, rows=200)

    assert result.identical
    assert result.last(result.sender, EventType.NEGOTIATED).values[0] == min(agreed, 14400)
    assert modems(result) == said


@pytest.mark.parametrize("y_dpi", [98, 196, 391])
def test_resolutions_arrive(tmp_path: Path, y_dpi: int) -> None:
    result = fax(tmp_path, LineSettings(mode="T38"), y_dpi=y_dpi, rows=300)

    assert result.identical
    assert round(result.last(result.receiver, EventType.NEGOTIATED).values[4] * 0.0254) == y_dpi


@pytest.mark.parametrize("seed", range(4))
def test_redundancy_survives_ten_per_cent_loss(tmp_path: Path, seed: int) -> None:
    line = LineSettings(mode="T38", loss=0.10, jitter_ms=30, duplicate=0.02, delay_ms=40, seed=seed + 1)

    result = fax(tmp_path, line, pages=2)

    assert result.completed
    assert result.identical
    assert result.last(result.sender, EventType.COMPLETE).code == 0


@pytest.mark.parametrize("seed", range(4))
def test_fec_survives_loss(tmp_path: Path, seed: int) -> None:
    line = LineSettings(
        mode="T38", loss=0.03, jitter_ms=10, seed=seed + 1, udptl=UdptlSettings(error_correction=ErrorCorrection.FEC)
    )

    result = fax(tmp_path, line)

    assert result.identical
    assert result.last(result.sender, EventType.COMPLETE).code == 0


def test_audio_survives_reordering_and_duplicates(tmp_path: Path) -> None:
    line = LineSettings(mode="PCMU", jitter_ms=35, duplicate=0.05, delay_ms=80)

    result = fax(tmp_path, line)

    assert result.identical
    assert result.last(result.sender, EventType.COMPLETE).code == 0


def test_ecm_repairs_audio_with_loss(tmp_path: Path) -> None:
    result = fax(tmp_path, LineSettings(mode="PCMU", loss=0.001, seed=3), rows=1500)

    assert result.completed
    assert result.identical


def test_a_tiny_datagram_limit_is_kept(tmp_path: Path) -> None:
    line = LineSettings(mode="T38", udptl=UdptlSettings(max_datagram=90), loss=0.02)

    assert fax(tmp_path, line).identical


def test_three_pages_in_memory_take_under_a_second_of_wall_time(tmp_path: Path, record_property: Any) -> None:
    """Not a time limit but the shape of it: simulated time is what a call would take, and is not waited for."""
    result = fax(tmp_path, LineSettings(mode="PCMU"), pages=3, rows=2200)

    record_property("simulated_s", result.seconds)
    assert result.seconds > 30


def test_the_far_ends_silence_ends_by_t30s_own_timer(tmp_path: Path) -> None:
    result = fax(tmp_path, LineSettings(mode="PCMU", loss=1.0, limit_s=120))

    code = result.last(result.receiver, EventType.COMPLETE).code
    assert code in (3, 48)  # T1 ran out, or DIS was repeated as often as T.30 §5.4.2 allows
    assert 15 < result.seconds < 70


def test_a_cut_call_keeps_the_pages_that_came(tmp_path: Path) -> None:
    sent, received = tmp_path / "sent.tif", tmp_path / "received.tif"
    write_pages(sent, 3, rows=2200, density=0.3)
    with Engine(shards=1) as engine:
        a = engine.session(T30Settings(caller=True, tx_file=sent))
        b = engine.session(T30Settings(caller=False, rx_file=received))
        _, completed = run_line(a, b, LineSettings(mode="T38", limit_s=40))
        codes = [e.code for e in engine.events() if e.type is EventType.COMPLETE]
        a.close()
        b.close()

    assert not completed
    assert codes == [49, 49]
    assert 1 <= len(list(read_pages(received))) < 3


def test_settings_that_t30_cannot_carry_are_refused(tmp_path: Path) -> None:
    with Engine(shards=1) as engine:
        with pytest.raises(UsageError):
            engine.session(T30Settings(caller=True))
        with pytest.raises(UsageError):
            engine.session(T30Settings(caller=True, tx_file=tmp_path / "x.tif", max_rate_bps=33600))
        session = engine.session(T30Settings(caller=True, tx_file=tmp_path / "missing.tif"))
        with pytest.raises(NativeError):
            session.start_audio(-1, ("127.0.0.1", 4000), codec="PCMU", payload_type=0)
        session.close()
        with pytest.raises(UsageError):
            session.stats()


def test_a_missing_document_is_a_file_error(tmp_path: Path) -> None:
    with Engine(shards=1) as engine:
        a = engine.session(T30Settings(caller=True, tx_file=tmp_path / "missing.tif"))
        b = engine.session(T30Settings(caller=False, rx_file=tmp_path / "r.tif"))
        run_line(a, b, LineSettings(mode="T38"))
        code = next(e.code for e in engine.events() if e.type is EventType.COMPLETE and e.session == a.id)
        a.close()
        b.close()

    assert 41 <= code <= 46


def test_page_limit_ends_an_endless_sender(tmp_path: Path) -> None:
    result = fax(tmp_path, LineSettings(mode="T38"), pages=4, receiver={"max_pages": 2}, rows=100)

    hostile = result.last(result.receiver, EventType.HOSTILE)
    assert hostile.code == 5
    assert result.last(result.receiver, EventType.COMPLETE).values[0] == 2


def test_a_packet_lost_in_training_costs_a_repetition_not_the_call(tmp_path: Path) -> None:
    """The receiver hears no training check; the sender's second DCS begins it anew."""
    result = fax(tmp_path, LineSettings(mode="PCMU", loss=0.0005, seed=1), pages=2, rows=1200, sender={"ecm": False})

    assert result.last(result.sender, EventType.COMPLETE).code == 0
    assert result.identical


@pytest.mark.parametrize("mode", ["T38", "PCMU"])
@pytest.mark.parametrize("ecm", [True, False])
def test_a_trace_has_the_signals_that_are_no_frames(tmp_path: Path, mode: str, ecm: bool) -> None:
    traced = {"trace": True, "ecm": ecm}

    result = fax(tmp_path, LineSettings(mode=mode), pages=2, rows=300, sender=traced, receiver=traced)

    for side, sends in ((result.sender, True), (result.receiver, False)):
        signals = [(e.code == 0, Signal(e.values[0]), e.values[2]) for e in side if e.type is EventType.SIGNAL]
        assert set(signals[:2]) == {(sends, Signal.CNG, 1), (not sends, Signal.CED, 1)}
        assert signals[2:] == [(sends, Signal.TCF, 1), (sends, Signal.IMAGE, 1), (sends, Signal.IMAGE, 2)]
        names = [t30.decode(e.data).name if e.type is EventType.FRAME else Signal(e.values[0]).name for e in side
                 if e.type in (EventType.FRAME, EventType.SIGNAL)]  # fmt: skip
        order = [names.index(name) for name in ("CED", "DIS", "DCS", "TCF", "CFR", "IMAGE", "MCF", "DCN")]
        assert order == sorted(order)


def test_without_a_trace_nothing_is_looked_for(tmp_path: Path) -> None:
    result = fax(tmp_path, LineSettings(mode="PCMU"), rows=100)

    assert not [e for e in result.sender + result.receiver if e.type in (EventType.FRAME, EventType.SIGNAL)]
