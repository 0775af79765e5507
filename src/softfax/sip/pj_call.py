# SPDX-License-Identifier: GPL-2.0-or-later
"""PJSIP's endpoint and calls as its callbacks see them, and the parameters of a call's operations; all in the SIP thread."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from softfax.sip.accounts import identity
from softfax.sip.agent import PlaceOrder
from softfax.sip.binding import clean, pj
from softfax.sip.call import Call
from softfax.sip.ended import CallEnd
from softfax.sip.pj_accounts import PjAccount, PjAccounts
from softfax.sip.secure import security_of
from softfax.sip.types import CallerId

if TYPE_CHECKING:
    from softfax.sip.pj_calls import PjCalls

__all__ = ["PjCall", "PjEndpoint", "operation", "refusal", "shown_as"]

log = logging.getLogger("softfax.sip")

RETRY_AFTER_S = 10


class PjEndpoint(pj.Endpoint):  # type: ignore[misc]
    """Callbacks of the endpoint; none may raise."""

    def __init__(self, accounts: PjAccounts) -> None:
        super().__init__()
        self._accounts = accounts

    def onSelectAccount(self, prm: Any) -> None:
        try:
            self._accounts.select(prm)
        except Exception:
            log.exception("an incoming request belongs to no account")


class PjCall(pj.Call):  # type: ignore[misc]
    """Callbacks of a call; none may raise."""

    def __init__(self, calls: PjCalls, pj_account: PjAccount, call: Call, index: int = -1) -> None:
        if index < 0:
            super().__init__(pj_account)
        else:
            super().__init__(pj_account, index)
        self._calls = calls
        self.pj_account = pj_account
        self.call = call
        #: Our offer of T.38 in the first INVITE, how the call is placed again if it is refused, and at another server if this
        #: one fails; and whether this is such a call.
        self.first_offer = ""
        self.again = False
        self.place_again: PlaceOrder | None = None
        self.place_elsewhere: PlaceOrder | None = None
        #: How it ended, as the far end has it.
        self.end = CallEnd()
        #: Whom this call was for, and those that it has been led to.
        self.targets = [call.remote_uri]
        self.led_to = ""
        call._version, call._public_address = pj_account.version, pj_account.public_address
        call._may_send = lambda host, port: calls.may_send(call, host, port)
        call._security = security_of(
            pj_account.account, by_tls=pj_account.account is not None and pj_account.account.transport == "tls"
        )
        pj_account.calls += 1

    def onCallSdpCreated(self, prm: Any) -> None:
        # pjsua has made an offer of audio: its media are there when audio is wanted later.
        if self.first_offer:
            prm.sdp.wholeSdp, self.first_offer = self.first_offer, ""

    def onCallState(self, prm: Any) -> None:
        try:
            self._calls.on_call_state(self)
        except Exception:
            log.exception("a call event was lost")

    def onCallTransferStatus(self, prm: Any) -> None:
        try:
            if prm.finalNotify or prm.statusCode >= 200:
                self._calls.agent.tell(self.call._deliver_referred, int(prm.statusCode), clean(prm.reason))
        except Exception:
            log.exception("the answer to a REFER was lost")

    def onCallRedirected(self, prm: Any) -> int:
        try:
            if self._calls.may_redirect(self, clean(prm.targetUri)):
                return int(pj.PJSIP_REDIRECT_ACCEPT_REPLACE)
        except Exception:
            log.exception("a redirection was not followed")
        return int(pj.PJSIP_REDIRECT_STOP)


def shown_as(pj_account: PjAccount, caller: CallerId | None, prm: Any) -> Any:
    """Puts the caller's identity into an INVITE."""
    shown = identity(pj_account.account, pj_account.own_uri, pj_account.domain, caller)
    if shown is not None:
        prm.txOption.localUri = shown.from_uri
        for name, value in shown.headers:
            header = pj.SipHeader()
            header.hName, header.hValue = name, value
            prm.txOption.headers.append(header)
    return prm


def operation(code: int = 0) -> Any:
    """Parameters of a pjsua2 call operation: audio alone."""
    prm = pj.CallOpParam(True)
    prm.opt.audioCount = 1
    prm.opt.videoCount = 0
    prm.opt.textCount = 0
    if code:
        prm.statusCode = code
    return prm


def refusal(code: int, contact: str = "") -> Any:
    """A final response: a 503 says when to try again, a redirection where to."""
    prm = operation(code)
    header = pj.SipHeader()
    if code == 503:
        header.hName, header.hValue = "Retry-After", str(RETRY_AFTER_S)
    elif code == 302 and contact:
        header.hName, header.hValue = "Contact", f"<{contact}>"
    else:
        return prm
    prm.txOption.headers.append(header)
    return prm
