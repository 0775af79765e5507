# SPDX-License-Identifier: GPL-2.0-or-later
"""Headers of e-mails as text: encoded words (RFC 2047) and parameters (RFC 2231) in any character set. Pure."""

from __future__ import annotations

import binascii
import re
import urllib.parse
from email.errors import MessageError
from email.message import Message
from email.utils import getaddresses

from softfax.documents.charsets import decode
from softfax.outside import clean, file_name

__all__ = ["DAMAGED", "HEADER_MAX", "decoded", "disposition", "filename", "header", "kind_of", "parameter", "people"]

HEADER_MAX = 1000
#: What the standard library raises over what no mail program writes.
DAMAGED = (MessageError, ValueError, LookupError, TypeError, AttributeError, AssertionError, RecursionError)

_ENCODED_WORD = re.compile(r"=\?([^?\s]{1,80})\?([bq])\?(.*?)\?=", re.I)
#: A value after RFC 2231 that stands where a plain one should.
_EXTENDED = re.compile(r"([A-Za-z][\w:.-]{1,40})'[\w-]{0,20}'(.*%[0-9A-Fa-f]{2}.*)")


def header(message: Message, name: str) -> str:
    """A header in one line; empty where there is none."""
    return decoded(message.get(name) or "")


def decoded(value: object) -> str:
    """A header in one line, its encoded words read."""
    text = " ".join(str(value)[: 4 * HEADER_MAX].split())
    out: list[str] = []
    words: list[tuple[bytes, str]] = []
    at = 0
    for match in _ENCODED_WORD.finditer(text):
        between = text[at : match.start()]
        # White space between encoded words is none of the text's.
        if between.strip() or not words:
            out += [_joined(words), between]
            words = []
        words.append((_octets(match[2], match[3]), match[1]))
        at = match.end()
    out += [_joined(words), text[at:]]
    return clean(" ".join("".join(out).split()), instead=" ")[:HEADER_MAX]


def _octets(encoding: str, text: str) -> bytes:
    octets = text.encode("utf-8", "replace")
    if encoding in "qQ":
        return binascii.a2b_qp(octets, header=True)
    return base64_octets(octets)


def base64_octets(data: bytes) -> bytes:
    """Base64 as far as it goes, padded or not; other characters count for nothing (RFC 2045 §6.8)."""
    letters = re.sub(rb"[^A-Za-z0-9+/]", b"", data)
    letters = letters[: len(letters) - (len(letters) % 4 == 1)]
    return binascii.a2b_base64(letters + b"=" * (-len(letters) % 4))


def _joined(words: list[tuple[bytes, str]]) -> str:
    """Words of one character set are one text: a character may have been cut in two."""
    out: list[str] = []
    waiting, charset = b"", ""
    for octets, name in words:
        if name.lower() != charset:
            out.append(decode(waiting, charset))
            waiting, charset = b"", name.lower()
        waiting += octets
    return "".join([*out, decode(waiting, charset)])


def parameter(part: Message, name: str, of: str = "Content-Type") -> str:
    """A parameter of a header as it was meant; empty where there is none."""
    try:
        value = part.get_param(name, "", of)
        if isinstance(value, tuple):
            charset, _, text = value
            return decode(str(text).encode("latin-1"), str(charset or ""))
    except UnicodeEncodeError:
        return str(text)
    except DAMAGED:
        return ""
    text = str(value)
    if wrong := _EXTENDED.fullmatch(text):
        return decode(urllib.parse.unquote_to_bytes(wrong[2]), wrong[1])
    return text


def filename(part: Message) -> str:
    """The name of an attachment as a plain file name; empty where it has none."""
    name = parameter(part, "filename", "Content-Disposition") or parameter(part, "name")
    return file_name(decoded(name))


def kind_of(part: Message) -> str:
    """The type of a part, as `text/plain`."""
    try:
        return part.get_content_type()
    except DAMAGED:
        return "application/octet-stream"


def disposition(part: Message) -> str:
    """`attachment`, `inline`, or nothing."""
    try:
        return part.get_content_disposition() or ""
    except DAMAGED:
        return "attachment"


def people(message: Message, name: str = "From") -> list[tuple[str, str]]:
    """Names and addresses in a header."""
    try:
        values = [str(value)[: 2 * HEADER_MAX] for value in (message.get_all(name) or ())[:3]]
        found = getaddresses(values)
    except DAMAGED:
        return []
    return [(decoded(shown), address.lower()) for shown, address in found if "@" in address][:10]
