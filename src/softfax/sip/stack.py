# SPDX-License-Identifier: GPL-2.0-or-later
"""The thread that owns PJSIP. The only module that imports pjsua2; its callbacks hand plain data to the event loop."""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import re
import resource
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from softfax.errors import AuthenticationError, NativeError, PortInUseError, RegistrationError, SoftfaxError
from softfax.sip import sdp
from softfax.sip.agent import Call, IncomingCall, answer_for, glue_event, local_udptl
from softfax.sip.glue import PJ_EPENDING, Glue, GlueEvent, GlueEventType
from softfax.sip.redact import redact
from softfax.sip.types import CallerId, SipConfig, is_unspecified, local_address_towards, parse_listen, split_uri

if TYPE_CHECKING:
    from softfax.sip.agent import UserAgent

try:
    from softfax._native import _pjsua2  # type: ignore[attr-defined]
    from softfax._native import pjsua2 as pj
except ImportError as error:  # pragma: no cover - an incomplete installation
    raise NativeError(
        f"the SIP stack cannot be loaded ({error})", "build it with `make`, or install the wheel"
    ) from None

__all__ = ["Stack", "registration_error"]

log = logging.getLogger("softfax.sip")

RUN_MS = 10_000
ERRNO_BASE = 120000
EADDRINUSE, EADDRNOTAVAIL, EACCES = 98, 99, 13
FILES_WANTED = 16384
PORT_TRIES = 16
# Addresses of nobody (RFC 5737, RFC 3849): the way to them is the default route.
ANYWHERE, ANYWHERE_6 = "sip:192.0.2.1", "sip:[2001:db8::1]"
SYSTEM_CA = "/etc/ssl/certs/ca-certificates.crt"
_running = threading.Lock()


class _Account(pj.Account):  # type: ignore[misc]
    """Callbacks of the account; none may raise."""

    def __init__(self, stack: Stack) -> None:
        super().__init__()
        self._stack = stack

    def onIncomingCall(self, prm: Any) -> None:
        try:
            self._stack.on_incoming(prm)
        except Exception:
            log.exception("an incoming call was lost")

    def onRegState(self, prm: Any) -> None:
        try:
            agent = self._stack.agent
            agent.tell(agent.registration_changed, int(prm.code), str(prm.reason))
        except Exception:
            log.exception("a registration event was lost")


class _PjCall(pj.Call):  # type: ignore[misc]
    """Callbacks of a call; none may raise."""

    def __init__(self, stack: Stack, call: Call, index: int = -1) -> None:
        if index < 0:
            super().__init__(stack.account)
        else:
            super().__init__(stack.account, index)
        self._stack = stack
        self.call = call

    def onCallState(self, prm: Any) -> None:
        try:
            self._stack.on_call_state(self)
        except Exception:
            log.exception("a call event was lost")

    def onCallRedirected(self, prm: Any) -> int:
        return int(pj.PJSIP_REDIRECT_ACCEPT_REPLACE)


