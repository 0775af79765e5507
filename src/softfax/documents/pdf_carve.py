# SPDX-License-Identifier: GPL-2.0-or-later
"""The objects of a damaged PDF found by their marks, and set up anew for a library that reads the rest.

Used where a file's own tables and page tree lead to nothing: its end was cut off, its beginning is missing, its catalog is gone.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator

__all__ = ["carve"]

OBJECT = re.compile(rb"(?<!\d)(\d{1,8})[ \t\r\n]+(\d{1,5})[ \t\r\n]+obj\b")
#: How much of an object is looked at for what it is.
HEAD = 4096
PACKED = re.compile(rb"/Type\s*/ObjStm\b")
CATALOG, TREE, PAGE = (re.compile(rb"/Type\s*/" + kind + rb"\b") for kind in (b"Catalog", b"Pages", b"Page"))
FIRST, COUNT = re.compile(rb"/First\s+(\d+)"), re.compile(rb"/N\s+(\d+)")
ENCRYPT, IDENTIFIER = re.compile(rb"/Encrypt\s+\d+\s+\d+\s+R"), re.compile(rb"/ID\s*\[\s*<[^<>]*>\s*<[^<>]*>\s*\]")
UNPACKED_MAX = 64 << 20
OBJECTS_MAX = 500_000


def carve(data: bytes, *, planted: bool) -> bytes:
    """The file with a new beginning and end. `planted`: with a new page tree too, of whatever pages there are, in the order of
    their numbers. Raises ValueError where there is nothing to set up.
    """
    out = bytearray(b"%PDF-1.7\n")
    if data.rfind(b"endstream") < data.rfind(b"stream\n", 0, -1) - 3:
        # It was cut off within a stream.
        data += b"\nendstream\nendobj\n"
    out += data
    found = dict(_objects(data))
    for number, body in _unpacked(found):
        if number not in found:
            out += b"\n%d 0 obj\n%b\nendobj" % (number, body)
            found[number] = body
    if not found:
        raise ValueError("no objects")
    kinds = {number: body[:HEAD] for number, body in found.items()}
    roots = [number for number, body in kinds.items() if CATALOG.search(body)]
    trees = [number for number, body in kinds.items() if TREE.search(body)]
    free = max(found) + 1
    if planted or not (roots or trees):
        pages = sorted(number for number, body in kinds.items() if PAGE.search(body))
        if not pages:
            raise ValueError("no pages")
        kids = b" ".join(b"%d 0 R" % number for number in pages)
        out += b"\n%d 0 obj\n<< /Type /Pages /Count %d /Kids [%b] >>\nendobj" % (free, len(pages), kids)
        trees, roots, free = [free], [], free + 1
    if not roots:
        tops = [number for number in trees if b"/Parent" not in kinds.get(number, b"")] or trees
        out += b"\n%d 0 obj\n<< /Type /Catalog /Pages %d 0 R >>\nendobj" % (free, tops[-1])
        roots, free = [free], free + 1
    kept = b" ".join(match[-1] for pattern in (ENCRYPT, IDENTIFIER) if (match := pattern.findall(data)))
    out += b"\ntrailer\n<< /Size %d /Root %d 0 R %b >>\nstartxref\n0\n%%%%EOF\n" % (free, roots[-1], kept)
    return bytes(out)


def _objects(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Each object with what follows its number, up to the next."""
    marks = []
    for match in OBJECT.finditer(data):
        marks.append(match)
        if len(marks) > OBJECTS_MAX:
            raise ValueError("too many objects")
    for match, following in zip(marks, [*marks[1:], None], strict=True):
        yield int(match[1]), data[match.end() : following.start() if following else len(data)]


def _unpacked(found: dict[int, bytes]) -> Iterator[tuple[int, bytes]]:
    """The objects within object streams (ISO 32000-1 §7.5.7)."""
    room = UNPACKED_MAX
    for packed in list(found.values()):
        start = packed.find(b"stream")
        head = packed[: max(start, 0)]
        first, count = FIRST.search(head), COUNT.search(head)
        if not PACKED.search(head) or first is None or count is None:
            continue
        body = packed[start + 6 :].lstrip(b"\r\n")
        if b"/FlateDecode" in head:
            try:
                body = zlib.decompressobj().decompress(body, room)
            except zlib.error:
                continue
        room -= len(body)
        if room <= 0:
            return
        index = body[: int(first[1])].split()[: 2 * int(count[1])]
        try:
            numbers, places = [int(n) for n in index[::2]], [int(first[1]) + int(n) for n in index[1::2]]
        except ValueError:
            continue
        for number, place, end in zip(numbers, places, [*places[1:], len(body)], strict=False):
            yield number, body[place:end]
