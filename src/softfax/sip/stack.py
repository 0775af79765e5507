# SPDX-License-Identifier: GPL-2.0-or-later
"""The thread that owns PJSIP: its commands, and what its callbacks say, handed to the event loop as plain data."""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from softfax.errors import NativeError, SoftfaxError
from softfax.model import EndedBy
from softfax.reasons import NAME_UNKNOWN, NO_ROUTE
from softfax.sip import sdp
from softfax.sip.accounts import KnownAccount
from softfax.sip.agent import SERVERS_MAX, PlaceOrder
from softfax.sip.binding import clean, library_path, message_of, pj, reason_of, status_reason
from softfax.sip.call import Call, IncomingCall
from softfax.sip.ended import FAR_END, OURS, CallEnd, end_of
from softfax.sip.glue import PJ_EPENDING, FirstOffer, Glue, GlueEvent, GlueEventType, Refused
from softfax.sip.headers import headers_of, sdp_of
from softfax.sip.listening import Listening, host_port, shown
from softfax.sip.offers import answer_for, check_first, glue_event, local_udptl
from softfax.sip.pj_accounts import PjAccount, PjAccounts, port_of, server_uri, source_host
from softfax.sip.pj_call import PjCall, PjEndpoint, operation, refusal, shown_as
from softfax.sip.redact import redact
from softfax.sip.requests import RequestAnswer
from softfax.sip.secure import security_of
from softfax.sip.starting import EADDRINUSE, ERRNO_BASE, raise_file_limit, start_error, user_agent
from softfax.sip.types import SipConfig, T38Policy, same_target

if TYPE_CHECKING:
    from softfax.sip.agent import UserAgent

__all__ = ["Stack"]

log = logging.getLogger("softfax.sip")

RUN_MS = 10_000
PORT_TRIES = 16
#: A warn-code (RFC 3261 §20.43).
MISCELLANEOUS = 399
#: What says that our offer is the trouble, and not the call (RFC 3261 §21.4.13, §21.4.26, §21.6.4).
T38_UNWANTED = frozenset({415, 488, 606})
_running = threading.Lock()


