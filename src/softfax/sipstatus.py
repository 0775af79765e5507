# SPDX-License-Identifier: GPL-2.0-or-later
"""Meaning of a SIP status that ends a call before it is answered (RFC 3261 §21): one table for every use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from softfax.model import Cause

__all__ = ["SipStatus", "cause_shown", "phrase_of", "status"]


@dataclass(frozen=True)
class SipStatus:
    """`phrase` is that of RFC 3261, `word` Asterisk's DIALSTATUS, `q850` the cause Asterisk gives the channel, `text` what people
    read (empty: that it was refused), `cause` and `remedy` are the queue's. One that is `of_trunk` says something about the trunk
    rather than about who is called: another route may do. One that is
    `gone` says that the trunk does not answer, or takes no calls.
    """

    phrase: str
    cause: Cause = Cause.UNREACHABLE
    q850: int = 127
    word: str = "CHANUNAVAIL"
    text: str = ""
    remedy: str = ""
    of_trunk: bool = False
    gone: bool = False


_NUMBER = "check the number, and how it is written for this account or PBX"
_CODECS = "let the far end, or the PBX, accept T.38 or G.711 (PCMU, PCMA)"
_ACCESS = "check user and password, and that this account may call the number"
_BUSY = "call again later; if it stays so, ask the recipient whether the line is always taken"
_NOBODY = "check the number, and whether the recipient's machine is switched on"
_SERVER = "call again later; if it stays so, ask the operator of the server or trunk"
_UNWANTED = "ask the recipient whether calls from this number are accepted"


def _server(phrase: str, q850: int = 34, text: str = "", gone: bool = False) -> SipStatus:
    return SipStatus(
        phrase, Cause.UNREACHABLE, q850, "CONGESTION" if text else "CHANUNAVAIL", text, _SERVER, True, gone
    )


_TABLE: Mapping[int, SipStatus] = {
    401: SipStatus(
        "Unauthorized", Cause.FORBIDDEN, 21, text="the far end wants a user and password, or does not take these",
        remedy=_ACCESS, of_trunk=True,
    ),
    403: SipStatus("Forbidden", Cause.FORBIDDEN, 21, text="the far end forbids the call", remedy=_ACCESS, of_trunk=True),
    404: SipStatus("Not Found", Cause.REFUSED, 1, text="there is no such number", remedy=_NUMBER),
    407: SipStatus(
        "Proxy Authentication Required", Cause.FORBIDDEN, 21,
        text="the proxy wants a user and password, or does not take these", remedy=_ACCESS, of_trunk=True,
    ),
    408: SipStatus(
        "Request Timeout", Cause.NO_ANSWER, 18, "NOANSWER", "no answer",
        "the server does not answer: check its address, and the network", True, True,
    ),
    409: SipStatus("Conflict", q850=41),
    410: SipStatus("Gone", Cause.REFUSED, 22, text="the number is gone", remedy=_NUMBER),
    415: SipStatus("Unsupported Media Type", remedy=_CODECS),
    420: SipStatus("Bad Extension", q850=3),
    422: SipStatus("Session Interval Too Small", Cause.REFUSED),
    480: SipStatus(
        "Temporarily Unavailable", Cause.NO_ANSWER, 19, "NOANSWER", "the far end is unavailable at the moment",
        "call again later; at the PBX, check that the extension is registered",
    ),
    481: SipStatus("Call Does Not Exist"),
    483: SipStatus("Too Many Hops", q850=19),
    484: SipStatus("Address Incomplete", Cause.REFUSED, 28, text="the number is incomplete", remedy=_NUMBER),
    485: SipStatus("Ambiguous", Cause.REFUSED, 1, remedy=_NUMBER),
    486: SipStatus("Busy Here", Cause.BUSY, 17, "BUSY", "the far end is busy", _BUSY),
    487: SipStatus("Request Terminated", Cause.NO_ANSWER, 127, "NOANSWER", "no answer in time", _NOBODY),
    488: SipStatus(
        "Not Acceptable Here", Cause.REFUSED, 58, text="the far end accepts neither T.38 nor G.711", remedy=_CODECS
    ),
    491: SipStatus("Request Pending"),
    500: _server("Server Internal Error", 38, "the far end's server failed"),
    501: _server("Not Implemented", 21),
    502: _server("Bad Gateway", 27, "the far end's gateway failed", gone=True),
    503: _server("Service Unavailable", 34, "the far end is congested or cannot be reached", gone=True),
    504: _server("Server Time-out", 102, gone=True),
    600: SipStatus("Busy Everywhere", Cause.BUSY, 17, "BUSY", "the far end is busy", _BUSY),
    603: SipStatus("Decline", Cause.REFUSED, 21, text="the far end declined the call", remedy=_UNWANTED),
    604: SipStatus("Does Not Exist Anywhere", Cause.REFUSED, 1, remedy=_NUMBER),
    606: SipStatus("Not Acceptable", Cause.REFUSED, 58, remedy=_CODECS),
    607: SipStatus("Unwanted", Cause.REFUSED, remedy=_UNWANTED),
    608: SipStatus("Rejected", Cause.REFUSED, remedy="ask the provider why the number is rejected"),
}  # fmt: skip
#: The request could not be sent, or nothing came back.
_NONE = SipStatus("", of_trunk=True)
_REFUSED, _SERVER_ERROR = SipStatus("", remedy=_SERVER), _server("")


#: The status that says the same as a cause of the telephone network (ITU-T Q.850), which tells what is wrong more exactly than
#: the status of the gateway in between (RFC 3398 §7.2.4.1). Causes that say nothing more are not among them (16, 31, 127).
_BY_CAUSE: Mapping[int, int] = {
    1: 404, 2: 404, 3: 404, 17: 486, 18: 480, 19: 480, 20: 480, 21: 603, 22: 410, 27: 502, 28: 484, 34: 503, 38: 503, 41: 503,
    42: 503, 44: 503, 47: 503, 55: 403, 57: 403, 58: 503, 65: 488, 69: 501, 70: 488, 79: 501, 87: 403, 88: 488, 102: 504,
}  # fmt: skip
#: Words for causes, where the far end has none.
_CAUSE_WORDS: Mapping[int, str] = {
    1: "unallocated number", 2: "no route to the transit network", 3: "no route to the destination",
    16: "normal call clearing", 17: "user busy", 18: "no user responding", 19: "no answer from the user",
    20: "subscriber absent", 21: "call rejected", 22: "number changed", 27: "destination out of order",
    28: "invalid number format", 31: "normal, unspecified", 34: "no circuit available", 38: "network out of order",
    41: "temporary failure", 42: "switching equipment congestion", 44: "requested circuit not available",
    47: "resource unavailable", 55: "incoming calls barred", 57: "bearer capability not authorized",
    58: "bearer capability not available", 65: "bearer capability not implemented", 79: "service not implemented",
    87: "user not member of the group", 88: "incompatible destination", 102: "recovery on timer expiry",
    127: "interworking, unspecified",
}  # fmt: skip


def status(code: int, q850: int = 0) -> SipStatus:
    """Return the meaning of a status, by the cause of Q.850 beside it where that tells more.

    One that is not in the table has the meaning of its class; 0 means there was none.
    """
    code = _BY_CAUSE.get(q850, code) if code >= 300 else code
    if code in _TABLE:
        return _TABLE[code]
    if not code:
        return _NONE
    return _SERVER_ERROR if 500 <= code < 600 else _REFUSED


def phrase_of(code: int) -> str:
    """The phrase of a status in RFC 3261; empty for one that is not in the table."""
    return _TABLE[code].phrase if code in _TABLE else ""


def cause_shown(q850: int, words: str = "") -> str:
    """A cause of Q.850 for people."""
    words = words or _CAUSE_WORDS.get(q850, "")
    return f"Q.850 cause {q850}" + (f", {words}" if words else "")
