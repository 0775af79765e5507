# SPDX-License-Identifier: GPL-2.0-or-later
"""What an e-mail has to be faxed: subject, text and attachments. Pure; takes anything, within limits."""

from __future__ import annotations

import html
import mimetypes
import re
from dataclasses import dataclass
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message
from email.parser import BytesParser
from email.policy import Compat32
from email.utils import getaddresses
from pathlib import PurePosixPath

from softfax.errors import UsageError
from softfax.mail.tnef import TnefError, read_tnef
from softfax.outside import clean, file_name

__all__ = ["Attachment", "Letter", "MailError", "MessageLimits", "read_message"]

HEADER_MAX = 1000
#: Of one header, and how many there are in one part: reading parameters takes time with the square of their length.
FIELD_MAX = 16 << 10
FIELDS_MAX = 500
TEXT_MAX = 400_000
LINES_MAX = 700_000
#: Where readers look for its beginning (ISO 32000-1 annex H.3.4.1).
PDF_BEGINS_WITHIN = 1024
#: Each line is compared with the boundaries of all parts around it.
NESTING_MAX = 10
#: Names of encodings of text; others (punycode, idna …) take time without end.
_CHARSET = re.compile(
    r"(?:x-)?(?:us-)?(?:ascii|utf|iso|latin|cp|windows|koi8|gb|hz|big5|euc|shift|mac|tis|viscii)[\w-]{0,30}",
    re.I,
)
#: Parts that nobody wants on paper: signatures, keys, cards, invitations.
_LEFT_OUT = frozenset(
    {
        "application/ics",
        "application/pgp-keys",
        "application/pgp-signature",
        "application/pkcs7-signature",
        "application/x-pkcs7-signature",
        "message/delivery-status",
        "message/disposition-notification",
        "text/calendar",
        "text/rfc822-headers",
        "text/vcard",
        "text/x-amp-html",
        "text/x-vcard",
    }
)
#: What the standard library raises over what no mail program writes.
_DAMAGED = (MessageError, ValueError, LookupError, TypeError, AttributeError, AssertionError, RecursionError)
_TNEF = frozenset({"application/ms-tnef", "application/vnd.ms-tnef"})
_ENCRYPTED = frozenset({"multipart/encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime"})


class MailError(UsageError):
    """An e-mail that is not faxed."""


class _Policy(Compat32):
    """Headers as they came, in UTF-8 where they are not ASCII (RFC 6532), else in what old programs write."""

    def header_fetch_parse(self, name: str, value: str) -> str:
        """A header as text."""
        if value.isascii():
            return value
        octets = value.encode("utf-8", "surrogateescape")
        try:
            return octets.decode()
        except UnicodeDecodeError:
            return octets.decode("cp1252", "replace")


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


@dataclass(frozen=True)
class MessageLimits:
    """`parts` of MIME, counted with those that hold others; pictures within the text up to `image_bytes` are logos."""

    parts: int = 60
    image_bytes: int = 20_000


@dataclass(frozen=True)
class Attachment:
    """A document. `name` is a plain file name."""

    name: str
    data: bytes


@dataclass(frozen=True, kw_only=True)
class Letter:
    """An e-mail as it will be faxed. `senders` are the addresses in From; `automatic` is why nobody wrote it, or empty.

    `results` are its Authentication-Results headers.
    """

    senders: tuple[str, ...] = ()
    sender_name: str = ""
    subject: str = ""
    text: str = ""
    attachments: tuple[Attachment, ...] = ()
    message_id: str = ""
    date: str = ""
    automatic: str = ""
    results: tuple[str, ...] = ()