class Stack:
    """PJSIP with its accounts and calls."""

    def __init__(self, config: SipConfig, listening: Listening) -> None:
        self.config = config
        #: What is listened on; with the ports in use once it has started.
        self.bound = dict(listening)
        self.agent: UserAgent
        self._glue = Glue(library_path)
        self.pj_accounts = PjAccounts(config, self._glue, self.on_incoming, self._on_registration)
        self._commands: deque[Callable[[Stack], None]] = deque()
        self._calls: dict[int, PjCall] = {}
        # A call has SDP before it has its number.
        self._placing: PjCall | None = None
        self._thread: threading.Thread | None = None
        self._opening = ""
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

    def look_up(self, host: str, port: int, transport: str) -> list[tuple[str, int]]:
        """Addresses and ports of a SIP server (RFC 3263); in any thread, and it blocks."""
        return self._glue.look_up(host, port, transport)

    def is_failed(self, host: str, port: int) -> bool:
        """Return True if a server has failed and is left for last; from any thread."""
        return self._glue.is_failed(host, port)

    def may_send(self, call: Call, host: str, port: int) -> bool:
        """Return True if the far end of a call may have media sent to an address."""
        return self._glue.may_send_media(call._index, host, port)

    async def ask(self, command: Callable[[Stack], None]) -> None:
        """Runs a command in the SIP thread and waits for it. Raises what it raises."""
        done: Future[None] = Future()

        def run(stack: Stack) -> None:
            try:
                command(stack)
            except BaseException as error:
                done.set_exception(error)
            else:
                done.set_result(None)

        self.post(run)
        await asyncio.wrap_future(done)

    def _main(self) -> None:
        self._glue.quiet()
        endpoint = PjEndpoint(self.pj_accounts)
        try:
            self._open(endpoint)
        except BaseException as error:
            self._close(endpoint)
            listen = self._opening or shown(self.bound.values())
            self._ready.set_exception(error if isinstance(error, SoftfaxError) else start_error(error, listen))
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
        raise_file_limit()
        endpoint.libCreate()
        ep = pj.EpConfig()
        ep.logConfig.level = ep.logConfig.consoleLevel = 0
        ep.logConfig.msgLogging = 0
        ep.uaConfig.threadCnt = 0
        ep.uaConfig.mainThreadOnly = False
        ep.uaConfig.maxCalls = self.config.max_calls
        ep.uaConfig.userAgent = self.config.user_agent or user_agent()
        ep.medConfig.clockRate = 8000
        ep.medConfig.noVad = True
        ep.medConfig.ecTailLen = 0
        ep.medConfig.threadCnt = 0
        endpoint.libInit(ep)
        if self._glue.open(trace=self.config.trace, versions=self.bound):
            raise NativeError("the SIP stack did not start: no wake-up socket")
        self._glue.limit(self.config.unacknowledged, self.config.connections)
        self._glue.set_callback(self._on_glue)
        tls_transports = {version: self._listen(endpoint, version) for version in self.bound}
        endpoint.libStart()
        self.pj_accounts.open(endpoint, self.bound, tls_transports if self.config.transport == "tls" else {})

    def _close(self, endpoint: Any) -> None:
        try:
            self.pj_accounts.close()
            endpoint.hangupAllCalls()
            while self._commands:  # calls that ended just now are to be forgotten before there is another stack
                self._run_command(self._commands.popleft())
            self._glue.close()
            endpoint.libDestroy()
        except pj.Error as error:
            log.debug("SIP shutdown: %s", error.reason)
        self._glue.set_callback(None)
        for pj_call in self._calls.values():
            # Its number is another's in the next stack, which the C++ destructor would hang up.
            pj_call.thisown = False
        self._calls.clear()

    def _listen(self, endpoint: Any, version: int) -> int:
        """Opens transports of a version of IP; UDP and TCP at one port, so port 0 may take several tries. Returns the first."""
        host, port = self.bound[version]
        self._opening = host_port(host, port)
        kinds = ["tls"] if self.config.transport == "tls" else ["udp", "tcp"]
        for remaining in reversed(range(PORT_TRIES)):
            opened: list[int] = []
            try:
                bound = port
                for kind in kinds:
                    opened.append(int(endpoint.transportCreate(*self.pj_accounts.transport_config(kind, host, bound))))
                    bound = port_of(endpoint, opened[0])
                break
            except pj.Error as error:
                if port or not opened or not remaining or int(error.status) - ERRNO_BASE != EADDRINUSE:
                    raise
                for transport in opened:
                    endpoint.transportClose(transport)
        self.bound[version], self._opening = (host, bound), ""
        return opened[0]

    @property
    def refused(self) -> Refused:
        """Counts of what was refused before it became a call; from any thread."""
        return self._glue.refused

    def close_to_calls(self, full: bool, draining: bool) -> None:
        """Answer OPTIONS with 503 while `full` or `draining`, and while `full` incoming calls; from any thread."""
        self._glue.close_to_calls(full, draining)

    # ---- commands, in the SIP thread --------------------------------------------------------------------------------

    def put_accounts(self, known: Sequence[KnownAccount]) -> None:
        """Replace all accounts by these. Raises UsageError."""
        self.pj_accounts.put(known)

    def registration(self, name: str, wanted: bool, version: int) -> None:
        """Starts the registration of an account over a version of IP, or ends it."""
        self.pj_accounts.register(name, wanted, version)

    def options(self, name: str, token: int, version: int) -> None:
        """Asks the server of an account whether it is there, over a version of IP."""
        pj_account = self.pj_accounts.find(name, version)
        account = pj_account.account if pj_account is not None else None
        unheard = self.pj_accounts.unheard(account.proxy or account.server) if account is not None else ""
        if (
            pj_account is None
            or account is None
            or unheard
            or self._glue.options(int(pj_account.getId()), server_uri(account), token)
        ):
            self.agent.tell(self.agent.requests.probed, token, RequestAnswer(503, unheard or NO_ROUTE, answered=False))

    def call(self, call: Call, order: PlaceOrder) -> None:
        """Sends the INVITE."""
        if call._hangup_wanted:
            self.agent.tell(call._deliver_state, "ended", 487, "cancelled before it was sent")
            return
        pj_account = self.pj_accounts.find(order.account, order.version)
        if pj_account is None:
            self.agent.tell(call._deliver_state, "ended", 0, f"there is no account {order.account}")
            return
        account = pj_account.account
        unheard = self.pj_accounts.unheard(account.proxy if account and account.proxy else order.uri)
        if unheard:
            self.agent.tell(call._deliver_state, "ended", 0, unheard)
            return
        if len(self._calls) >= self.config.max_calls:
            self.agent.tell(
                call._deliver_state, "ended", 0, f"all {self.config.max_calls} calls of this process are taken"
            )
            return
        pj_call = PjCall(self, pj_account, call)
        pj_call.again = order.again or order.tries < SERVERS_MAX
        if order.tries > 1:
            pj_call.place_elsewhere = replace(order, tries=order.tries - 1)
        policy = call._policy
        if policy is not None and policy.first_invite and not order.again:
            pj_call.first_offer = self._t38_offer(call, policy)
            if pj_call.first_offer and policy.may_be_audio:
                pj_call.place_again = replace(order, again=True, tries=SERVERS_MAX)
        self._placing = pj_call
        try:
            pj_call.makeCall(order.uri, shown_as(pj_account, order.caller, operation()))
        except pj.Error as error:
            self._commands.append(functools.partial(_forget, pj_call))
            self.agent.tell(call._deliver_state, "ended", 0, reason_of(error))
            return
        finally:
            self._placing = None
        self._adopt(pj_call)

    def answer(self, call: IncomingCall) -> None:
        """Sends 200. An INVITE with T.38 gets our T.38 answer, or, unless it has audio that we take as well, 488."""
        pj_call = self._calls.get(call._index)
        if pj_call is None:
            return
        if call.first_offer:
            try:
                if self._glue.answer(call._index, answer_for(call, call.first_offer)):
                    raise sdp.SdpError("the answer to its offer of T.38 failed")
            except sdp.SdpError as error:
                if not call.offers_audio:
                    self._refuse(call, error)
                    return
        try:
            pj_call.answer(operation(200))
        except pj.Error as error:
            log.warning("a call could not be answered: %s", reason_of(error))
            self.hangup(call, 500)

    def _refuse(self, call: IncomingCall, why: sdp.SdpError) -> None:
        """Refuses a call for its media, and says why."""
        log.warning(
            "a call from %s at %s to account %s is refused (488): %s",
            clean(call.remote_uri), call.source, call.account or "none", why,
        )  # fmt: skip
        call._why, call._why_code = str(why), 488
        self._glue.warn(call._index, why.warning, str(why))
        self.hangup(call, 488)
        if call.handler is None:
            self.agent.tell(self.agent.refused_call, call, 488, str(why))

    def ring(self, call: IncomingCall) -> None:
        """Sends 180."""
        pj_call = self._calls.get(call._index)
        if pj_call is not None:
            pj_call.answer(operation(180))

    def progress(self, call: IncomingCall) -> None:
        """Sends 183 with SDP."""
        pj_call = self._calls.get(call._index)
        if pj_call is not None:
            pj_call.answer(operation(183))

    def hangup(self, call: Call, code: int) -> None:
        """Ends a call in whatever way its state asks for."""
        pj_call = self._calls.get(call._index)
        if pj_call is None:
            return
        if isinstance(call, IncomingCall) and call.warning and code >= 300:
            self._glue.warn(call._index, MISCELLANEOUS, call.warning)
        pj_call.hangup(refusal(code, call.contact if isinstance(call, IncomingCall) else ""))

    def refer(self, call: Call, uri: str) -> None:
        """Sends REFER."""
        pj_call = self._calls.get(call._index)
        if pj_call is None:
            return
        try:
            pj_call.xfer(f"<{uri}>", operation())
        except pj.Error as error:
            self.agent.tell(call._deliver_referred, 500, reason_of(error))

    def offer_t38(self, call: Call) -> None:
        """Sends our offer."""
        policy = call._policy
        if policy is None or call._index not in self._calls:
            return
        text = self._t38_offer(call, policy)
        if not text:
            self.agent.tell(call._deliver_offer_result, 500, "not sent")
            return
        status = self._glue.reinvite(call._index, text)
        if status:
            self.agent.tell(call._deliver_offer_result, status if status == PJ_EPENDING else 500, "not sent")

    def _t38_offer(self, call: Call, policy: T38Policy) -> str:
        """The SDP of our offer; empty if there can be none."""
        try:
            return sdp.offer_t38(local_udptl(call, policy, call._far_host), policy.parameters)
        except (SoftfaxError, OSError, ValueError) as error:
            log.warning("T.38 is not offered: %s", error)
            return ""

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
            pj_call.reinvite(operation())
        except pj.Error as error:
            log.warning("audio is not offered: %s", reason_of(error))

    def cancel_offer(self, call: Call) -> None:
        """CANCELs our offer."""
        if call._index in self._calls:
            self._glue.cancel_offer(call._index)

    # ---- callbacks, in the SIP thread -------------------------------------------------------------------------------

    def _adopt(self, pj_call: PjCall) -> None:
        call, info = pj_call.call, pj_call.getInfo()
        call._index = int(pj_call.getId())
        call.call_id = clean(info.callIdString)
        call.local_uri = clean(info.localUri)
        call.remote_uri = clean(info.remoteUri)
        self._calls[call._index] = pj_call

    def _on_registration(self, name: str, answer: RequestAnswer) -> None:
        self.agent.tell(self.agent.requests.registered, name, answer)

    def on_incoming(self, pj_account: PjAccount, prm: Any) -> None:
        """A call comes in."""
        call = IncomingCall(self.agent)
        call.account, call.source, call.called_account = (
            pj_account.name,
            source_host(prm),
            self.pj_accounts.origin.called,
        )
        call.known = pj_account.account is not None
        pj_call = PjCall(self, pj_account, call, int(prm.callId))
        called = pj_account.account or self.pj_accounts.account(call.called_account)
        call._security = security_of(
            called, by_tls=self._glue.by_tls(int(prm.callId)), stranger=pj_account.account is None
        )
        try:
            self._adopt(pj_call)
            head, _, body = message_of(prm.rdata.wholeMsg).partition("\r\n\r\n")
            call.headers = headers_of(head)
            body = sdp_of(head, body)
        except Exception:
            pj_call.hangup(operation(500))
            raise
        problem = call._security.problem(body)
        if problem:
            self._refuse(call, sdp.SdpError(problem))
            return
        try:
            offer = sdp.parse(body) if body.strip() else None
        except sdp.SdpError:
            offer = None
        try:
            if offer is not None:
                check_first(call, offer, [host for host, _ in self.bound.values()])
        except sdp.SdpError as error:
            self._refuse(call, error)
            return
        kind = self._glue.first_offer(call._index)
        if offer is not None and kind is not FirstOffer.AUDIO:
            call.first_offer, call.offers_audio = body, kind is FirstOffer.EITHER
        self.agent.tell(self.agent.incoming_call, call)

    def may_redirect(self, pj_call: PjCall, target: str) -> bool:
        """Return True if a call follows a 3xx. Calls of accounts do not: the owner decides who is called.

        No call is led on more than `SipConfig.redirects` times, nor to the same target twice.
        """
        limit = 0 if pj_call.pj_account.account is not None else self.config.redirects
        pj_call.led_to = target
        if len(pj_call.targets) > limit or same_target(target) in map(same_target, pj_call.targets):
            return False
        pj_call.targets.append(target)
        pj_call.call.remote_uri, pj_call.led_to = target, ""
        return True

    def on_call_state(self, pj_call: PjCall) -> None:
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
            pj_call.call.call_id = clean(info.callIdString)
            self._calls[pj_call.call._index] = pj_call
        if state in ("ringing", "early", "answered"):
            pj_call.place_elsewhere = None
        if state == "answered":
            pj_call.place_again = None
        place_again = self._placed_again(pj_call, info) if state == "ended" else None
        if place_again is not None:
            self._calls.pop(pj_call.call._index, None)
            pj_call.call._index = -1
            self.agent.tell(self.agent.place, pj_call.call, place_again)
        elif state is not None and not (state == "calling" and pj_call.again):
            # PJSIP says 487 of a redirection that is not followed.
            led_to = pj_call.led_to if state == "ended" else ""
            code, reason = (302, f"redirected to {led_to}") if led_to else (int(info.lastStatusCode), _said(info))
            self.agent.tell(pj_call.call._deliver_state, state, code, reason, pj_call.end)
        if state == "ended":
            self._calls.pop(pj_call.call._index, None)
            # The object must outlive this callback.
            self._commands.append(functools.partial(_forget, pj_call))

    def _placed_again(self, pj_call: PjCall, info: Any) -> PlaceOrder | None:
        """Return how a call is placed again, with audio or at the next server (RFC 3263 §4.3); None if it has ended."""
        if pj_call.place_again is not None and info.lastStatusCode in T38_UNWANTED:
            return pj_call.place_again
        if pj_call.place_elsewhere is None or pj_call.call._hangup_wanted:
            return None
        if not self._glue.next_server(pj_call.call._index):
            return None
        log.warning("a call to %s: %s; the next server is asked", pj_call.call.remote_uri, _said(info))
        return pj_call.place_elsewhere

    def _on_glue(self, event: GlueEvent) -> None:
        if event.type is GlueEventType.MESSAGE:
            self.agent.tell(
                self.agent.message, bool(event.code), f"{event.remote}:{event.port}", redact(event.remote_sdp)
            )
            return
        if event.type is GlueEventType.SDP:
            self._describe(event)
            return
        if event.type is GlueEventType.UNANSWERED:
            self.pj_accounts.unanswered(event)
            return
        if event.type is GlueEventType.OPTIONS:
            reason = status_reason(event.remote_sdp)
            # PJSIP's own statuses, where no server answered.
            answered = event.payload_type == 1
            answer = RequestAnswer(event.code, reason, retry_after_s=event.direction, answered=answered)
            self.agent.tell(self.agent.requests.probed, event.call_id, answer)
            return
        if event.type is GlueEventType.UNREGISTERED:
            name = self.pj_accounts.registered_by(event.call_id)
            self.agent.tell(self.agent.registration_lost, name, "its connection was closed")
            return
        pj_call = self._calls.get(event.call_id)
        if event.type is GlueEventType.ENDED:
            if pj_call is not None:
                pj_call.end = _end_of(event)
        elif pj_call is not None:
            glue_event(self.agent, pj_call.call, event, self._glue)
        elif event.fd >= 0:
            os.close(event.fd)

    def _describe(self, event: GlueEvent) -> None:
        """Our SDP of a call whose account may have SRTP."""
        pj_call = self._calls.get(event.call_id) or self._placing
        text = pj_call.call._security.describe(event) if pj_call is not None else None
        if text is not None:
            self._glue.sdp(text)


# ---- helpers ---------------------------------------------------------------------------------------------------------


def _forget(pj_call: PjCall, stack: Stack) -> None:
    """Drops the last reference to a call once its callback has returned."""
    stack.pj_accounts.ended(pj_call.pj_account)


def _end_of(event: GlueEvent) -> CallEnd:
    """The end of a call by an event `ENDED`."""
    if event.direction == FAR_END:
        return end_of(event.remote_sdp)
    if event.direction == OURS:
        return CallEnd(by=EndedBy.SOFTFAX, code=event.code, why=clean(event.remote))
    return CallEnd(code=event.code)


def _said(info: Any) -> str:
    """The reason of a status; PJSIP's own for a name that was not found is about its functions."""
    reason = status_reason(info.lastReason)
    return NAME_UNKNOWN if "PJ_ERESOLVE" in reason else reason
