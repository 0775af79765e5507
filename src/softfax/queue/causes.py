# SPDX-License-Identifier: GPL-2.0-or-later
"""Why a fax failed, from its result: what matters for the next attempt, and what people can do. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from softfax.fax.outcome import CRASHED, NO_T30, T30_CALLDROPPED, T30_FILE_ERRORS, T30_T0_EXPIRED, T30_T1_EXPIRED
from softfax.model import REASON_REMEDIES, Cause

__all__ = ["classify", "remedy"]

#: T.30 completion codes of spandsp (T30_ERR_*): CANNOT_TRAIN and TX_PHBDEAD; TX_NODIS and RX_NOFAX; from INCOMPATIBLE to
#: NOSIZESUPPORT.
T30_TRAINING = frozenset({6, 20})
T30_NOT_FAX = frozenset({T30_T0_EXPIRED, T30_T1_EXPIRED, 19, 28})
T30_NO_MATCH = frozenset(range(8, 13))

_BUSY = frozenset({486, 600})
_NO_ANSWER = frozenset({408, 480, 487})
_REFUSED = frozenset({404, 410, 484, 485, 488, 603, 604, 606, 607, 608})
_FORBIDDEN = frozenset({401, 403, 407})

_NUMBER = "check the number, and how it is written for this account or PBX"
_CODECS = "let the far end, or the PBX, accept T.38 or G.711 (PCMU, PCMA)"
_ACCESS = "check user and password, and that this account may call the number"
_BUSY_LINE = "call again later; if it stays so, ask the recipient whether the line is always taken"
_NOBODY = "check the number, and whether the recipient's machine is switched on"
_SERVER = "call again later; if it stays so, ask the operator of the server or trunk"
_MODES = "the machines have no format in common: try a lower resolution, or G.711 instead of T.38"

_REMEDIES: Mapping[Cause, str] = {
    Cause.BUSY: _BUSY_LINE,
    Cause.NO_ANSWER: _NOBODY,
    Cause.REFUSED: _NUMBER,
    Cause.UNREACHABLE: "check the network, and the address of the server",
    Cause.NOT_FAX: "a person, an announcement or silence answered: check the number",
    Cause.TRAINING: "the line is poor: try a lower rate, or audio where a T.38 gateway is to blame",
    Cause.BROKEN: "send again the pages that were not confirmed; if it stays so, the trace of the call shows where it stopped",
    Cause.DOCUMENT: "open the document, save it anew and send it again",
    Cause.OURS: "see the log; `softfax doctor` looks at this machine",
    Cause.CRASH: "ask the recipient what arrived, then send the rest again",
    Cause.CANCELLED: "send it again if it is still wanted",
    Cause.FORBIDDEN: _ACCESS,
}
#: Where the sender called us: it is for the sender to call again.
_RECEIVING: Mapping[Cause, str] = {
    Cause.NO_ANSWER: "the sender gave up: it will call again, or ask for the fax",
    Cause.NOT_FAX: "the caller was no fax, or gave up: if one was expected, ask for it again",
    Cause.REFUSED: _MODES,
    Cause.TRAINING: "the line is poor: ask the sender to use a lower rate, or let G.711 be used",
    Cause.BROKEN: "ask the sender for the pages that are missing",
    Cause.CRASH: "ask the sender for the pages that are missing",
    Cause.CANCELLED: "ask the sender for the fax if it is still wanted",
}
_OF_SIP: Mapping[int, str] = {
    401: _ACCESS,
    403: _ACCESS,
    404: _NUMBER,
    407: _ACCESS,
    408: "the server does not answer: check its address, and the network",
    410: _NUMBER,
    415: _CODECS,
    480: "call again later; at the PBX, check that the extension is registered",
    484: _NUMBER,
    485: _NUMBER,
    486: _BUSY_LINE,
    487: _NOBODY,
    488: _CODECS,
    600: _BUSY_LINE,
    603: "ask the recipient whether calls from this number are accepted",
    604: _NUMBER,
    606: _CODECS,
    607: "ask the recipient whether calls from this number are accepted",
    608: "ask the provider why the number is rejected",
}


def classify(result: Mapping[str, Any]) -> Cause | None:
    """The cause in a result (`FaxResult` as JSON); None for success."""
    if result.get("success"):
        return None
    code, error, sip = int(result.get("result_code", 0)), str(result.get("error", "")), int(result.get("sip_code") or 0)
    if code == CRASHED:
        return Cause.CRASH
    if error == "CANCEL":
        return Cause.CANCELLED
    if error == "FILE_ERROR" and code == NO_T30:
        return Cause.UNREACHABLE  # the document's server, not the far end
    if error in ("FILE_ERROR", "INVALID_ARGUMENTS") or code in T30_FILE_ERRORS:
        return Cause.DOCUMENT
    if error in ("INIT_ERROR", "MEMORY_ERROR"):
        return Cause.OURS
    if code >= NO_T30:
        return _of_sip(sip or code - NO_T30)
    if code in T30_NOT_FAX:
        return Cause.NOT_FAX
    if code in T30_NO_MATCH:
        return Cause.REFUSED
    if code in T30_TRAINING:
        return Cause.TRAINING
    # Hung up before any fax was heard, by whoever answered.
    if code == T30_CALLDROPPED and not result.get("remote_station_id") and not result.get("bitrate"):
        return Cause.NOT_FAX
    return Cause.BROKEN


def _of_sip(sip_code: int) -> Cause:
    """A call that was not made."""
    if sip_code in _BUSY:
        return Cause.BUSY
    if sip_code in _NO_ANSWER:
        return Cause.NO_ANSWER
    if sip_code in _FORBIDDEN:
        return Cause.FORBIDDEN
    if sip_code in _REFUSED:
        return Cause.REFUSED
    return Cause.UNREACHABLE


def remedy(cause: Cause, result: Mapping[str, Any] | None = None) -> str:
    """Return the thing people can do about a cause, better where the result is there that it was read from."""
    if result is None or cause in (Cause.CRASH, Cause.DOCUMENT, Cause.OURS):
        return _REMEDIES[cause]
    code, sip = int(result.get("result_code", 0)), int(result.get("sip_code") or 0)
    if result.get("error") == "T38_NEG_ERROR":
        return "use mode auto, which goes on as audio where T.38 is refused; or switch T.38 on at the far end or PBX"
    if (reason := str(result.get("status_string", ""))) in REASON_REMEDIES:
        return REASON_REMEDIES[reason]
    if code >= NO_T30 and cause is not Cause.CANCELLED:
        if sip in _OF_SIP:
            return _OF_SIP[sip]
        if sip >= 500:
            return _SERVER
    if result.get("direction") == "receive" and cause in _RECEIVING:
        return _RECEIVING[cause]
    return _MODES if code in T30_NO_MATCH else _REMEDIES[cause]
