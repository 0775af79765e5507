# SPDX-License-Identifier: GPL-2.0-or-later
"""E-mails as Outlook saves them (.msg, [MS-OXMSG]), by olefile. Runs only inside `softfax.documents.foreign_worker`."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from softfax.documents.charsets import codec_for, decode
from softfax.documents.letters.message import UNWANTED, Letter, LetterReader, MailError, MessageLimits
from softfax.documents.letters.mime import Parts, too_many_parts
from softfax.documents.letters.rtf import RtfError, unpacked
from softfax.errors import DocumentUnsupportedError
from softfax.optional import install_remedy, is_installed
from softfax.outside import clean, file_name

__all__ = ["read_outlook"]

#: Properties of a message and of an attachment ([MS-OXPROPS]).
SUBJECT, BODY, HTML, RTF = 0x0037, 0x1000, 0x1013, 0x1009
SENDER_NAME, SENDER_ADDRESS, SENDER_SMTP, TO, CC = 0x0C1A, 0x0C1F, 0x5D01, 0x0E04, 0x0E03
SUBMITTED, DELIVERED, CODE_PAGE, INTERNET_CODE_PAGE = 0x0039, 0x0E06, 0x3FFD, 0x3FDE
DATA, LONG_NAME, NAME, CID, MIME, SHOWN = 0x3701, 0x3707, 0x3704, 0x3712, 0x370E, 0x3001
UNICODE, OCTETS, OBJECT, STRING, WHOLE, TIME = 0x001F, 0x0102, 0x000D, 0x001E, 0x0003, 0x0040
NESTING_MAX = 5
STREAM_MAX = 64 << 20
#: Bytes before the list of properties: of a message, of one within a message, of an attachment.
OUTER_HEADER, INNER_HEADER, PART_HEADER = 32, 24, 8
EPOCH = datetime(1601, 1, 1, tzinfo=UTC)


def read_outlook(path: Path, name: str, limits: MessageLimits) -> Letter:
    """Reads a message. Raises MailError, DocumentUnsupportedError."""
    if not is_installed("olefile"):
        raise DocumentUnsupportedError(
            f"{name} is an e-mail of Outlook's, and olefile, which opens it, is not installed",
            f"{install_remedy('olefile')}; or save the e-mail as PDF",
        )
    import olefile

    try:
        with olefile.OleFileIO(path) as file:
            opened = _Storage(file, (), OUTER_HEADER)
            reader = LetterReader(limits, Parts(limits.parts))
            _read(opened, reader, 0)
            if not reader.attachments and reader.left_out and not reader.text:
                raise MailError(reader.left_out[0], "send its documents as PDF")
            return Letter(
                subject=opened.text(SUBJECT),
                head=tuple(_head(opened)),
                text=reader.text,
                html=reader.html,
                attachments=tuple(reader.attachments),
                left_out=tuple(reader.left_out),
            )
    except (OSError, ValueError, IndexError, KeyError, TypeError, AttributeError, struct.error, RecursionError):
        raise DocumentUnsupportedError(f"{name} is damaged", "open it in Outlook and save it as PDF") from None


class _Storage:
    """The properties of a message or an attachment, which stand in a folder of the file."""

    def __init__(self, file: Any, place: tuple[str, ...], header: int) -> None:
        self.file, self.place = file, place
        self._fixed = self._numbers(header)

    def _numbers(self, header: int) -> dict[int, bytes]:
        data = self.stream("__properties_version1.0")[header:]
        found = {}
        for at in range(0, len(data) - 15, 16):
            kind, name = struct.unpack_from("<HH", data, at)
            if kind in (WHOLE, TIME):
                found[name] = data[at + 8 : at + 16]
        return found

    def stream(self, name: str) -> bytes:
        path = [*self.place, name]
        if not self.file.exists(path) or self.file.get_type(path) != 2 or self.file.get_size(path) > STREAM_MAX:
            return b""
        with self.file.openstream(path) as stream:
            return bytes(stream.read())

    def octets(self, name: int) -> bytes:
        return self.stream(f"__substg1.0_{name:04X}{OCTETS:04X}")

    def number(self, name: int) -> int:
        return int(struct.unpack("<I", self._fixed.get(name, bytes(8))[:4])[0])

    def time(self, name: int) -> str:
        ticks = struct.unpack("<Q", self._fixed.get(name, bytes(8)))[0]
        if not 0 < ticks < 1 << 62:
            return ""
        try:
            return f"{EPOCH + timedelta(microseconds=ticks // 10):%Y-%m-%d %H:%M} UTC"
        except OverflowError:
            return ""

    def long_text(self, name: int) -> str:
        wide = self.stream(f"__substg1.0_{name:04X}{UNICODE:04X}")
        if wide:
            return wide.decode("utf-16-le", "replace").rstrip("\0")
        narrow = self.stream(f"__substg1.0_{name:04X}{STRING:04X}")
        return decode(narrow, self.charset(CODE_PAGE)).rstrip("\0") if narrow else ""

    def text(self, name: int) -> str:
        return clean(" ".join(self.long_text(name).split()), instead=" ")[:1000]

    def charset(self, name: int) -> str:
        number = str(self.number(name) or self.number(INTERNET_CODE_PAGE) or "")
        return number if codec_for(number) else ""

    def attachments(self) -> list[tuple[str, ...]]:
        depth = len(self.place)
        found = {
            tuple(entry[: depth + 1])
            for entry in self.file.listdir(streams=True, storages=True)
            if tuple(entry[:depth]) == self.place
            and len(entry) > depth
            and entry[depth].startswith("__attach_version1.0_")
        }
        return sorted(found)


def _head(message: _Storage) -> list[str]:
    name, address = message.text(SENDER_NAME), message.text(SENDER_SMTP) or message.text(SENDER_ADDRESS)
    # Addresses of Exchange's own are for no reader.
    address = address if "@" in address else ""
    sender = f"{name} <{address}>" if name and address and name != address else name or address
    lines = {
        "From": sender,
        "To": message.text(TO),
        "Cc": message.text(CC),
        "Date": message.time(SUBMITTED) or message.time(DELIVERED),
        "Subject": message.text(SUBJECT),
    }
    return [f"{key}: {value}" for key, value in lines.items() if value]


def _read(message: _Storage, reader: LetterReader, depth: int) -> None:
    html = message.octets(HTML)
    marked = decode(html, message.charset(INTERNET_CODE_PAGE)) if html else message.long_text(HTML)
    plain, packed = message.long_text(BODY), message.octets(RTF)
    reader.add_text(plain, marked)
    if not plain.strip() and not marked.strip() and packed:
        try:
            text, whole = unpacked(packed)
            reader.add_file("message.rtf", text, "text/rtf")
            if not whole:
                reader.leave_out("", MailError("the end of the text is damaged", "save the e-mail as PDF"))
        except RtfError:
            reader.leave_out("", MailError("the text is damaged", "save the e-mail as PDF"))
    places = message.attachments()
    if len(places) > reader.limits.parts:
        raise too_many_parts(reader.limits.parts)
    for place in places:
        part = _Storage(message.file, place, PART_HEADER)
        name = file_name(part.text(LONG_NAME) or part.text(NAME) or part.text(SHOWN))
        try:
            _attached(part, name, reader, depth)
        except MailError as error:
            reader.leave_out(name, error)
    reader.settle()


def _attached(part: _Storage, name: str, reader: LetterReader, depth: int) -> None:
    inner = (*part.place, f"__substg1.0_{DATA:04X}{OBJECT:04X}")
    if part.file.exists([*inner, "__properties_version1.0"]):
        if depth >= NESTING_MAX:
            raise MailError("the parts of the e-mail are nested too deep", "send its documents as PDF")
        message = _Storage(part.file, inner, INNER_HEADER)
        below = LetterReader(reader.limits, reader.parts)
        _read(message, below, depth + 1)
        reader.add_letter(file_name(message.text(SUBJECT)) or Path(name).stem, _head(message), below)
        return
    data, kind, cid = part.octets(DATA), part.text(MIME).lower(), part.text(CID)
    if kind in UNWANTED:
        return
    if not data:
        raise MailError(f"{name or 'an attachment'} is empty or a link", "attach the document itself")
    kind = kind or ("image/" if cid else "")
    reader.add_file(name, data, kind, cid=cid, inline=bool(cid))
