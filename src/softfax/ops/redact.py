# SPDX-License-Identifier: GPL-2.0-or-later
"""Text without its secrets, for logs: credentials of SIP, HTTP and AMI, passwords in URLs, what the configuration calls a secret.

Pure. What is not recognised as a secret stays; that is why the secrets of the configuration are looked for as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from softfax.sip.redact import redact as redact_sip

__all__ = ["HIDDEN", "Redactor"]

HIDDEN = "***"
#: Shorter ones stand in ordinary words.
SECRET_CHARS_MIN = 4

_WORD = (
    r"(?:[A-Za-z0-9_.-]*(?:password|passwd|secret|api[_-]?key|access[_-]?key|private[_-]?key|signature|credential)|"
    r"(?:[A-Za-z0-9_.-]*[_.-])?(?:token|pin|auth|key))"
)
_RULES = (
    # A header or a field of a log record: Authorization: Bearer …, Cookie: …
    (
        re.compile(
            r"\b((?:proxy-)?authorization|cookie|set-cookie|x-api-key)([\"']?\s*[:=]\s*[\"']?)[^\"'\r\n}]+", re.I
        ),
        rf"\1\2{HIDDEN}",
    ),
    (
        re.compile(
            r"\b(bearer|basic|digest)\s+(?=(?-i:[A-Za-z0-9+/=_.~-]*[0-9A-Z+/=_~-]))[A-Za-z0-9+/=_.~-]{6,}", re.I
        ),
        rf"\1 {HIDDEN}",
    ),
    # scheme://user:password@host, and a user alone that is a token
    (re.compile(r"\b([a-z][a-z0-9+.-]{1,20}://)([^\s/@:]{0,256}):([^\s/@]{1,256})@", re.I), rf"\1\2:{HIDDEN}@"),
    # password=…, "token": "…", Secret: …, also in a query
    (
        re.compile(rf"(?<![A-Za-z0-9_.-])({_WORD})([\"']?\s*[=:]\s*)([\"'])(?:(?!\3)[^\\]|\\.)*\3", re.I),
        rf"\1\2\3{HIDDEN}\3",
    ),
    (
        re.compile(rf"(?<![A-Za-z0-9_.-])({_WORD})([\"']?\s*[=:]\s*)(?![\"'\s*])[^\s,;&\"'<>)\]}}]+", re.I),
        rf"\1\2{HIDDEN}",
    ),
)


class Redactor:
    """Takes secrets out of text. `secrets` are replaced wherever they stand."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        wanted = sorted({one for one in secrets if len(one) >= SECRET_CHARS_MIN}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, wanted))) if wanted else None

    def __call__(self, text: str) -> str:
        """The text with `***` in place of what must not be read."""
        if self._known is not None:
            text = self._known.sub(HIDDEN, text)
        text = redact_sip(text)
        for pattern, shown in _RULES:
            text = pattern.sub(shown, text)
        return text