def read_message(content: bytes, limits: MessageLimits | None = None) -> Letter:
    """Reads an e-mail. Raises MailError for one that is too much, encrypted, or has nothing to be faxed."""
    limits = limits or MessageLimits()
    message = _parse(content, limits)
    automatic = _automatic(message)
    text, attachments = ("", []) if automatic else _contents(_leaves(message), limits)
    people = _people(message)
    return Letter(
        senders=tuple(address for _, address in people),
        sender_name=people[0][0] if people else "",
        subject=_header(message, "Subject"),
        text=text,
        attachments=tuple(attachments),
        message_id=_header(message, "Message-ID"),
        date=_header(message, "Date"),
        automatic=automatic,
        results=tuple(str(value)[: 4 * HEADER_MAX] for value in (message.get_all("Authentication-Results") or ())[:20]),
    )


def _parse(content: bytes, limits: MessageLimits) -> Message:
    if content.count(b"\n") > LINES_MAX:
        raise MailError("the e-mail has too many lines", "send its documents as PDF")
    made = 0

    def part(policy: object = None) -> Message:
        nonlocal made
        made += 1
        if made > limits.parts:
            raise MailError(f"the e-mail has more than {limits.parts} parts", "send fewer attachments")
        return _Part(_POLICY)

    try:
        return BytesParser(part, policy=_POLICY).parsebytes(content)
    except MailError:
        raise
    except _DAMAGED:
        raise MailError("the e-mail is damaged", "send it again") from None


def _leaves(message: Message) -> list[Message]:
    """The parts that hold no others, in order; an e-mail within the e-mail is one."""
    found: list[Message] = []
    waiting = [message]
    while waiting:
        part = waiting.pop()
        kind = _kind(part)
        if kind in _ENCRYPTED:
            if "signed-data" in str(part.get("Content-Type", ""))[:HEADER_MAX].lower():
                raise MailError("the e-mail is signed so that only mail programs can read it", "sign it in clear text")
            raise MailError("the e-mail is encrypted", "send it without encryption")
        # Only of those that hold others: the payload of one that holds text is decoded by whatever it says is its encoding.
        inner = part.get_payload() if part.is_multipart() and not kind.startswith("message/") else None
        if isinstance(inner, list):
            waiting.extend(p for p in reversed(inner) if isinstance(p, Message))
        else:
            found.append(part)
    return found


def _contents(parts: list[Message], limits: MessageLimits) -> tuple[str, list[Attachment]]:
    plain: list[str] = []
    marked: list[str] = []
    attachments: list[Attachment] = []
    for part in parts:
        kind, name = _kind(part), _filename(part)
        attached = _disposition(part) == "attachment"
        if kind in _LEFT_OUT:
            continue
        if kind.startswith("message/"):
            attachments += _forwarded(part, kind, name, limits)
        elif kind == "text/plain" and not attached and not name:
            plain.append(_text(part))
        elif kind == "text/html" and not attached and not name:
            marked.append(_from_html(_text(part)))
        elif kind in _TNEF or name.lower() == "winmail.dat":
            text, files = _unpacked(part, limits)
            plain += [] if any(plain) or any(marked) else [_plain(text)]
            attachments += files
        else:
            attachment = _attachment(part, kind, name, len(attachments) + 1)
            inline = not attached and (bool(part.get("Content-ID")) or _disposition(part) == "inline")
            if not (inline and kind.startswith("image/") and len(attachment.data) <= limits.image_bytes):
                attachments.append(attachment)
    text = "\n\n".join(t for t in plain if t) or "\n\n".join(t for t in marked if t)
    return text[:TEXT_MAX], attachments


def _forwarded(part: Message, kind: str, name: str, limits: MessageLimits) -> list[Attachment]:
    """An e-mail attached to the e-mail: who wrote what to whom as a text, then its documents."""
    inner = part.get_payload()
    if kind != "message/rfc822" or not isinstance(inner, list) or not inner or not isinstance(inner[0], Message):
        raise MailError(f"a part of the e-mail ({kind}) cannot be faxed", "attach its documents instead")
    message = inner[0]
    text, attachments = _contents(_leaves(message), limits)
    lines = [f"{key}: {said}" for key in ("From", "To", "Date", "Subject") if (said := _header(message, key))]
    stem = PurePosixPath(name).stem if name else file_name(_header(message, "Subject"))
    shown = "\n".join([*lines, "", text]).strip("\n")
    return [Attachment(f"{stem or 'message'}.txt", shown.encode()), *attachments] if shown else attachments


