# SPDX-License-Identifier: GPL-2.0-or-later
"""Faxes to and from a real Asterisk, either side calling, over T.38 and over G.711."""

from __future__ import annotations

import re

import pytest

from tests.interop.checks import check_success
from tests.interop.outcome import Outcome
from tests.peer.asterisk import PeerAddress

pytestmark = [pytest.mark.peer, pytest.mark.sip]


@pytest.mark.parametrize(
    "outcome",
    [
        *("recv", "recv-pdf", "recv-t38only", "recv-fec", "recv-no-correction", "recv-mode-t38"),
        *("recv-tcp", "recv-digest"),
        *("redundancy", "fec", "no-correction", "tcp", "mode-t38", "registered", "fetch", "fetched"),
    ],
    indirect=True,
)
def test_t38(outcome: Outcome, asterisk: PeerAddress) -> None:
    check_success(outcome, mode="T38", far_end=asterisk.station_id)


@pytest.mark.parametrize(
    "outcome",
    ["recv-audio", "recv-no-t38", "recv-t38-refused", "audio", "mode-audio", "fetch-audio", "fetched-audio"],
    indirect=True,
)
def test_audio(outcome: Outcome, asterisk: PeerAddress) -> None:
    check_success(outcome, mode="audio", far_end=asterisk.station_id)


@pytest.mark.parametrize("outcome", ["recv-noecm", "t38-noecm"], indirect=True)
def test_t38_without_ecm(outcome: Outcome, asterisk: PeerAddress) -> None:
    check_success(outcome, mode="T38", ecm=False, far_end=asterisk.station_id)


@pytest.mark.parametrize("outcome", ["recv-audio-noecm", "audio-noecm", "peer-stalls", "we-stall"], indirect=True)
def test_audio_without_ecm(outcome: Outcome, asterisk: PeerAddress) -> None:
    check_success(outcome, mode="audio", ecm=False, far_end=asterisk.station_id)


@pytest.mark.parametrize("outcome", ["recv-9600", "t38-9600"], indirect=True)
def test_slower_modems(outcome: Outcome, asterisk: PeerAddress) -> None:
    check_success(outcome, mode="T38", bitrate=9600, far_end=asterisk.station_id)


@pytest.mark.parametrize("outcome", ["several"], indirect=True)
def test_several_calls_at_once(outcome: Outcome, asterisk: PeerAddress) -> None:
    check_success(outcome, mode="T38", far_end=asterisk.station_id)
    assert len({result["call_id"] for result in outcome.results}) == 4
    assert {peer["CallID"] for peer in outcome.peers} == {result["call_id"] for result in outcome.results}


@pytest.mark.parametrize("outcome", ["recv"], indirect=True)
def test_the_events_of_a_fax(outcome: Outcome) -> None:
    """The kinds of lines of the contract, in their order, with their keys."""
    assert [e["state"] for e in outcome.events if e["event"] == "call"] == ["calling", "answered", "ended"]
    states = [e["state"] for e in outcome.events if e["event"] == "session"]
    assert states[-1] == "Complete"
    assert "Active" in states
    pages = [e for e in outcome.events if e["event"] == "page"]
    assert [(page["direction"], page["number"], page["bad_rows"], page["quality"]) for page in pages] == [
        ("send", number, 0, "good") for number in (1, 2, 3)
    ]
    assert all(page["bytes"] > 0 and page["rows"] > 0 and page["seconds"] > 0 for page in pages)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", e["time"]) for e in outcome.events)


@pytest.mark.parametrize("outcome", ["recv"], indirect=True)
def test_the_call_is_the_same_on_both_sides(outcome: Outcome) -> None:
    assert outcome.peer["CallID"] == outcome.result["call_id"]


@pytest.mark.parametrize(("outcome", "mode"), [("twice", "T38"), ("twice-audio", "audio")], indirect=["outcome"])
def test_two_faxes_on_one_call(outcome: Outcome, mode: str) -> None:
    assert outcome.exit_status == 0, outcome.stderr
    assert [(one["direction"], one["success"], one["pages"], one["mode"]) for one in outcome.results] == [
        ("send", True, 1, mode),
        ("receive", True, 1, mode),
    ]
    assert len({one["call_id"] for one in outcome.results}) == 1
