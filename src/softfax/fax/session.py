# SPDX-License-Identifier: GPL-2.0-or-later
"""One fax from the first SIP message to its result: the state machine between a call and a T.30 engine.

It does no I/O itself. The call and the engine session are ports, timers come from a scheduler, time from its clock; what
happens goes out as events. All is on one thread. Its phases and the states of its FAXSession are in `softfax.transitions`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from softfax.engine.abi import EventType
from softfax.engine.core import EngineEvent
from softfax.fax import outcome
from softfax.fax.facts import FaxFacts, PageMark
from softfax.fax.outcome import Outcome
from softfax.fax.ports import AudioPath, CallPort, EnginePort, Scheduler, T38Path, Timers
from softfax.fax.settings import FaxSettings, Role
from softfax.model import CallEvent, CallState, Direction, Event, FaxResult, Mode, SessionState, new_fax_id
from softfax.options import ModePolicy
from softfax.sip.ended import CallEnd
from softfax.transitions import CALL_PHASES, SESSIONS, Phase
from softfax.vocabularies.asterisk import present

__all__ = ["FaxSession"]

log = logging.getLogger("softfax.fax")

FCF_MCF = 0x8C
UNTOLD = CallEnd()
#: How the call of a fax ends that goes on with another.
NEXT_FAX = "the call goes on with another fax"
DCN_ON_AUDIO_S = 1.4
DCN_ON_T38_S = 0.2


@dataclass
class FaxSession:
    """One fax. The owner connects `call` and `engine`, then feeds what happens; `on_event` gets every event, the result last."""

    settings: FaxSettings
    number: int
    scheduler: Scheduler
    on_event: Callable[[Event], None]
    fax_id: str = field(default_factory=new_fax_id)
    call: CallPort | None = None
    engine: EnginePort | None = None

    phase: Phase = Phase.CALLING
    state: SessionState = SessionState.RESERVED
    mode: Mode = Mode.AUDIO
    result: FaxResult | None = None
    pages_total: int | None = None
    more_pages: bool = False
    """True while pages are still being made."""
    warnings: Sequence[str] = ()
    """Warnings about the documents."""
    t30_code: int | None = None
    """spandsp's completion code of T.30 on the call, once it has ended."""
    outcome: Outcome | None = None
    """Set once it is settled, before the call has ended."""
    drain: Callable[[], None] = lambda: None
    """Set by the owner: delivers the engine's waiting events now, so that the last of them counts in the result."""

    def __post_init__(self) -> None:
        self.pages_total = self.settings.pages_total
        self._facts = FaxFacts()
        self._timers = Timers(self.scheduler)
        self._began = self.scheduler.time()
        self._offer_pending = False
        self._t38_refused = False
        self._in_audio = False
        self._last_sip = (0, "")
        self._media_running = self._answered = self._hung_up = False
        self._early: AudioPath | T38Path | None = None
        self._call_end = CallEnd()
        #: False for one that goes on in the call of another, until its training is over.
        self._reached = True

    # ---- what the owner reads -----------------------------------------------------------------------------------

    @property
    def ended(self) -> bool:
        """True once the result is out."""
        return self.phase is Phase.ENDED

    @property
    def keeps_call(self) -> bool:
        """True where the fax went through and its call stays up for another one."""
        return self.settings.keep and self.outcome is not None and self.outcome.success and not self._hung_up

    @property
    def page_marks(self) -> list[PageMark]:
        """Marks of the pages, in order; a page that was sent again counts again."""
        return self._facts.page_marks

    @property
    def pages_before(self) -> int:
        """Pages that the engine has sent of other faxes on the call, before the first of this one."""
        return self._facts.pages_before

    @property
    def pages_left(self) -> int | None:
        """Pages that the far end has not confirmed; None before the first goes over, or while their number is open."""
        if self.phase is not Phase.FAXING or self.more_pages or self.pages_total is None:
            return None
        return self.pages_total - self._facts.pages

    # ---- several faxes on one call ----------------------------------------------------------------------------------

    def hand_on(self) -> None:
        """The far end has confirmed all pages: the fax is delivered, and its call goes on with another (EOM)."""
        self.engine, self.drain = None, lambda: None
        self.outcome = outcome.OK
        self._report_call(CallState.ENDED, 0, NEXT_FAX)
        self._end()

    def go_on(self, before: FaxSession, *, turned: bool = False) -> None:
        """Take the call of a fax that is delivered, which hands it on: its media run, a DIS comes next (T.30 §5.3.6.1.6).

        `turned`: that has been answered already, and images go the other way; the engine counts their pages anew.
        """
        self._facts.pages_before = 0 if turned else before.pages_before + before._facts.pages
        self.call, self.engine, self.mode = before.call, before.engine, before.mode
        self._t38_refused, self._in_audio = True, before._in_audio
        before.hand_on()
        self._began, self._reached, self._media_running = self.scheduler.time(), turned, True
        self._facts.dis_heard = turned
        self.begin(on_call=True)
        self.call_state(CallState.ANSWERED, 200, "OK")
        self._session_state(SessionState.INITIALIZED)
        self._session_state(SessionState.OPEN)

    # ---- what happens: the call -----------------------------------------------------------------------------------

    def begin(self, *, on_call: bool = False) -> None:
        """The call is being placed, or has just come in. `on_call`: it is up, for a fax before; one of ours is reported as placed
        for this one too, because integrators take it for a call of its own.
        """
        self._session_state(SessionState.RESERVED)
        t = self.settings.timeouts
        self._timers.start("call", t.call_s, lambda: self._finish(outcome.too_long(t.call_s)))
        if self.settings.role is Role.CALLER:
            self._timers.start("answer", t.answer_s, lambda: self._finish(outcome.no_answer(t.answer_s)))
            if on_call:
                self.call_state(CallState.CALLING)

    def call_state(self, state: CallState, sip_code: int = 0, reason: str = "", end: CallEnd = UNTOLD) -> None:
        """The SIP call is in another state. After `ended` nothing more is expected; `end` tells whose end it is, and why."""
        if self.ended:
            return
        if state is not CallState.ANSWERED or not self._answered:
            self._report_call(state, sip_code, reason)
        self._last_sip = (sip_code, reason)
        if state is CallState.ANSWERED and not self._answered:
            # An answer that crossed our CANCEL is hung up on by the call.
            if self.phase is Phase.CALLING:
                self._on_answered()
        elif state is CallState.ENDED:
            self._call_end, self._hung_up = end, True
            self._on_call_ended(sip_code, reason, end)

    def audio_up(self, path: AudioPath) -> None:
        """Audio is negotiated (first, or again after T.38). The socket is the session's from here on."""
        if not self._is_due(path):
            return
        if self._media_running and self.mode is Mode.T38:
            self._back_to_audio(path)
            return
        if not self._guarded(path.start):
            return
        if not self._media_running:
            self._media_running = True
            self._session_state(SessionState.INITIALIZED)
            self._session_state(SessionState.OPEN)
        if self.settings.mode is ModePolicy.T38 and self.engine is not None:
            self.engine.hold(True)

    def t38_up(self, path: T38Path) -> None:
        """T.38 is negotiated, by our offer or the far end's; T.30 starts over on it."""
        self._offer_pending = False
        self._timers.stop("offer", "t38")
        if not self._is_due(path):
            return
        if self.mode is Mode.AUDIO and self._facts.pages:
            # T.30 would start over, over pages that were confirmed.
            path.close()
            text = "the far end changed to T.38 in the middle of the fax"
            self._finish(Outcome(False, "T38_NEG_ERROR", text, outcome.T30_CALLDROPPED))
            return
        first = not self._media_running
        self._media_running = True
        self.mode = Mode.T38
        self._stay_in_audio(False)
        if first:
            self._session_state(SessionState.INITIALIZED)
        if self._guarded(lambda engine: engine.start_t38(path.fd, path.remote, path.udptl)):
            self._session_state(SessionState.OPEN)

    def t38_refused(self, sip_code: int, reason: str) -> None:
        """The far end refused our offer of T.38; audio stands."""
        self._offer_pending = False
        self._t38_refused = True
        if self.phase is not Phase.UP or self.mode is Mode.T38:
            return
        if self.settings.mode is ModePolicy.T38:
            text = f"the far end refused T.38 ({sip_code} {reason})".replace(" )", ")")
            self._finish(Outcome(False, "T38_NEG_ERROR", text, outcome.NO_T30 + sip_code, sip_code=sip_code))
        elif self.engine is not None:
            self.engine.hold(False)

    def _is_due(self, path: AudioPath | T38Path) -> bool:
        """Return True if T.30 runs on media now. Early media are kept until the call is answered."""
        if self.engine is None or self.phase in (Phase.CLOSING, Phase.ENDED):
            path.close()
            return False
        if not self._answered:
            self._keep_early(path)
        return self._answered

    def _keep_early(self, path: AudioPath | T38Path | None) -> None:
        if self._early is not None:
            self._early.close()
        self._early = path

    # ---- what happens: the engine ---------------------------------------------------------------------------------

    def engine_event(self, event: EngineEvent) -> None:
        """Takes an event of this fax's engine session."""
        if self.ended:
            return
        handler = _ENGINE_HANDLERS.get(event.type)
        if handler is not None:
            handler(self, event)

    def _on_v21(self, _event: EngineEvent) -> None:
        if self.settings.offers_t38_on_v21:
            self._offer_t38()

    def _on_commanded(self, _event: EngineEvent) -> None:
        """A DCS was said. In audio the fax stays there from here on: a change would begin it anew on both sides, or on one."""
        if self.mode is Mode.AUDIO and self.settings.mode is not ModePolicy.T38:
            self._offer_pending, self._t38_refused = False, True
            self._timers.stop("offer")
            self._stay_in_audio(True)

    def _stay_in_audio(self, fixed: bool) -> None:
        if self.call is not None and fixed != self._in_audio:
            self.call.stay_in_audio(fixed)
        self._in_audio = fixed

    def _on_dis(self, _event: EngineEvent) -> None:
        self._facts.dis_heard = True

    def _on_negotiated(self, event: EngineEvent) -> None:
        before, self._reached = self._facts.terms, True
        self._facts.negotiate(event)
        self._facts.note_addresses(event)
        if self.phase is Phase.UP:
            self._move(Phase.FAXING)
        elif before == self._facts.terms:
            return
        self.on_event(self._facts.negotiated(self.mode, self.fax_id))
        self._session_state(SessionState.ACTIVE)

    def _on_page(self, event: EngineEvent) -> None:
        *_, fcf, _retries, confirmed = event.values
        p, direction = self._facts, self.settings.direction
        page = p.page(event, direction, self.fax_id)
        whole = not self.more_pages and p.pages == (self.pages_total or p.pages)
        p.confirmed_last = direction is Direction.SEND and bool(confirmed) and fcf == FCF_MCF and whole
        self.on_event(page)
        self._session_state(SessionState.ACTIVE)

    def _on_complete(self, event: EngineEvent) -> None:
        p, self.t30_code = self._facts, event.code
        p.remote_station_id = event.text or p.remote_station_id
        p.pages = max(p.pages, event.values[0] - p.pages_before)
        self.outcome = self.outcome or p.judge(event.code, self.settings)
        if self.phase not in (Phase.CLOSING, Phase.ENDED):
            self._close_call()

    def _on_hostile(self, event: EngineEvent) -> None:
        self._facts.hostile = outcome.hostile_text(event.code)
        log.warning("fax %s: %s; the call is ended", self.fax_id, self._facts.hostile)

    def _on_disk(self, event: EngineEvent) -> None:
        """A received page cannot be kept: it was not confirmed, and the call ends."""
        text = f"a received page could not be written ({os.strerror(event.code)})"
        log.error("fax %s: %s", self.fax_id, text)
        self.outcome = self.outcome or Outcome(False, "FILE_ERROR", text, outcome.T30_FILE_ERROR)

    def _on_stalled(self, _event: EngineEvent) -> None:
        """Silence counts against the far end until a fax is heard, and as long as something should come from it.

        Over T.38 silence is normal while we send. Where we receive it is not, and T.30 does not time all of it: a sender that
        is gone in the middle of an ECM page over T.38 is waited for without end.
        """
        if self.phase is Phase.UP or (self.phase is Phase.FAXING and self.settings.direction is Direction.RECEIVE):
            heard = "" if self.phase is Phase.FAXING else "no fax was heard: "
            text = f"{heard}nothing came from the far end for {self.settings.timeouts.stall_s:g} s"
            self._finish(Outcome(False, "TIMEOUT", text, outcome.T30_CALLDROPPED))

    # ---- transitions ----------------------------------------------------------------------------------------------

    def drop(self) -> None:
        """Stop its timers: there is no call for it, and nothing follows."""
        self._timers.stop()

    def cancel(self) -> None:
        """The user wants it ended: T.30 is stopped and the call hung up."""
        reached = self.phase is not Phase.CALLING
        self.give_up(Outcome(False, "CANCEL", "cancelled", outcome.T30_CALLDROPPED, reached=reached))

    def give_up(self, why: Outcome) -> None:
        """Ends the fax politely for a reason of ours: DCN, then BYE or CANCEL."""
        if self.ended or self.phase is Phase.CLOSING:
            return
        self.outcome = self.outcome or why
        if self.phase is Phase.CALLING or self.engine is None or not self._media_running:
            self._finish(self.outcome)
            return
        # DCN goes to the far end; on audio that is a second of V.21.
        self._move(Phase.CLOSING)
        self._timers.stop("answer", "offer", "t38", "call")
        self.engine.cancel()
        self._timers.start("linger", DCN_ON_AUDIO_S if self.mode is Mode.AUDIO else DCN_ON_T38_S, self._hang_up)

    def _on_answered(self) -> None:
        self._answered = True
        self._move(Phase.UP)
        self._timers.stop("answer")
        self._session_state(SessionState.UNINITIALIZED)
        if self.settings.mode is ModePolicy.T38 and self.mode is not Mode.T38:
            self._timers.start("t38", self.settings.timeouts.t38_s, self._no_t38)
        early, self._early = self._early, None
        if isinstance(early, AudioPath):
            self.audio_up(early)
        elif early is not None:
            self.t38_up(early)
        after = self.settings.t38_offer_delay_s
        if after is not None:
            self._timers.start("offer", after, self._offer_t38)

    def _offer_t38(self) -> None:
        if self.phase is not Phase.UP or self.mode is Mode.T38 or self._offer_pending or self._t38_refused:
            return
        self._offer_pending = True
        if self.engine is not None and self.settings.direction is Direction.SEND:
            # The far end's DIS must not be answered by audio while T.38 may come; it is repeated if T.38 is refused.
            self.engine.hold(True)
        if self.call is not None:
            self.call.offer_t38()

    def _back_to_audio(self, path: AudioPath) -> None:
        """The far end leaves T.38: T.30 starts over on audio unless pages went through or audio is not wanted."""
        if self._facts.pages or self.phase is Phase.FAXING or self.settings.mode is ModePolicy.T38:
            path.close()
            return
        self.mode = Mode.AUDIO
        self._stay_in_audio(False)
        self._session_state(SessionState.INACTIVE)
        if self._guarded(path.start):
            self._session_state(SessionState.OPEN)

    def _on_call_ended(self, sip_code: int, reason: str, end: CallEnd) -> None:
        settled = self.outcome is not None
        if self.phase is Phase.CALLING and not settled:
            self.outcome = outcome.unanswered(end, sip_code, reason, placed=self.settings.role is Role.CALLER)
        if self.outcome is None and self._media_running:
            # Cut off in the middle: what the far end has of the fax nobody knows.
            self._session_state(SessionState.UNKNOWN)
        self._stop_engine()
        # Where the engine had nothing to say, T.30 had not begun.
        self.outcome = self.outcome or Outcome(False, "HANGUP", "the far end hung up", outcome.T30_CALLDROPPED)
        if not settled and self._answered and not self.outcome.success:
            self.outcome = outcome.cut(self.outcome, end, began=self._media_running)
        self._end()

    def _finish(self, result: Outcome) -> None:
        """Settles the outcome, stops T.30 and hangs up."""
        self.outcome = self.outcome or result
        self._close_call()
        if self.phase is Phase.CLOSING:
            self._stop_engine()

    def _close_call(self) -> None:
        """T.30 is over: our BYE follows a moment later, so that the last packets (DCN) arrive."""
        calling = self.phase is Phase.CALLING
        self._move(Phase.CLOSING)
        self._timers.stop("answer", "offer", "t38", "call")
        if calling or self.outcome is None or not self.outcome.success:
            self._hang_up()
        else:
            self._timers.start("linger", self.settings.timeouts.linger_s, self._hang_up)

    def _hang_up(self) -> None:
        if self.ended:
            return
        if self.keeps_call:
            self._end()
            return
        self._hung_up = True
        if self.call is not None:
            self.call.hangup()
        self._timers.start("bye", 5.0, self._end)

    def _stop_engine(self) -> None:
        """Ends T.30; its last event, if there is one, is awaited by the owner before `_end`."""
        if self.engine is not None:
            self.engine.stop_media()
        self.drain()

    def _end(self) -> None:
        if self.ended:
            return
        self._stop_engine()
        self._keep_early(None)
        self._move(Phase.ENDED)
        self._timers.stop()
        self._session_state(SessionState.COMPLETE)
        self.result = self._make_result()
        self.on_event(self.result)

    def _no_t38(self) -> None:
        if self.phase is Phase.UP and self.mode is not Mode.T38:
            self._finish(Outcome(False, "T38_NEG_ERROR", "T.38 was not agreed in time", outcome.NO_T30))

    def _move(self, phase: Phase) -> None:
        self.phase = CALL_PHASES.move(self.phase, phase)

    # ---- helpers --------------------------------------------------------------------------------------------------

    @property
    def _call_id(self) -> str:
        return self.call.call_id if self.call is not None else ""

    def _report_call(self, state: CallState, sip_code: int, reason: str) -> None:
        self.on_event(
            CallEvent(state=state, sip_code=sip_code, reason=reason, call_id=self._call_id, fax_id=self.fax_id)
        )

    def _guarded(self, action: Callable[[EnginePort], None]) -> bool:
        """Runs an engine operation; a failure ends the fax, and the caller gets False."""
        assert self.engine is not None
        try:
            action(self.engine)
        except Exception as error:
            log.error("fax %s: %s", self.fax_id, error)
            self._finish(Outcome(False, "INIT_ERROR", str(error), outcome.NO_T30))
            return False
        return True

    def _session_state(self, state: SessionState) -> None:
        """Moves the FAXSession and emits its record, with Asterisk's rules of absence."""
        self.state = SESSIONS.move(self.state, state)
        self.on_event(present(self._facts.session(state, self.settings, self.number, self.fax_id)))

    def _make_result(self) -> FaxResult:
        p, s = self._facts, self.settings
        o = self.outcome or Outcome(False, "UNKNOWN", "the fax ended without a reason", outcome.T30_CALLDROPPED)
        if not self._reached and not o.success and o.error != "CANCEL":
            o = outcome.not_reached(o)
        return o.result(
            direction=s.direction,
            fax_id=self.fax_id,
            duration_s=self.scheduler.time() - self._began,
            session=self.number,
            mode=self.mode,
            pages_total=self.pages_total if s.direction is Direction.SEND else p.pages,
            local_station_id=s.ident,
            bad_rows=p.bad_rows,
            subaddress=p.subaddress or None,
            sender_id=p.sender_id or None,
            **p.in_result(),
            documents=list(s.documents),
            call_id=self._call_id,
            sip_code=o.sip_code or self._last_sip[0],
            q850=self._call_end.q850 or None,
            ended_by=None if o.success else self._call_end.by,
            retry_after_s=self._call_end.retry_after_s or None,
            warnings=list(self.warnings) or None,
        )


_ENGINE_HANDLERS: dict[EventType, Callable[[FaxSession, EngineEvent], None]] = {
    EventType.V21: FaxSession._on_v21,
    EventType.DIS: FaxSession._on_dis,
    EventType.COMMANDED: FaxSession._on_commanded,
    EventType.NEGOTIATED: FaxSession._on_negotiated,
    EventType.PAGE: FaxSession._on_page,
    EventType.COMPLETE: FaxSession._on_complete,
    EventType.HOSTILE: FaxSession._on_hostile,
    EventType.STALLED: FaxSession._on_stalled,
    EventType.DISK: FaxSession._on_disk,
}
