# SPDX-License-Identifier: GPL-2.0-or-later
"""Outcome of a fax in Asterisk's words: pure functions from T.30 completion codes and SIP statuses."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from softfax.model import Direction, EndedBy, FaxResult
from softfax.reasons import REASON_REMEDIES, SERVER_SILENT
from softfax.sip.ended import CallEnd
from softfax.sipstatus import cause_shown, phrase_of, status

__all__ = [
    "OK",
    "Outcome",
    "cut",
    "encoding_name",
    "from_sip",
    "from_t30",
    "hostile_text",
    "no_answer",
    "not_reached",
    "resolution_name",
    "too_long",
    "unanswered",
]

# Result codes of ours, where T.30 never began: NO_T30 + SIP status.
NO_T30 = 1000
# The process that ran the call died: nobody knows what the far end has.
CRASHED = 2000
# Nothing of the fax was sent: the call, which it shares with others, ended before its turn.
NOT_REACHED = 2001

T30_T0_EXPIRED, T30_T1_EXPIRED = 2, 3
#: No fax was heard: T0, T1, and spandsp's RX_NOFAX.
T30_SILENCE = frozenset({T30_T0_EXPIRED, T30_T1_EXPIRED, 28})
T30_TX_INCAPABLE = 10
#: DCN in answer to our DTC, and what it is then.
T30_DCN_FOR_DTC, T30_POLL_REFUSED = 35, 50
T30_FILE_ERRORS = range(41, 47)
T30_CALLDROPPED = 49
#: Of ITU-T Q.850.
NORMAL_CLEARING = 16
T30_FILE_ERROR = 41

_ENCODINGS = {1: "T.4 1-D", 2: "T.4 2-D", 3: "T.6"}

_HOSTILE = {
    1: "the far end sent an image frame too short to be one (FCD)",
    2: "the far end sent a DCS with an impossible page width",
    3: "the far end sent a DIS or DCS longer than T.30 allows",
    4: "the far end sent a malformed T.30 frame",
    5: "the far end sent more pages, or longer ones, than allowed",
    6: "the far end sent page data meant to break the decoder",
}


@dataclass(frozen=True)
class Outcome:
    """`error` is Asterisk's FAXERROR word or spandsp's text, `text` the status string, `code` the result code.

    `reached` tells whether the call was made at all: exit status 3 where not. `remedy` is better than that of the cause.
    """

    success: bool
    error: str
    text: str
    code: int
    reached: bool = True
    sip_code: int = 0
    remedy: str = ""

    def result(self, *, direction: Direction, fax_id: str, duration_s: float, **known: Any) -> FaxResult:
        """The result of a fax that ended so, with what else is known of it."""
        return FaxResult(
            direction=direction,
            success=self.success,
            status="SUCCESS" if self.success else "FAILED",
            error=self.error,
            status_string=self.text,
            result_code=self.code,
            fax_id=fax_id,
            duration_s=round(duration_s, 3),
            remedy=self.remedy or None,
            **known,
        )


OK = Outcome(True, "NO_ERROR", "OK", 0)


def from_sip(code: int, reason: str = "", q850: int = 0, words: str = "") -> Outcome:
    """A call that ended before it was answered; `q850` is the far end's cause and `words` its text, or that of its Warning."""
    known = status(code, q850)
    shown = f"{code} {phrase_of(code) if known.text else reason}".strip()
    if q850 or words:
        shown += f"; {cause_shown(q850, words) if q850 else words}"
    text = f"{known.text or 'the call was refused'} ({shown})"
    if code == 0:
        text = reason or "the call could not be placed"
    elif reason in REASON_REMEDIES:
        text = reason
    return Outcome(False, known.word, text, NO_T30 + code, reached=False, sip_code=code)


def no_answer(seconds: float) -> Outcome:
    """A call that nobody answered in time."""
    text = f"no answer within {seconds:g} s"
    return Outcome(False, "NOANSWER", text, NO_T30 + 487, reached=False, sip_code=487)


