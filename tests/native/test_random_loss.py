# SPDX-License-Identifier: GPL-2.0-or-later
"""Packets lost at random from G.711: frames of V.21 are put together again, training goes on, and every page comes whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from softfax.engine.abi import EventType
from softfax.engine.core import EngineEvent
from softfax.engine.line import LineSettings
from softfax.fax import t30
from tests.native.test_line import fax


def received(events: list[EngineEvent], name: str) -> list[float]:
    """Return the times at which frames of a name were heard."""
    return [
        e.time_s
        for e in events
        if e.type is EventType.FRAME and e.code == 1 and t30.decode(e.data).name.startswith(name)
    ]


@pytest.mark.parametrize("mode", ["PCMU", "PCMA"])
@pytest.mark.parametrize("seed", range(1, 5))
def test_three_pages_come_whole_at_one_per_cent(tmp_path: Path, mode: str, seed: int) -> None:
    result = fax(tmp_path, LineSettings(mode=mode, loss=0.01, seed=seed, limit_s=900), pages=3, rows=1100)

    assert result.identical
    assert [result.last(side, EventType.COMPLETE).code for side in (result.sender, result.receiver)] == [0, 0]


@pytest.mark.parametrize("seed", range(1, 13))
def test_no_page_is_confirmed_that_did_not_come(tmp_path: Path, seed: int) -> None:
    """However bad the line is: what the sender takes for delivered, the receiver has."""
    result = fax(tmp_path, LineSettings(mode="PCMU", loss=0.04, seed=seed, limit_s=900), pages=2, rows=600)

    assert result.completed
    sent, got = (result.last(side, EventType.COMPLETE) for side in (result.sender, result.receiver))
    assert sent.values[0] <= got.values[0]
    assert result.identical or sent.code != 0


@pytest.mark.parametrize("name", ["DIS", "DCS", "CFR", "PPS", "MCF", "DCN"])
def test_a_packet_lost_in_a_frame_is_no_lost_frame(tmp_path: Path, name: str) -> None:
    traced = {"rows": 200, "sender": {"trace": True}, "receiver": {"trace": True}}
    whole = fax(tmp_path, LineSettings(mode="PCMU"), **traced)
    side = {"DIS": "sender", "CFR": "sender", "MCF": "sender"}.get(name, "receiver")
    heard = received(getattr(whole, side), name)[0]

    # In the middle of its 40 bits or more.
    line = LineSettings(mode="PCMU", loss=1.0, loss_from_s=heard - 0.09, loss_until_s=heard - 0.07)
    result = fax(tmp_path, line, **traced)

    assert result.identical
    assert received(getattr(result, side), name)[0] == pytest.approx(heard, abs=0.05)
    assert result.seconds == pytest.approx(whole.seconds, abs=0.5)


def test_a_packet_lost_in_training_costs_nothing(tmp_path: Path) -> None:
    traced = {"rows": 200, "sender": {"trace": True}, "receiver": {"trace": True}}
    whole = fax(tmp_path, LineSettings(mode="PCMU"), **traced)
    training = received(whole.receiver, "DCS")[0] + 0.8

    for at_s in (training, training + 1.4):  # the modem's own, and the check of it
        line = LineSettings(mode="PCMU", loss=1.0, loss_from_s=at_s, loss_until_s=at_s + 0.02)
        result = fax(tmp_path, line, **traced)

        assert result.identical
        assert result.last(result.sender, EventType.NEGOTIATED).values[0] == 14400
        assert result.seconds == pytest.approx(whole.seconds, abs=0.5)


def test_a_lost_ctc_is_said_again_and_the_page_goes_on(tmp_path: Path) -> None:
    """After the fourth PPR of a block the sender says CTC, which spandsp never repeats."""
    traced = {"trace": True}
    seen = False
    for seed in range(1, 9):
        line = LineSettings(mode="PCMU", loss=0.05, seed=seed, limit_s=900)
        result = fax(tmp_path, line, rows=1100, density=0.3, sender=traced, receiver=traced)
        asked = [e.time_s for e in result.sender if e.type is EventType.FRAME and t30.decode(e.data).name == "CTC"]
        if asked and result.last(result.sender, EventType.COMPLETE).code == 0:
            assert result.identical
            seen = True
    assert seen
