# SPDX-License-Identifier: GPL-2.0-or-later
"""SIP: the user agent on pjsua2, with T.38."""

from softfax.sip.agent import Call, IncomingCall, UserAgent
from softfax.sip.ended import CallEnd
from softfax.sip.requests import RequestAnswer
from softfax.sip.sdes import SrtpKeys, SrtpPolicy
from softfax.sip.sdp import T38Parameters
from softfax.sip.types import (
    CALLS_PER_PROCESS,
    FILES_ITSELF,
    FILES_PER_CALL,
    AudioMedia,
    CallerId,
    CallHandler,
    SipAccount,
    SipConfig,
    T38Media,
    T38Policy,
    calls_possible,
    local_address_towards,
    split_uri,
)

__all__ = [
    "CALLS_PER_PROCESS",
    "FILES_ITSELF",
    "FILES_PER_CALL",
    "AudioMedia",
    "Call",
    "CallEnd",
    "CallHandler",
    "CallerId",
    "IncomingCall",
    "RequestAnswer",
    "SipAccount",
    "SipConfig",
    "SrtpKeys",
    "SrtpPolicy",
    "T38Media",
    "T38Parameters",
    "T38Policy",
    "UserAgent",
    "calls_possible",
    "local_address_towards",
    "split_uri",
]
