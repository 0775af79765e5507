# SPDX-License-Identifier: GPL-2.0-or-later
"""Faxes in earnest: joins the SIP user agent, the native engine and `FaxSession`s on one asyncio loop."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from softfax.documents.job import PageJob
from softfax.engine.abi import EventType, SessionStats
from softfax.engine.core import Engine, EngineEvent, EngineSession, T30Settings
from softfax.errors import DocumentError, DocumentInterruptedError, LocalError, TransitionError
from softfax.fax import outcome
from softfax.fax.feed import DocumentFeed, OtherDocument
from softfax.fax.kept import KeptCall, TakenCall
from softfax.fax.media import CALL_STATES, UdptlSockets, audio_path, t38_parameters, udptl_settings
from softfax.fax.outcome import Outcome
from softfax.fax.ports import T38Path
from softfax.fax.preview import drawn
from softfax.fax.session import FaxSession
from softfax.fax.settings import FaxSettings, Role
from softfax.fax.trace import Leg, TraceSettings
from softfax.fax.tracing import Ring, SipMessages, Tracing
from softfax.model import Direction, Event, FaxResult, new_fax_id
from softfax.options import ModePolicy, options_of
from softfax.sip.agent import Call, IncomingCall, UserAgent
from softfax.sip.types import AudioMedia, CallerId, CallHandler, SipConfig, T38Media, T38Policy

__all__ = ["ActiveFax", "Choice", "FaxRuntime", "IncomingHandler"]

log = logging.getLogger("softfax.fax")

EventSink = Callable[[Event], None]
#: Decides what an incoming call gets: settings and a sink for its events (and, to send, the pages), a handler of its own, or the
#: SIP status that refuses it.
IncomingHandler = Callable[
    [IncomingCall], "tuple[FaxSettings, EventSink] | tuple[FaxSettings, EventSink, PageJob] | CallHandler | int"
]
#: Takes the events of an engine session.
EngineSink = Callable[[EngineEvent], None]


@dataclass(frozen=True)
class Choice:
    """Documents put out for polling in one call: makers of their pages, and the sink of the one that the far end names."""

    documents: Sequence[OtherDocument] = ()
    on_chosen: Callable[[int], None] = lambda index: None


NO_CHOICE = Choice()


class OtherCall(Protocol):
    """Calls that are no single fax's."""

    @property
    def result(self) -> asyncio.Future[FaxResult]: ...
    def cancel(self) -> None: ...


