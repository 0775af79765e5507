# SPDX-License-Identifier: GPL-2.0-or-later
"""Why a fax failed, from its result: what matters for the next attempt, and what people can do. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from softfax.fax.outcome import CRASHED, NO_T30, T30_CALLDROPPED, T30_FILE_ERRORS, T30_T0_EXPIRED, T30_T1_EXPIRED
from softfax.queue.model import Cause

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

_REMEDIES: Mapping[Cause, str] = {
    Cause.BUSY: "it is tried again by itself; ask the recipient whether the line is always taken",
    Cause.NO_ANSWER: "check the number, and whether the recipient's machine is switched on",
    Cause.REFUSED: "check the number",
    Cause.UNREACHABLE: "check the network, and the account's server",
    Cause.NOT_FAX: "a person, an announcement or silence answered: check the number",
    Cause.TRAINING: "the line is poor: try a lower rate, or audio where a T.38 gateway is to blame",
    Cause.BROKEN: "the connection broke: what was confirmed is not sent again",
    Cause.DOCUMENT: "open the document, save it anew and send it again",
    Cause.OURS: "see the station's log",
    Cause.CRASH: "ask the recipient what arrived, then send the rest again",
    Cause.CANCELLED: "",
    Cause.FORBIDDEN: "check the account's user and password, and what it may call",
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


def remedy(cause: Cause) -> str:
    """What people can do about it."""
    return _REMEDIES[cause]