def _unpacked(part: Message, limits: MessageLimits) -> tuple[str, list[Attachment]]:
    """What Outlook packed into winmail.dat: the text, where it has one, and the files."""
    try:
        data = part.get_payload(decode=True)
        text, files = read_tnef(data if isinstance(data, bytes) else b"")
    except (*_DAMAGED, TnefError):
        raise MailError(
            "winmail.dat cannot be read", "send the e-mail as HTML or plain text, not as Rich Text"
        ) from None
    if len(files) > limits.parts:
        raise MailError(f"the e-mail has more than {limits.parts} parts", "send fewer attachments")
    found: list[Attachment] = []
    for file in files:
        kind = mimetypes.guess_type(file.name)[0] or ""
        if kind in _LEFT_OUT or (file.inline and kind.startswith("image/") and len(file.data) <= limits.image_bytes):
            continue
        found.append(_whole(Attachment(file_name(file.name) or f"attachment-{len(found) + 1}", file.data)))
    return text, found


def _attachment(part: Message, kind: str, name: str, number: int) -> Attachment:
    if kind == "text/html":
        return Attachment(f"{PurePosixPath(name or f'attachment-{number}').stem}.txt", _from_html(_text(part)).encode())
    if not PurePosixPath(name).suffix:
        name = f"{name or f'attachment-{number}'}{mimetypes.guess_extension(kind) or ''}"
    try:
        data = part.get_payload(decode=True)
    except _DAMAGED:
        data = None
    if not isinstance(data, bytes):
        raise MailError(f"the attachment {name} is damaged", "send it again")
    return _whole(Attachment(name, data), pdf=kind == "application/pdf")


def _whole(attachment: Attachment, *, pdf: bool = False) -> Attachment:
    """What is left of a PDF that was mangled on its way would be faxed as text."""
    pdf = pdf or attachment.name.lower().endswith(".pdf")
    if pdf and b"%PDF-" not in attachment.data[:PDF_BEGINS_WITHIN]:
        raise MailError(f"{attachment.name} is not a PDF", "open it and save it again")
    return attachment


# ---- headers -------------------------------------------------------------------------------------------------------------


def _kind(part: Message) -> str:
    try:
        return part.get_content_type()
    except _DAMAGED:
        return "application/octet-stream"


def _disposition(part: Message) -> str:
    try:
        return part.get_content_disposition() or ""
    except _DAMAGED:
        return "attachment"


def _filename(part: Message) -> str:
    try:
        return file_name(_decoded(part.get_filename() or ""))
    except _DAMAGED:
        return ""


def _header(message: Message, name: str) -> str:
    return _decoded(message.get(name) or "")


def _decoded(value: object) -> str:
    """A header in one line, its encoded words read (RFC 2047)."""
    text = str(value)[: 4 * HEADER_MAX]
    try:
        text = str(make_header([part for part in decode_header(text) if _known(part[1])]))
    except _DAMAGED:
        pass
    return clean(" ".join(text.split()), instead=" ")[:HEADER_MAX]


def _known(charset: str | None) -> bool:
    return charset is None or charset == "unknown-8bit" or bool(_CHARSET.fullmatch(charset))


def _people(message: Message) -> list[tuple[str, str]]:
    """Names and addresses in From."""
    try:
        values = [str(value)[: 2 * HEADER_MAX] for value in (message.get_all("From") or ())[:3]]
        found = getaddresses(values)
    except _DAMAGED:
        return []
    return [(_decoded(name), address.lower()) for name, address in found if "@" in address][:10]


