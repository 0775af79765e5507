# SPDX-License-Identifier: GPL-2.0-or-later
"""The text of a SIP message: headers, numbers and SDP, as far as owners of calls need them. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote

from softfax.outside import clean

__all__ = ["REQUEST_URI", "display_name", "headers_of", "is_private", "number_of", "sdp_of"]

#: The key in `headers_of` of what is no header: the URI in the start line.
REQUEST_URI = "Request-URI"
VALUE_MAX = 512
HEADERS_MAX = 100
#: RFC 3261 §7.3.3, RFC 3515, RFC 3892: those sent on request.
_COMPACT = {"f": "From", "t": "To", "i": "Call-Id", "m": "Contact", "c": "Content-Type", "s": "Subject"}
_ADDRESS = re.compile(r'\s*(?:(?:"(?:[^"\\]|\\.)*"|[^<"])*)<([^>]*)>')
_URI = re.compile(r"\s*(?:sips?:(?:([^@>\s]{1,256})@)?([^>;,?\s]{1,128})|tel:([^>;,?\s]{1,128}))", re.I)
_CONTEXT = re.compile(r";phone-context=(\+[0-9]{1,15})(?=[;?>\s]|$)", re.I)
_NUMBER = re.compile(r"[0-9A-Za-z+*#.,_()/ -]{1,128}")


def headers_of(head: str) -> dict[str, str]:
    """The first value of each header by its name, like From and P-Called-Party-Id, and the URI of an INVITE as `REQUEST_URI`.

    Compact names are written out, folded lines are one (RFC 3261 §7.3.1).
    """
    found: dict[str, str] = {}
    # Not splitlines: it also takes for an end of line what PJSIP takes for text.
    start, *lines = re.split(r"\r\n|\r|\n", re.sub(r"\r?\n[ \t]+", " ", head), maxsplit=HEADERS_MAX + 1)[
        : HEADERS_MAX + 1
    ]
    for line in lines:
        name, colon, value = line.partition(":")
        name = name.strip().title()
        if colon and value.strip():
            found.setdefault(_COMPACT.get(name.lower(), name), value.strip()[:VALUE_MAX])
    match = re.match(r"INVITE (\S{1,512}) ", start)
    if match:
        found[REQUEST_URI] = match[1]
    return found


def number_of(text: str) -> str:
    """The number or user of a SIP or tel URI, or of a header with one, the first of several; its host where there is none.

    Parameters (`;npdi`) and a password are left out; what is escaped is read where it is part of a number. A local number with
    a global `;phone-context=+49` is the number that it stands for (RFC 3966 §5.1.5).
    """
    address = _ADDRESS.match(text)
    match = _URI.match(address[1] if address else text)
    if match is None:
        return ""
    user, _, parameters = (match[1] or match[3] or "").partition(";")
    user = user.partition(":")[0]
    # A tel URI's parameters are beside what was matched.
    context = _CONTEXT.search(f";{parameters}" if match[1] else (address[1] if address else text)[match.end() :])
    plain = unquote(user)
    if context and re.fullmatch(r"[0-9().\-]{1,32}", plain):
        return context[1] + re.sub(r"[().\-]", "", plain)
    return clean((plain if _NUMBER.fullmatch(plain) else user)[:128] or match[2] or "")


def is_private(headers: Mapping[str, str]) -> bool:
    """Return True if the caller wants to stay unknown to whom it calls (RFC 3325 §9.3)."""
    return bool({"id", "user", "header"} & set(re.split(r"[;\s]+", headers.get("Privacy", "").lower())))


def display_name(header: str) -> str:
    """The display name of a From header, empty where there is none."""
    match = re.match(r'\s*(?:"((?:[^"\\]|\\.){0,80})"|([^<"]{0,80}))\s*<', header)
    return clean(re.sub(r"\\(.)", r"\1", (match[1] or match[2] or ""))).strip() if match else ""


def sdp_of(head: str, body: str) -> str:
    """The SDP in a body; of several parts (RFC 5621), as of trunks that send ISUP along, the one that is SDP."""
    kind = headers_of(head).get("Content-Type", "")
    boundary = re.match(r'multipart/[^;]*;.*?boundary="?([^";,\s]{1,70})', kind, re.I)
    if boundary is None:
        return body
    for part in re.split(rf"(?:^|\r?\n)--{re.escape(boundary[1])}(?:--)?[ \t]*\r?\n", body)[1:]:
        inner, _, content = part.replace("\r\n", "\n").partition("\n\n")
        if headers_of(f"part\n{inner}").get("Content-Type", "").lower().startswith("application/sdp"):
            return content.replace("\n", "\r\n").rstrip("\r\n") + "\r\n"
    return ""
