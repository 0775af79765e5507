# SPDX-License-Identifier: GPL-2.0-or-later
"""The parts of an e-mail and their octets, also where they are not what their headers say. Pure, within limits."""

from __future__ import annotations

import binascii
import re
from email.message import Message
from email.parser import BytesParser
from email.policy import Compat32

from softfax.documents.charsets import decode_text
from softfax.documents.kinds import OLE2
from softfax.documents.letters.headers import DAMAGED, base64_octets
from softfax.errors import UsageError

__all__ = ["LINES_MAX", "MailError", "Parts", "looks_like_mail", "octets_of", "too_many_parts"]

#: Of one header, and how many there are in one part: reading parameters takes time with the square of their length.
FIELD_MAX = 16 << 10
FIELDS_MAX = 500
LINES_MAX = 700_000
#: Each line is compared with the boundaries of all parts around it.
NESTING_MAX = 10
#: How documents begin that people attach.
MAGICS = (
    b"%PDF-", b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"II*\0", b"MM\0*", b"PK\x03\x04", OLE2, b"{\\rtf", b"BM", b"RIFF",
)  # fmt: skip
_ENCODED = frozenset({"base64", "quoted-printable", "uuencode"})
_BASE64_LINES = re.compile(rb"\s*(?:[A-Za-z0-9+/]{20,}[ \t]*\r?\n){0,3}[A-Za-z0-9+/]{4,}={0,2}")
_BASE64_ALONE = re.compile(rb"\s*(?:[A-Za-z0-9+/]{60,76}\r?\n)+[A-Za-z0-9+/]{0,76}={0,2}\s*")
_SOFT_BREAK = re.compile(rb"=(?:[0-9A-F]{2})?\r?\n")
_FIELD = re.compile(rb"([!-9;-~]{1,60}):")
_OF_MAIL = frozenset(b"from to subject date message-id mime-version received return-path delivered-to reply-to".split())
#: Of these people write memos too.
_OF_MAIL_ONLY = frozenset(b"message-id mime-version received return-path delivered-to".split())


class MailError(UsageError):
    """An e-mail, or a part of one, that is not faxed."""


def too_many_parts(most: int) -> MailError:
    """Refusal of an e-mail of more parts than are looked at."""
    return MailError(f"the e-mail has more than {most} parts", "send fewer attachments")


class _Policy(Compat32):
    """Headers as they came, in UTF-8 where they are not ASCII (RFC 6532), else in what old programs write."""

    def header_fetch_parse(self, name: str, value: str) -> str:
        """A header as text."""
        return value if value.isascii() else decode_text(value.encode("utf-8", "surrogateescape"))


_POLICY = _Policy()


class _Part(Message):
    """A part that refuses what takes time without end."""

    depth = 0

    def set_raw(self, name: str, value: str) -> None:
        """A header as it came."""
        if len(value) > FIELD_MAX or len(self) >= FIELDS_MAX:
            raise MailError("the e-mail has too long headers", "send it from another program")
        super().set_raw(name, value)

    def attach(self, payload: Message) -> None:  # type: ignore[override]
        """A part within this one."""
        if isinstance(payload, _Part):
            payload.depth = self.depth + 1
            if payload.depth > NESTING_MAX:
                raise MailError("the parts of the e-mail are nested too deep", "send its documents as PDF")
        super().attach(payload)

    @property
    def raw(self) -> bytes | None:
        """Contents as in the e-mail, octet for octet; `get_payload` reads it as text first. None for a part of parts."""
        payload: object = vars(self).get("_payload")
        return payload.encode("ascii", "surrogateescape") if isinstance(payload, str) else None

    def get_content_maintype(self) -> str:
        """The parser reads what follows `message` as an e-mail; one in base64 (RFC 2046 §5.2.1 forbids it) is none yet."""
        kind = super().get_content_maintype()
        return "application" if kind == "message" and _encoding(self) in _ENCODED else kind


class Parts:
    """Makes the parts of an e-mail and of those within it, up to a number of all together."""

    def __init__(self, most: int) -> None:
        self.most, self._made = most, 0

    def parse(self, content: bytes) -> Message:
        """An e-mail of its octets. Raises MailError."""
        if content.count(b"\n") > LINES_MAX:
            raise MailError("the e-mail has too many lines", "send its documents as PDF")
        # A mailbox of one e-mail begins with a line of its own.
        if content.startswith(b"From "):
            content = content.partition(b"\n")[2]
        content = content.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n") if content[:1] in b"\xef\r\n" else content
        try:
            return BytesParser(self._part, policy=_POLICY).parsebytes(content)
        except MailError:
            raise
        except DAMAGED:
            raise MailError("the e-mail is damaged", "send it again") from None

    def _part(self, policy: object = None) -> Message:
        self._made += 1
        if self._made > self.most:
            raise too_many_parts(self.most)
        return _Part(_POLICY)


