# SPDX-License-Identifier: GPL-2.0-or-later
"""A call that may be voice or fax, until it is known which: by the first tone, V.21 or T.38, or by time. Does no I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from softfax.engine.abi import EventType, Signal
from softfax.engine.core import EngineEvent
from softfax.fax.ports import Scheduler, Timer
from softfax.model import HeardEvent, HeardSignal

__all__ = ["ListenSettings", "ListenedCall", "Listening"]


@dataclass(frozen=True)
class ListenSettings:
    """Settings of listening: in early media or answered, and for how long once there is audio."""

    early: bool
    seconds: float


class ListenedCall(Protocol):
    """The SIP call. All methods return at once."""

    def progress(self) -> None: ...
    def answer(self) -> None: ...


class Listening:
    """Listening to one call; `decided` takes what was heard, once, or None where the call ended first."""

    def __init__(
        self,
        settings: ListenSettings,
        scheduler: Scheduler,
        call: ListenedCall,
        fax_id: str,
        decided: Callable[[HeardEvent | None], None],
    ) -> None:
        self._settings, self._scheduler, self._call = settings, scheduler, call
        self._fax_id, self._decided = fax_id, decided
        self._began = scheduler.time()
        self._timer: Timer | None = None
        self._over = False

    def begin(self) -> None:
        """Begin with the call that has come in."""
        if self._settings.early:
            self._call.progress()
        else:
            self._call.answer()
        # A far end that never acknowledges, or sends no audio, is voice in time too.
        self._wait()

    def audio_up(self) -> None:
        """Take note of audio, from which time counts."""
        self._wait()

    def t38_up(self) -> None:
        """T.38 has been agreed."""
        self._heard(HeardSignal.T38)

    def engine_event(self, event: EngineEvent) -> None:
        """Takes an event of the caller's leg."""
        if event.type is EventType.V21:
            self._heard(HeardSignal.V21)
        elif event.type is EventType.SIGNAL and event.values[0] in (Signal.CNG, Signal.CED):
            self._heard(HeardSignal.CNG if event.values[0] == Signal.CNG else HeardSignal.CED)

    def end(self) -> None:
        """The call has ended, or is ended by us."""
        self._decide(None)

    def _wait(self) -> None:
        if not self._over:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._scheduler.call_later(self._settings.seconds, lambda: self._heard(HeardSignal.NOTHING))

    def _heard(self, signal: HeardSignal) -> None:
        seconds = round(self._scheduler.time() - self._began, 3)
        self._decide(HeardEvent(signal=signal, seconds=seconds, fax_id=self._fax_id))

    def _decide(self, event: HeardEvent | None) -> None:
        if not self._over:
            self._over = True
            if self._timer is not None:
                self._timer.cancel()
            self._decided(event)
