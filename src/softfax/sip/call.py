# SPDX-License-Identifier: GPL-2.0-or-later
"""SIP calls of the user agent: placed, or come in; how each is answered, offered T.38, handed on and ended."""

from __future__ import annotations

import asyncio
import logging
import os
import random
from collections.abc import Callable
from typing import TYPE_CHECKING

from softfax.model import EndedBy
from softfax.sip.ended import CallEnd
from softfax.sip.glue import PJ_EPENDING
from softfax.sip.secure import Security
from softfax.sip.types import (
    AudioMedia,
    CallHandler,
    T38Media,
    T38Policy,
)

if TYPE_CHECKING:
    from softfax.sip.agent import UserAgent
    from softfax.sip.stack import Stack

__all__ = ["Call", "IncomingCall"]

log = logging.getLogger("softfax.sip")

PENDING_RETRY_S = 0.2
PENDING_TRIES = 20
GLARE_TRIES = 4


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
        # The version of IP of its SIP, and our address by version as far ends see it.
        self._version = 4
        self._public_address: Callable[[int], str] = lambda version: ""
        # Whether the far end may have media sent to an address.
        self._may_send: Callable[[str, int], bool] = lambda host, port: False
        self._security = Security()
        # Read and written in the SIP thread alone once the call lives.
        self._policy = t38
        # Set on the loop, read in the SIP thread: T.30 is so far in audio that T.38 would only begin the fax anew.
        self._in_audio = False
        self._referred: Callable[[int, str], None] | None = None
        self.handler: CallHandler | None = None
        #: How it ended, once it has.
        self.end = CallEnd()
        #: Set where we end it for a reason that its owner does not know.
        self._why, self._why_code = "", 0
        #: The account it goes through or came by; empty for none.
        self.account = ""
        self.call_id = ""
        self.remote_uri = ""
        self.local_uri = ""

    # ---- asked by the owner -------------------------------------------------------------------------------------

    def hangup(self, code: int = 0) -> None:
        """BYE, CANCEL, or for a call not yet answered the final response `code` (default 603)."""
        self._hangup_wanted = True
        self._cancel_timer()
        if not self._ended:
            self._agent.post(lambda stack: stack.calls.hangup(self, code))

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

    def stay_in_audio(self, fixed: bool) -> None:
        """Refuse offers of T.38 (488), or not, because the fax is under way in audio; one of ours is withdrawn."""
        self._in_audio = fixed
        if fixed and self._offer_timer is not None:
            self._cancel_timer()
            self._agent.post(lambda stack: stack.calls.cancel_offer(self))

    def use(self, *, t38: T38Policy) -> None:
        """Replace the policy for T.38."""

        def put(stack: Stack) -> None:
            del stack
            self._policy = t38

        self._agent.post(put)

    def offer_audio(self) -> None:
        """Offers G.711 again in a re-INVITE; `on_audio` follows if the far end takes it, else T.38 goes on."""
        self._send_audio_offer(PENDING_TRIES)

    def refer(self, uri: str, done: Callable[[int, str], None]) -> None:
        """Ask the far end to call `uri` (REFER, RFC 3515); `done` takes the status that it got there, or why it did not try."""
        self._referred = done
        if not self._ended:
            self._agent.post(lambda stack: stack.calls.refer(self, uri))

    def _deliver_referred(self, code: int, reason: str) -> None:
        done, self._referred = self._referred, None
        if done is not None:
            done(code, reason)

    def _send_audio_offer(self, tries: int) -> None:
        if not self._ended:
            self._agent.post(lambda stack: stack.calls.offer_audio(self, tries))

    def _audio_offer_pending(self, tries: int) -> None:
        asyncio.get_running_loop().call_later(PENDING_RETRY_S, self._send_audio_offer, tries)

    def _send_offer(self) -> None:
        if not self._ended and self._offer_timer is not None:
            self._agent.post(lambda stack: stack.calls.offer_t38(self))

    def _offer_timed_out(self) -> None:
        self._offer_timer = None
        if self._ended:
            return
        self._agent.post(lambda stack: stack.calls.cancel_offer(self))
        self._deliver_refused(408, "no answer to the offer of T.38")

    def _cancel_timer(self) -> None:
        if self._offer_timer is not None:
            self._offer_timer.cancel()
            self._offer_timer = None

    # ---- told by the stack, on the loop -------------------------------------------------------------------------

    def _end_for(self, why: str, code: int) -> None:
        """Ends it for a reason of ours."""
        self._why, self._why_code = why, code
        self.hangup(code)

    def _own_end(self, code: int) -> CallEnd:
        return CallEnd(by=EndedBy.SOFTFAX, code=self._why_code or code, why=self._why)

    def _deliver_state(self, state: str, code: int, reason: str, end: CallEnd | None = None) -> None:
        if self._ended:
            return
        if state == "ended":
            self._ended = True
            self.end = (
                self._own_end(code) if self._hangup_wanted and (end is None or end.by is None) else end or CallEnd()
            )
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
        self.offers_audio = False
        #: The address that it came from, and whether that belongs to an account.
        self.source = ""
        self.known = False
        #: Of a call that comes from no account: the one whose user or number it is for.
        self.called_account = ""
        self.headers: dict[str, str] = {}
        #: Text of the Warning of a refusal, and Contact of a redirection.
        self.warning = self.contact = ""

    def answer(self, *, t38: T38Policy) -> None:
        """Answers with 200; `t38` says what offers of T.38 get."""
        self._policy = t38
        self._agent.post(lambda stack: stack.calls.answer(self))

    def ring(self) -> None:
        """Send 180 Ringing."""
        self._agent.post(lambda stack: stack.calls.progress(self, 180))

    def progress(self) -> None:
        """Send 183 with our SDP: audio is agreed before the answer. Only where the INVITE offers audio."""
        self._agent.post(lambda stack: stack.calls.progress(self, 183))

    def redirect_to(self, uri: str) -> None:
        """Set the Contact of the 302 that follows (RFC 3261 §21.3.3)."""
        self.contact = uri

    def refused_for(self, why: str) -> None:
        """Set the Warning (RFC 3261 §20.43) of the refusal that follows."""
        self.warning = why
