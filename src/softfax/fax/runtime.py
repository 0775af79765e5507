# SPDX-License-Identifier: GPL-2.0-or-later
"""Faxes in earnest: joins the SIP user agent, the native engine and `FaxSession`s on one asyncio loop."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Protocol

from softfax.documents.job import PageJob
from softfax.engine.core import Engine, EngineEvent
from softfax.fax import outcome
from softfax.fax.active import NO_CHOICE, ActiveFax, Choice, EventSink, Turn, limit_media
from softfax.fax.kept import TakenCall
from softfax.fax.media import UdptlSockets
from softfax.fax.outcome import Outcome
from softfax.fax.settings import FaxSettings
from softfax.fax.trace import TraceSettings
from softfax.fax.tracing import Ring, SipMessages, Tracing
from softfax.model import Event, FaxResult
from softfax.sip.agent import UserAgent
from softfax.sip.call import Call, IncomingCall
from softfax.sip.types import CallerId, CallHandler, SipConfig

__all__ = ["FaxRuntime", "IncomingHandler"]

log = logging.getLogger("softfax.fax")

#: Decides what an incoming call gets: settings and a sink for its events (and, to send, the pages, or to receive, what may be
#: fetched), a handler of its own, or the
#: SIP status that refuses it.
IncomingHandler = Callable[
    [IncomingCall],
    "tuple[FaxSettings, EventSink] | tuple[FaxSettings, EventSink, PageJob] | "
    "tuple[FaxSettings, EventSink, PageJob, Choice, Turn] | CallHandler | int",
]
#: Takes the events of an engine session.
EngineSink = Callable[[EngineEvent], None]


class OtherCall(Protocol):
    """Calls that are no single fax's."""

    @property
    def result(self) -> asyncio.Future[FaxResult]: ...
    def cancel(self) -> None: ...


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
        self._stopping = False
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
        turn: Turn | None = None,
    ) -> ActiveFax:
        """Places a call, through an account of the user agent or straight to the URI, and faxes on it.

        `await active.result` for the outcome. Raises UsageError for a bad destination or account.

        With `job`, whose file is the settings' document, pages may still be in the making, and are made anew where the far
        end cannot take them; the job stays its maker's to close. `caller` is who is shown as calling. `turn` is what is fetched
        after it, in the same call.
        """
        active = self._new_fax(settings, on_event, job, turn=turn)
        try:
            active.session.begin()
            call = self.agent.call(destination, active, t38=active.policy(), caller=caller, account=account)
        except BaseException:
            active.drop()
            raise
        active.call = active.session.call = call
        return active

    def _incoming(self, call: IncomingCall) -> CallHandler | int:
        if self._stopping:
            return 503
        decision = self.on_incoming(call)
        if not isinstance(decision, tuple):
            return decision
        active = self._new_fax(*decision)
        try:
            self._give(call, active)
        except BaseException:
            active.drop()
            raise
        call.answer(t38=active.policy())
        return active

    def _give(self, call: Call, active: ActiveFax, *, on_call: bool = False) -> None:
        """Give a fax a call that there is already, and begin."""
        active.call = active.session.call = call
        limit_media(active.engine, call)
        if active.tracing is not None:
            self.messages.claim(call.call_id)
        active.session.begin(on_call=on_call)

    def take_over(
        self,
        taken: TakenCall,
        settings: FaxSettings,
        on_event: EventSink,
        *,
        job: PageJob | None = None,
        polled: Choice = NO_CHOICE,
        turn: Turn | None = None,
    ) -> ActiveFax:
        """A call that was listened to, waited, or had a fax becomes a fax; `job` makes the pages to send, as for `send`.

        With `turn` it receives, and sends them to who fetches, at once or after that. Where it raises, the call is hung up.
        """
        call, active = taken.call, None
        try:
            active = self._new_fax(settings, on_event, job, polled, turn)
            self._take(taken, active)
        except BaseException:
            call.handler = None
            if active is not None:
                active.drop()
            taken.close()
            call.hangup(480)
            raise
        return active

    def _take(self, taken: TakenCall, active: ActiveFax) -> None:
        """Give a fax a call with its media, and begin."""
        call = taken.call
        if taken.udptl is not None:
            active.have_udptl(taken.udptl)
        call.handler = active
        self._give(call, active, on_call=True)
        if taken.asked or not isinstance(call, IncomingCall):
            call.use(t38=active.policy())
        else:
            call.answer(t38=active.policy())
        if taken.answered:
            active.on_state(call, "answered", 200, "OK")
        if taken.t38 is not None:
            active.on_t38(call, taken.t38)
        if taken.audio is not None and taken.t38 is None:
            audio, taken.audio = taken.audio, None
            active.on_audio(call, audio)
        else:
            taken.forget_audio()

    def _new_fax(
        self,
        settings: FaxSettings,
        on_event: EventSink,
        job: PageJob | None = None,
        polled: Choice = NO_CHOICE,
        turn: Turn | None = None,
    ) -> ActiveFax:
        active = ActiveFax(self, settings, on_event, job, polled, turn=turn)
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

    def traced(self, fax_id: str, attempt: int = 1) -> Tracing | None:
        """The trace of a fax that begins; None where none is kept."""
        if self.trace is None:
            return None
        return Tracing(fax_id, attempt, self.trace, self.messages, self.agent.bound_addresses)

    def keep(self, tracing: Tracing) -> None:
        """A trace will be written in a moment, at the latest when this is closed."""
        self._traced = [*(one for one in self._traced if one.busy), tracing]

    def watch(self, session: int, sink: EngineSink | None) -> None:
        """Hand the events of an engine session to `sink`, also of a fax's, instead of to it; None ends that."""
        if sink is None:
            self._watched.pop(session, None)
        else:
            self._watched[session] = sink

    def drain(self) -> None:
        """Hands the engine's events to their faxes."""
        for event in self.engine.events():
            active, watched = self._active.get(event.session), self._watched.get(event.session)
            try:
                if watched is not None:
                    watched(event)
                elif active is not None:
                    active.engine_event(event)
            except Exception as error:
                # A fault of ours ends this fax, and takes no event from another.
                log.exception("an event of the engine is lost")
                if active is not None:
                    active.session.give_up(Outcome(False, "INIT_ERROR", str(error), outcome.T30_CALLDROPPED))

    async def close(self, *, grace_s: float = 5.0) -> None:
        """Cancels what is under way, waits for the results, unregisters and stops."""
        self._stopping = True
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
