# SPDX-License-Identifier: GPL-2.0-or-later
"""The SIP user agent for asyncio. PJSIP lives in a thread of its own (`softfax.sip.stack`); nothing here blocks."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import socket
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from softfax.errors import SoftfaxError, UsageError
from softfax.sip import sdp
from softfax.sip.glue import PJ_EPENDING, GlueEvent, GlueEventType
from softfax.sip.sdp import T38Parameters
from softfax.sip.types import (
    AudioMedia,
    CallerId,
    CallHandler,
    SipConfig,
    T38Media,
    T38Policy,
    is_unspecified,
    local_address_towards,
    parse_listen,
    split_uri,
)

if TYPE_CHECKING:
    from softfax.sip.stack import Stack

__all__ = ["Call", "IncomingCall", "UserAgent"]

log = logging.getLogger("softfax.sip")

PENDING_RETRY_S = 0.2
PENDING_TRIES = 20
GLARE_TRIES = 4
SIP_REASONS = {
    408: "Request Timeout",
    415: "Unsupported Media Type",
    481: "Call Does Not Exist",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    491: "Request Pending",
    500: "Server Internal Error",
    501: "Not Implemented",
    503: "Service Unavailable",
    603: "Decline",
    606: "Not Acceptable",
}


class Call:
    """One call. Methods return at once; what follows comes through the handler."""

    def __init__(self, agent: UserAgent, *, outgoing: bool, t38: T38Policy | None = None) -> None:
        self._agent = agent
        self._index = -1
        self._outgoing = outgoing
        self._offer_timer: asyncio.TimerHandle | None = None
        self._glare = 0
        self._ended = False
        self._hangup_wanted = False
        # Touched in the SIP thread alone: the audio last told of, and where the far end's media is.
        self._audio_told: tuple[object, ...] | None = None
        self._far_host = ""
        # Read and written in the SIP thread alone once the call lives.
        self._policy = t38
        self._said: T38Parameters | None = None
        self.handler: CallHandler | None = None
        self.call_id = ""
        self.remote_uri = ""
        self.local_uri = ""

    # ---- asked by the owner -------------------------------------------------------------------------------------

    def hangup(self, code: int = 0) -> None:
        """BYE, CANCEL, or for a call not yet answered the final response `code` (default 603)."""
        self._hangup_wanted = True
        self._cancel_timer()
        if not self._ended:
            self._agent.post(lambda stack: stack.hangup(self, code))

    def offer_t38(self) -> None:
        """Offers T.38 in a re-INVITE, by the call's policy; `on_t38` or `on_t38_refused` follows.

        Waits behind another INVITE under way and after glare (491), all within the configured time. Nothing happens if an
        offer is under way already.
        """
        if self._ended or self._offer_timer is not None:
            return
        loop = asyncio.get_running_loop()
        self._glare = 0
        self._offer_timer = loop.call_later(self._agent.config.offer_timeout_s, self._offer_timed_out)
        self._send_offer()

    def offer_audio(self) -> None:
        """Offers G.711 again in a re-INVITE; `on_audio` follows if the far end takes it, else T.38 goes on."""
        self._send_audio_offer(PENDING_TRIES)

    def _send_audio_offer(self, tries: int) -> None:
        if not self._ended:
            self._agent.post(lambda stack: stack.offer_audio(self, tries))

    def _audio_offer_pending(self, tries: int) -> None:
        asyncio.get_running_loop().call_later(PENDING_RETRY_S, self._send_audio_offer, tries)

    def _send_offer(self) -> None:
        if not self._ended and self._offer_timer is not None:
            self._agent.post(lambda stack: stack.offer_t38(self))

    def _offer_timed_out(self) -> None:
        self._offer_timer = None
        if self._ended:
            return
        self._agent.post(lambda stack: stack.cancel_offer(self))
        self._deliver_refused(408, "no answer to the offer of T.38")

    def _cancel_timer(self) -> None:
        if self._offer_timer is not None:
            self._offer_timer.cancel()
            self._offer_timer = None

    # ---- told by the stack, on the loop -------------------------------------------------------------------------

    def _deliver_state(self, state: str, code: int, reason: str) -> None:
        if self._ended:
            return
        if state == "ended":
            self._ended = True
            self._cancel_timer()
            self._agent.forget(self)
        if self.handler is not None:
            self.handler.on_state(self, state, code, reason)

    def _deliver_audio(self, media: AudioMedia) -> None:
        if self.handler is None or self._ended:
            os.close(media.fd)
            return
        self.handler.on_audio(self, media)

    def _deliver_t38(self, media: T38Media) -> None:
        self._cancel_timer()
        if self.handler is not None and not self._ended:
            self.handler.on_t38(self, media)

    def _deliver_offer_result(self, code: int, reason: str) -> None:
        """Our offer was not sent, or was refused. Glare and a busy transaction are waited out."""
        if self._offer_timer is None:
            return
        loop = asyncio.get_running_loop()
        if code == PJ_EPENDING:
            loop.call_later(PENDING_RETRY_S, self._send_offer)
        elif code == 491 and self._glare < GLARE_TRIES:
            # RFC 3261 §14.1: who owns the Call-ID waits longer.
            self._glare += 1
            loop.call_later(random.uniform(2.1, 4.0) if self._outgoing else random.uniform(0.0, 2.0), self._send_offer)
        else:
            self._cancel_timer()
            self._deliver_refused(code, reason)

    def _deliver_refused(self, code: int, reason: str) -> None:
        if self.handler is not None and not self._ended:
            self.handler.on_t38_refused(self, code, reason)


class IncomingCall(Call):
    """A call from the far end, to be answered, or refused by what the owner's `incoming` returns."""

    def __init__(self, agent: UserAgent) -> None:
        super().__init__(agent, outgoing=False)
        self.first_offer = ""
        self.headers: dict[str, str] = {}

    def answer(self, *, t38: T38Policy) -> None:
        """Answers with 200; `t38` says what offers of T.38 get."""
        self._policy = t38
        self._agent.post(lambda stack: stack.answer(self))

    def ring(self) -> None:
        """Tells the caller that it rings (180)."""
        self._agent.post(lambda stack: stack.ring(self))

    def reject(self, code: int = 603) -> None:
        """Refuses the call with a SIP status of 300 to 699."""
        self.hangup(code)


