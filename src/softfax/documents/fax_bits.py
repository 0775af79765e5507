# SPDX-License-Identifier: GPL-2.0-or-later
"""Damage in T.6 bits: libtiff decodes on, white, and says so on standard error alone. Runs only inside the worker process."""

from __future__ import annotations

import io
import os
import struct

from PIL import Image

from softfax.documents.deep_tiff import (
    BITS,
    COMPRESSION,
    COUNTS,
    OFFSETS,
    PHOTOMETRIC,
    ROWS,
    STRIP_ROWS,
    WIDTH,
    with_directory,
)
from softfax.documents.tiff import encode_t6

__all__ = ["Complaints", "is_cut", "is_whole_t6"]

#: EOFB: EOL twice.
END, END_OCTETS = 0x001001, 3
T6, HEAD = 4, b"II*\0\0\0\0\0"
SAID_MAX = 1 << 16
#: An octet for each is taken twice.
DOTS_MAX = 64_000_000


class Complaints:
    """A block of code whose lines on standard error are kept in `said`, in place of being printed."""

    said = b""

    def __enter__(self) -> Complaints:
        self._kept, self._own = os.memfd_create("stderr"), os.dup(2)
        os.dup2(self._kept, 2)
        return self

    def __exit__(self, *_: object) -> None:
        os.dup2(self._own, 2)
        self.said = os.pread(self._kept, SAID_MAX, 0)
        os.close(self._own)
        os.close(self._kept)


def is_whole_t6(bits: bytes, width: int, rows: int) -> bool:
    """Return True if T.6 bits are a page of so many dots and rows, all of them, or one too large to be looked at."""
    if width * rows > DOTS_MAX:
        return True
    if width <= 0 or rows <= 0:
        return False
    tags = {WIDTH: [width], ROWS: [rows], STRIP_ROWS: [rows], BITS: [1], COMPRESSION: [T6], PHOTOMETRIC: [0],
            OFFSETS: [len(HEAD)], COUNTS: [len(bits)]}  # fmt: skip
    try:
        with Complaints() as complaints:
            image = Image.open(io.BytesIO(with_directory(HEAD + bits, "<", tags)), formats=("TIFF",))
            image.load()
        return not complaints.said and not is_cut(bits, image)
    except (OSError, ValueError, SyntaxError, struct.error, Image.DecompressionBombError):
        return False


def is_cut(bits: bytes, image: Image.Image) -> bool:
    """Return True if T.6 bits end before the rows that were made of them: what is missing was taken for white without a word."""
    bits = bits.rstrip(b"\0")
    last = int.from_bytes(bits[-4:], "big")
    # EOFB (ITU-T T.6 §2.4.1.1), filled up.
    ends = any(last >> shift & 0xFFFFFF == END for shift in range(8))
    return not ends and len(encode_t6(image)) - END_OCTETS > len(bits) + 1