def too_long(seconds: float) -> Outcome:
    """A call that took longer than any may."""
    return Outcome(False, "TIMEOUT", f"the call took longer than {seconds / 3600:g} hours", T30_CALLDROPPED)


def unanswered(end: CallEnd, sip_code: int, reason: str, *, placed: bool) -> Outcome:
    """A call that ended before it was answered: one that was `placed` by the far end's refusal, or by silence."""
    if placed and end.by is not EndedBy.SOFTFAX:
        silent = end.by is None and sip_code == 408  # no response at all
        return from_sip(sip_code, SERVER_SILENT if silent else reason, end.q850, end.words)
    if end.by is EndedBy.SOFTFAX:
        code = end.code or sip_code
        why = end.why or phrase_of(code)
        text = f"softfax refused the call ({code}{f': {why}' if why else ''})"
        return Outcome(False, status(code).word, text, NO_T30 + code, reached=False, sip_code=code)
    if end.by is None and sip_code == 408:
        return Outcome(
            False, "TIMEOUT", "the caller did not confirm the call (no ACK)", NO_T30 + 408, reached=False, sip_code=408
        )
    return Outcome(False, "CANCEL", "the caller gave up", NO_T30 + 487, reached=False)


def not_reached(why: Outcome) -> Outcome:
    """Outcome of a fax whose turn did not come on a call that it shared with others, as that ended by `why`."""
    text = f"the call ended before the turn of this fax ({why.text})"
    return Outcome(False, "HANGUP", text, NOT_REACHED, reached=False, sip_code=why.sip_code)


def cut(judged: Outcome, end: CallEnd, *, began: bool) -> Outcome:
    """The outcome of a call that was cut after it was answered, which T.30 has judged: by whom, and why. `began`: T.30 had."""
    if end.by is EndedBy.SOFTFAX and end.why:
        code = T30_CALLDROPPED if began else NO_T30 + end.code
        return Outcome(False, "HANGUP", f"softfax ended the call: {end.why}", code, sip_code=end.code)
    if end.q850 and end.q850 != NORMAL_CLEARING:
        return replace(judged, text=f"{judged.text} ({cause_shown(end.q850, end.words)})")
    return judged


def from_t30(code: int, text: str, *, polls: bool = False) -> Outcome:
    """T.30 ended with spandsp's completion code `code`, whose text is `text`. `polls`: we asked for a document by DTC,
    and none has begun to come."""
    if polls and code in (T30_DCN_FOR_DTC, T30_CALLDROPPED):
        why = "the far end does not give the document: its number (SEP) or its password (PWD) is another"
        return Outcome(False, "Poll not accepted", why, T30_POLL_REFUSED)
    if code == 0:
        return OK
    if code in (T30_T0_EXPIRED, T30_T1_EXPIRED):
        return Outcome(False, "TIMEOUT", "no fax was heard from the far end", code)
    if code == T30_TX_INCAPABLE:
        return Outcome(False, text, "there is nothing to poll: the far end has no document ready for its caller", code)
    if code in T30_FILE_ERRORS:
        return Outcome(False, "FILE_ERROR", text, code)
    if code == T30_CALLDROPPED:
        return Outcome(False, "HANGUP", text, code)
    return Outcome(False, text, text, code)


def hostile_text(kind: int) -> str:
    """Text for what the guard caught."""
    return _HOSTILE.get(kind, "the far end broke the rules of T.30")


def encoding_name(code: int) -> str:
    """spandsp's compression code as T.4 and T.6 name it; empty if unknown."""
    return _ENCODINGS.get(code, "")


def resolution_name(x_dots_per_metre: int, y_dots_per_metre: int) -> str:
    """Resolution in dots per inch, as `204x196`."""
    return f"{round(x_dots_per_metre * 0.0254)}x{round(y_dots_per_metre * 0.0254)}"
