# SPDX-License-Identifier: GPL-2.0-or-later
"""Meaning of a SIP status that ends a call before it is answered (RFC 3261 §21): one table for every use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from softfax.model import Cause

__all__ = ["SipStatus", "status"]


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
_UNKNOWN, _REFUSED, _SERVER_ERROR = SipStatus(""), SipStatus("", remedy=_SERVER), _server("")


def status(code: int) -> SipStatus:
    """Return the meaning of a status. One that is not in the table has the meaning of its class; 0 means there was none."""
    if code in _TABLE:
        return _TABLE[code]
    if code >= 600:
        return _REFUSED
    return _SERVER_ERROR if code >= 500 else _UNKNOWN if code else _NONE
