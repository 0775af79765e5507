# SPDX-License-Identifier: GPL-2.0-or-later
"""Pages as they were received: what came twice is kept once, what came badly is kept and told."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image

from softfax.documents.strips import Strip, copy_bits, open_regular, read_strips
from softfax.documents.tiff import DOTS_MAX, TiffWriter, page_dots
from softfax.errors import DocumentUnsupportedError

__all__ = ["drop_superseded", "is_sent_again"]

Dots = npt.NDArray[np.bool_]

#: A page sent again has in common with its first sending what came through of that; two pages of text hardly anything.
ROWS_IN_COMMON = 0.3


def is_sent_again(first: Dots, second: Dots) -> bool:
    """Return True if `second` is the page `first` over again, bad rows apart."""
    if first.shape[1] != second.shape[1]:
        return False
    rows = [row.tobytes() for row in np.packbits(first[first.any(axis=1)], axis=1)]
    if not rows:
        return False
    known = {row.tobytes() for row in np.packbits(second, axis=1)}
    return sum(row in known for row in rows) > ROWS_IN_COMMON * len(rows)


def drop_superseded(tiff: Path, refused: Sequence[bool]) -> list[int]:
    """Takes those refused pages (RTN) out of a received TIFF that were sent again after it.

    `refused` says of each page of the file whether it was. Returns which pages are left, by their old index; a refused page
    that never came again is among them. Raises DocumentUnsupportedError, OSError.
    """
    if not any(refused):
        return list(range(len(refused)))
    strips = read_strips(tiff)
    kept = [
        index
        for index in range(len(strips))
        if not (
            index < len(refused) and refused[index] and index + 1 < len(strips) and _came_again(tiff, strips, index)
        )
    ]
    if len(kept) < len(strips):
        part = tiff.with_name(f".{tiff.name}.kept")
        try:
            with open_regular(tiff) as file, TiffWriter(part) as writer:
                for index in kept:
                    _copy(file, strips[index], tiff, index, writer)
            part.rename(tiff)
        finally:
            part.unlink(missing_ok=True)
    return kept


def _came_again(tiff: Path, strips: Sequence[Strip], index: int) -> bool:
    """Two pages at a time are drawn, and none that would take too much memory: that one is kept."""
    pair = strips[index], strips[index + 1]
    if any(strip.width * strip.rows > DOTS_MAX for strip in pair):
        return False
    try:
        return is_sent_again(page_dots(tiff, index), page_dots(tiff, index + 1))
    except DocumentUnsupportedError:
        return False


def _copy(file: BinaryIO, strip: Strip, tiff: Path, index: int, writer: TiffWriter) -> None:
    if strip.octets and not strip.black_is_0:
        bits = b"".join(copy_bits(file, strip))
        writer.add_t6(bits, strip.width, strip.rows, strip.x_dpi, strip.y_dpi)
    else:
        writer.add(Image.fromarray(~page_dots(tiff, index)), strip.x_dpi, strip.y_dpi)
