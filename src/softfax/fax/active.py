# SPDX-License-Identifier: GPL-2.0-or-later
"""One fax under way: its call, its engine session, its pages and its trace, around a `FaxSession`."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from softfax.documents.job import PageJob
from softfax.engine.abi import EventType, SessionStats
from softfax.engine.core import EngineEvent, EngineSession, T30Settings, completion_text
from softfax.errors import DocumentError, DocumentInterruptedError, LocalError
from softfax.fax import outcome
from softfax.fax.feed import DocumentFeed, OtherDocument
from softfax.fax.kept import KeptCall, TakenCall
from softfax.fax.media import CALL_STATES, UdptlSockets, audio_path, t38_parameters, udptl_settings
from softfax.fax.outcome import Outcome
from softfax.fax.ports import T38Path
from softfax.fax.preview import drawn
from softfax.fax.session import FaxSession
from softfax.fax.settings import FaxSettings, Role
from softfax.fax.trace import Leg
from softfax.fax.tracing import Tracing
from softfax.model import Direction, Event, FaxResult, new_fax_id
from softfax.options import ModePolicy, options_of
from softfax.sip.call import Call, IncomingCall
from softfax.sip.types import AudioMedia, T38Media, T38Policy

if TYPE_CHECKING:
    from softfax.fax.runtime import FaxRuntime

__all__ = ["NO_CHOICE", "ActiveFax", "Choice", "EventSink", "Following", "Turn", "limit_media", "report"]

log = logging.getLogger("softfax.fax")

EventSink = Callable[[Event], None]


@dataclass(frozen=True)
class Choice:
    """Documents put out for polling in one call: makers of their pages, and the sink of the one that the far end names."""

    documents: Sequence[OtherDocument] = ()
    on_chosen: Callable[[int], None] = lambda index: None


NO_CHOICE = Choice()


@dataclass
class Turn:
    """The other fax of a call in which images go one way and then the other (turnaround polling).

    After one that is sent it fetches, with `settings.polling`. After one that is received, or at once where the caller sends
    none, it is what the caller fetches. `on_turned` hears of it before its first event, `on_received` that one comes in first.
    """

    settings: FaxSettings
    on_event: EventSink
    on_turned: Callable[[ActiveFax], None] = lambda active: None
    on_received: Callable[[], None] = lambda: None

    @staticmethod
    def missed(first: FaxSession) -> Outcome:
        """The outcome of a fetch where the call of the fax before has ended without it."""
        if first.t30_code == 0 and first.outcome is not None and first.outcome.success:
            return outcome.from_t30(outcome.T30_TX_INCAPABLE, completion_text(outcome.T30_TX_INCAPABLE))
        return outcome.not_reached(first.outcome or outcome.OK)


class Following(Protocol):
    """Faxes that wait to go on in a call."""

    def look(self) -> None:
        """Look whether the last page of the fax under way goes over, or is confirmed."""


def report(event: Event, tracing: Tracing | None, sink: EventSink) -> None:
    """Give an event to the trace and to the owner of a fax or a gateway's call, whose errors end nothing."""
    if tracing is not None:
        tracing.event(event)
    try:
        sink(event)
    except Exception:
        log.exception("an event handler failed")


def limit_media(engine: EngineSession, call: Call) -> None:
    """Stop media of a stranger's call to other hosts than the one it came from after a second, unless they answer."""
    if isinstance(call, IncomingCall) and call.source and not call.known:
        engine.signalled_from(call.source)


