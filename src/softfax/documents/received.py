# SPDX-License-Identifier: GPL-2.0-or-later
"""Pages as they were received: what came twice is kept once, what came badly is kept and told."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from softfax.documents.tiff import TiffWriter, read_pages

__all__ = ["drop_superseded", "is_sent_again"]

Dots = npt.NDArray[np.bool_]

#: A page sent again has in common with its first sending what came through of that; two pages of text hardly anything.
ROWS_IN_COMMON = 0.3


def is_sent_again(first: Dots, second: Dots) -> bool:
    """Whether `second` is the page `first` over again, bad rows apart."""
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
    pages = list(read_pages(tiff))
    kept = [
        index
        for index, (_, dots) in enumerate(pages)
        if not (
            index < len(refused)
            and refused[index]
            and index + 1 < len(pages)
            and is_sent_again(dots, pages[index + 1][1])
        )
    ]
    if len(kept) < len(pages):
        part = tiff.with_name(f".{tiff.name}.kept")
        with TiffWriter(part) as writer:
            for index in kept:
                info, dots = pages[index]
                writer.add(Image.fromarray(~dots), info.x_dpi, info.y_dpi)
        part.rename(tiff)
    return kept