def _automatic(message: Message) -> str:
    """Why nobody wrote this (RFC 3834 §5, RFC 2919); empty for what somebody did."""
    for value in message.get_all("Auto-Submitted") or ():
        submitted = _decoded(value).partition(";")[0].strip().lower()
        if submitted != "no":
            return f"Auto-Submitted: {submitted[:40]}"
    if _kind(message) in ("multipart/report", "message/delivery-status", "message/disposition-notification"):
        return "it is a report"
    precedence = {_decoded(value).lower() for value in message.get_all("Precedence") or ()}
    if message.get("List-Id") is not None or precedence & {"bulk", "list", "junk", "auto_reply"}:
        return "it comes from a list"
    if message.get("X-Autoreply") is not None or message.get("X-Autorespond") is not None:
        return "it is an automatic reply"
    return "Return-Path: <>" if _header(message, "Return-Path") == "<>" else ""


# ---- text ----------------------------------------------------------------------------------------------------------------


def _text(part: Message) -> str:
    try:
        data = part.get_payload(decode=True)
        charset = str(part.get_content_charset() or "utf-8")
    except _DAMAGED:
        return ""
    if not isinstance(data, bytes):
        return ""
    try:
        text = data[: 4 * TEXT_MAX].decode(charset if _CHARSET.fullmatch(charset) else "utf-8", "replace")
    except (LookupError, ValueError):
        text = data[: 4 * TEXT_MAX].decode("utf-8", "replace")
    flowed = _parameter(part, "format") == "flowed"
    return _plain(_unflowed(text, _parameter(part, "delsp") == "yes") if flowed else text)


def _plain(text: str) -> str:
    lines = (line.rstrip() for line in text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "").split("\n"))
    return "\n".join(lines).strip("\n")[:TEXT_MAX]


def _parameter(part: Message, name: str) -> str:
    try:
        return str(part.get_param(name) or "").lower()
    except _DAMAGED:
        return ""


def _unflowed(text: str, delsp: bool) -> str:
    """Paragraphs as they were before lines were broken for the way (RFC 3676 §4.1); what is quoted stays in its lines."""
    out: list[str] = []
    open_line = False
    for line in text.replace("\r\n", "\n").split("\n"):
        if line.startswith(">"):
            out.append(line)
            open_line = False
            continue
        line = line.removeprefix(" ")
        flows = line.endswith(" ") and line != "-- "
        said = line[:-1] if flows and delsp else line
        if open_line and line != "-- ":
            out[-1] += said
        else:
            out.append(said)
        open_line = flows
    return "\n".join(out)


_HIDDEN = frozenset({"script", "style", "head", "title", "template"})
_BREAKS = frozenset({"br", "p", "div", "tr", "li", "h1", "h2", "h3", "h4", "h5", "h6", "table", "ul", "ol", "hr"})
#: As long as before, letter by letter, which `str.lower` is not.
_LOW = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
_TAG = re.compile(r"</?([a-z][a-z0-9]*)", re.I)


def _from_html(text: str) -> str:
    """The words of an HTML text, with the breaks that people see. Looks at every character once, however broken it is."""
    out: list[str] = []
    low, at = text.translate(_LOW), 0
    while at < len(text):
        start = text.find("<", at)
        out.append(re.sub(r"\s+", " ", html.unescape(text[at : start if start >= 0 else len(text)])))
        if start < 0:
            break
        if text.startswith("<!--", start):
            end = text.find("-->", start + 4)
            at = end + 3
        else:
            match = _TAG.match(text, start)
            if match is None and text[start + 1 : start + 2] not in ("!", "?"):
                out.append("<")
                at = start + 1
                continue
            end = text.find(">", start)
            at = end + 1
            tag = match[1].lower() if match else ""
            if tag in _HIDDEN and text[start + 1] != "/":
                end = low.find(f"</{tag}", at)
                at = end
            elif tag in _BREAKS and (text[start + 1] != "/" or tag in ("p", "table", "ul", "ol")):
                out.append("\n")
            elif tag in ("td", "th") and text[start + 1] != "/":
                out.append("  ")
        if end < 0:
            break
    lines = [line.strip() for line in "".join(out).split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
