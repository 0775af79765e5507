# SPDX-License-Identifier: GPL-2.0-or-later
"""The end of a call or of a request, as the far end's message has it: Reason (RFC 3326), Retry-After, Warning. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from softfax.model import EndedBy
from softfax.outside import clean
from softfax.sip.headers import headers_of

__all__ = ["FAR_END", "OURS", "RETRY_AFTER_MAX_S", "CallEnd", "end_of", "q850_of", "retry_after_s"]

#: The longest Retry-After that is honoured: a far end that is wrong, or means harm, puts off no fax for days.
RETRY_AFTER_MAX_S = 3600
#: Whose the end of a call is, see glue.h.
FAR_END, OURS = 1, 2
_REASONS = re.compile(r"^Reason[ \t]*:[ \t]*([^\r\n]{1,1024}(?:\r?\n[ \t][^\r\n]{0,512})*)", re.I | re.M)
_Q850 = re.compile(r"\s*Q\.850\s*((?:;[^,\"]*(?:\"(?:[^\"\\]|\\.)*\"[^,\"]*)*)?)(?:,|$)", re.I | re.S)
_WARNING = re.compile(r"\s*[0-9]{3}\s+\S+\s+\"((?:[^\"\\]|\\.){0,200})\"")


@dataclass(frozen=True)
class CallEnd:
    """End of a call: whose it was, None where no message of either side ended it (no response, a connection that broke).

    Where we ended it, `code` is the SIP status and `why` the reason. `q850` is the cause of the telephone network (ITU-T Q.850)
    in the far end's Reason, 0 for none, and `words` its text, or that of its Warning. `retry_after_s` is for how long it asks
    not to be called again.
    """

    by: EndedBy | None = None
    code: int = 0
    why: str = ""
    q850: int = 0
    words: str = ""
    retry_after_s: int = 0


def end_of(head: str) -> CallEnd:
    """The end that a BYE or a final response of the far end tells."""
    headers = headers_of(head)
    cause, text = q850_of(head)
    warning = _WARNING.match(headers.get("Warning", ""))
    words = text or (re.sub(r"\\(.)", r"\1", warning[1]) if warning else "")
    return CallEnd(
        by=EndedBy.FAR_END,
        q850=cause,
        words=clean(words)[:200],
        retry_after_s=retry_after_s(headers.get("Retry-After", "")),
    )


def q850_of(head: str) -> tuple[int, str]:
    """The cause and text of Q.850 in the Reason headers of a message; (0, "") for none. Of several, the first."""
    for header in _REASONS.findall(head[:65536]):
        at = 0
        while at < len(header):
            match = _Q850.match(header, at)
            if match is not None:
                cause = re.search(r";\s*cause\s*=\s*\"?([0-9]{1,3})\b", match[1], re.I)
                if cause is not None and 0 < int(cause[1]) < 128:
                    text = re.search(r";\s*text\s*=\s*\"((?:[^\"\\]|\\.){0,200})\"", match[1], re.I)
                    return int(cause[1]), clean(re.sub(r"\\(.)", r"\1", text[1])) if text else ""
            at = _next(header, at)
    return 0, ""


def _next(header: str, at: int) -> int:
    """Return the beginning of the next value in a list with commas; commas in quotes are text."""
    quoted = False
    while at < len(header):
        if header[at] == "\\" and quoted:
            at += 1
        elif header[at] == '"':
            quoted = not quoted
        elif header[at] == "," and not quoted:
            return at + 1
        at += 1
    return at


def retry_after_s(value: str) -> int:
    """The seconds of a Retry-After header (RFC 3261 §20.33), within limits; 0 for none."""
    match = re.match(r"\s*([0-9]{1,10})\b", value)
    return min(int(match[1]), RETRY_AFTER_MAX_S) if match else 0
