# SPDX-License-Identifier: GPL-2.0-or-later
"""Faxes over lines that lose more than a packet: no lost end of signal, moment of silence or last word ends them."""

from __future__ import annotations

import struct
import time
from pathlib import Path

import pytest

from softfax.engine.abi import EventType
from softfax.engine.core import Engine, EngineEvent, T30Settings, UdptlSettings
from softfax.engine.line import LineSettings
from softfax.fax import t30
from tests.native.pages import write_pages
from tests.native.test_line import fax
from tests.support.media_sockets import media_sockets

PLAIN = UdptlSettings(redundancy=0)


def codes(result: object) -> list[int]:
    return [result.last(side, EventType.COMPLETE).code for side in (result.sender, result.receiver)]  # type: ignore[attr-defined]


def name_of(event: EngineEvent) -> str:
    return t30.decode(event.data).name


@pytest.mark.parametrize("from_s", range(6, 30, 3))
def test_an_outage_over_t38_costs_time_alone(tmp_path: Path, from_s: int) -> None:
    """Whatever it takes: the end of a command's signal, of a training check, of a page, or the answer."""
    line = LineSettings(mode="T38", loss=1.0, loss_from_s=from_s, loss_until_s=from_s + 2, limit_s=600)

    result = fax(tmp_path, line, pages=2, rows=1100)

    assert result.identical
    assert codes(result) == [0, 0]


@pytest.mark.parametrize("seed", range(6))
def test_bursts_over_t38_are_made_good(tmp_path: Path, seed: int) -> None:
    line = LineSettings(mode="T38", loss=0.005, burst_s=0.2, seed=seed + 1, limit_s=900)

    result = fax(tmp_path, line, pages=2, rows=1100)

    assert result.identical
    assert codes(result) == [0, 0]


@pytest.mark.parametrize("name", ["DIS", "DCS", "CFR", "PPS", "MCF", "DCN"])
def test_a_burst_within_a_frame_over_t38_costs_nothing(tmp_path: Path, name: str) -> None:
    """V.21 is slow: its octets go with more packets than those of a page."""
    traced = {"rows": 200, "sender": {"trace": True}, "receiver": {"trace": True}}
    whole = fax(tmp_path, LineSettings(mode="T38"), **traced)
    side = "sender" if name in ("DIS", "CFR", "MCF") else "receiver"

    def heard(result: object) -> float:
        events = getattr(result, side)
        return next(e.time_s for e in events if e.type is EventType.FRAME and e.code and name_of(e).startswith(name))

    begin = heard(whole) - 0.25
    line = LineSettings(mode="T38", loss=1.0, loss_from_s=begin, loss_until_s=begin + 0.18)
    result = fax(tmp_path, line, **traced)

    assert result.identical
    assert heard(result) == pytest.approx(heard(whole), abs=0.1)
    assert result.seconds == pytest.approx(whole.seconds, abs=0.5)


def test_an_answer_lost_is_not_heard_as_the_beginning_of_its_repetition(tmp_path: Path) -> None:
    """Packets of a turn that is over would come with the first of the next: the far end would speak while we do."""
    traced = {"pages": 2, "rows": 600, "sender": {"trace": True}, "receiver": {"trace": True}}
    whole = fax(tmp_path, LineSettings(mode="T38"), **traced)
    lost = next(e.time_s for e in whole.sender if e.type is EventType.FRAME and e.code and name_of(e) == "MCF")

    line = LineSettings(mode="T38", loss=1.0, loss_from_s=lost - 0.16, loss_until_s=lost + 1.5, limit_s=300)
    result = fax(tmp_path, line, **traced)

    said = [e.time_s for e in result.receiver if e.type is EventType.FRAME and not e.code and name_of(e) == "MCF"]
    heard = [e.time_s for e in result.sender if e.type is EventType.FRAME and e.code and name_of(e) == "MCF"]
    assert result.identical
    assert codes(result) == [0, 0]
    assert heard[0] > said[1] + 1.0, "after its preamble"


