# SPDX-License-Identifier: GPL-2.0-or-later
"""Contents of an e-mail to be faxed: subject, text and attachments. Pure; takes anything, within limits."""

from __future__ import annotations

import base64
import functools
import mimetypes
import re
from dataclasses import dataclass
from email.message import Message
from pathlib import PurePosixPath

from softfax.documents.charsets import decode
from softfax.documents.letters import words
from softfax.documents.letters.headers import (
    DAMAGED,
    HEADER_MAX,
    decoded,
    disposition,
    filename,
    header,
    kind_of,
    parameter,
    people,
)
from softfax.documents.letters.mime import MailError, Parts, looks_like_mail, octets_of, too_many_parts
from softfax.documents.letters.tnef import TnefError, is_tnef, read_tnef
from softfax.documents.types import left_out
from softfax.outside import file_name

__all__ = [
    "UNWANTED",
    "Attachment",
    "Letter",
    "LetterReader",
    "MailError",
    "MessageLimits",
    "page_of",
    "read_message",
    "read_packed",
]

#: Where readers look for its beginning (ISO 32000-1 annex H.3.4.1).
PDF_BEGINS_WITHIN = 1024
#: E-mails within e-mails within e-mails.
FORWARDS_MAX = 10
#: Characters of a text, octets or characters of HTML, that are faxed of one e-mail.
TEXT_MAX, HTML_MAX = 400_000, 4_000_000
#: Parts that nobody wants on paper: signatures, keys, cards, invitations.
UNWANTED = frozenset(
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
_TNEF = frozenset({"application/ms-tnef", "application/vnd.ms-tnef"})
_ENCRYPTED = frozenset({"multipart/encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime"})
_MAIL = frozenset({"message/rfc822", "message/global", "application/eml", "application/x-eml"})
#: Types that say nothing of what a file is.
_ANY = frozenset({"application/octet-stream", "application/x-unknown", "application/unknown", "text/plain"})
_CID = re.compile(r"(?<=[\"'(=])cid:([^\"')>\s]{1,300})", re.I)
_HEAD_STYLE = "font: 10pt sans-serif; margin: 0 0 1em; padding-bottom: .5em; border-bottom: 1pt solid"
_CUT = left_out("", "the end of the text, which is too long")
_TABLE = re.compile(r"<td\b[^>]{0,300}>(?:(?!</?tr\b).){0,20000}?<td\b", re.I | re.S)


@dataclass(frozen=True)
class MessageLimits:
    """`parts` of MIME, counted with those that hold others; pictures within the text up to `image_bytes` are logos.

    `html` tells that HTML can be drawn as a page; where it cannot, its words are taken.
    """

    parts: int = 60
    image_bytes: int = 20_000
    html: bool = False


@dataclass(frozen=True)
class Attachment:
    """A document. `name` is a plain file name."""

    name: str
    data: bytes


@dataclass(frozen=True, kw_only=True)
class Letter:
    """An e-mail as it will be faxed. `senders` are the addresses in From; `automatic` is why nobody wrote it, or empty.

    `head` is who wrote what to whom, a line each. `html` is the text as HTML with its pictures, where words alone would lose
    something of it. `left_out` says of each attachment that cannot be read why. `results` are its Authentication-Results headers.
    """

    senders: tuple[str, ...] = ()
    sender_name: str = ""
    subject: str = ""
    head: tuple[str, ...] = ()
    text: str = ""
    html: str = ""
    attachments: tuple[Attachment, ...] = ()
    left_out: tuple[str, ...] = ()
    message_id: str = ""
    date: str = ""
    automatic: str = ""
    results: tuple[str, ...] = ()


def read_message(content: bytes, limits: MessageLimits | None = None, *, automatic_too: bool = False) -> Letter:
    """Reads an e-mail. Raises MailError for one that is too much, encrypted, or has nothing to be faxed.

    What nobody wrote is not looked into, unless `automatic_too` asks for it.
    """
    limits = limits or MessageLimits()
    parts = Parts(limits.parts)
    message = parts.parse(content)
    automatic = _automatic(message)
    reader = LetterReader(limits, parts)
    if not automatic or automatic_too:
        reader.read(message)
    who = people(message)
    return Letter(
        senders=tuple(address for _, address in who),
        sender_name=who[0][0] if who else "",
        subject=header(message, "Subject"),
        head=tuple(head_of(message)),
        text=reader.text,
        html=reader.html,
        attachments=tuple(reader.attachments),
        left_out=tuple(reader.left_out),
        message_id=header(message, "Message-ID"),
        date=header(message, "Date"),
        automatic=automatic,
        results=tuple(str(value)[: 4 * HEADER_MAX] for value in (message.get_all("Authentication-Results") or ())[:20]),
    )


def read_packed(data: bytes, limits: MessageLimits) -> Letter:
    """Read a winmail.dat of Outlook's that comes by itself. Raises MailError."""
    reader = LetterReader(limits, Parts(limits.parts))
    reader.take_packed(data)
    reader.settle()
    return Letter(text=reader.text, attachments=tuple(reader.attachments), left_out=tuple(reader.left_out))


def head_of(message: Message) -> list[str]:
    """Sender, recipients, date and subject, a line each; one that is too long ends in an ellipsis."""
    lines = []
    for key in ("From", "To", "Cc", "Date", "Subject"):
        said = header(message, key)
        cut = len(said) >= HEADER_MAX or len(str(message.get(key))) > 4 * HEADER_MAX
        lines += [f"{key}: {said}{' …' if cut else ''}"] if said else []
    return lines


def page_of(head: list[str], text: str, html: str) -> tuple[str, bytes]:
    """An e-mail as a document: the ending of its name, and what it holds; nothing where the e-mail has neither."""
    if html:
        block = "".join(f"<div>{_escaped(line)}</div>" for line in head)
        block = f'<div style="{_HEAD_STYLE}">{block}</div>'
        body = re.search(r"<body\b", html, re.I)
        at = html.find(">", body.end()) + 1 if body else 0
        # What the octets say first counts, not what the text says of itself.
        return ".html", f"\N{ZERO WIDTH NO-BREAK SPACE}{html[:at]}{block if head else ''}{html[at:]}".encode()
    return ".txt", "\n".join([*head, "", text] if head else [text]).strip("\n").encode()


def _escaped(line: str) -> str:
    return line.replace("&", "&amp;").replace("<", "&lt;")


def _leaves(message: Message) -> list[Message]:
    """The parts that hold no others, in order; an e-mail within the e-mail is one, and so is what is encrypted."""
    found: list[Message] = []
    waiting = [message]
    while waiting:
        part = waiting.pop()
        kind = kind_of(part)
        # Only of those that hold others: the payload of one that holds text is decoded by whatever it says is its encoding.
        inner = part.get_payload() if part.is_multipart() and not kind.startswith("message/") else None
        if isinstance(inner, list) and kind not in _ENCRYPTED:
            waiting.extend(p for p in reversed(inner) if isinstance(p, Message))
        else:
            found.append(part)
    return found


class LetterReader:
    """Takes an e-mail apart. An attachment that cannot be read is left out, unless nothing else is there."""

    def __init__(self, limits: MessageLimits, parts: Parts, depth: int = 0) -> None:
        self.limits, self.parts, self.depth = limits, parts, depth
        self.text = self.html = ""
        self.attachments: list[Attachment] = []
        self.left_out: list[str] = []
        self._plain: list[str] = []
        self._marked: list[str] = []
        self._html_is_cut = False
        self._pictures: dict[str, tuple[str, Attachment]] = {}

    def read(self, message: Message) -> None:
        """All parts. Raises MailError where an attachment was all there is."""
        first: MailError | None = None
        for part in _leaves(message):
            name = filename(part)
            try:
                self._take(part, kind_of(part), name)
            except (MailError, *DAMAGED) as error:
                problem = (
                    error
                    if isinstance(error, MailError)
                    else MailError(f"{name or 'a part'} is damaged", "send it again")
                )
                first = first or problem
                self.leave_out(name, problem)
        self.settle()
        # A letter without what it is about is none; one within another is there for its own sake.
        if first is not None and not self.attachments and (self.depth == 0 or not self.text):
            raise first

    def _take(self, part: Message, kind: str, name: str) -> None:
        attached = disposition(part) == "attachment"
        if kind in UNWANTED:
            return
        if kind in _ENCRYPTED:
            if "signed-data" in str(part.get("Content-Type", ""))[:HEADER_MAX].lower():
                raise MailError("the e-mail is signed so that only mail programs can read it", "sign it in clear text")
            raise MailError("the e-mail is encrypted", "send it without encryption")
        if kind.startswith("message/") and (kind not in _MAIL or part.is_multipart()):
            self._forwarded(_inner(part, kind), name)
        elif kind in _TNEF or name.lower() == "winmail.dat":
            self.take_packed(octets_of(part))
        elif kind == "text/plain" and not attached and not name:
            self._plain.append(self._text(part))
        elif kind == "text/html" and not attached and not name:
            octets = octets_of(part, text=True)
            self._marked.append(decode(octets[:HTML_MAX], parameter(part, "charset")))
            self._html_is_cut |= len(octets) > HTML_MAX
        else:
            self._attached(part, kind, name, attached)

    def _text(self, part: Message) -> str:
        octets = octets_of(part, text=True)
        if len(octets) > 4 * TEXT_MAX:
            self._say_cut()
        text = decode(octets[: 4 * TEXT_MAX], parameter(part, "charset"))
        if parameter(part, "format").lower() == "flowed":
            text = words.unflowed(text, parameter(part, "delsp").lower() == "yes")
        return words.plain(text)

    def _say_cut(self) -> None:
        if _CUT not in self.left_out:
            self.left_out.append(_CUT)

    def _attached(self, part: Message, kind: str, name: str, attached: bool) -> None:
        if kind.startswith("text/") and kind != "text/rtf" and not name.lower().endswith(".eml"):
            data = decode(octets_of(part, text=True), parameter(part, "charset")).encode()
            data = data if kind != "text/html" or data.startswith(b"\xef\xbb\xbf") else b"\xef\xbb\xbf" + data
        else:
            data = octets_of(part)
        cid = str(part.get("Content-ID") or "")[:HEADER_MAX].strip().strip("<>")
        inline = not attached and (bool(cid) or disposition(part) == "inline")
        self.add_file(name, data, kind, cid=cid, inline=inline)

    def add_file(self, name: str, data: bytes, kind: str, *, cid: str = "", inline: bool = False) -> None:
        """An attachment; `cid` is the name by which HTML shows it, `inline` that it stands within the text. Raises MailError."""
        if _is_mail(kind, name, data):
            return self._forwarded(self.parts.parse(data), name)
        if is_tnef(data):
            return self.take_packed(data)
        shown = name or f"attachment-{len(self.attachments) + 1}"
        if not PurePosixPath(shown).suffix:
            shown += mimetypes.guess_extension(kind) or ""
        attachment = _whole(Attachment(shown, data), pdf=kind == "application/pdf")
        if cid and kind.startswith("image/"):
            self._pictures[cid.lower()] = kind, attachment
        if not (inline and kind.startswith("image/") and len(data) <= self.limits.image_bytes):
            self.attachments.append(attachment)

    def add_text(self, plain: str, html: str = "") -> None:
        """A text, or the same in both forms."""
        self._plain += [words.plain(plain)] if plain.strip() else []
        self._marked += [html[:HTML_MAX]] if html.strip() else []
        self._html_is_cut |= len(html) > HTML_MAX

    def leave_out(self, name: str, error: MailError) -> None:
        """Notes an attachment that cannot be read."""
        self.left_out.append(left_out(name, error.problem))

    def add_letter(self, name: str, head: list[str], inner: LetterReader) -> None:
        """An e-mail attached to the e-mail: who wrote what to whom, then its documents."""
        ending, page = page_of(head, inner.text, inner.html)
        self.attachments += [Attachment(f"{name or 'message'}{ending}", page)] if page else []
        self.attachments += inner.attachments
        self.left_out += inner.left_out

    def _forwarded(self, message: Message, name: str) -> None:
        if self.depth >= FORWARDS_MAX:
            raise MailError("the parts of the e-mail are nested too deep", "send its documents as PDF")
        inner = LetterReader(self.limits, self.parts, self.depth + 1)
        inner.read(message)
        stem = PurePosixPath(name).stem if name else file_name(header(message, "Subject"))
        self.add_letter(stem, head_of(message), inner)

    def take_packed(self, data: bytes) -> None:
        """Take the contents of Outlook's winmail.dat: the text, where it has one, and the files."""
        try:
            text, files = read_tnef(data)
        except (*DAMAGED, TnefError):
            raise MailError(
                "winmail.dat cannot be read", "send the e-mail as HTML or plain text, not as Rich Text"
            ) from None
        if len(files) > self.limits.parts:
            raise too_many_parts(self.limits.parts)
        self._plain += [] if any(self._plain) or any(self._marked) else [words.plain(text)]
        for file in files:
            kind = mimetypes.guess_type(file.name)[0] or ""
            logo = file.inline and kind.startswith("image/") and len(file.data) <= self.limits.image_bytes
            if kind in UNWANTED or logo:
                continue
            name = file_name(file.name) or f"attachment-{len(self.attachments) + 1}"
            try:
                if _is_mail("", name, file.data):
                    self._forwarded(self.parts.parse(file.data), name)
                else:
                    self.attachments.append(_whole(Attachment(name, file.data)))
            except MailError as error:
                self.leave_out(name, error)

    def settle(self) -> None:
        """The text: plain where it says all, HTML where it would lose a table or a picture."""
        plain = "\n\n".join(t for t in self._plain if t)
        marked = [t for t in self._marked if t.strip()]
        text = plain or "\n\n".join(filter(None, map(words.from_html, marked)))
        whole = "\n<hr>\n".join(marked)
        drawable = self.limits.html and bool(whole) and len(whole) <= HTML_MAX
        used = {found.lower() for found in _CID.findall(whole)} & set(self._pictures) if drawable else ()
        pictures = [self._pictures[cid][1] for cid in used]
        shown = any(len(picture.data) > self.limits.image_bytes for picture in pictures)
        if drawable and (not plain or shown or _TABLE.search(whole)):
            self.html = _with_pictures(whole, self._pictures)
            self.attachments = [one for one in self.attachments if not any(one is picture for picture in pictures)]
        if (self._html_is_cut and (self.html or not plain)) or (len(text) > TEXT_MAX and not self.html):
            self._say_cut()
        self.text = text[:TEXT_MAX]


def _is_mail(kind: str, name: str, data: bytes) -> bool:
    named = name.lower().endswith(".eml") or kind in _MAIL
    return (named or kind in _ANY or not kind) and looks_like_mail(data[:16_384], named=named)


def _inner(part: Message, kind: str) -> Message:
    inner = part.get_payload()
    if kind not in _MAIL or not isinstance(inner, list) or not inner or not isinstance(inner[0], Message):
        raise MailError(f"a part of the e-mail ({kind}) cannot be faxed", "attach its documents instead")
    return inner[0]


def _whole(attachment: Attachment, *, pdf: bool = False) -> Attachment:
    """Check that a PDF arrived whole: one mangled on its way would be faxed as text."""
    pdf = pdf or attachment.name.lower().endswith(".pdf")
    if pdf and b"%PDF-" not in attachment.data[:PDF_BEGINS_WITHIN]:
        raise MailError(f"{attachment.name} is not a PDF", "open it and save it again")
    return attachment


def _with_pictures(html: str, pictures: dict[str, tuple[str, Attachment]]) -> str:
    """HTML with its pictures, each of them once; what shows one again has so much room as there may be HTML."""
    room = HTML_MAX
    shown: set[str] = set()

    @functools.cache
    def encoded(cid: str) -> str:
        kind, picture = pictures[cid]
        return f"data:{kind};base64,{base64.b64encode(picture.data).decode()}"

    def data(match: re.Match[str]) -> str:
        nonlocal room
        cid = match[1].lower()
        if cid not in pictures:
            return match[0]
        said = encoded(cid)
        if cid in shown:
            if len(said) > room:
                return match[0]
            room -= len(said)
        shown.add(cid)
        return said

    return _CID.sub(data, html)


def _automatic(message: Message) -> str:
    """Reason to take an e-mail for automatic (RFC 3834 §5, RFC 2919); empty for a person's."""
    for value in message.get_all("Auto-Submitted") or ():
        submitted = decoded(value).partition(";")[0].strip().lower()
        if submitted != "no":
            return f"Auto-Submitted: {submitted[:40]}"
    if kind_of(message) in ("multipart/report", "message/delivery-status", "message/disposition-notification"):
        return "it is a report"
    precedence = {decoded(value).lower() for value in message.get_all("Precedence") or ()}
    if message.get("List-Id") is not None or precedence & {"bulk", "list", "junk", "auto_reply"}:
        return "it comes from a list"
    if message.get("X-Autoreply") is not None or message.get("X-Autorespond") is not None:
        return "it is an automatic reply"
    return "Return-Path: <>" if header(message, "Return-Path") == "<>" else ""
