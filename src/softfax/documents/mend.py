# SPDX-License-Identifier: GPL-2.0-or-later
"""A received TIFF whose writer was killed, or had no room left: what was not written whole is cut off.

libtiff links a page's directory before it writes it, so that a file left in between cannot be read at all, not even the pages
before it. Pages and directories of spandsp's files are written once, in order.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import BinaryIO

from softfax.documents.strips import open_regular

__all__ = ["mend"]

PAGES_MAX = 10_000
ENTRIES_MAX = 128
#: TIFF 6.0 §2: octets of a value of each type.
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_WIDTH, _LENGTH, _OFFSETS, _COUNTS = 256, 257, 273, 279


def mend(tiff: Path) -> int:
    """Ends the chain of pages before the first that is not there whole; how many there are. 0 for what is no TIFF.

    Raises OSError.
    """
    try:
        with open_regular(tiff, os.O_RDWR) as file:
            order = {b"II*\0": "<", b"MM\0*": ">"}.get(file.read(4), "")
            return _mend(file, order) if order else 0
    except FileNotFoundError:
        return 0


def _mend(file: BinaryIO, order: str) -> int:
    size = os.fstat(file.fileno()).st_size
    link = 4
    for pages in range(PAGES_MAX):
        at = _number(file, order + "I", link)
        if at == 0:
            return pages
        after = _after(file, order, at, size) if at is not None and at > link - 4 else None
        if after is None:
            file.seek(link)
            file.write(bytes(4))
            file.flush()
            os.fsync(file.fileno())
            return pages
        link = after
    return PAGES_MAX


def _number(file: BinaryIO, form: str, at: int) -> int | None:
    file.seek(at)
    data = file.read(struct.calcsize(form))
    return int(struct.unpack(form, data)[0]) if len(data) == struct.calcsize(form) else None


def _after(file: BinaryIO, order: str, at: int, size: int) -> int | None:
    """Offset of the link to the next directory, behind the one at `at`; None where its page is not whole."""
    count = _number(file, order + "H", at)
    if not count or count > ENTRIES_MAX:
        return None
    end = at + 2 + 12 * count
    data = file.read(12 * count)
    if len(data) < 12 * count or end + 4 > size:
        return None
    values: dict[int, int] = {}
    for tag, kind, number, value in struct.iter_unpack(order + "HHII", data):
        octets = _SIZES.get(kind, 0) * number
        if not octets or (octets > 4 and value + octets > size):
            return None
        if kind == 3 and order == ">":
            value >>= 16
        values[tag] = value & 0xFFFF if kind == 3 else value
    if not (values.get(_WIDTH) and values.get(_LENGTH) and values.get(_OFFSETS) and values.get(_COUNTS)):
        return None
    return end if values[_OFFSETS] + values[_COUNTS] <= size else None