class Stack:
    """PJSIP with one account and its calls."""

    def __init__(self, config: SipConfig) -> None:
        self.config = config
        self.bound_address = ("", 0)
        self.agent: UserAgent
        self.account: Any = None
        self._glue = Glue(_pjsua2.__file__)
        self._commands: deque[Callable[[Stack], None]] = deque()
        self._calls: dict[int, _PjCall] = {}
        self._thread: threading.Thread | None = None
        self._ready: Future[None] = Future()
        self._stopping = False

    # ---- life ---------------------------------------------------------------------------------------------------

    async def start(self, agent: UserAgent) -> None:
        """Starts the thread and waits until it listens."""
        self.agent = agent
        if not _running.acquire(blocking=False):
            raise NativeError("a SIP user agent runs in this process already", "close it first, or use another process")
        self._thread = threading.Thread(target=self._main, name="softfax-sip", daemon=True)
        self._thread.start()
        await asyncio.wrap_future(self._ready)

    async def stop(self) -> None:
        """Unregisters, ends PJSIP and the thread."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._stopping = True
            self._glue.wake()
            await asyncio.to_thread(thread.join)
            _running.release()

    def post(self, command: Callable[[Stack], None]) -> None:
        """Queues a command for the SIP thread."""
        self._commands.append(command)
        self._glue.wake()

    def _main(self) -> None:
        self._glue.quiet()
        endpoint = pj.Endpoint()
        try:
            self._open(endpoint)
        except BaseException as error:
            self._close(endpoint)
            self._ready.set_exception(error if isinstance(error, SoftfaxError) else _translate(error, self.config))
            return
        self._ready.set_result(None)
        while not self._stopping:
            while self._commands:
                self._run_command(self._commands.popleft())
            self._glue.run(RUN_MS)
        while self._commands:
            self._run_command(self._commands.popleft())
        self._close(endpoint)

    def _run_command(self, command: Callable[[Stack], None]) -> None:
        try:
            command(self)
        except pj.Error as error:
            log.warning("SIP: %s", error.reason)
        except Exception:
            log.exception("a SIP command failed")

    def _open(self, endpoint: Any) -> None:
        _raise_file_limit()
        endpoint.libCreate()
        ep = pj.EpConfig()
        ep.logConfig.level = ep.logConfig.consoleLevel = 0
        ep.logConfig.msgLogging = 0
        ep.uaConfig.threadCnt = 0
        ep.uaConfig.mainThreadOnly = False
        ep.uaConfig.maxCalls = self.config.max_calls
        ep.uaConfig.userAgent = _user_agent()
        ep.medConfig.clockRate = 8000
        ep.medConfig.noVad = True
        ep.medConfig.ecTailLen = 0
        ep.medConfig.threadCnt = 0
        endpoint.libInit(ep)
        if self._glue.open(trace=self.config.trace):
            raise NativeError("the SIP stack did not start: no wake-up socket")
        self._glue.set_callback(self._on_glue)
        self._listen(endpoint)
        endpoint.libStart()
        self.account = _Account(self)
        self.account.create(self._account_config())

    def _close(self, endpoint: Any) -> None:
        try:
            if self.account is not None:
                self.account.shutdown()
            endpoint.hangupAllCalls()
            self._glue.close()
            endpoint.libDestroy()
        except pj.Error as error:
            log.debug("SIP shutdown: %s", error.reason)
        self._glue.set_callback(None)
        self._calls.clear()
        self.account = None

    def _listen(self, endpoint: Any) -> None:
        """Opens the transports; UDP and TCP at one port, so port 0 may take several tries."""
        host, port = parse_listen(self.config.listen)
        kinds = ["tls"] if self.config.transport == "tls" else ["udp", "tcp"]
        for remaining in reversed(range(PORT_TRIES)):
            opened: list[int] = []
            try:
                bound = port
                for kind in kinds:
                    opened.append(int(endpoint.transportCreate(*self._transport(kind, host, bound))))
                    bound = int(str(endpoint.transportGetInfo(opened[0]).localName).rsplit(":", 1)[1])
                break
            except pj.Error as error:
                if port or not opened or not remaining or int(error.status) - ERRNO_BASE != EADDRINUSE:
                    raise
                for transport in opened:
                    endpoint.transportClose(transport)
        self.bound_address = (host, bound)

    def _transport(self, kind: str, host: str, port: int) -> tuple[int, Any]:
        types = {"udp": pj.PJSIP_TRANSPORT_UDP, "tcp": pj.PJSIP_TRANSPORT_TCP, "tls": pj.PJSIP_TRANSPORT_TLS}
        config = pj.TransportConfig()
        config.port = port
        config.boundAddress = host
        if self.config.public_address:
            config.publicAddress = self.config.public_address
        if kind == "tls":
            tls = config.tlsConfig
            tls.certFile = self.config.tls_certificate or ""
            tls.privKeyFile = self.config.tls_private_key or ""
            tls.CaListFile = self.config.tls_ca or (SYSTEM_CA if self.config.tls_verify else "")
            tls.verifyServer = self.config.tls_verify
        return types[kind] | (pj.PJSIP_TRANSPORT_IPV6 if ":" in host else 0), config

    def _account_config(self) -> Any:
        c = self.config
        host, port = self.bound_address
        shown = c.public_address or host
        if is_unspecified(shown):
            shown = local_address_towards(ANYWHERE_6 if ":" in host else ANYWHERE)
        shown = f"[{shown}]" if ":" in shown else shown
        suffix = "" if c.transport == "udp" else f";transport={c.transport}"
        server = c.registrar or c.proxy
        domain = split_uri(server)[2] if server else f"{shown}:{port}"
        config = pj.AccountConfig()
        self._domain = domain
        config.idUri = self.account_uri = c.from_uri or f"sip:{(c.user + '@') if c.user else 'softfax@'}{domain}"
        config.regConfig.registrarUri = (
            f"{c.registrar}{suffix if 'transport=' not in (c.registrar or '') else ''}" if c.registrar else ""
        )
        config.regConfig.registerOnAdd = False
        config.regConfig.timeoutSec = c.registration_expires_s
        if c.user:
            config.sipConfig.authCreds.append(pj.AuthCredInfo("digest", "*", c.user, 0, c.password or ""))
        if c.proxy:
            config.sipConfig.proxies.append(f"{c.proxy}{'' if ';' in c.proxy else ';lr'}{suffix}")
        config.callConfig.timerUse = pj.PJSUA_SIP_TIMER_OPTIONAL
        config.callConfig.prackUse = pj.PJSUA_100REL_NOT_USED
        config.mediaConfig.transportConfig.boundAddress = host
        # Any free pair, instead of counting up from 4000 into what other programs have taken.
        config.mediaConfig.transportConfig.port = 0
        if c.public_address:
            config.mediaConfig.transportConfig.publicAddress = c.public_address
        # One family: with both, media sockets of one would be bound to the address of the other.
        family = pj.PJSUA_IPV6_ENABLED_USE_IPV6_ONLY if ":" in host else pj.PJSUA_IPV6_DISABLED
        config.mediaConfig.ipv6Use = config.sipConfig.ipv6Use = family
        config.mediaConfig.srtpUse = pj.PJMEDIA_SRTP_DISABLED
        config.natConfig.contactRewriteUse = 0
        config.natConfig.viaRewriteUse = 0
        config.natConfig.sdpNatRewriteUse = 0
        return config

    # ---- commands, in the SIP thread --------------------------------------------------------------------------------

    def register(self) -> None:
        """Starts the registration."""
        self.account.setRegistration(True)

    def unregister(self) -> None:
        """Ends the registration."""
        self.account.setRegistration(False)

    def call(self, call: Call, uri: str, caller: CallerId | None = None) -> None:
        """Sends the INVITE."""
        if call._hangup_wanted:
            self.agent.tell(call._deliver_state, "ended", 487, "cancelled before it was sent")
            return
        pj_call = _PjCall(self, call)
        try:
            pj_call.makeCall(uri, self._shown_as(caller, _operation()))
        except pj.Error as error:
            self.agent.tell(call._deliver_state, "ended", 0, _reason(error))
            return
        self._adopt(pj_call)

    def _shown_as(self, caller: CallerId | None, prm: Any) -> Any:
        """Puts the caller's identity into an INVITE."""
        if caller is None or not (caller.user or caller.name):
            return prm
        known_by_user = bool(self.config.user or self.config.from_uri)
        own = self.account_uri
        asserted = f"sip:{caller.user}@{self._domain}" if caller.user else own
        prm.txOption.localUri = f"{caller.display()}<{own if known_by_user else asserted}>"
        if known_by_user and caller.user:
            header = pj.SipHeader()
            header.hName, header.hValue = "P-Asserted-Identity", f"{caller.display()}<{asserted}>"
            prm.txOption.headers.append(header)
        return prm

    def answer(self, call: IncomingCall) -> None:
        """Sends 200; an INVITE with T.38 alone gets our T.38 answer, or 488."""
        pj_call = self._calls.get(call._index)
        if pj_call is None:
            return
        if call.first_offer:
            text = answer_for(call, call.first_offer)
            if text is None or self._glue.answer(call._index, text):
                self.hangup(call, 488)
                return
        try:
            pj_call.answer(_operation(200))
        except pj.Error as error:
            log.warning("a call could not be answered: %s", _reason(error))
            self.hangup(call, 500)

    def ring(self, call: IncomingCall) -> None:
        """Sends 180."""
        pj_call = self._calls.get(call._index)
        if pj_call is not None:
            pj_call.answer(_operation(180))

    def hangup(self, call: Call, code: int) -> None:
        """Ends a call in whatever way its state asks for."""
        pj_call = self._calls.get(call._index)
        if pj_call is not None:
            pj_call.hangup(_operation(code))

    def offer_t38(self, call: Call) -> None:
        """Sends our offer."""
        policy = call._policy
        if policy is None or call._index not in self._calls:
            return
        try:
            text = sdp.offer_t38(local_udptl(call, policy, call._far_host), policy.parameters)
        except (SoftfaxError, OSError, ValueError) as error:
            log.warning("T.38 is not offered: %s", error)
            self.agent.tell(call._deliver_offer_result, 500, "not sent")
            return
        status = self._glue.reinvite(call._index, text)
        if status:
            self.agent.tell(call._deliver_offer_result, status if status == PJ_EPENDING else 500, "not sent")

    def offer_audio(self, call: Call, tries: int) -> None:
        """Sends pjsua's own offer, which is audio; if another INVITE is under way, it is tried again up to `tries` times."""
        pj_call = self._calls.get(call._index)
        if pj_call is None:
            return
        if self._glue.may_offer(call._index):
            if tries > 0:
                self.agent.tell(call._audio_offer_pending, tries - 1)
            return
        try:
            pj_call.reinvite(_operation())
        except pj.Error as error:
            log.warning("audio is not offered: %s", _reason(error))

    def cancel_offer(self, call: Call) -> None:
        """CANCELs our offer."""
        if call._index in self._calls:
            self._glue.cancel_offer(call._index)

    # ---- callbacks, in the SIP thread -------------------------------------------------------------------------------

    def _adopt(self, pj_call: _PjCall) -> None:
        call, info = pj_call.call, pj_call.getInfo()
        call._index = int(pj_call.getId())
        call.call_id = _clean(info.callIdString)
        call.local_uri = _clean(info.localUri)
        call.remote_uri = _clean(info.remoteUri)
        self._calls[call._index] = pj_call

    def on_incoming(self, prm: Any) -> None:
        """A call comes in."""
        call = IncomingCall(self.agent)
        pj_call = _PjCall(self, call, int(prm.callId))
        try:
            self._adopt(pj_call)
            head, _, body = _clean(prm.rdata.wholeMsg).partition("\r\n\r\n")
            call.headers = _headers(head)
        except Exception:
            pj_call.hangup(_operation(500))
            raise
        try:
            offer = sdp.parse(body) if body.strip() else None
        except sdp.SdpError:
            offer = None
        if offer is not None and sdp.t38_line(offer) is not None and sum(m.port > 0 for m in offer.media) == 1:
            call.first_offer = body
        self.agent.tell(self.agent.incoming_call, call)

    def on_call_state(self, pj_call: _PjCall) -> None:
        """The invite session changed state."""
        info = pj_call.getInfo()
        state = {
            pj.PJSIP_INV_STATE_CALLING: "calling",
            pj.PJSIP_INV_STATE_EARLY: "ringing" if info.lastStatusCode == 180 else "early",
            pj.PJSIP_INV_STATE_CONFIRMED: "answered",
            pj.PJSIP_INV_STATE_DISCONNECTED: "ended",
        }.get(info.state)
        if pj_call.call._index < 0:
            pj_call.call._index = int(pj_call.getId())
            pj_call.call.call_id = _clean(info.callIdString)
            self._calls[pj_call.call._index] = pj_call
        if state is not None:
            self.agent.tell(pj_call.call._deliver_state, state, int(info.lastStatusCode), _clean(info.lastReason))
        if state == "ended":
            self._calls.pop(pj_call.call._index, None)
            # The object must outlive this callback.
            self._commands.append(functools.partial(_forget, pj_call))

    def _on_glue(self, event: GlueEvent) -> None:
        if event.type is GlueEventType.MESSAGE:
            self.agent.tell(
                self.agent.message, bool(event.code), f"{event.remote}:{event.port}", redact(event.remote_sdp)
            )
            return
        pj_call = self._calls.get(event.call_id)
        if pj_call is not None:
            glue_event(self.agent, pj_call.call, event, self._glue.answer)
        elif event.fd >= 0:
            os.close(event.fd)


