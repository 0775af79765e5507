# SPDX-License-Identifier: GPL-2.0-or-later
"""The bindings that a registrar lists in its 200 (RFC 3261 §10.3), and which of them is ours. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from softfax.sip.accounts import LINE_PARAMETER
from softfax.sip.headers import headers_of

__all__ = ["binding_of"]

CONTACTS_MAX = 200
_CONTACTS = re.compile(r"^(?:Contact|m)[ \t]*:[ \t]*([^\r\n]{0,8192})", re.I | re.M)
#: One of several: with the URI in brackets, or bare, when parameters are the header's.
_CONTACT = re.compile(
    r'\s*(?:(?:"(?:[^"\\]|\\.)*"|[^<",]*)<([^>]*)>|([^\s,;<]+))((?:;[^,"]*(?:"[^"]*"[^,"]*)*)?)\s*(?:,|$)'
)
_ADDRESS = re.compile(r"sips?:(?:([^@;?]*)@)?(\[[^\]]*\]|[^:;?]*)(?::([0-9]{1,5}))?", re.I)


def binding_of(head: str, token: str, contact: str) -> tuple[int, str]:
    """Return for how many seconds a 200 to REGISTER registers us, and where that is 0, why.

    Ours is the Contact with our `line` parameter, or the address and user of the one we sent, where a registrar leaves out
    parameters that it does not know.
    """
    folded = re.sub(r"[ \t]+", " ", re.sub(r"\r?\n[ \t]+", " ", head))
    listed = [one for header in _CONTACTS.findall(folded) for one in _contacts(header)][:CONTACTS_MAX]
    ours = _address(contact)
    default = re.match(r"[0-9]{1,10}", headers_of(head).get("Expires", ""))
    found = [one for one in listed if re.search(rf";{LINE_PARAMETER}={token}(?:[;?]|$)", one[0] or one[1])]
    found = found or [one for one in listed if ours is not None and _address(one[0] or one[1]) == ours]
    if not found:
        return 0, "it lists other contacts than ours" if listed else "it lists no contact"
    # With nothing said in the answer, it is an hour (RFC 3261 §10.2.1.1).
    expires_s = max(_expires(one[2], int(default[0]) if default else 3600) for one in found)
    return min(expires_s, 1 << 30), "" if expires_s else "our contact has expired (expires=0)"


def _contacts(header: str) -> Iterator[tuple[str, str, str]]:
    """URI in brackets, bare URI and parameters of each. What is none is passed over to the next comma: no text takes long."""
    at = 0
    while at < len(header):
        match = _CONTACT.match(header, at)
        if match is not None:
            yield match[1] or "", match[2] or "", match[3]
        end = match.end() if match is not None else header.find(",", at) + 1
        if end <= at:
            return
        at = end


def _address(uri: str) -> tuple[str, str, str] | None:
    match = _ADDRESS.search(uri)
    return ((match[1] or "").lower(), match[2].lower(), match[3] or "") if match else None


def _expires(parameters: str, default_s: int) -> int:
    match = re.search(r";\s*expires\s*=\s*\"?([0-9]{1,10})", parameters, re.I)
    return int(match[1]) if match else default_s
