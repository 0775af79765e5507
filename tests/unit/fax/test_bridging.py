# SPDX-License-Identifier: GPL-2.0-or-later
"""A gateway's call in made-up time: when T.38 is asked of which leg, what ends both calls, and what the result says."""

from __future__ import annotations

import os
from typing import Any

import pytest

from softfax.engine.abi import EventType
from softfax.engine.core import EngineEvent, UdptlSettings
from softfax.fax.bridging import GatewaySession, onward_status
from softfax.fax.legs import A, B, GatewaySettings
from softfax.fax.ports import AudioPath, T38Path
from softfax.fax.settings import T38Preferences
from softfax.model import CallState, Direction, Event, FaxResult, Mode, Operation, PageEvent, SessionEvent
from tests.unit.fax.test_session import Clock, Recorder

NEVER = T38Preferences(offer=False, accept=False)
WAITS = T38Preferences(offer=False)


class Gateway:
    """The engine's, of which is only remembered what was asked."""

    def __init__(self) -> None:
        self.legs = (Recorder(), Recorder())
        self.held: list[bool] = []
        self.rings: list[bool] = []
        self.count = [0, 0]

    def hold(self, held: bool) -> None:
        self.held.append(held)

    def ring(self, leg: int, on: bool) -> None:
        assert leg == A
        self.rings.append(on)

    def packets(self, leg: int) -> int:
        return self.count[leg]


class Call:
    """One call through a gateway; `a` and `b` are the SIP calls."""

    def __init__(
        self,
        t38: tuple[T38Preferences, T38Preferences] = (T38Preferences(), T38Preferences()),
        ways: int = 1,
        negotiate_both: bool = False,
    ):
        self.clock, self.gateway, self.events = Clock(), Gateway(), list[Event]()
        self.a, self.b = Recorder(), Recorder()
        self.ways, self._t38 = ways, t38[B]
        self.session = GatewaySession(
            settings=GatewaySettings(fax_id="f" * 24, t38=t38[A], negotiate_both=negotiate_both),
            scheduler=self.clock,
            on_event=self.events.append,
            gateway=self.gateway,
            incoming=self.a,  # type: ignore[arg-type]
            place=self._place,
            fails_over=lambda code: code >= 500,
        )
        self.session.begin(30.0)

    def _place(self) -> Any:
        if not self.ways:
            return None
        self.ways -= 1
        self.b = Recorder()
        return self.b, self._t38

    def up(self) -> Call:
        for leg in (B, A):
            self.audio(leg)
            self.state(leg, CallState.ANSWERED, 200)
        return self

    def state(self, leg: int, state: CallState, code: int = 0, reason: str = "") -> None:
        self.session.call_state(leg, state, code, reason)

    def audio(self, leg: int) -> None:
        self.session.audio_up(leg, AudioPath(os.open(os.devnull, os.O_RDONLY), ("127.0.0.1", 4000), "PCMU", 0))

    def t38(self, leg: int) -> None:
        path = T38Path(os.open(os.devnull, os.O_RDONLY), ("127.0.0.1", 4000), UdptlSettings())
        self.session.t38_up(leg, path)

    def hears(self, leg: int, kind: EventType, code: int = 0, *values: int, data: bytes = b"", text: str = "") -> None:
        event = EngineEvent(kind, leg, 0.0, code, (*values, *[0] * (8 - len(values))), data, text)
        self.session.engine_event(leg, event)

    @property
    def result(self) -> FaxResult:
        (result,) = (e for e in self.events if isinstance(e, FaxResult))
        return result


def test_v21_of_the_answerer_has_t38_asked_of_the_caller() -> None:
    call = Call().up()
    call.hears(B, EventType.V21)
    assert "offer_t38" in call.a.asked
    assert "offer_t38" not in call.b.asked
    assert call.gateway.held == [True]
    call.t38(A)
    assert call.gateway.held == [True, False]
    assert "offer_t38" not in call.b.asked
    assert call.session.mode is Mode.T38


def test_a_caller_who_was_listened_to_hears_ring_back_until_the_other_side_speaks() -> None:
    for speaks in ("early", "answered"):
        call = Call()
        call.audio(A)
        assert call.gateway.rings == [True]
        call.state(B, CallState.RINGING, 180)
        if speaks == "early":
            call.audio(B)
        call.state(B, CallState.ANSWERED, 200)
        assert call.gateway.rings == [True, False]
    call = Call()
    call.audio(A)
    call.t38(A)
    assert call.gateway.rings == [True, False]


def test_a_call_that_was_not_listened_to_has_the_other_sides_own_ringing() -> None:
    assert Call().up().gateway.rings == []


@pytest.mark.parametrize("refuses", [A, B, None])
def test_t38_may_be_asked_of_both(refuses: int | None) -> None:
    call = Call(negotiate_both=True).up()
    call.hears(B, EventType.V21)
    assert "offer_t38" in call.a.asked
    assert "offer_t38" in call.b.asked
    assert call.gateway.held == [True]
    for leg in (A, B):
        if leg == refuses:
            call.session.t38_refused(leg, 488, "Not Acceptable Here")
        else:
            call.t38(leg)
        assert call.gateway.held == ([True] if leg == A else [True, False]), "until both have answered"
    assert [leg.mode for leg in call.session.legs] == [Mode.AUDIO if leg == refuses else Mode.T38 for leg in (A, B)]


