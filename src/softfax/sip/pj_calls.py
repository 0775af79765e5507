# SPDX-License-Identifier: GPL-2.0-or-later
"""The calls in PJSIP: what their owners ask of each, what comes in, and what becomes of them. In the SIP thread."""

from __future__ import annotations

import functools
import logging
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from softfax.errors import SoftfaxError
from softfax.model import EndedBy
from softfax.reasons import NAME_UNKNOWN
from softfax.sip import sdp
from softfax.sip.agent import SERVERS_MAX, PlaceOrder
from softfax.sip.binding import clean, message_of, pj, reason_of, status_reason
from softfax.sip.call import Call, IncomingCall
from softfax.sip.ended import FAR_END, OURS, CallEnd, end_of
from softfax.sip.glue import PJ_EPENDING, FirstOffer, GlueEvent, GlueEventType
from softfax.sip.headers import headers_of, sdp_of
from softfax.sip.offers import answer_for, check_first, glue_event, local_udptl
from softfax.sip.pj_accounts import PjAccount, source_host
from softfax.sip.pj_call import PjCall, operation, refusal, shown_as
from softfax.sip.secure import security_of
from softfax.sip.types import T38Policy, same_target

if TYPE_CHECKING:
    from softfax.sip.agent import UserAgent
    from softfax.sip.stack import Stack

__all__ = ["PjCalls"]

log = logging.getLogger("softfax.sip")

#: A warn-code (RFC 3261 §20.43).
MISCELLANEOUS = 399
#: What says that our offer is the trouble, and not the call (RFC 3261 §21.4.13, §21.4.26, §21.6.4).
T38_UNWANTED = frozenset({415, 488, 606})


class PjCalls:
    """The calls of one user agent."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._config, self._glue, self.pj_accounts = stack.config, stack.glue, stack.pj_accounts
        self._calls: dict[int, PjCall] = {}
        # A call has SDP before it has its number.
        self._placing: PjCall | None = None

    @property
    def agent(self) -> UserAgent:
        """The user agent whose calls they are."""
        return self._stack.agent

    def clear(self) -> None:
        """Forgets all, as PJSIP has ended."""
        for pj_call in self._calls.values():
            # Its number is another's in the next stack, which the C++ destructor would hang up.
            pj_call.thisown = False
        self._calls.clear()

    def may_send(self, call: Call, host: str, port: int) -> bool:
        """Return True if the far end of a call may have media sent to an address."""
        return self._glue.may_send_media(call._index, host, port)

    # ---- asked by owners --------------------------------------------------------------------------------------------

    def place(self, call: Call, order: PlaceOrder) -> None:
        """Sends the INVITE."""
        if call._hangup_wanted:
            self.agent.tell(call._deliver_state, "ended", 487, "cancelled before it was sent")
            return
        pj_account = self.pj_accounts.find(order.account, order.version)
        account = pj_account.account if pj_account is not None else None
        why = self.pj_accounts.unheard(account.proxy if account and account.proxy else order.uri)
        if pj_account is None:
            why = f"there is no account {order.account}"
        elif not why and len(self._calls) >= self._config.max_calls:
            why = f"all {self._config.max_calls} calls of this process are taken"
        if pj_account is None or why:
            self.agent.tell(call._deliver_state, "ended", 0, why)
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
            self._forget(pj_call)
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

    def progress(self, call: IncomingCall, code: int) -> None:
        """Sends 180, or 183 with SDP."""
        pj_call = self._calls.get(call._index)
        if pj_call is not None:
            pj_call.answer(operation(code))

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

    # ---- told by PJSIP ----------------------------------------------------------------------------------------------

    def _adopt(self, pj_call: PjCall) -> None:
        call, info = pj_call.call, pj_call.getInfo()
        call._index = int(pj_call.getId())
        call.call_id = clean(info.callIdString)
        call.local_uri = clean(info.localUri)
        call.remote_uri = clean(info.remoteUri)
        self._calls[call._index] = pj_call

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
                check_first(call, offer, [host for host, _ in self._stack.bound.values()])
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
        limit = 0 if pj_call.pj_account.account is not None else self._config.redirects
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
            self._forget(pj_call)

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

    def glue_event(self, event: GlueEvent) -> None:
        """A report of the invite session about a call."""
        pj_call = self._calls.get(event.call_id)
        if event.type is GlueEventType.ENDED:
            if pj_call is not None:
                pj_call.end = _end_of(event)
        elif pj_call is not None:
            glue_event(self.agent, pj_call.call, event, self._glue)
        elif event.fd >= 0:
            os.close(event.fd)

    def describe(self, event: GlueEvent) -> None:
        """Our SDP of a call whose account may have SRTP."""
        pj_call = self._calls.get(event.call_id) or self._placing
        text = pj_call.call._security.describe(event) if pj_call is not None else None
        if text is not None:
            self._glue.sdp(text)

    def _forget(self, pj_call: PjCall) -> None:
        """Drops the last reference to a call once its callback has returned, which it must outlive."""
        self._stack.later(functools.partial(_ended, pj_call))


def _ended(pj_call: PjCall, stack: Stack) -> None:
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
