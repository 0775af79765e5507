# SPDX-License-Identifier: GPL-2.0-or-later
"""A call that may be voice or fax, in made-up time: the first sign decides, or time does, once."""

from __future__ import annotations

import pytest

from softfax.engine.abi import EventType, Signal
from softfax.engine.core import EngineEvent
from softfax.fax.listening import Listening, ListenSettings
from softfax.model import HeardEvent
from tests.unit.fax.test_session import Clock, Recorder


class Call:
    """One call that is listened to for six seconds."""

    def __init__(self, *, early: bool = False) -> None:
        self.clock, self.sip, self.heard = Clock(), Recorder(), list[HeardEvent | None]()
        self.listening = Listening(ListenSettings(early, 6.0), self.clock, self.sip, "f" * 24, self.heard.append)  # type: ignore[arg-type]
        self.listening.begin()

    def hears(self, kind: EventType, value: int = 0) -> None:
        self.listening.engine_event(EngineEvent(kind, 0, 0.0, 0, (value, *[0] * 7), b"", ""))

    @property
    def signals(self) -> list[str | None]:
        return [event and event.signal.value for event in self.heard]


@pytest.mark.parametrize(("early", "asked"), [(True, "progress"), (False, "answer")])
def test_it_is_answered_or_has_early_media(early: bool, asked: str) -> None:
    assert Call(early=early).sip.asked == [asked]


@pytest.mark.parametrize(
    ("kind", "value", "signal"),
    [
        (EventType.SIGNAL, Signal.CNG, "CNG"),
        (EventType.SIGNAL, Signal.CED, "CED"),
        (EventType.V21, 0, "V.21"),
    ],
)
def test_the_first_sign_decides(kind: EventType, value: int, signal: str) -> None:
    call = Call()
    call.clock.run(2.0)
    call.hears(EventType.SIGNAL, Signal.IMAGE)
    call.hears(kind, value)
    call.listening.t38_up()
    call.clock.run(60.0)
    assert call.signals == [signal]
    assert call.heard[0] is not None
    assert call.heard[0].seconds == 2.0


def test_time_runs_from_the_first_audio() -> None:
    call = Call()
    call.clock.run(5.0)
    call.listening.audio_up()
    call.clock.run(5.0)
    assert call.signals == []
    call.clock.run(1.0)
    assert call.signals == ["nothing"]


def test_a_call_without_audio_is_voice_too() -> None:
    call = Call()
    call.clock.run(6.0)
    assert call.signals == ["nothing"]


def test_a_call_that_ends_first() -> None:
    call = Call()
    call.listening.end()
    call.hears(EventType.V21)
    assert call.signals == [None]