class UserAgent:
    """One SIP user agent; PJSIP allows one at a time in a process."""

    def __init__(self, config: SipConfig, stack: Stack) -> None:
        self.config = config
        self._stack = stack
        self._loop = asyncio.get_running_loop()
        self._calls: set[Call] = set()
        self._registered: asyncio.Future[tuple[int, str]] | None = None
        self._is_registered = False
        self._incoming: Callable[[IncomingCall], CallHandler | int] | None = None
        self._unclaimed: list[IncomingCall] = []
        #: Set by the owner: told of every change of the registration (SIP status, reason).
        self.on_registration: Callable[[int, str], None] = lambda code, reason: None
        #: Set by the owner, with `SipConfig.trace`: told of every SIP message, secrets taken out (sent by us, far end, text).
        self.on_message: Callable[[bool, str, str], None] = lambda sent, far, text: None

    @classmethod
    async def start(cls, config: SipConfig) -> UserAgent:
        """Binds and starts. Raises PortInUseError, UsageError for a bad address or URI, NativeError."""
        from softfax.sip.stack import Stack

        host, port = parse_listen(config.listen)
        if not host:
            target = config.proxy or config.registrar
            host = local_address_towards(target) if target else "127.0.0.1"
        host = await _numeric(host)
        for uri in (config.proxy, config.registrar, config.from_uri):
            if uri:
                split_uri(uri)
        stack = Stack(replace(config, listen=f"[{host}]:{port}" if ":" in host else f"{host}:{port}"))
        agent = cls(config, stack)
        try:
            await stack.start(agent)
        except BaseException:
            await stack.stop()
            raise
        return agent

    @property
    def incoming(self) -> Callable[[IncomingCall], CallHandler | int] | None:
        """Set by the owner: returns the handler of an incoming call, or the SIP status that refuses it.

        Calls that come before it is set wait for it.
        """
        return self._incoming

    @incoming.setter
    def incoming(self, decide: Callable[[IncomingCall], CallHandler | int]) -> None:
        self._incoming = decide
        unclaimed, self._unclaimed = self._unclaimed, []
        for call in unclaimed:
            if not call._ended:
                self.incoming_call(call)

    @property
    def bound_address(self) -> tuple[str, int]:
        """Where SIP is listened on."""
        return self._stack.bound_address

    async def register(self, timeout_s: float = 35.0) -> None:
        """Registers with the registrar and keeps the registration fresh. Raises RegistrationError, AuthenticationError."""
        from softfax.sip.stack import registration_error

        code, reason = await self._registration(lambda stack: stack.register(), timeout_s)
        if code != 200:
            raise registration_error(self.config, code, reason)
        self._is_registered = True

    async def unregister(self, timeout_s: float = 3.0) -> None:
        """Takes the registration back, if there is one; that the registrar does not answer is logged and no error."""
        if not self._is_registered:
            return
        self._is_registered = False
        code, reason = await self._registration(lambda stack: stack.unregister(), timeout_s)
        if code != 200:
            log.warning("the registrar did not confirm the end of the registration (%d %s)", code, reason)

    async def _registration(self, command: Callable[[Stack], None], timeout_s: float) -> tuple[int, str]:
        self._registered = self._loop.create_future()
        self.post(command)
        try:
            return await asyncio.wait_for(self._registered, timeout_s)
        except TimeoutError:
            return 408, "no answer"
        finally:
            self._registered = None

    def call(self, destination: str, handler: CallHandler, *, t38: T38Policy, caller: CallerId | None = None) -> Call:
        """Places a call; everything else comes through the handler. Raises UsageError for a bad destination.

        `caller` is shown to the far end: as From where we call without an account's user; else, since a PBX knows us by that
        user, as the name in From and as P-Asserted-Identity (RFC 3325).
        """
        scheme, user, host, port, parameters = split_uri(destination)
        if self.config.transport != "udp" and "transport=" not in parameters:
            parameters = f";transport={self.config.transport}{parameters}"
        uri = f"{scheme}:{user + '@' if user else ''}{host}{f':{port}' if port else ''}{parameters}"
        call = Call(self, outgoing=True, t38=t38)
        call.handler = handler
        call.remote_uri = destination
        self._calls.add(call)
        self.post(lambda stack: stack.call(call, uri, caller))
        return call

    async def close(self) -> None:
        """Hangs up what is left, unregisters, stops."""
        for call in list(self._calls):
            call.hangup()
        for _ in range(40):
            if not self._calls:
                break
            await asyncio.sleep(0.05)
        await self.unregister()
        await self._stack.stop()

    # ---- between the loop and the stack's thread ---------------------------------------------------------------------

    def post(self, command: Callable[[Stack], None]) -> None:
        """Runs a command in the SIP thread."""
        self._stack.post(command)

    def tell(self, function: Callable[..., None], *args: Any) -> bool:
        """Runs a function on the loop; from the SIP thread. False if the loop is closed."""
        try:
            self._loop.call_soon_threadsafe(self._told, function, args)
        except RuntimeError:
            log.debug("the event loop is closed")
            return False
        return True

    def _told(self, function: Callable[..., None], args: tuple[Any, ...]) -> None:
        try:
            function(*args)
        except Exception:
            log.exception("a call handler failed")

    def forget(self, call: Call) -> None:
        """A call has ended."""
        self._calls.discard(call)

    def incoming_call(self, call: IncomingCall) -> None:
        """A call came in; on the loop."""
        self._calls.add(call)
        if self._incoming is None:
            self._unclaimed.append(call)
            return
        try:
            decision = self._incoming(call)
        except SoftfaxError as error:
            log.error("an incoming call is refused: %s", error)
            decision = 480
        except Exception:
            log.exception("an incoming call is refused")
            decision = 500
        if isinstance(decision, int):
            call.hangup(decision)
        else:
            call.handler = decision

    def message(self, sent: bool, far: str, text: str) -> None:
        """A SIP message was sent or received; on the loop."""
        self.on_message(sent, far, text)

    def registration_changed(self, code: int, reason: str) -> None:
        """The registrar answered; on the loop."""
        if self._registered is not None and not self._registered.done():
            self._registered.set_result((code, reason))
        self.on_registration(code, reason)