# ---- helpers ---------------------------------------------------------------------------------------------------------


def _forget(pj_call: _PjCall, stack: Stack) -> None:
    """Drops the last reference to a call once its callback has returned."""
    del pj_call, stack


def _operation(code: int = 0) -> Any:
    """Parameters of a pjsua2 call operation: audio alone."""
    prm = pj.CallOpParam(True)
    prm.opt.audioCount = 1
    prm.opt.videoCount = 0
    prm.opt.textCount = 0
    if code:
        prm.statusCode = code
    return prm


def _clean(text: Any) -> str:
    """Text of the far end that can be printed and stored: octets that are no UTF-8 become question marks."""
    return str(text).encode("utf-8", "replace").decode()


def _headers(head: str) -> dict[str, str]:
    """Headers an owner may route by."""
    found: dict[str, str] = {}
    for name in ("From", "To", "Diversion", "P-Asserted-Identity", "User-Agent"):
        match = re.search(rf"^{name}\s*:\s*(.{{1,512}}?)\r?$", head, re.I | re.M)
        if match:
            found[name] = match[1]
    match = re.match(r"INVITE (\S{1,512}) ", head)
    if match:
        found["Request-URI"] = match[1]
    return found


def _reason(error: Any) -> str:
    return re.sub(r"\s*\(PJ\w+\)", "", str(error.reason)) or "refused by the SIP stack"


