# SPDX-License-Identifier: GPL-2.0-or-later
"""The fax session in made-up time, with a call and an engine that only remember what was asked of them."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from softfax.engine.abi import EventType
from softfax.engine.core import EngineEvent, UdptlSettings
from softfax.fax.ports import AudioPath, T38Path
from softfax.fax.session import FaxSession
from softfax.fax.settings import FaxSettings, Role, T38Preferences
from softfax.model import CallState, Direction, Event, FaxResult, Mode, SessionEvent, SessionState
from softfax.options import ModePolicy
from softfax.reasons import NAME_UNKNOWN, PORT_UNREACHABLE
from softfax.transitions import Phase


@dataclass
class FakeTimer:
    at: float
    callback: Callable[[], object]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


@dataclass
class Clock:
    now: float = 0.0
    timers: list[FakeTimer] = field(default_factory=list)

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Callable[[], object], /) -> FakeTimer:
        timer = FakeTimer(self.now + delay, callback)
        self.timers.append(timer)
        return timer

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while due := sorted((t for t in self.timers if not t.cancelled and t.at <= end), key=lambda t: t.at):
            timer = due[0]
            self.timers.remove(timer)
            self.now = timer.at
            timer.callback()
        self.now = end


class Recorder:
    """Stands for the call and the engine: a list of what was asked."""

    call_id = "call-1"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Callable[..., None]:
        def ask(*args: Any, **kwargs: Any) -> None:
            if name in ("start_audio", "start_t38"):
                os.close(args[0])
            self.asked.append(name if name != "hold" else f"hold {args[0]}")

        return ask


@dataclass
class Rig:
    session: FaxSession
    call: Recorder
    engine: Recorder
    clock: Clock
    events: list[Event]

    def answered(self) -> None:
        self.session.begin()
        self.session.audio_up(AudioPath(_fd(), ("127.0.0.1", 4000), "PCMU", 0))
        self.session.call_state(CallState.ANSWERED, 200, "OK")

    def t38(self) -> None:
        self.session.t38_up(T38Path(_fd(), ("127.0.0.1", 4002), UdptlSettings()))

    def happens(self, kind: EventType, code: int = 0, values: tuple[int, ...] = (), text: str = "") -> None:
        values = (*values, *(0,) * (8 - len(values)))
        self.session.engine_event(EngineEvent(kind, 1, 0.0, code, values, b"", text))

    def negotiated(self) -> None:
        self.happens(EventType.NEGOTIATED, values=(14400, 1, 3, 8031, 7700, 1728), text="FAR")

    def page(self, number: int, *, confirmed: bool = True, fcf: int = 0x8C, bad_rows: int = 0) -> None:
        self.happens(EventType.PAGE, values=(number, 9000, 2200, bad_rows, 6000, fcf, 0, int(confirmed)))

    def states(self) -> list[str]:
        return [e.state.value for e in self.events if isinstance(e, SessionEvent)]

    def result(self) -> FaxResult:
        assert isinstance(self.events[-1], FaxResult)
        return self.events[-1]


def _fd() -> int:
    return os.open(os.devnull, os.O_RDONLY)


def rig(direction: Direction = Direction.SEND, role: Role = Role.CALLER, mode: str = "auto", **changes: Any) -> Rig:
    clock, call, engine, events = Clock(), Recorder(), Recorder(), []
    settings = FaxSettings(
        direction=direction, role=role, document=Path("x.tif"), mode=ModePolicy(mode), pages_total=2, **changes
    )
    session = FaxSession(settings, 1, clock, events.append)
    session.call, session.engine = call, engine
    return Rig(session, call, engine, clock, events)


def test_a_fax_over_audio_from_call_to_result() -> None:
    r = rig(mode="audio")
    r.answered()
    r.negotiated()
    r.page(1)
    r.page(2)
    r.happens(EventType.COMPLETE, 0, (2, 2, 14400, 1))
    r.clock.run(0.5)
    r.session.call_state(CallState.ENDED, 200, "OK")

    assert r.call.asked == ["hangup"]
    assert r.engine.asked[0] == "start_audio"
    result = r.result()
    assert (result.success, result.error, result.pages, result.mode) == (True, "NO_ERROR", 2, Mode.AUDIO)
    assert (result.bitrate, result.ecm, result.encoding, result.resolution) == (14400, True, "T.6", "204x196")
    assert result.remote_station_id == "FAR"
    assert r.states() == ["Reserved", "Uninitialized", "Initialized", "Open", "Active", "Active", "Active", "Complete"]


def test_statistics_are_absent_until_t30_is_set_up() -> None:
    r = rig()
    r.answered()
    events = {e.state: e for e in r.events if isinstance(e, SessionEvent)}

    assert "data_rate" not in events[SessionState.UNINITIALIZED].to_json()
    assert events[SessionState.OPEN].to_json()["image_resolution"] == "0x0"
    assert events[SessionState.OPEN].to_json()["page_number"] == 1


def test_a_sender_offers_t38_when_it_hears_a_fax() -> None:
    r = rig()
    r.answered()
    assert r.call.asked == []
    r.happens(EventType.V21)
    r.happens(EventType.V21)

    assert r.call.asked == ["offer_t38"]
    assert r.engine.asked == ["start_audio", "hold True"]
    r.t38()
    assert r.session.mode is Mode.T38
    assert r.engine.asked[-1] == "start_t38"


@pytest.mark.parametrize("code", [488, 415, 606, 408])
def test_a_refused_offer_leaves_the_audio_alone(code: int) -> None:
    r = rig()
    r.answered()
    r.happens(EventType.V21)
    r.session.t38_refused(code, "no")
    r.happens(EventType.V21)

    assert r.engine.asked == ["start_audio", "hold True", "hold False"]
    assert r.call.asked == ["offer_t38"]
    assert r.session.phase is Phase.UP


def test_t38_or_nothing() -> None:
    r = rig(mode="t38")
    r.answered()
    assert r.engine.asked == ["start_audio", "hold True"]
    r.happens(EventType.V21)
    r.session.t38_refused(488, "Not Acceptable Here")
    r.session.call_state(CallState.ENDED, 200, "OK")

    assert r.result().error == "T38_NEG_ERROR"
    assert "488" in r.result().status_string


def test_t38_or_nothing_ends_when_nobody_offers() -> None:
    r = rig(mode="t38", t38=T38Preferences(on_v21=False))
    r.answered()
    r.clock.run(41)

    assert r.call.asked == ["hangup"]
    assert r.session.outcome is not None
    assert r.session.outcome.error == "T38_NEG_ERROR"


def test_audio_alone_never_offers() -> None:
    for role in Role:
        r = rig(role=role, mode="audio")
        r.answered()
        r.happens(EventType.V21)
        r.clock.run(10)
        assert r.call.asked == []
        assert not r.session.settings.accepts_t38


def test_an_answerer_offers_soon_after_the_call_is_up() -> None:
    r = rig(Direction.RECEIVE, Role.ANSWERER)
    r.answered()
    r.clock.run(1)

    assert r.call.asked == ["offer_t38"]
    assert r.engine.asked == ["start_audio"]  # CED goes on while the offer is under way


def test_no_answer_cancels_the_call() -> None:
    r = rig()
    r.session.begin()
    r.session.call_state(CallState.RINGING, 180, "Ringing")
    r.clock.run(61)
    assert r.call.asked == ["hangup"]
    r.session.call_state(CallState.ENDED, 487, "Request Terminated")

    assert r.result().error == "NOANSWER"
    assert r.session.outcome is not None
    assert not r.session.outcome.reached


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (486, "BUSY"),
        (600, "BUSY"),
        (503, "CONGESTION"),
        (404, "CHANUNAVAIL"),
        (480, "NOANSWER"),
        (0, "CHANUNAVAIL"),
        (499, "CHANUNAVAIL"),
    ],
)
def test_a_refused_call(code: int, error: str) -> None:
    r = rig()
    r.session.begin()
    r.session.call_state(CallState.ENDED, code, "reason")

    result = r.result()
    assert (result.success, result.error, result.result_code, result.pages) == (False, error, 1000 + code, 0)


def test_delivered_means_confirmed_and_not_that_the_call_ended() -> None:
    r = rig()
    r.answered()
    r.negotiated()
    r.page(1)
    r.session.drain = lambda: r.happens(EventType.COMPLETE, 49, (1, 2))
    r.session.call_state(CallState.ENDED, 200, "OK")

    result = r.result()
    assert (result.success, result.error, result.pages, result.pages_total) == (False, "HANGUP", 1, 2)


def test_a_bye_after_the_last_confirmation_is_no_failure() -> None:
    r = rig()
    r.answered()
    r.negotiated()
    r.page(1)
    r.page(2)
    r.session.drain = lambda: r.happens(EventType.COMPLETE, 49, (2, 2))
    r.session.call_state(CallState.ENDED, 200, "OK")

    assert r.result().success


def test_bad_rows_are_reported_even_on_success() -> None:
    r = rig()
    r.answered()
    r.negotiated()
    r.page(1, bad_rows=12)
    r.page(2)
    r.happens(EventType.COMPLETE, 0, (2, 2))
    r.session.call_state(CallState.ENDED, 200, "OK")

    assert r.result().success
    assert r.result().bad_rows == 12


def test_a_hostile_far_end_is_named() -> None:
    r = rig(Direction.RECEIVE, Role.ANSWERER)
    r.answered()
    r.happens(EventType.HOSTILE, 2)
    r.happens(EventType.COMPLETE, 49)
    r.session.call_state(CallState.ENDED, 200, "OK")

    assert not r.result().success
    assert "impossible page width" in r.result().status_string


def test_a_full_disk_is_named() -> None:
    r = rig(Direction.RECEIVE, Role.ANSWERER)
    r.answered()
    r.happens(EventType.DISK, errno.ENOSPC)
    r.happens(EventType.COMPLETE, 41)
    r.session.call_state(CallState.ENDED, 200, "OK")

    assert r.result().error == "FILE_ERROR"
    assert "No space left on device" in r.result().status_string


def test_cancelling_says_goodbye_before_it_hangs_up() -> None:
    r = rig()
    r.answered()
    r.t38()
    r.negotiated()
    r.session.cancel()
    assert r.engine.asked[-1] == "cancel"
    assert r.call.asked == []
    r.clock.run(1)
    assert r.call.asked == ["hangup"]
    r.session.call_state(CallState.ENDED, 200, "OK")

    assert r.result().error == "CANCEL"


def test_a_far_end_that_never_answers_our_bye_does_not_hold_the_fax() -> None:
    r = rig()
    r.answered()
    r.session.cancel()
    r.clock.run(10)

    assert r.session.ended


@pytest.mark.parametrize(("code", "reason"), [(502, NAME_UNKNOWN), (503, PORT_UNREACHABLE)])
def test_a_reason_of_ours_is_no_gateway_or_server_that_failed(code: int, reason: str) -> None:
    r = rig()
    r.session.call_state(CallState.ENDED, code, reason)

    assert (r.result().status_string, r.result().sip_code) == (reason, code)


def test_silence_while_sending_over_t38_is_normal() -> None:
    r = rig()
    r.answered()
    r.t38()
    r.negotiated()
    r.happens(EventType.STALLED)
    assert r.session.phase is Phase.FAXING


@pytest.mark.parametrize("mode", ["t38", "audio"])
def test_a_sender_that_is_gone_in_the_middle_of_a_page_is_not_waited_for_without_end(mode: str) -> None:
    r = rig(Direction.RECEIVE, Role.ANSWERER, mode)
    r.answered()
    if mode == "t38":
        r.t38()
    r.negotiated()
    r.page(1)
    r.happens(EventType.STALLED)
    r.session.call_state(CallState.ENDED, 200, "OK")

    result = r.result()
    assert (result.success, result.error, result.pages) == (False, "TIMEOUT", 1)


def test_silence_before_any_fax_ends_the_call() -> None:
    r = rig()
    r.answered()
    r.happens(EventType.STALLED)
    r.session.call_state(CallState.ENDED, 200, "OK")

    assert r.result().error == "TIMEOUT"


def test_back_to_audio_starts_over_unless_pages_are_through() -> None:
    r = rig()
    r.answered()
    r.t38()
    r.session.audio_up(AudioPath(_fd(), ("127.0.0.1", 4000), "PCMU", 0))
    assert r.session.mode is Mode.AUDIO
    r.t38()
    r.negotiated()
    r.page(1)
    r.session.audio_up(AudioPath(_fd(), ("127.0.0.1", 4000), "PCMU", 0))
    assert r.session.mode is Mode.T38


def test_the_result_is_the_last_event_and_comes_once() -> None:
    r = rig()
    r.answered()
    r.session.call_state(CallState.ENDED, 200, "OK")
    r.session.call_state(CallState.ENDED, 200, "OK")
    r.session.cancel()
    r.happens(EventType.COMPLETE, 0, (2, 2))

    assert sum(isinstance(e, FaxResult) for e in r.events) == 1
    assert isinstance(r.events[-1], FaxResult)


def _answered_t38(r: Rig) -> None:
    r.t38()
    r.session.call_state(CallState.ANSWERED, 200, "OK")


HAPPENINGS: dict[str, Callable[[Rig], object]] = {
    "rings": lambda r: r.session.call_state(CallState.RINGING, 180, "Ringing"),
    "answered": lambda r: r.session.call_state(CallState.ANSWERED, 200, "OK"),
    "answered with T.38": _answered_t38,
    "audio": lambda r: r.session.audio_up(AudioPath(_fd(), ("127.0.0.1", 4000), "PCMU", 0)),
    "T.38": Rig.t38,
    "T.38 refused": lambda r: r.session.t38_refused(488, "Not Acceptable Here"),
    "V.21": lambda r: r.happens(EventType.V21),
    "negotiated": Rig.negotiated,
    "page": lambda r: r.page(1),
    "page refused": lambda r: r.page(2, confirmed=False),
    "complete": lambda r: r.happens(EventType.COMPLETE, 0, (2,)),
    "failed": lambda r: r.happens(EventType.COMPLETE, 49, (0,)),
    "hostile": lambda r: r.happens(EventType.HOSTILE, 2),
    "disk": lambda r: r.happens(EventType.DISK, errno.ENOSPC),
    "stalled": lambda r: r.happens(EventType.STALLED),
    "cancelled": lambda r: r.session.cancel(),
    "hung up": lambda r: r.session.call_state(CallState.ENDED, 486, "Busy Here"),
    "time": lambda r: r.clock.run(1.0),
    "much time": lambda r: r.clock.run(120.0),
}


OF_THE_ENGINE = frozenset(
    {"V.21", "negotiated", "page", "page refused", "complete", "failed", "hostile", "disk", "stalled"}
)


@settings(max_examples=400, deadline=None)
@given(
    st.lists(st.sampled_from(sorted(HAPPENINGS)), max_size=14),
    st.sampled_from([Direction.SEND, Direction.RECEIVE]),
    st.sampled_from(list(Role)),
    st.sampled_from(list(ModePolicy)),
)
def test_whatever_happens_in_whatever_order_the_tables_lead_there(
    happenings: list[str], direction: Direction, role: Role, mode: ModePolicy
) -> None:
    r = rig(direction, role, mode.value)
    r.session.begin()
    for what in happenings:
        # The engine says nothing before it has a medium.
        if what not in OF_THE_ENGINE or any(asked.startswith("start_") for asked in r.engine.asked):
            HAPPENINGS[what](r)
    r.session.cancel()
    r.clock.run(5 * 3600.0)

    assert r.session.ended
    assert sum(isinstance(e, FaxResult) for e in r.events) == 1
    assert isinstance(r.events[-1], FaxResult)


def test_once_a_dcs_was_said_in_audio_the_fax_stays_there() -> None:
    r = rig()
    r.answered()
    r.happens(EventType.COMMANDED)
    r.happens(EventType.COMMANDED)
    assert r.call.asked == ["stay_in_audio"]
    r.happens(EventType.V21)
    assert r.call.asked == ["stay_in_audio"], "nor is T.38 offered"


def test_over_t38_a_refresh_is_taken_at_any_time() -> None:
    r = rig()
    r.answered()
    r.t38()
    r.happens(EventType.COMMANDED)
    r.negotiated()
    r.t38()
    assert r.call.asked == []


def test_t38_that_comes_over_confirmed_pages_ends_the_fax_and_keeps_them() -> None:
    r = rig(Direction.RECEIVE, Role.ANSWERER)
    r.answered()
    r.negotiated()
    r.page(1, fcf=0x4E)
    r.t38()
    assert "start_t38" not in r.engine.asked
    r.session.call_state(CallState.ENDED, 200)
    assert (r.result().error, r.result().pages) == ("T38_NEG_ERROR", 1)