@pytest.mark.parametrize("after_s", [1.0, 3.0])
def test_a_carrier_lost_in_mid_page_costs_its_lines_alone(tmp_path: Path, after_s: float) -> None:
    """Over G.711 the modem does not find the carrier again; what was lost is asked for after the page."""
    rows = {"pages": 1, "rows": 2200, "density": 0.4}
    whole = fax(tmp_path, LineSettings(mode="PCMU"), **rows)
    begin = whole.last(whole.sender, EventType.NEGOTIATED).time_s + after_s
    assert whole.seconds - begin > 10, "longer than T2"

    line = LineSettings(mode="PCMU", loss=1.0, loss_from_s=begin, loss_until_s=begin + 2, limit_s=600)
    result = fax(tmp_path, line, **rows)

    assert result.identical
    assert codes(result) == [0, 0]


@pytest.mark.parametrize("mode", ["T38", "PCMU"])
@pytest.mark.parametrize("ecm", [True, False])
def test_a_last_page_that_we_confirmed_is_success_without_dcn(tmp_path: Path, mode: str, ecm: bool) -> None:
    traced = {"trace": True, "ecm": ecm}
    whole = fax(tmp_path, LineSettings(mode=mode), rows=300, sender=traced, receiver=traced)
    heard = [e.time_s for e in whole.sender if e.type is EventType.FRAME and e.code and name_of(e) == "MCF"]

    line = LineSettings(mode=mode, loss=1.0, loss_from_s=heard[-1] + 0.04, loss_until_s=3600, limit_s=900)
    result = fax(tmp_path, line, rows=300, sender=traced, receiver=traced)

    assert result.identical
    assert codes(result) == [0, 0]
    assert not [e for e in result.receiver if e.type is EventType.FRAME and e.code and e.data[2] & 0xFE == 0xFA], (
        "no DCN"
    )


def test_a_page_that_was_never_confirmed_is_no_success(tmp_path: Path) -> None:
    whole = fax(tmp_path, LineSettings(mode="T38"), rows=300)
    page = [e.time_s for e in whole.receiver if e.type is EventType.PAGE]

    line = LineSettings(mode="T38", loss=1.0, loss_from_s=page[-1] - 1.0, loss_until_s=3600, limit_s=900)
    result = fax(tmp_path, line, rows=300)

    assert 0 not in codes(result)


@pytest.mark.parametrize("seed", range(4))
def test_jitter_without_redundancy_is_no_loss(tmp_path: Path, seed: int) -> None:
    line = LineSettings(mode="T38", jitter_ms=120, delay_ms=20, udptl=PLAIN, seed=seed + 1)

    result = fax(tmp_path, line, rows=1100)

    assert result.identical
    assert codes(result) == [0, 0]


@pytest.mark.parametrize("seed", range(4))
def test_frames_come_through_without_error_correction(tmp_path: Path, seed: int) -> None:
    line = LineSettings(mode="T38", loss=0.03, udptl=PLAIN, seed=seed + 1, limit_s=900)

    result = fax(tmp_path, line, rows=600)

    assert result.identical
    assert codes(result) == [0, 0]


def test_a_dis_longer_than_any_known_is_clipped(tmp_path: Path) -> None:
    """T.30 lets it grow; the far end is no attacker."""
    write_pages(tmp_path / "sent.tif", 1, rows=50)
    dis = b"\xff\xc8\x01" + bytes.fromhex("007377") + b"\x81" * 24
    ifp = b"\xc0\x02\x80" + struct.pack("!H", len(dis) - 1) + dis + b"\x40"
    seen: list[EngineEvent] = []
    with Engine(shards=1) as engine, media_sockets() as (ours, far):
        session = engine.session(T30Settings(caller=True, tx_file=tmp_path / "sent.tif"))
        session.start_t38(ours.dup().detach(), far.getsockname(), UdptlSettings())
        for seq, body in enumerate((b"\x06", ifp)):
            far.sendto(struct.pack("!HB", seq, len(body)) + body + b"\0\0", ours.getsockname())
        end = time.monotonic() + 20
        while not seen and time.monotonic() < end:
            seen = [e for e in engine.events() if e.type in (EventType.DIS, EventType.HOSTILE)]
            time.sleep(0.02)
        session.close()
    assert seen
    assert seen[0].type is EventType.DIS
    assert len(seen[0].data) == 22
    assert seen[0].data[-1] < 0x80
