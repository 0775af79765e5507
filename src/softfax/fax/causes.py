# SPDX-License-Identifier: GPL-2.0-or-later
"""Cause of a failed fax, from its result: it decides the next attempt, and the remedy. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from softfax.fax.outcome import (
    CRASHED,
    NO_T30,
    NOT_REACHED,
    T30_CALLDROPPED,
    T30_FILE_ERRORS,
    T30_T0_EXPIRED,
    T30_T1_EXPIRED,
)
from softfax.model import Cause, EndedBy
from softfax.reasons import REASON_REMEDIES
from softfax.sipstatus import status

__all__ = ["classify", "remedy"]

#: T.30 completion codes of spandsp (T30_ERR_*): CANNOT_TRAIN and TX_PHBDEAD; TX_NODIS and RX_NOFAX; from INCOMPATIBLE to
#: NOSIZESUPPORT.
T30_TRAINING = frozenset({6, 20})
T30_NOT_FAX = frozenset({T30_T0_EXPIRED, T30_T1_EXPIRED, 19, 28})
T30_NO_MATCH = frozenset(range(8, 13))
#: A poll that was not accepted, by the far end or by us.
T30_NOT_POLLED = frozenset({50, 53, 54, 56})

_MODES = "the machines have no format in common: try a lower resolution, or G.711 instead of T.38"

_REMEDIES: Mapping[Cause, str] = {
    Cause.BUSY: status(486).remedy,
    Cause.NO_ANSWER: status(487).remedy,
    Cause.REFUSED: status(404).remedy,
    Cause.UNREACHABLE: "check the network, and the address of the server",
    Cause.NOT_FAX: "a person, an announcement or silence answered: check the number",
    Cause.TRAINING: "the line is poor: try a lower rate, or audio where a T.38 gateway is to blame",
    Cause.BROKEN: "send again the pages that were not confirmed; if it stays so, the trace of the call shows where it stopped",
    Cause.DOCUMENT: "open the document, save it anew and send it again",
    Cause.OURS: "see the log; `softfax doctor` looks at this machine",
    Cause.CRASH: "ask the recipient what arrived, then send the rest again",
    Cause.CANCELLED: "send it again if it is still wanted",
    Cause.FORBIDDEN: status(403).remedy,
    Cause.NOT_REACHED: "it goes by the next call",
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


def classify(result: Mapping[str, Any]) -> Cause | None:
    """The cause in a result (`FaxResult` as JSON); None for success."""
    if result.get("success"):
        return None
    code, error, sip = int(result.get("result_code", 0)), str(result.get("error", "")), int(result.get("sip_code") or 0)
    if code == CRASHED:
        return Cause.CRASH
    if code == NOT_REACHED:
        return Cause.NOT_REACHED
    if error == "CANCEL":
        return Cause.CANCELLED
    if error == "FILE_ERROR" and code == NO_T30:
        return Cause.UNREACHABLE  # the document's server, not the far end
    if error in ("FILE_ERROR", "INVALID_ARGUMENTS") or code in T30_FILE_ERRORS:
        return Cause.DOCUMENT
    if error in ("INIT_ERROR", "MEMORY_ERROR"):
        return Cause.OURS
    if str(result.get("status_string", "")) in REASON_REMEDIES:
        return Cause.UNREACHABLE
    if code >= NO_T30:
        return status(sip or code - NO_T30, int(result.get("q850") or 0)).cause
    if code in T30_NOT_FAX:
        return Cause.NOT_FAX
    if code in T30_NO_MATCH | T30_NOT_POLLED:
        return Cause.REFUSED
    if code in T30_TRAINING:
        return Cause.TRAINING
    # The answerer hung up before any fax was heard.
    unheard = not result.get("remote_station_id") and not result.get("bitrate")
    if code == T30_CALLDROPPED and unheard and result.get("ended_by") != EndedBy.SOFTFAX:
        return Cause.NOT_FAX
    return Cause.BROKEN


#: Where we called to poll.
_POLLING: Mapping[Cause, str] = {
    Cause.REFUSED: "ask whether the document is still put out, and for its number (SEP) and its password (PWD)",
    Cause.BROKEN: "poll it again; if it stays so, ask for its number (SEP) and its password (PWD)",
}


def remedy(cause: Cause, result: Mapping[str, Any] | None = None, *, poll: bool = False) -> str:
    """Return the thing people can do about a cause, better where the result is there that it was read from."""
    if result is None or cause in (Cause.CRASH, Cause.DOCUMENT, Cause.OURS, Cause.NOT_REACHED):
        return _REMEDIES[cause]
    code, sip = int(result.get("result_code", 0)), int(result.get("sip_code") or 0)
    if result.get("error") == "T38_NEG_ERROR":
        return "use mode auto, which goes on as audio where T.38 is refused; or switch T.38 on at the far end or PBX"
    if (reason := str(result.get("status_string", ""))) in REASON_REMEDIES:
        return REASON_REMEDIES[reason]
    refused = status(sip, int(result.get("q850") or 0))
    if code >= NO_T30 and cause is not Cause.CANCELLED and refused.remedy:
        return refused.remedy
    if code in T30_NOT_POLLED and not poll:
        return "the caller has to name the document's number (SEP) and give its password (PWD)"
    if poll:
        return _POLLING.get(cause, _REMEDIES[cause])
    if result.get("direction") == "receive" and cause in _RECEIVING:
        return _RECEIVING[cause]
    return _MODES if code in T30_NO_MATCH else _REMEDIES[cause]