class ActiveFax:
    """One fax under way: its call, its engine session, its result. Implements the call handler of `softfax.sip`."""

    def __init__(
        self,
        runtime: FaxRuntime,
        settings: FaxSettings,
        on_event: EventSink,
        job: PageJob | None = None,
        polled: Choice = NO_CHOICE,
        before: ActiveFax | None = None,
        turn: Turn | None = None,
    ) -> None:
        """With `before` it goes on in the call of that fax, from `go_on` on."""
        self._runtime = runtime
        self._sink = on_event
        #: What is to come the other way, and that once it does.
        self._turn = turn
        self._turned: ActiveFax | None = None
        loop = asyncio.get_running_loop()
        self.result: asyncio.Future[FaxResult] = loop.create_future()
        self.session = FaxSession(
            settings=settings,
            number=settings.number or next(runtime.numbers),
            scheduler=loop,
            on_event=self._on_event,
            fax_id=settings.fax_id or new_fax_id(),
        )
        self.session.drain = runtime.drain
        self._udptl: UdptlSockets | None = None
        self.call: Call | None = None
        #: Once its fax went through, where the call stays up; and its media until then, of which the descriptor is a copy.
        self.kept: KeptCall | None = None
        self._audio: AudioMedia | None = None
        self._t38: T38Media | None = None
        #: What is known of the pages of its documents.
        self._fed: tuple[int | None, bool, Sequence[str]] | None = None
        #: Told of what may let another fax follow on this call.
        self.following: Following | None = None
        self._handed_on = False
        self._last: SessionStats | None = None
        self.tracing = runtime.traced(self.session.fax_id, settings.attempt)
        self.feed: DocumentFeed | None = None
        try:
            self.engine: EngineSession = before.engine if before is not None else self._own_engine(settings, turn)
            if job is not None:
                self.feed = self._new_feed(job, polled, before)
        except BaseException:
            if before is None:
                self._free_own()
            if self.tracing is not None:
                self.tracing.drop()
            raise

    def _own_engine(self, settings: FaxSettings, turn: Turn | None) -> EngineSession:
        """An engine session for it alone, with sockets for T.38 beside."""
        if settings.offers_t38 or settings.accepts_t38:
            self._udptl = self._runtime.udptl_sockets()
        engine = self.engine = self.session.engine = self._new_engine(settings)
        if self.tracing is not None:
            self.tracing.capture(engine)
        out = settings if turn is None else turn.settings
        if out.polling is not None and out.others:
            engine.polled([(one.document, one.password) for one in (out.polling, *out.others)])
        return engine

    def _new_feed(self, job: PageJob, polled: Choice, before: ActiveFax | None) -> DocumentFeed:
        return DocumentFeed(
            job,
            self.engine,
            self._on_pages,
            self._on_document_failed,
            polled=polled.documents,
            on_chosen=polled.on_chosen,
            before=before.feed if before is not None else None,
        )

    def _free_own(self) -> None:
        """Give up the sockets and the engine session that were made for it, as far as they were."""
        if self._udptl is not None:
            self._udptl.close()
        if self.session.engine is not None:
            self.engine.close()

    def _new_engine(self, settings: FaxSettings) -> EngineSession:
        runtime = self._runtime
        turned = self._turn.settings if self._turn is not None else settings
        sends = settings.direction is Direction.SEND
        polling = turned.polling
        return runtime.engine.session(
            T30Settings(
                # Who polls calls, and the sender is called.
                caller=sends is not (settings.polling is not None),
                poller=settings.direction is Direction.RECEIVE
                and settings.role is Role.CALLER
                and settings.polling is None,
                tx_file=(settings if sends else turned).document if sends or turned is not settings else None,
                rx_file=(turned if sends else settings).document if not sends or turned is not settings else None,
                **options_of(settings) | {"header": (settings if sends else turned).header},
                selective=polling.document if polling else "",
                password=polling.password if polling else "",
                stall_s=settings.timeouts.stall_s,
                lacks=(turned if sends else settings).lacks,
                trace=settings.trace or runtime.trace is not None,
            )
        )

    def go_on(self, before: ActiveFax, *, turned: bool = False) -> None:
        """Take the call and the media of a fax that is delivered: the next DIS is answered for this one, or, `turned`, was."""
        self.call, self._udptl, before._handed_on = before.call, before._udptl, True
        before._remember_stats()
        self._runtime.hand_on(self)
        if self.call is not None:
            self.call.handler = self
            self.call.use(t38=self.policy())
        self.session.go_on(before.session, turned=turned)

    def _turn_round(self, pages: int) -> None:
        """Images go the other way, after `pages` that were confirmed."""
        turn, self._turn = self._turn, None
        if turn is None:
            return
        if not pages:
            self.session.settings = replace(turn.settings, fax_id=self.session.fax_id)
            self._feed_session()
            turn.on_turned(self)
            return
        other = self._turned = ActiveFax(self._runtime, turn.settings, turn.on_event, before=self)
        if turn.settings.direction is Direction.SEND:
            other.feed, self.feed, other._fed = self.feed, None, self._fed
        turn.on_turned(other)
        other.go_on(self, turned=True)
        other._feed_session()

    # ---- what the user agent tells ------------------------------------------------------------------------------

    def on_state(self, call: Call, state: str, sip_code: int, reason: str) -> None:
        """The SIP call changed state."""
        if state != "ended" and self.tracing is not None:
            self._runtime.messages.claim(call.call_id)
        if state == "ended":
            self._remember_stats()
        self.session.call_state(CALL_STATES[state], sip_code, reason, call.end)

    def on_audio(self, call: Call, media: AudioMedia) -> None:
        """G.711 is negotiated."""
        del call
        if self.session.settings.keep:
            self._forget_audio()
            self._audio, self._t38 = replace(media, fd=os.dup(media.fd)), None
        self.session.audio_up(audio_path(media))

    def on_t38(self, call: Call, media: T38Media) -> None:
        """T.38 is negotiated, or refreshed."""
        del call
        if self._udptl is None:
            self._udptl = self._runtime.udptl_sockets()
        self._t38 = media
        udptl = udptl_settings(media, self.session.settings.t38.redundancy)
        self.session.t38_up(T38Path(self._udptl.towards(media.remote[0]), media.remote, udptl))

    def on_t38_refused(self, call: Call, sip_code: int, reason: str) -> None:
        """The far end refused our offer of T.38."""
        del call
        self.session.t38_refused(sip_code, reason)

    # ---- what the runtime needs ---------------------------------------------------------------------------------

    def have_udptl(self, sockets: UdptlSockets) -> None:
        """Take sockets whose address the far end may know already."""
        if self._udptl is not None:
            self._udptl.close()
        self._udptl = sockets

    def policy(self) -> T38Policy:
        """Policy of the user agent for T.38: its answer to an offer, and its own offer."""
        settings = self.session.settings
        wanted = settings.t38
        return T38Policy(
            accept=settings.accepts_t38,
            parameters=t38_parameters(wanted, settings.max_rate_bps, direct=True),
            local_udptl=self._local_udptl,
            first_invite=settings.offers_t38 and wanted.first_invite,
            may_be_audio=settings.mode is not ModePolicy.T38,
        )

    def _local_udptl(self, version: int) -> tuple[str, int]:
        """Our UDPTL address; called in the thread of the user agent."""
        if self._udptl is None:
            raise LocalError("no UDPTL socket")
        return self._udptl.local(version)

    def _forget_audio(self) -> None:
        if self._audio is not None:
            os.close(self._audio.fd)
            self._audio = None

    def progress(self) -> SessionStats:
        """The engine's counters, for a progress bar; at the end, what they were."""
        return self._last if self._last is not None and self.session.ended else self.engine.stats()

    def _remember_stats(self) -> None:
        """The counters go with the medium."""
        stats = self.engine.stats()
        if stats.rtp_rx_packets or stats.udptl_rx_packets or self._last is None:
            self._last = stats

    async def preview(self) -> bytes | None:
        """The page being received as far as its lines have come, as PNG; None where none is coming."""
        return await asyncio.to_thread(drawn, self.engine)

    def cancel(self) -> None:
        """Ends the fax: DCN, then BYE or CANCEL."""
        self.session.cancel()

    @property
    def page_bytes(self) -> tuple[int, ...]:
        """The compressed size of each page, as far as pages are made."""
        return tuple(p.bytes for p in self.feed.pages) if self.feed else self.session.settings.page_bytes

    def engine_event(self, event: EngineEvent) -> None:
        """Takes an event of this fax's engine session."""
        if event.type is EventType.TURNED:
            self._turn_round(event.values[0])
            return
        if event.type is EventType.COMMANDED and self._turn is not None:
            self._turn.on_received()
        if event.type is EventType.COMPLETE:
            self._remember_stats()
        if self.tracing is not None:
            self.tracing.engine_event(event)
        if event.type is EventType.DIS and self.feed is not None:
            self.feed.engine_event(event)
        self.session.engine_event(event)
        if self.following is not None and event.type in (EventType.NEGOTIATED, EventType.PAGE):
            self.following.look()

    def _on_pages(self, total: int | None, complete: bool, warnings: Sequence[str]) -> None:
        fax = self._turned or self
        fax._fed = total, complete, warnings
        fax._feed_session()

    def _feed_session(self) -> None:
        """Tell the session of its pages, where it is the one that sends them."""
        if self._fed is None or self.session.settings.direction is not Direction.SEND:
            return
        self.session.pages_total, complete, self.session.warnings = self._fed
        self.session.more_pages = not complete
        if self.following is not None:
            self.following.look()

    def _on_document_failed(self, error: DocumentError) -> None:
        session = (self._turned or self).session
        if isinstance(error, DocumentInterruptedError):
            session.give_up(Outcome(False, "INIT_ERROR", error.problem, outcome.T30_CALLDROPPED))
            return
        session.give_up(Outcome(False, "FILE_ERROR", error.problem, outcome.T30_FILE_ERROR))

    def drop(self) -> None:
        """Give it up: there is no call for it."""
        self._runtime.forget(self)
        self.session.drop()
        self._free()
        if self.tracing is not None:
            self.tracing.drop()

    def _free(self) -> None:
        """Give up what no other fax goes on with."""
        self._forget_audio()
        if self.feed is not None:
            self.feed.close()
        if not self._handed_on:
            if self._udptl is not None:
                self._udptl.close()
            self.engine.close()

    def _on_event(self, event: Event) -> None:
        report(event, self.tracing, self._sink)
        self._runtime.on_event(self, event)
        if isinstance(event, FaxResult):
            self._runtime.forget(self)
            if self.session.keeps_call and self.call is not None:
                taken = TakenCall(self.call, self._udptl, self._audio, self._t38, answered=True, asked=True)
                self.kept = KeptCall(taken, self.policy())
                self._audio = self._udptl = None
            self._free()
            if self.tracing is not None:
                calls: dict[str, Leg] = {self.call.call_id: ""} if self.call is not None else {}
                self.tracing.end(event, calls, self._last, goes_on=self._handed_on)
                self._runtime.keep(self.tracing)
                if isinstance(self.call, IncomingCall) and not self.call.known and not event.success:
                    self._runtime.ring.add(self.tracing)
            if not self.result.done():
                self.result.set_result(event)