def looks_like_mail(head: bytes, *, named: bool = False) -> bool:
    """Return True if a file that begins so is an e-mail; one `named` so needs only one header."""
    lines = head.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n").splitlines()[:60]
    if lines and lines[0].startswith(b"From "):
        del lines[0]
    found: set[bytes] = set()
    for number, line in enumerate(lines):
        if not line.strip():
            break
        field = _FIELD.match(line)
        if field is None and (number == 0 or line[:1] not in b" \t"):
            return named and bool(found)
        if field is not None:
            found.add(field[1].lower())
    return bool(found) if named else len(found & _OF_MAIL) >= 3 and bool(found & _OF_MAIL_ONLY)


# ---- octets ----------------------------------------------------------------------------------------------------------


def _encoding(part: Message) -> str:
    """Transfer encoding of a part, as programs write it."""
    said = re.sub(r"[^a-z0-9]", "", str(part.get("Content-Transfer-Encoding", ""))[:80].lower())
    if said.startswith("base64"):
        return "base64"
    if said.startswith("quotedprint"):
        return "quoted-printable"
    return "uuencode" if said in ("xuuencode", "uuencode", "xuue", "uue") else said


def octets_of(part: Message, *, text: bool = False) -> bytes:
    """The octets of a part that holds no others, `text` where it should be some. Raises MailError."""
    raw = part.raw if isinstance(part, _Part) else None
    if raw is None:
        raise MailError("a part of the e-mail is damaged", "send it again")
    encoding = _encoding(part)
    if encoding == "uuencode":
        return _uudecoded(raw)
    if encoding == "base64":
        # What is no base64 was never encoded.
        return _base64(raw) if not raw.strip() or (_BASE64_LINES.match(raw) and not _is_prose(raw)) else raw
    if encoding == "quoted-printable":
        return binascii.a2b_qp(raw) if raw.isascii() else raw
    return _unsaid(raw, text)


def _is_prose(raw: bytes) -> bool:
    first = raw.strip().split(b"\n", 1)[0].strip()
    return b" " in first or re.fullmatch(rb"[A-Za-z0-9+/]+={0,2}", first) is None


def _base64(raw: bytes) -> bytes:
    """Also of several pieces, each with its padding; not of what a list puts below it."""
    # Joined once: there may be as many pieces as lines.
    out: list[bytes] = []
    for piece in re.split(rb"=+(?=\s|[A-Za-z0-9+/]|$)", raw):
        lines = piece.split()
        if out and not all(re.fullmatch(rb"[A-Za-z0-9+/]{20,}", line) for line in lines[:-1]):
            break
        if out and len(lines) == 1 and len(lines[0]) < 20:
            break
        if octets := base64_octets(piece):
            out.append(octets)
    return b"".join(out)


def _unsaid(raw: bytes, text: bool) -> bytes:
    """Octets whose encoding nobody has said, or not this one."""
    if not text and _BASE64_LINES.match(raw):
        head = base64_octets(raw[:400].lstrip())
        if head.startswith(MAGICS) and not raw.startswith(MAGICS):
            return _base64(raw)
    if text and _BASE64_ALONE.fullmatch(raw):
        try:
            return base64_octets(raw).decode("utf-8").encode()
        except UnicodeDecodeError:
            return raw
    if text and raw.isascii() and len(_SOFT_BREAK.findall(raw[: 1 << 16])) >= 2 and re.search(rb"=[0-9A-F]{2}", raw):
        return binascii.a2b_qp(raw)
    return raw


def _uudecoded(raw: bytes) -> bytes:
    out: list[bytes] = []
    begun = False
    for line in raw.splitlines():
        if not begun:
            begun = line.startswith(b"begin ")
        elif line.strip() == b"end":
            break
        elif line:
            try:
                out.append(binascii.a2b_uu(line))
            except binascii.Error:
                # Some programs leave out what is no more than blanks, others add a character.
                octets = (((line[0] - 32) & 63) * 4 + 5) // 3
                out.append(binascii.a2b_uu(line[:octets]))
    return b"".join(out)
