# SPDX-License-Identifier: GPL-2.0-or-later
"""Joins a gateway's call to the SIP user agent and the engine: two calls, two legs, one `GatewaySession`; and what comes before
where it is listened to for a fax first."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from softfax.engine.abi import SessionStats
from softfax.engine.core import EngineEvent, EngineSession
from softfax.engine.gateway import Gateway, LegSettings
from softfax.fax.active import EventSink, limit_media, report
from softfax.fax.bridging import GatewaySession
from softfax.fax.kept import TakenCall
from softfax.fax.legs import GatewaySettings, Placed
from softfax.fax.listening import Listening, ListenSettings
from softfax.fax.media import CALL_STATES, UdptlSockets, audio_path, t38_parameters, udptl_settings
from softfax.fax.outcome import NO_T30, Outcome
from softfax.fax.ports import T38Path
from softfax.fax.preview import drawn
from softfax.fax.runtime import EngineSink, FaxRuntime
from softfax.fax.settings import T38Preferences
from softfax.fax.trace import Leg as TraceLeg
from softfax.model import Event, FaxResult, HeardEvent
from softfax.sip.call import Call, IncomingCall
from softfax.sip.types import AudioMedia, CallerId, T38Media, T38Policy
from softfax.sipstatus import status

__all__ = ["ActiveGateway", "Onward"]

log = logging.getLogger("softfax.fax")

#: What a gateway's modems can do.
MAX_RATE_BPS = 14400
#: Time that a far end has to tell what became of a REFER.
REFER_S = 32.0


@dataclass(frozen=True)
class Onward:
    """A way on: an account (empty for none), the URI that is called by it, and its preferences for T.38."""

    account: str
    uri: str
    t38: T38Preferences


class _Leg:
    """One leg: its SIP call, its engine session, its UDPTL socket. Implements the call handler of `softfax.sip`."""

    def __init__(self, active: ActiveGateway, number: int, engine: EngineSession) -> None:
        self._active, self.number, self.engine = active, number, engine
        self._udptl: UdptlSockets | None = active.runtime.udptl_sockets()
        self.wanted = T38Preferences()
        self.call: Call | None = None
        #: Media as they are, kept for a fax that takes the call over; the descriptor is a copy.
        self._audio: AudioMedia | None = None
        self._t38: T38Media | None = None
        self._answered = False

    def policy(self, wanted: T38Preferences, *, first_invite: bool = False) -> T38Policy:
        """Policy of its call for T.38."""
        self.wanted = wanted
        return T38Policy(
            accept=wanted.accept,
            parameters=t38_parameters(wanted, MAX_RATE_BPS),
            local_udptl=self._local_udptl,
            first_invite=first_invite and wanted.offer,
        )

    def _local_udptl(self, version: int) -> tuple[str, int]:
        """Our UDPTL address; called in the thread of the user agent."""
        assert self._udptl is not None
        return self._udptl.local(version)

    def on_state(self, call: Call, state: str, sip_code: int, reason: str) -> None:
        """The SIP call changed state; one that was given up for another route is no more."""
        if call is self.call:
            self._active.claim(call)
            self._answered = self._answered or state == "answered"
            if state == "ended" and self._active.listening is not None:
                self._active.listening.end()
            self._active.session.call_state(self.number, CALL_STATES[state], sip_code, reason)

    def on_audio(self, call: Call, media: AudioMedia) -> None:
        """G.711 is negotiated."""
        if call is not self.call:
            os.close(media.fd)
            return
        listening = self._active.listening
        if listening is not None:
            self.forget_audio()
            self._audio = replace(media, fd=os.dup(media.fd))
            listening.audio_up()
        self._active.session.audio_up(self.number, audio_path(media))

    def on_t38(self, call: Call, media: T38Media) -> None:
        """T.38 is negotiated, or refreshed."""
        if call is self.call and self._active.listening is not None:
            self._t38 = media
            self._active.listening.t38_up()
        elif call is self.call and self._udptl is not None:
            udptl = udptl_settings(media, self.wanted.redundancy)
            path = T38Path(self._udptl.towards(media.remote[0]), media.remote, udptl)
            self._active.session.t38_up(self.number, path)

    def on_t38_refused(self, call: Call, sip_code: int, reason: str) -> None:
        """The far end refused our offer of T.38."""
        if call is self.call:
            self._active.session.t38_refused(self.number, sip_code, reason)

    def forget_audio(self) -> None:
        """Nobody takes the call over."""
        if self._audio is not None:
            os.close(self._audio.fd)
            self._audio = None

    def release(self) -> TakenCall:
        """Give the call away, with its media."""
        assert isinstance(self.call, IncomingCall)
        assert self._udptl is not None
        audio, udptl, self._audio, self._udptl = self._audio, self._udptl, None, None
        return TakenCall(self.call, udptl, audio, self._t38, self._answered)

    def close(self) -> None:
        """Gives the sockets up."""
        self.forget_audio()
        if self._udptl is not None:
            self._udptl.close()


class _Incoming:
    """The call that came in, as a `GatewaySession` uses it."""

    def __init__(self, call: IncomingCall, policy: T38Policy) -> None:
        self._call, self._policy = call, policy
        self.offer_t38, self.stay_in_audio, self.hangup = call.offer_t38, call.stay_in_audio, call.hangup
        #: Set once it is answered.
        self.taken = False

    @property
    def call_id(self) -> str:
        """Its Call-ID."""
        return self._call.call_id

    def ring(self) -> None:
        """Tells the caller that it rings."""
        if not self.taken:
            self._call.ring()

    def progress(self) -> None:
        """Gives the caller early media, where it offered audio."""
        if not self._call.first_offer and not self.taken:
            self._call.progress()

    def answer(self) -> None:
        """Answers the call."""
        if not self.taken:
            self.taken = True
            self._call.answer(t38=self._policy)

    def answer_in_audio(self) -> None:
        """Answers a call that offers T.38 beside audio in audio: it may be voice. T.38 may come later."""
        self.taken = True
        self._call.answer(t38=replace(self._policy, accept=False))
        self._call.use(t38=self._policy)


class _InAudio:
    """The call that came in, while it is listened to, where its INVITE offers T.38 beside audio."""

    def __init__(self, call: _Incoming) -> None:
        self.progress, self.answer = call.progress, call.answer_in_audio


class ActiveGateway:
    """A call through a gateway, from the INVITE to the result. Its owner says by `begin` where it leads."""

    def __init__(self, runtime: FaxRuntime, call: IncomingCall, settings: GatewaySettings, on_event: EventSink) -> None:
        self.runtime, self._sink = runtime, on_event
        loop = asyncio.get_running_loop()
        self.result: asyncio.Future[FaxResult] = loop.create_future()
        leg = LegSettings(stall_s=settings.stall_s, trace=settings.trace or runtime.trace is not None)
        self._gateway = Gateway(runtime.engine, leg, leg)
        with ExitStack() as undo:
            undo.callback(self._gateway.close)
            first = _Leg(self, 0, self._gateway.a)
            undo.callback(first.close)
            second = _Leg(self, 1, self._gateway.b)
            undo.callback(second.close)
            limit_media(self._gateway.a, call)
            undo.pop_all()
        self._legs = first, second
        first.call = self.call = call
        #: While it is listened to, before it goes on.
        self.listening: Listening | None = None
        self._onward: list[Onward] = []
        self._caller: CallerId | None = None
        self._claimed: dict[str, TraceLeg] = {}
        self._last: tuple[SessionStats, SessionStats] | None = None
        self.tracing = runtime.traced(settings.fax_id)
        if self.tracing is not None:
            self.tracing.capture(self._gateway.a, self._gateway.b)
        self._incoming = _Incoming(call, self._legs[0].policy(settings.t38))
        self.session = GatewaySession(
            settings=settings,
            scheduler=loop,
            on_event=self._on_event,
            gateway=self._gateway,
            incoming=self._incoming,
            place=self._place,
            fails_over=lambda code: bool(self._onward) and status(code).of_trunk,
        )
        self.session.drain = runtime.drain
        for one in self._legs:
            runtime.watch(one.engine.id, self._sink_of(one))
        runtime.others.add(self)

    @property
    def handler(self) -> _Leg:
        """Handler of the call that came in."""
        return self._legs[0]

    def listen(self, settings: ListenSettings) -> asyncio.Future[HeardEvent | None]:
        """Listen for a fax first. What is heard decides: `release`, or `begin`; None: the call has ended."""
        heard: asyncio.Future[HeardEvent | None] = asyncio.get_running_loop().create_future()

        def decided(event: HeardEvent | None) -> None:
            self.listening = None
            if not heard.done():
                heard.set_result(event)

        early = settings.early and not self.call.first_offer
        call = _InAudio(self._incoming) if self.call.offers_audio else self._incoming
        fax_id = self.session.settings.fax_id
        loop = asyncio.get_running_loop()
        self.listening = Listening(replace(settings, early=early), loop, call, fax_id, decided)
        self.listening.begin()
        return heard

    def release(self) -> TakenCall:
        """End this, but for the call, which is a fax's."""
        taken = self._legs[0].release()
        taken.asked = self._incoming.taken
        self._last = self.stats()  # its result may still come, where the call becomes no fax
        self._free()
        if self.tracing is not None:
            self.tracing.drop()
        return taken

    def redirect(self, uri: str) -> None:
        """Have the caller call elsewhere."""
        self.call.redirect_to(uri)
        self.session.refuse(_handed_on(uri, "302"), 302)

    def refer(self, uri: str, instead: Callable[[], None]) -> None:
        """Have the caller call elsewhere from within the call; `instead` is done where it does not."""

        def done(code: int, reason: str) -> None:
            timer.cancel()
            if self.session.ended:
                return
            if 200 <= code < 300:
                self.session.refuse(_handed_on(uri, "REFER"), 0)
            else:
                log.warning("%s is not called by REFER: %d %s", uri, code, reason)
                instead()

        timer = asyncio.get_running_loop().call_later(REFER_S, done, 408, "no answer")
        self.call.refer(uri, done)

    def begin(self, onward: Sequence[Onward], caller: CallerId | None = None, *, answer_s: float = 60.0) -> None:
        """Places the second call, by the first of these ways that leads anywhere; it may ring for `answer_s`."""
        self._legs[0].forget_audio()
        self._onward, self._caller = list(onward), caller
        self.session.begin(answer_s)

    def cancel(self) -> None:
        """Ends both calls."""
        if self.listening is not None:
            self.listening.end()
        self.session.cancel()

    def stats(self) -> tuple[SessionStats, SessionStats]:
        """The engine's counters of both legs; at the end, what they were."""
        return self._last if self._last is not None else (self._gateway.a.stats(), self._gateway.b.stats())

    async def preview(self) -> bytes | None:
        """The page that passes as far as its lines have come, as PNG; None where none does."""
        return await asyncio.to_thread(drawn, self._gateway.a)

    def claim(self, call: Call) -> None:
        """The messages of a call are for the trace."""
        if self.tracing is not None and call.call_id and call.call_id not in self._claimed:
            self._claimed[call.call_id] = "caller" if call is self.call else "callee"
            self.runtime.messages.claim(call.call_id)

    def _place(self) -> Placed | None:
        if not self._onward:
            return None
        way, leg = self._onward.pop(0), self._legs[1]
        t38_alone = bool(self.call.first_offer) and not self.call.offers_audio
        leg.call = self.runtime.agent.call(
            way.uri,
            leg,
            t38=leg.policy(way.t38, first_invite=t38_alone),
            caller=self._caller,
            account=way.account,
        )
        return leg.call, way.t38

    def _sink_of(self, leg: _Leg) -> EngineSink:
        def take(event: EngineEvent) -> None:
            if self.tracing is not None:
                self.tracing.engine_event(event, "callee" if leg.number else "caller")
            if self.listening is not None:
                self.listening.engine_event(event)
            else:
                self.session.engine_event(leg.number, event)

        return take

    def _on_event(self, event: Event) -> None:
        if isinstance(event, FaxResult):
            self._last = self.stats()
        report(event, self.tracing, self._sink)
        if isinstance(event, FaxResult):
            self._close(event)

    def _free(self) -> None:
        for leg in self._legs:
            self.runtime.watch(leg.engine.id, None)
        self.runtime.others.discard(self)
        self._gateway.close()
        for leg in self._legs:
            leg.close()

    def _close(self, result: FaxResult) -> None:
        self._free()
        if self.tracing is not None:
            self.tracing.end(result, self._claimed, self._last[0] if self._last is not None else None)
            self.runtime.keep(self.tracing)
        if not self.result.done():
            self.result.set_result(result)


def _handed_on(uri: str, how: str) -> Outcome:
    return Outcome(
        False, "CANCEL", f"no fax was heard: the call goes on to {uri} by {how}", NO_T30 + 302, reached=False
    )
