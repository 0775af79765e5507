# SPDX-License-Identifier: GPL-2.0-or-later
"""A gateway's call: the two calls it joins, when T.38 is asked of which, what passes, and the result. Does no I/O."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from softfax.engine.abi import EventType
from softfax.engine.core import EngineEvent
from softfax.errors import SoftfaxError
from softfax.fax import outcome
from softfax.fax.facts import FaxFacts
from softfax.fax.legs import A, B, FirstCall, GatewayPort, GatewaySettings, LegCall, Placed
from softfax.fax.outcome import Outcome
from softfax.fax.ports import AudioPath, Scheduler, T38Path, Timers
from softfax.fax.settings import T38Preferences
from softfax.model import (
    CallEvent,
    CallState,
    Direction,
    Event,
    FaxResult,
    Mode,
    Operation,
    SessionEvent,
    SessionState,
)
from softfax.sipstatus import status

__all__ = ["GatewaySession", "T38Use", "onward_status"]

log = logging.getLogger("softfax.fax")


class T38Use(Enum):
    """Use of T.38 on a leg."""

    NEVER = "never"
    POSSIBLE = "possible"
    ASKED = "asked"
    AGREED = "agreed"
    REFUSED = "refused"


#: Time in which DCN is said by modem, once the T.38 leg that said it has hung up.
DCN_S = 1.7


@dataclass
class _JoinedCall:
    wanted: T38Preferences = field(default_factory=T38Preferences)
    t38: T38Use = T38Use.NEVER
    call: LegCall | None = None
    answered: bool = False
    ended: bool = False
    mode: Mode | None = None
    packets_at_stall: int | None = None

    def begin(self, call: LegCall, wanted: T38Preferences) -> None:
        """Give it a call, of an account with such preferences."""
        self.call, self.wanted, self.ended = call, wanted, False
        self.t38 = T38Use.POSSIBLE if wanted.accept else T38Use.NEVER


@dataclass
class _Passed(FaxFacts):
    """Facts of the fax that has passed so far; its far end is the sender."""

    heard: bool = False
    commanded: bool = False
    over: bool = False
    receiver: str = ""


def onward_status(code: int) -> int:
    """The status that the caller gets for the one that ended the call beyond: challenges, redirections and silence are not for
    it."""
    if code in (401, 407):
        return 403
    if code in (0, 408):
        return 503 if not code else 480
    return code if 400 <= code <= 699 and code != 487 else 480


@dataclass
class GatewaySession:
    """One call through a gateway. The owner feeds what happens; `on_event` gets every event, the result last.

    `place` begins the call of the second leg by the next route, and returns None where there is none left.
    """

    settings: GatewaySettings
    scheduler: Scheduler
    on_event: Callable[[Event], None]
    gateway: GatewayPort
    incoming: FirstCall
    place: Callable[[], Placed | None]
    fails_over: Callable[[int], bool]

    state: SessionState = SessionState.RESERVED
    operation: Operation = Operation.V21
    result: FaxResult | None = None
    legs: tuple[_JoinedCall, _JoinedCall] = field(init=False)

    def __post_init__(self) -> None:
        self.legs = (_JoinedCall(), _JoinedCall(ended=True))
        self.legs[A].begin(self.incoming, self.settings.t38)
        self._fax = _Passed()
        self._timers = Timers(self.scheduler)
        self._began = self.scheduler.time()
        self._outcome: Outcome | None = None
        self._held = self._rings = False
        self._rang = self._early = False

    # ---- what the owner reads -----------------------------------------------------------------------------------

    @property
    def ended(self) -> bool:
        """True once the result is out."""
        return self.result is not None

    @property
    def mode(self) -> Mode:
        """T.38 where either leg has it."""
        return Mode.T38 if any(leg.mode is Mode.T38 for leg in self.legs) else Mode.AUDIO

    # ---- the two calls -------------------------------------------------------------------------------------------

    def begin(self, answer_s: float) -> None:
        """The first call has come in: the second is placed, and may ring for `answer_s` by all its routes together."""
        if self.ended:
            return
        self._report_call(CallState.CALLING)
        self._report_session(SessionState.ACTIVE)
        self._timers.start("call", self.settings.call_s, self._too_long)
        self._timers.start("answer", answer_s, lambda: self._no_answer(answer_s))
        self._place_next(0, "")

    def _place_next(self, code: int, reason: str) -> None:
        try:
            placed = self.place()
        except SoftfaxError as error:
            self._finish(Outcome(False, "INVALID_ARGUMENTS", str(error), outcome.NO_T30, reached=False), 500)
            return
        if placed is None:
            self._finish(outcome.from_sip(code, reason or "no route"), onward_status(code))
        else:
            self.legs[B].begin(*placed)

    def call_state(self, leg: int, state: CallState, sip_code: int = 0, reason: str = "") -> None:
        """A call is in another state."""
        side = self.legs[leg]
        if self.ended or side.ended:
            return
        if state is CallState.ENDED:
            side.ended = True
            self._call_ended(leg, sip_code, reason)
        elif state is CallState.ANSWERED and not side.answered:
            side.answered = True
            self._answered(leg)
        elif state is CallState.RINGING and leg == B and not self._rang:
            self._rang = True
            self._report_call(CallState.RINGING, sip_code, reason)
            if not self._early:
                self.incoming.ring()

    def _answered(self, leg: int) -> None:
        if leg == B:
            self._timers.stop("answer")
            self.incoming.answer()
            self._ring_back()
        # A call that was listened to has been answered before.
        if self.legs[A].answered and self.legs[B].answered:
            self._report_call(CallState.ANSWERED, 200, "OK")
            self._report_session(SessionState.ACTIVE)

    def _call_ended(self, leg: int, sip_code: int, reason: str) -> None:
        if leg == A and not self.legs[A].answered:
            self._finish(Outcome(False, "CANCEL", "the caller gave up", outcome.NO_T30 + 487, reached=False))
        elif leg == B and not self.legs[B].answered:
            if self._outcome is None and self.fails_over(sip_code):
                self._place_next(sip_code, reason)
            else:
                self._finish(outcome.from_sip(sip_code, reason), onward_status(sip_code))
        else:
            self._hung_up(leg)

    def _hung_up(self, leg: int) -> None:
        self.drain()
        side, other = self.legs[leg], self.legs[not leg]
        if self._fax.over and side.mode is Mode.T38 and other.mode is Mode.AUDIO and not other.ended:
            # Its DCN is on the way to the other far end, in V.21.
            self._timers.start("linger", DCN_S, lambda: self._finish(self._judge()))
        else:
            self._finish(self._judge())

    def refuse(self, why: Outcome, sip_code: int) -> None:
        """The call goes nowhere, and its caller gets a status."""
        self._finish(why, sip_code)

    def cancel(self) -> None:
        """The user wants it ended."""
        reached = self.legs[A].answered
        self._finish(Outcome(False, "CANCEL", "cancelled", outcome.T30_CALLDROPPED, reached=reached), 603)

    # ---- media ---------------------------------------------------------------------------------------------------

    def audio_up(self, leg: int, path: AudioPath) -> None:
        """Audio is negotiated on a leg: first, early, anew or after T.38."""
        side = self.legs[leg]
        if self.ended or side.ended:
            path.close()
            return
        if side.mode is Mode.T38:
            side.t38 = T38Use.REFUSED  # it has left T.38, for good
        side.mode = Mode.AUDIO
        if not self._guarded(lambda: path.start(self.gateway.legs[leg])):
            return
        if leg == B and not side.answered and not self._early:
            self._early = True
            self.incoming.progress()
        self._ring_back()

    def _ring_back(self) -> None:
        """Ring-back for a caller that has audio before the other side speaks: it was listened to, and waits."""
        a, b = self.legs
        rings = a.mode is Mode.AUDIO and b.mode is None and not b.answered
        if rings != self._rings:
            self._rings = rings
            self._guarded(lambda: self.gateway.ring(A, rings))

    def t38_up(self, leg: int, path: T38Path) -> None:
        """T.38 is negotiated on a leg, by our offer or the far end's."""
        side, other = self.legs[leg], self.legs[not leg]
        if self.ended or side.ended:
            path.close()
            return
        asked, fresh = side.t38 is T38Use.ASKED, side.mode is not Mode.T38
        side.mode, side.t38 = Mode.T38, T38Use.AGREED
        self._ring_back()
        # Before modems run: the other leg may have T.38 in a moment.
        passed_on = fresh and not asked and self._may_ask(not leg) and not self._fax.commanded
        if passed_on:
            self._hold(True)
        if not self._guarded(lambda: self.gateway.legs[leg].start_t38(path.fd, path.remote, path.udptl)):
            return
        if passed_on:
            self._ask(not leg)
        elif other.t38 is not T38Use.ASKED:
            self._hold(False)
        self._heard()

    def t38_refused(self, leg: int, sip_code: int, reason: str) -> None:
        """A far end refused our offer of T.38; its audio stands."""
        del sip_code, reason
        side = self.legs[leg]
        if self.ended or side.mode is Mode.T38:
            return
        side.t38 = T38Use.REFUSED
        if self.legs[not leg].t38 is not T38Use.ASKED:
            self._hold(False)

    def _may_ask(self, leg: int) -> bool:
        """T.38 is asked of a leg that is up, has audio and may have T.38; of none twice."""
        side = self.legs[leg]
        wanted = side.t38 is T38Use.POSSIBLE and side.wanted.offer
        return wanted and side.mode is Mode.AUDIO and side.answered and not side.ended

    def _ask(self, leg: int) -> None:
        self.legs[leg].t38 = T38Use.ASKED
        self._hold(True)
        call = self.legs[leg].call
        assert call is not None
        call.offer_t38()

    def _hold(self, held: bool) -> None:
        if held != self._held:
            self._held = held
            self._guarded(lambda: self.gateway.hold(held))

    # ---- what the engine hears ------------------------------------------------------------------------------------

    def engine_event(self, leg: int, event: EngineEvent) -> None:
        """Takes an event of a leg."""
        if self.ended:
            return
        if event.type is EventType.V21:
            self._on_v21(leg)
        elif event.type is EventType.COMMANDED:
            self._on_commanded()
        elif event.type is EventType.NEGOTIATED:
            self._on_negotiated(event)
        elif event.type is EventType.PAGE:
            self._on_page(event)
        elif event.type is EventType.COMPLETE:
            self._fax.over = True
            self._fax.confirmed_last = self._fax.confirmed_last or event.code == 0
        elif event.type is EventType.STALLED:
            self._on_stalled(leg)

    def _on_v21(self, leg: int) -> None:
        """A fax speaks on one leg: T.38 is asked of the other, where its network may lose what modems cannot do without."""
        self._heard()
        for asked in (not leg, leg) if self.settings.negotiate_both else (not leg,):
            if not self._fax.commanded and self._may_ask(asked):
                self._ask(asked)

    def _heard(self) -> None:
        if not self._fax.heard:
            self._fax.heard = True
            self.operation = Operation.GATEWAY
            self._report_session(SessionState.ACTIVE)

    def _on_commanded(self) -> None:
        """A DCS has passed: a far end that changed to T.38 now would begin its fax anew, and the other would not."""
        self._heard()
        self._fax.commanded = True
        for leg in self.legs:
            if leg.mode is Mode.AUDIO and leg.call is not None and not leg.ended:
                leg.call.stay_in_audio(True)
                if leg.t38 is T38Use.ASKED:
                    leg.t38 = T38Use.REFUSED
        self._hold(False)

    def _on_negotiated(self, event: EngineEvent) -> None:
        f = self._fax
        before = (f.terms, f.dots_per_metre)
        f.negotiate(event)
        f.receiver = event.data.decode("ascii", "replace").strip() or f.receiver
        if before == (f.terms, f.dots_per_metre):
            return
        self.on_event(f.negotiated(self.mode, self.settings.fax_id))
        self._report_session(SessionState.ACTIVE)

    def _on_page(self, event: EngineEvent) -> None:
        page = self._fax.page(event, Direction.GATEWAY, self.settings.fax_id)
        self._fax.confirmed_last = bool(event.values[7] and event.code)
        self.on_event(page)
        self._report_session(SessionState.ACTIVE)

    def _on_stalled(self, leg: int) -> None:
        """Over T.38 one side may be silent for long; that neither says anything is the end."""
        other = self.legs[not leg]
        self.legs[leg].packets_at_stall = self.gateway.packets(leg)
        if other.packets_at_stall is not None and other.packets_at_stall == self.gateway.packets(not leg):
            text = f"nothing came from either far end for {self.settings.stall_s:g} s"
            self._finish(Outcome(False, "TIMEOUT", text, outcome.T30_CALLDROPPED))

    # ---- the end --------------------------------------------------------------------------------------------------

    def _judge(self) -> Outcome:
        """Outcome of a call that was up and has ended as calls end."""
        f = self._fax
        if f.confirmed_last:
            return outcome.OK
        if not f.heard:
            return Outcome(False, "TIMEOUT", "the call carried no fax", outcome.T30_T1_EXPIRED)
        text = "the call ended before the last page" if f.commanded else "the call ended before the fax began"
        return Outcome(False, "HANGUP", text, outcome.T30_CALLDROPPED)

    def _no_answer(self, answer_s: float) -> None:
        self._finish(outcome.no_answer(answer_s), 480)

    def _too_long(self) -> None:
        self._finish(outcome.too_long(self.settings.call_s))

    def _finish(self, why: Outcome, sip_code: int = 0) -> None:
        """Both calls end at once, and with them the media."""
        if self.ended or self._outcome is not None:
            return
        self._outcome = why
        self._timers.stop()
        for number, leg in enumerate(self.legs):
            if leg.call is not None and not leg.ended:
                leg.call.hangup(sip_code if number == A and not leg.answered else 0)
        self.drain()
        self._report_call(CallState.ENDED, why.sip_code)
        self._report_session(SessionState.COMPLETE)
        self.result = self._make_result(why)
        self.on_event(self.result)

    #: Set by the owner: delivers the engine's waiting events now.
    drain: Callable[[], None] = field(default=lambda: None)

    def _make_result(self, why: Outcome) -> FaxResult:
        f = self._fax
        if f.confirmed_last and self.legs[A].answered:
            why = outcome.OK
        return why.result(
            direction=Direction.GATEWAY,
            fax_id=self.settings.fax_id,
            duration_s=self.scheduler.time() - self._began,
            session=self.settings.number,
            mode=self.mode,
            pages_total=f.pages,
            local_station_id=f.receiver,
            **f.in_result(),
            call_id=self.incoming.call_id,
            sip_code=why.sip_code,
        )

    # ---- helpers --------------------------------------------------------------------------------------------------

    def _report_call(self, state: CallState, sip_code: int = 0, reason: str = "") -> None:
        reason = reason or status(sip_code).phrase
        self.on_event(
            CallEvent(
                state=state,
                sip_code=sip_code,
                reason=reason,
                call_id=self.incoming.call_id,
                fax_id=self.settings.fax_id,
            )
        )

    def _report_session(self, state: SessionState) -> None:
        """The FAXSession, which has of a gateway what Asterisk's has."""
        self.state, f = state, self._fax
        fax = self.operation is Operation.GATEWAY
        self.on_event(
            SessionEvent(
                session_number=self.settings.number,
                operation=self.operation,
                state=state,
                fax_id=self.settings.fax_id,
                error_correction_mode=f.ecm if fax else None,
                data_rate=f.bitrate if fax else None,
                page_number=f.pages + 1 if fax else None,
            )
        )

    def _guarded(self, action: Callable[[], None]) -> bool:
        """Runs an engine operation; a failure ends the call, and the caller gets False."""
        try:
            action()
        except Exception as error:
            log.error("gateway %s: %s", self.settings.fax_id, error)
            self._finish(Outcome(False, "INIT_ERROR", str(error), outcome.NO_T30), 500)
            return False
        return True