async def _numeric(host: str) -> str:
    """The address of a host that may be a name; sockets for media are bound to the same one. Raises UsageError."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, 0, type=socket.SOCK_DGRAM)
    except OSError as error:
        raise UsageError(
            f"no such address to listen on: {host} ({error.strerror})", "write the address itself"
        ) from None
    return str(found[0][4][0])


def glue_event(agent: UserAgent, call: Call, event: GlueEvent, answer: Callable[[int, str], int]) -> None:
    """What the invite session reports of a call; in the SIP thread. Offers of T.38 are answered here and now."""
    if event.type is GlueEventType.AUDIO:
        _audio_negotiated(agent, call, event)
    elif event.type is GlueEventType.T38_OFFER:
        text = answer_for(call, event.remote_sdp)
        if text is not None:
            status = answer(event.call_id, text)
            if status:
                log.warning("the answer to an offer of T.38 failed (%d)", status)
    elif event.type is GlueEventType.T38_ACTIVE:
        call._audio_told = None
        try:
            agent.tell(call._deliver_t38, _t38_media(event))
        except sdp.SdpError as error:
            log.warning("the answer to our offer of T.38 cannot be used: %s", error)
            agent.tell(call.offer_audio)
            agent.tell(call._deliver_offer_result, 488, "unusable answer")
    elif event.type is GlueEventType.T38_EMPTY:
        # Only a new offer of audio gives the call media again.
        call._audio_told = None
        agent.tell(call.offer_audio)
        agent.tell(call._deliver_offer_result, event.code, "the answer refuses all media")
    elif event.type is GlueEventType.T38_REFUSED:
        agent.tell(call._deliver_offer_result, event.code, SIP_REASONS.get(event.code, "refused"))


def _t38_media(event: GlueEvent) -> T38Media:
    """What is negotiated. Raises SdpError, which an offer that we answered cannot: it has been read before."""
    remote = sdp.parse(event.remote_sdp)
    line, local_line = sdp.t38_line(remote), sdp.t38_line(sdp.parse(event.local_sdp))
    if line is None or local_line is None:
        raise sdp.SdpError("no T.38")
    return T38Media(sdp.t38_remote(remote, line), sdp.t38_parameters(line), sdp.t38_parameters(local_line))


def _audio_negotiated(agent: UserAgent, call: Call, event: GlueEvent) -> None:
    """The descriptor is the handler's from here on, unless this is a refresh that changes nothing."""
    with socket.socket(fileno=os.dup(event.fd)) as rtp:
        told = (*rtp.getsockname(), event.remote, event.port, event.payload_type, event.law, event.direction)
    call._far_host = event.remote
    media = AudioMedia(
        event.fd,
        (event.remote, event.port),
        event.payload_type,
        "PCMA" if event.law == 8 else "PCMU",
        bool(event.direction & 1),
        bool(event.direction & 2),
    )
    if told == call._audio_told or not agent.tell(call._deliver_audio, media):
        os.close(event.fd)
    call._audio_told = told


def local_udptl(call: Call, policy: T38Policy, far_host: str) -> tuple[str, int]:
    """Our UDPTL address as the far end shall see it. Raises SoftfaxError or OSError if there is none."""
    host, port = policy.local_udptl()
    public = call._agent.config.public_address
    if public:
        return public, port
    if is_unspecified(host) and far_host:
        shown = f"[{far_host}]" if ":" in far_host else far_host
        host = local_address_towards(f"sip:{shown}")
    return host, port


def answer_for(call: Call, offer: str) -> str | None:
    """Our answer to an offer of T.38; None refuses it (488)."""
    policy = call._policy
    if policy is None or not policy.accept:
        return None
    try:
        parsed = sdp.parse(offer)
        line = sdp.t38_line(parsed)
        far_host = sdp.t38_remote(parsed, line)[0] if line else ""
        text, call._said = sdp.answer_t38(parsed, local_udptl(call, policy, far_host), policy.parameters)
    except (sdp.SdpError, SoftfaxError, OSError, ValueError) as error:
        log.warning("an offer of T.38 is refused: %s", error)
        return None
    return text