def test_a_refusal_leaves_both_in_audio() -> None:
    call = Call().up()
    call.hears(B, EventType.V21)
    call.session.t38_refused(A, 488, "Not Acceptable Here")
    assert call.gateway.held == [True, False]
    call.hears(B, EventType.V21)
    assert call.a.asked.count("offer_t38") == 1


def test_the_far_ends_t38_is_asked_of_the_other_leg_before_modems_run() -> None:
    call = Call().up()
    call.t38(A)
    assert "offer_t38" in call.b.asked
    assert call.gateway.held == [True]
    assert call.gateway.legs[A].asked[-1] == "start_t38"
    call.t38(B)
    assert call.gateway.held == [True, False]
    assert "offer_t38" not in call.a.asked


@pytest.mark.parametrize("wanted", [NEVER, WAITS])
def test_t38_is_not_asked_where_it_is_not_wanted(wanted: T38Preferences) -> None:
    call = Call((wanted, wanted)).up()
    call.hears(B, EventType.V21)
    call.t38(A)
    assert "offer_t38" not in call.a.asked + call.b.asked
    assert call.gateway.held == []


def test_audio_stays_once_a_dcs_has_passed() -> None:
    call = Call().up()
    call.hears(B, EventType.V21)
    call.hears(A, EventType.COMMANDED)
    assert "stay_in_audio" in call.a.asked
    assert "stay_in_audio" in call.b.asked
    assert call.gateway.held == [True, False]


def test_the_next_route_is_tried_and_the_last_cause_passes() -> None:
    call = Call(ways=2)
    first = call.b
    call.state(B, CallState.ENDED, 503)
    assert call.b is not first
    assert "hangup" not in call.a.asked
    call.state(B, CallState.ENDED, 486, "Busy Here")
    assert call.a.asked[-1] == "hangup"
    assert (call.result.error, call.result.sip_code, call.result.direction) == ("BUSY", 486, Direction.GATEWAY)


def test_no_way_at_all_is_an_end() -> None:
    call = Call(ways=0)
    assert call.a.asked == ["hangup"]
    assert not call.result.success


def test_nobody_answers() -> None:
    call = Call()
    call.state(B, CallState.RINGING, 180)
    call.clock.run(31)
    assert call.a.asked == ["ring", "hangup"]
    assert call.b.asked == ["hangup"]
    assert call.result.error == "NOANSWER"


def test_early_media_come_before_the_answer_and_once() -> None:
    call = Call()
    call.audio(B)
    call.audio(B)
    call.state(B, CallState.RINGING, 180)
    assert call.a.asked == ["progress"]


def test_the_caller_gives_up() -> None:
    call = Call()
    call.state(A, CallState.ENDED, 487)
    assert call.b.asked == ["hangup"]
    assert call.result.error == "CANCEL"


def fax(call: Call, last: int = 1) -> None:
    call.hears(A, EventType.COMMANDED)
    call.hears(B, EventType.NEGOTIATED, 0, 14400, 1, 3, 8031, 7700, 1728, data=b"THERE", text="HERE")
    call.hears(B, EventType.PAGE, last, 1, 0, 0, 0, 9000, 0x8C, 0, 1)


def test_a_fax_that_went_through() -> None:
    call = Call((NEVER, NEVER)).up()
    fax(call)
    call.hears(A, EventType.COMPLETE)
    call.state(A, CallState.ENDED)
    assert call.b.asked[-1] == "hangup"
    result = call.result
    assert (result.success, result.pages, result.bitrate, result.ecm) == (True, 1, 14400, True)
    assert (result.remote_station_id, result.local_station_id) == ("HERE", "THERE")
    (page,) = (e for e in call.events if isinstance(e, PageEvent))
    assert (page.direction, page.number, page.quality) == (Direction.GATEWAY, 1, "good")


def test_a_fax_that_broke_off() -> None:
    call = Call((NEVER, NEVER)).up()
    fax(call, last=0)
    call.state(B, CallState.ENDED)
    assert call.a.asked[-1] == "hangup"
    assert (call.result.success, call.result.error, call.result.pages) == (False, "HANGUP", 1)


def test_dcn_is_said_before_the_modem_side_is_hung_up_on() -> None:
    call = Call().up()
    call.t38(A)
    call.session.t38_refused(B, 488, "")
    fax(call)
    call.hears(A, EventType.COMPLETE)
    call.state(A, CallState.ENDED)
    assert "hangup" not in call.b.asked
    call.clock.run(2)
    assert call.b.asked[-1] == "hangup"
    assert call.result.success


def test_a_call_without_a_fax() -> None:
    call = Call().up()
    call.state(A, CallState.ENDED)
    assert call.result.status_string == "the call carried no fax"
    assert {e.operation for e in call.events if isinstance(e, SessionEvent)} == {Operation.V21}


def test_silence_of_both_is_the_end_and_of_one_is_not() -> None:
    call = Call().up()
    call.gateway.count = [10, 10]
    call.hears(A, EventType.STALLED)
    call.gateway.count = [11, 20]
    call.hears(B, EventType.STALLED)
    assert not call.session.ended
    call.hears(A, EventType.STALLED)
    assert call.result.error == "TIMEOUT"


@pytest.mark.parametrize(
    ("code", "onward"), [(486, 486), (404, 404), (603, 603), (401, 403), (302, 480), (408, 480), (487, 480), (0, 503)]
)
def test_what_the_caller_is_told(code: int, onward: int) -> None:
    assert onward_status(code) == onward