class Following(Protocol):
    """Faxes that wait to go on in a call."""

    def look(self) -> None:
        """Look whether the last page of the fax under way goes over, or is confirmed."""


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
    ) -> None:
        """With `before` it goes on in the call of that fax, from `go_on` on."""
        self._runtime = runtime
        self._sink = on_event
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
        has_t38 = before is None and (settings.offers_t38 or settings.accepts_t38)
        self._udptl = runtime.udptl_sockets() if has_t38 else None
        self.call: Call | None = None
        #: Once its fax went through, where the call stays up; and its media until then, of which the descriptor is a copy.
        self.kept: KeptCall | None = None
        self._audio: AudioMedia | None = None
        self._t38: T38Media | None = None
        #: Told of what may let another fax follow on this call.
        self.following: Following | None = None
        self._handed_on = False
        self.engine: EngineSession = before.engine if before is not None else self._new_engine(settings)
        self._last: SessionStats | None = None
        self.tracing = (
            Tracing(
                self.session.fax_id, settings.attempt, runtime.trace, runtime.messages, runtime.agent.bound_addresses
            )
            if runtime.trace is not None
            else None
        )
        if before is None:
            self.session.engine = self.engine
            if self.tracing is not None:
                self.tracing.capture(self.engine)
            if settings.polling is not None and settings.others:
                self.engine.polled([(one.document, one.password) for one in (settings.polling, *settings.others)])
        self.feed: DocumentFeed | None = None
        if job is not None:
            of_before = before.feed if before is not None else None
            self.feed = DocumentFeed(
                job,
                self.engine,
                self._on_pages,
                self._on_document_failed,
                polled=polled.documents,
                on_chosen=polled.on_chosen,
                before=of_before,
            )

    def _new_engine(self, settings: FaxSettings) -> EngineSession:
        runtime = self._runtime
        return runtime.engine.session(
            T30Settings(
                # Who polls calls, and the sender is called.
                caller=(settings.direction is Direction.SEND) is not (settings.polling is not None),
                poller=settings.direction is Direction.RECEIVE
                and settings.role is Role.CALLER
                and settings.polling is None,
                tx_file=settings.document if settings.direction is Direction.SEND else None,
                rx_file=settings.document if settings.direction is Direction.RECEIVE else None,
                **options_of(settings),
                selective=settings.polling.document if settings.polling else "",
                password=settings.polling.password if settings.polling else "",
                stall_s=settings.timeouts.stall_s,
                lacks=settings.lacks,
                trace=settings.trace or runtime.trace is not None,
            )
        )

    def go_on(self, before: ActiveFax) -> None:
        """Take the call and the media of a fax that is delivered: the next DIS is answered for this one."""
        self.call, self._udptl, before._handed_on = before.call, before._udptl, True
        before._remember_stats()
        self._runtime.hand_on(self)
        if self.call is not None:
            self.call.handler = self
            self.call.use(t38=self.policy())
        self.session.go_on(before.session)

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
        wish = settings.t38
        return T38Policy(
            accept=settings.accepts_t38,
            parameters=t38_parameters(wish, settings.max_rate_bps, direct=True),
            local_udptl=self._local_udptl,
            first_invite=settings.offers_t38 and wish.first_invite,
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
        self.session.pages_total = total
        self.session.warnings = warnings
        self.session.more_pages = not complete
        if self.following is not None:
            self.following.look()

    def _on_document_failed(self, error: DocumentError) -> None:
        if isinstance(error, DocumentInterruptedError):
            self.session.give_up(Outcome(False, "INIT_ERROR", error.problem, outcome.T30_CALLDROPPED))
            return
        self.session.give_up(Outcome(False, "FILE_ERROR", error.problem, outcome.T30_FILE_ERROR))

    def _on_event(self, event: Event) -> None:
        if self.tracing is not None:
            self.tracing.event(event)
        try:
            self._sink(event)
        except Exception:
            log.exception("an event handler failed")
        self._runtime.on_event(self, event)
        if isinstance(event, FaxResult):
            self._runtime.forget(self)
            if self.session.keeps_call and self.call is not None:
                taken = TakenCall(self.call, self._udptl, self._audio, self._t38, answered=True, asked=True)
                self.kept = KeptCall(taken, self.policy())
                self._audio = self._udptl = None
            self._forget_audio()
            if self._udptl is not None and not self._handed_on:
                self._udptl.close()
            if self.feed is not None:
                self.feed.close()
            if self.tracing is not None:
                calls: dict[str, Leg] = {self.call.call_id: ""} if self.call is not None else {}
                self.tracing.end(event, calls, self._last, goes_on=self._handed_on)
                self._runtime.keep(self.tracing)
                if isinstance(self.call, IncomingCall) and not self.call.known and not event.success:
                    self._runtime.ring.add(self.tracing)
            if not self._handed_on:
                self.engine.close()
            if not self.result.done():
                self.result.set_result(event)


@dataclass
class _Stop:
    requested: bool = False


class FaxRuntime:
    """One user agent and one engine for any number of faxes at once."""

    def __init__(self, engine: Engine, agent: UserAgent) -> None:
        self.engine = engine
        self.agent = agent
        self.numbers = itertools.count(1)
        self.on_incoming: IncomingHandler = lambda call: 480
        #: Set by the owner: told of every event of every fax, after the fax's own sink.
        self.on_event: Callable[[ActiveFax, Event], None] = lambda active, event: None
        self._active: dict[int, ActiveFax] = {}
        self._watched: dict[int, EngineSink] = {}
        #: What else has calls: ended with the runtime.
        self.others: set[OtherCall] = set()
        self._loop = asyncio.get_running_loop()
        self._stop = _Stop()
        #: What is kept of the messages and frames of faxes from now on. SIP messages are had where `start` was given it.
        self.trace: TraceSettings | None = None
        self.messages = SipMessages()
        self._traced: list[Tracing] = []
        self.ring = Ring()
        self._loop.add_reader(engine.fileno(), self.drain)
        agent.incoming = self._incoming

    @classmethod
    async def start(cls, config: SipConfig, *, shards: int = 0, trace: TraceSettings | None = None) -> FaxRuntime:
        """Starts user agent and engine. Raises PortInUseError, NativeError, UsageError."""
        if trace is not None:
            config = replace(config, trace=True)
        engine = Engine(shards)
        try:
            agent = await UserAgent.start(config)
        except BaseException:
            engine.close()
            raise
        runtime = cls(engine, agent)
        if trace is not None:
            runtime.trace, agent.on_message = trace, runtime.messages.take
        return runtime

    def udptl_sockets(self) -> UdptlSockets:
        """Sockets for UDPTL, bound to the addresses that SIP listens on. Raises LocalError."""
        return UdptlSockets((host for host, _ in self.agent.bound_addresses), self.agent.config.dscp_media)

    @property
    def faxes(self) -> list[ActiveFax]:
        """The faxes under way."""
        return list(self._active.values())

    def send(
        self,
        destination: str,
        settings: FaxSettings,
        on_event: EventSink = lambda event: None,
        *,
        job: PageJob | None = None,
        caller: CallerId | None = None,
        account: str = "",
    ) -> ActiveFax:
        """Places a call, through an account of the user agent or straight to the URI, and faxes on it.

        `await active.result` for the outcome. Raises UsageError for a bad destination or account.

        With `job`, whose file is the settings' document, pages may still be in the making, and are made anew where the far
        end cannot take them; the job stays its maker's to close. `caller` is who is shown as calling.
        """
        active = self._new_fax(settings, on_event, job)
        try:
            active.session.begin()
            call = self.agent.call(destination, active, t38=active.policy(), caller=caller, account=account)
        except BaseException:
            self.forget(active)
            active.engine.close()
            if active.tracing is not None:
                active.tracing.drop()
            raise
        active.call = active.session.call = call
        return active

    def _incoming(self, call: IncomingCall) -> CallHandler | int:
        if self._stop.requested:
            return 503
        decision = self.on_incoming(call)
        if not isinstance(decision, tuple):
            return decision
        active = self._new_fax(*decision)
        active.call = active.session.call = call
        if call.source and not call.known:
            active.engine.signalled_from(call.source)
        if active.tracing is not None:
            self.messages.claim(call.call_id)
        active.session.begin()
        call.answer(t38=active.policy())
        return active

    def take_over(
        self,
        taken: TakenCall,
        settings: FaxSettings,
        on_event: EventSink,
        *,
        job: PageJob | None = None,
        polled: Choice = NO_CHOICE,
    ) -> ActiveFax:
        """A call that was listened to, waited, or had a fax becomes a fax; `job` makes the pages to send, as for `send`."""
        call = taken.call
        active = self._new_fax(settings, on_event, job, polled)
        if taken.udptl is not None:
            active.have_udptl(taken.udptl)
        active.call = active.session.call = call
        call.handler = active
        if active.tracing is not None:
            self.messages.claim(call.call_id)
        active.session.begin()
        if taken.asked or not isinstance(call, IncomingCall):
            call.use(t38=active.policy())
        else:
            call.answer(t38=active.policy())
        if taken.answered:
            active.on_state(call, "answered", 200, "OK")
        if taken.t38 is not None:
            active.on_t38(call, taken.t38)
        if taken.audio is not None and taken.t38 is None:
            active.on_audio(call, taken.audio)
        elif taken.audio is not None:
            os.close(taken.audio.fd)
        return active

    def _new_fax(
        self, settings: FaxSettings, on_event: EventSink, job: PageJob | None = None, polled: Choice = NO_CHOICE
    ) -> ActiveFax:
        active = ActiveFax(self, settings, on_event, job, polled)
        self._active[active.engine.id] = active
        return active

    def follow(self, before: ActiveFax, settings: FaxSettings, on_event: EventSink, job: PageJob) -> ActiveFax:
        """Send the pages of `job`, which are all made, behind those of a fax under way, on its call, once `go_on` is called.

        Raises DocumentError, OSError where they cannot be put behind its pages.
        """
        return ActiveFax(self, settings, on_event, job, before=before)

    def hand_on(self, active: ActiveFax) -> None:
        """A fax goes on in the call of another."""
        self._active[active.engine.id] = active

    def forget(self, active: ActiveFax) -> None:
        """A fax is over."""
        if self._active.get(active.engine.id) is active:
            del self._active[active.engine.id]

    def keep(self, tracing: Tracing) -> None:
        """A trace will be written in a moment, at the latest when this is closed."""
        self._traced = [*(one for one in self._traced if one.busy), tracing]

    def watch(self, session: int, sink: EngineSink | None) -> None:
        """Hand the events of an engine session that is no fax's to `sink`; None ends that."""
        if sink is None:
            self._watched.pop(session, None)
        else:
            self._watched[session] = sink

    def drain(self) -> None:
        """Hands the engine's events to their faxes."""
        for event in self.engine.events():
            if event.session in self._watched:
                self._watched[event.session](event)
                continue
            active = self._active.get(event.session)
            if active is not None:
                try:
                    active.engine_event(event)
                except TransitionError as error:
                    # A fault of ours ends this fax, and no other.
                    log.error("fax %s is ended: %s", active.session.fax_id, error)
                    active.session.give_up(Outcome(False, "INIT_ERROR", str(error), outcome.T30_CALLDROPPED))

    async def close(self, *, grace_s: float = 5.0) -> None:
        """Cancels what is under way, waits for the results, unregisters and stops."""
        self._stop.requested = True
        under_way: list[OtherCall] = [*self.faxes, *self.others]
        for active in under_way:
            active.cancel()
        waiting: list[Awaitable[FaxResult]] = [active.result for active in under_way]
        if waiting:
            await asyncio.wait([asyncio.ensure_future(w) for w in waiting], timeout=grace_s)
        await self.agent.close()
        for tracing in self._traced:
            await tracing.finish()
        self._loop.remove_reader(self.engine.fileno())
        self.engine.close()

    async def __aenter__(self) -> FaxRuntime:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()
