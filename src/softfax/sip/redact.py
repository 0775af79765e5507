# SPDX-License-Identifier: GPL-2.0-or-later
"""SIP messages without their secrets, for logs. Pure."""

from __future__ import annotations

import re

__all__ = ["redact"]

# The header with its continuation lines (RFC 3261 §7.3.1). A digest response can be attacked offline, so it goes too. The scheme
# stays, so that Wireshark still takes the header for one.
_SECRET = re.compile(
    r"^((?:Proxy-)?Authorization|Authentication-Info)([ \t]*:)(?:[ \t]*(Digest)\b)?[^\r\n]*(?:\r?\n[ \t]+[^\r\n]*)*",
    re.IGNORECASE | re.MULTILINE,
)
# Keys of SRTP in SDP (RFC 4568 §6.1), wherever they stand.
_KEY = re.compile(r"(\binline[ \t]*:)[^\r\n]*", re.IGNORECASE)
_PASSWORD_IN_URI = re.compile(r"(sips?:[^\s:@<>;?]{1,256}):[^\s@<>]{1,256}@", re.IGNORECASE)


def redact(message: str) -> str:
    """The message with credentials, passwords in URIs and keys of media replaced by `***`."""
    return _KEY.sub(r"\1***", _PASSWORD_IN_URI.sub(r"\1:***@", _SECRET.sub(_hidden, message)))


def _hidden(found: re.Match[str]) -> str:
    return f"{found[1]}{found[2]} {'Digest ' if found[3] else ''}***"