def _translate(error: BaseException, config: SipConfig) -> SoftfaxError:
    """A failed start, in our errors."""
    if isinstance(error, pj.Error):
        code = int(error.status) - ERRNO_BASE
        if code == EADDRINUSE:
            return PortInUseError(f"{config.listen} is in use", "choose another address or port with --listen")
        if code in (EADDRNOTAVAIL, EACCES):
            return PortInUseError(
                f"{config.listen} cannot be listened on ({_reason(error)})", "choose another with --listen"
            )
        return NativeError(f"the SIP stack did not start: {_reason(error)}")
    return NativeError(f"the SIP stack did not start: {error}")


def registration_error(config: SipConfig, code: int, reason: str) -> RegistrationError | AuthenticationError:
    """Why a registration failed."""
    if code in (401, 403, 407):
        return AuthenticationError(
            f"{config.registrar} rejected the user or password ({code} {reason})",
            "check --user and SOFTFAX_PASSWORD",
            sip_code=code,
        )
    return RegistrationError(
        f"{config.registrar} did not accept the registration ({code} {reason})", "check --register", sip_code=code
    )


def _user_agent() -> str:
    from softfax._version import __version__

    return f"softfax/{__version__}"


def _raise_file_limit() -> None:
    """Four descriptors a call: RTP, RTCP, UDPTL and a duplicate."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_WANTED if hard == resource.RLIM_INFINITY else min(FILES_WANTED, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
