# SPDX-License-Identifier: GPL-2.0-or-later
"""Reports of the invite session about a call, and our answers to offers of T.38. In the SIP thread."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING

from softfax.errors import SoftfaxError
from softfax.sip import sdp
from softfax.sip.glue import Glue, GlueEvent, GlueEventType
from softfax.sip.listening import version_of
from softfax.sip.types import (
    ANYWHERE,
    ANYWHERE_6,
    AudioMedia,
    T38Media,
    T38Policy,
    is_numeric,
    is_unspecified,
    local_address_towards,
)
from softfax.sipstatus import status

if TYPE_CHECKING:
    from softfax.sip.agent import UserAgent
    from softfax.sip.call import Call

__all__ = ["answer_for", "check_first", "glue_event", "local_udptl"]

log = logging.getLogger("softfax.sip")

MEDIA_UNAVAILABLE = 304  # a warn-code (RFC 3261 §20.43)


def glue_event(agent: UserAgent, call: Call, event: GlueEvent, glue: Glue) -> None:
    """Handle a report of the invite session about a call, in the SIP thread. Offers of T.38 are answered at once."""
    if event.type is GlueEventType.AUDIO:
        _audio_negotiated(agent, call, event)
    elif event.type is GlueEventType.T38_OFFER:
        try:
            failed = glue.answer(event.call_id, answer_for(call, event.remote_sdp))
            if failed:
                log.warning("the answer to an offer of T.38 failed (%d)", failed)
        except sdp.SdpError as error:
            log.warning("an offer of T.38 is refused: %s", error)
            glue.warn(event.call_id, error.warning, str(error))
    elif event.type is GlueEventType.T38_ACTIVE:
        call._audio_told = None
        try:
            media = _t38_media(event)
            if not call._may_send(*media.remote):
                raise sdp.SdpError(f"nothing is sent to {media.remote[0]}")
            agent.tell(call._deliver_t38, media)
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
        agent.tell(call._deliver_offer_result, event.code, status(event.code).phrase or "refused")


def _t38_media(event: GlueEvent) -> T38Media:
    """Return the negotiated T.38. Raises SdpError; not for an offer that we answered, which was read before."""
    remote, local = sdp.parse(event.remote_sdp), sdp.parse(event.local_sdp)
    line, local_line = sdp.t38_line(remote), sdp.t38_line(local)
    if line is None or local_line is None:
        raise sdp.SdpError("no T.38")
    direct = sdp.is_direct(remote, line) and sdp.is_direct(local, local_line)
    ours, target = local_line.address or local.address or "", sdp.t38_remote(remote, line)
    if is_numeric(ours):
        sdp.check_family(target[0], [ours])
    return T38Media(target, sdp.t38_parameters(line), sdp.t38_parameters(local_line), direct)


def _audio_negotiated(agent: UserAgent, call: Call, event: GlueEvent) -> None:
    """The descriptor is the handler's from here on, unless this is a refresh that changes nothing."""
    with socket.socket(fileno=os.dup(event.fd)) as rtp:
        here = rtp.getsockname()
    call._far_host = event.remote
    try:
        # 0.0.0.0 or port 0 is on hold.
        if event.port and not call._may_send(event.remote, event.port):
            raise sdp.SdpError(f"nothing is sent to {event.remote}")
        srtp = call._security.agreed(event)
    except sdp.SdpError as error:
        log.warning("a call is ended: %s", error)
        os.close(event.fd)
        agent.tell(call._end_for, str(error), 488)
        return
    media = AudioMedia(
        event.fd,
        (event.remote, event.port),
        event.payload_type,
        "PCMA" if event.law == 8 else "PCMU",
        bool(event.direction & 1),
        bool(event.direction & 2),
        srtp,
        event.ptime_ms,
        (event.red_rx, event.red_tx, event.red_again) if event.red_tx else None,
    )
    told = (*here, replace(media, fd=-1))
    if told == call._audio_told or not agent.tell(call._deliver_audio, media):
        os.close(event.fd)
    call._audio_told = told


def local_udptl(call: Call, policy: T38Policy, far_host: str) -> tuple[str, int]:
    """Our UDPTL address as the far end shall see it. Raises SoftfaxError or OSError if there is none."""
    host, port = policy.local_udptl(version_of(far_host) if far_host else call._version)
    if far_host:
        sdp.check_family(far_host, [host])
    public = call._public_address(version_of(host))
    if public:
        return public, port
    if is_unspecified(host):
        shown = f"[{far_host}]" if ":" in far_host else far_host
        host = local_address_towards(f"sip:{shown}" if shown else ANYWHERE_6 if ":" in host else ANYWHERE)
    return host, port


def answer_for(call: Call, offer: str) -> str:
    """Our answer to an offer of T.38. Raises SdpError where it is refused (488)."""
    policy = call._policy
    if policy is None or not policy.accept:
        raise sdp.SdpError("T.38 is not wanted here", MEDIA_UNAVAILABLE)
    if call._in_audio:
        raise sdp.SdpError("the fax is under way in audio", MEDIA_UNAVAILABLE)
    try:
        parsed = sdp.parse(offer)
        line = sdp.t38_line(parsed)
        host, port = sdp.t38_remote(parsed, line) if line else ("", 0)
        local = local_udptl(call, policy, host)
        if line:
            check_media(call, host, port)
        text, _ = sdp.answer_t38(parsed, local, policy.parameters)
    except (SoftfaxError, OSError) as error:
        raise sdp.SdpError(str(error)) from None
    return text


def check_media(call: Call, host: str, port: int) -> None:
    """Raises SdpError where the far end may not have media sent to an address."""
    if not call._may_send(host, port):
        raise sdp.SdpError(f"nothing is sent to {host}")


def check_first(call: Call, offer: sdp.Sdp, ours: Collection[str]) -> None:
    """Raises SdpError where what a first INVITE offers cannot be reached."""
    for line in offer.media:
        if line.port and line.media.lower() in ("audio", "image"):
            host = str(sdp.numeric_address(offer, line))
            sdp.check_family(host, ours)
            check_media(call, host, line.port)
