# SPDX-License-Identifier: GPL-2.0-or-later
"""Files that Outlook and Exchange pack into winmail.dat (TNEF, [MS-OXTNEF]), with their names. Pure, within limits."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["TnefError", "TnefFile", "is_tnef", "read_tnef"]

SIGNATURE = b"\x78\x9f\x3e\x22"
UTF_16 = b"\xff\xfe"
FILES_MAX, NESTING_MAX = 100, 3
#: Attributes of a stream [MS-OXTNEF] §2.1.3.3.
BODY, ATTACH_REND_DATA, ATTACH_TITLE, ATTACH_DATA, ATTACHMENT = (
    0x0002800C,
    0x00069002,
    0x00018010,
    0x0006800F,
    0x00069005,
)
OF_MESSAGE, OF_ATTACHMENTS = 1, 2
#: Properties of an attachment [MS-OXCMSG] §2.2.2: the data, its long name, its name, its Content-ID, whether it is hidden.
DATA, LONG_NAME, NAME, CONTENT_ID, HIDDEN = WANTED = (0x3701, 0x3707, 0x3704, 0x3712, 0x7FFE)
#: Types of properties ([MS-OXCDATA] §2.11.1): those of a fixed size, and those that say theirs.
FIXED_SIZES = {2: 2, 3: 4, 4: 4, 0xA: 4, 0xB: 2, 5: 8, 6: 8, 7: 8, 0x14: 8, 0x40: 8, 0x48: 16}
UNICODE, OBJECT, MULTIPLE, NAMED = 0x001F, 0x000D, 0x1000, 0x8000
IDENTIFIER = 16
VARIABLE = (0, 0x1E, UNICODE, OBJECT, 0x102)


class TnefError(ValueError):
    """Truncated, or not TNEF."""


@dataclass(frozen=True)
class TnefFile:
    """A file that was attached. `inline`: a picture within the text."""

    name: str
    data: bytes
    inline: bool = False


def is_tnef(data: bytes) -> bool:
    """Return True if data begin as TNEF does."""
    return data.startswith(SIGNATURE)


def read_tnef(data: bytes, *, depth: int = 0) -> tuple[str, list[TnefFile]]:
    """The text, where it is kept as such, and the files, those of e-mails that are attached too. Raises TnefError."""
    if not is_tnef(data) or depth > NESTING_MAX:
        raise TnefError("no TNEF")
    text = ""
    found: list[dict[int, bytes]] = []
    for level, attribute, value in _attributes(data):
        if (level, attribute) == (OF_MESSAGE, BODY):
            text = _text(value)
        if level != OF_ATTACHMENTS:
            continue
        if attribute == ATTACH_REND_DATA:
            if len(found) >= FILES_MAX:
                raise TnefError("too many files")
            found.append({})
        elif found and attribute in (ATTACH_TITLE, ATTACH_DATA):
            found[-1].setdefault(NAME if attribute == ATTACH_TITLE else DATA, value)
        elif found and attribute == ATTACHMENT:
            # More is known here than in the attributes: names that are not cut to 8.3.
            found[-1] |= _properties(value)
    files: list[TnefFile] = []
    for one in found:
        data = one.get(DATA, b"")
        if is_tnef(data):
            files += read_tnef(data, depth=depth + 1)[1]
        elif data:
            name = _text(one.get(LONG_NAME) or one.get(NAME) or b"")
            files.append(TnefFile(name, data, bool(one.get(CONTENT_ID)) or one.get(HIDDEN, b"")[:1] == b"\1"))
    return text, files


def _text(data: bytes) -> str:
    """A text as it was kept; `_properties` marks UTF-16 by its byte order."""
    if data.startswith(UTF_16):
        return data[2:].decode("utf-16-le", "replace").partition("\0")[0]
    data = data.partition(b"\0")[0]
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def _attributes(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Level, id and value of each; what is no attribute any more is passed over, as some programs add bytes at the end."""
    at = 6  # the signature, and a key that nobody needs
    while at + 9 <= len(data) and data[at] in (OF_MESSAGE, OF_ATTACHMENTS):
        level, attribute, size = struct.unpack_from("<BII", data, at)
        at += 9
        if at + size > len(data):
            raise TnefError("it is cut off")
        yield level, attribute, data[at : at + size]
        at += size + 2  # a checksum, which some programs get wrong


def _properties(data: bytes) -> dict[int, bytes]:
    """Return the requested properties of a list ([MS-OXTNEF] §2.1.3.4), of several values the first. Raises TnefError."""
    reader = _PropertyReader(data)
    found: dict[int, bytes] = {}
    for _ in range(reader.number()):
        kind, name = struct.unpack("<HH", reader.take(4))
        if name >= NAMED:
            reader.name()
        value = reader.value(kind)
        if name in WANTED:
            found[name] = value
    return found


class _PropertyReader:
    """Reads a list of properties from its beginning; all values begin at multiples of four."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, size: int) -> bytes:
        """So many bytes, and what fills them up."""
        begin, self._at = self._at, self._at + size + -size % 4
        if begin + size > len(self._data):
            raise TnefError("it is cut off")
        return self._data[begin : begin + size]

    def number(self) -> int:
        """A number of four bytes."""
        return int(struct.unpack("<I", self.take(4))[0])

    def name(self) -> None:
        """The name of a property that has one: a set, and in it a number or a text."""
        self.take(IDENTIFIER)
        if self.number():
            self.take(self.number())
        else:
            self.take(4)

    def value(self, kind: int) -> bytes:
        """The value, of several the first."""
        several, kind = bool(kind & MULTIPLE), kind & ~MULTIPLE
        if kind in FIXED_SIZES:
            size = FIXED_SIZES[kind]
            return self.take(size * self.number() if several else size)[:size]
        if kind not in VARIABLE:
            raise TnefError("a property of no known type")
        values = [self.take(self.number()) for _ in range(self.number())]
        value = values[0] if values else b""
        if kind == OBJECT:
            return value[IDENTIFIER:]
        return UTF_16 + value if kind == UNICODE else value
