# SPDX-License-Identifier: GPL-2.0-or-later
"""SRTP of the calls of a user agent: whose offers and answers have keys in them, and what is agreed. In the SIP thread."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from softfax.sip import sdes, sdp
from softfax.sip.glue import GlueEvent
from softfax.sip.sdes import LocalKeys, SrtpKeys, SrtpPolicy
from softfax.sip.types import SipAccount

__all__ = ["Security", "security_of"]

log = logging.getLogger("softfax.sip")


@dataclass
class Security:
    """SRTP policy and keys of one call."""

    policy: SrtpPolicy = "off"
    refuse: bool = False
    keys: LocalKeys = field(default_factory=LocalKeys)

    def problem(self, offer: str) -> str:
        """The reason why a call that comes in with this offer cannot be answered; empty where it can."""
        if self.refuse:
            return "the account called requires SRTP, and the call did not come from there over TLS"
        try:
            if offer.strip():
                sdes.check_offer(self.policy, offer)
        except sdp.SdpError as error:
            return str(error)
        return ""

    def describe(self, event: GlueEvent) -> str | None:
        """Our SDP of an event `SDP`, with keys in it; None refuses the far end's offer (488)."""
        if self.refuse or (event.direction and not event.remote_sdp):
            return None
        if self.policy == "off" and not event.direction:
            return event.local_sdp
        try:
            return sdes.secured(self.policy, event.local_sdp, event.remote_sdp if event.direction else None, self.keys)
        except sdp.SdpError as error:
            log.warning("an offer of audio is refused: %s", error)
            return None

    def agreed(self, event: GlueEvent) -> SrtpKeys | None:
        """The keys of an event `AUDIO`; None for audio in the clear. Raises SdpError where that will not do."""
        return sdes.agreed(self.policy, event.local_sdp, event.remote_sdp) if self.policy != "off" else None


def security_of(account: SipAccount | None, *, by_tls: bool, stranger: bool = False) -> Security:
    """Security of a new call of an account. Without TLS there are keys only where allowed; else required SRTP fails the call.

    So is a `stranger` who calls its user or number. Others who do are nobody's calls, without keys.
    """
    if account is None or account.srtp == "off" or (stranger and account.srtp != "required"):
        return Security()
    if stranger:
        return Security(refuse=True)
    if by_tls or account.srtp_without_tls:
        return Security(account.srtp)
    return Security(refuse=account.srtp == "required")
