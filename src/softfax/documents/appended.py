# SPDX-License-Identifier: GPL-2.0-or-later
"""Pages of one fax TIFF behind those of another: what one call sends of several faxes is one file, which grows."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from softfax.documents.strips import copy_bits, open_regular, read_strips
from softfax.documents.tiff import TiffWriter

__all__ = ["append", "write_behind"]


def append(pages: Path, to: Path) -> None:
    """Append the pages of a fax TIFF of ours to another, whose own stay where they are. Raises DocumentError, OSError."""
    with TiffWriter.appending(to) as writer:
        _copy(pages, writer)


def write_behind(before: Path, count: int, pages: Path, to: Path) -> None:
    """Write the first `count` pages of a fax TIFF of ours, and behind them all pages of another. Raises as `append`."""
    with TiffWriter(to) as writer:
        _copy(before, writer, count)
        _copy(pages, writer)


def _copy(pages: Path, writer: TiffWriter, count: int | None = None) -> None:
    with open_regular(pages) as file:
        for strip in islice(read_strips(pages), count):
            bits = b"".join(copy_bits(file, strip))
            writer.add_t6(bits, strip.width, strip.rows, strip.x_dpi, strip.y_dpi)
