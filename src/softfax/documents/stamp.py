# SPDX-License-Identifier: GPL-2.0-or-later
"""The header line on pages that are made already, without drawing or coding the pages again.

T.6 codes a row by the row above it, and the first by a white one. So the bits of a strip whose last row is white, less its end of
block, can stand before the bits of any page: the result is the strip and the page below it. A white row on white is a single
bit 1 (vertical mode, T.6 §2.2.3.2); where a page begins with a margin of those, the strip takes their place instead. A page costs
less than a millisecond so, and no process.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from softfax.documents.header import HeaderLine, header_rows, header_strip
from softfax.documents.strips import copy_bits, open_regular, read_strips
from softfax.documents.tiff import TiffWriter, encode_t6
from softfax.documents.types import PageClass, PageInfo
from softfax.errors import DocumentUnsupportedError

__all__ = ["StampError", "stamp"]

END_OF_BLOCK, END_OF_BLOCK_BITS = 0x001001, 24


class StampError(Exception):
    """A TIFF that is not a fax of one T.6 strip a page."""


def stamp(raster: Path, out: Path, header: Mapping[str, Any] | None, first_page: int = 1) -> list[PageInfo]:
    """Writes the pages of a fax TIFF from `first_page` on, with the header line on each, into another; returns them.

    `header` has the fields of `HeaderLine` with `when` in ISO 8601; None for none. Raises StampError, OSError.
    """
    pages = _pages(raster)
    fields = {**header, "when": datetime.fromisoformat(header["when"])} if header else None
    with TiffWriter(out) as writer:
        for number, (bits, width, rows, page_class) in enumerate(pages, 1):
            if number < first_page:
                continue
            if fields:
                line = HeaderLine(**fields, page=number, total=len(pages))
                bits, rows = _stamped(bits, width, rows, page_class, line)
            writer.add_t6(bits, width, rows, page_class.x_dpi, page_class.y_dpi)
        return writer.pages


def _pages(raster: Path) -> list[tuple[bytes, int, int, PageClass]]:
    """T.6 bits, width, rows and class of each page."""
    pages = []
    try:
        strips = read_strips(raster)
    except DocumentUnsupportedError as error:
        raise StampError(str(error)) from None
    if not strips:
        raise StampError("no pages")
    with open_regular(raster) as file:
        for strip in strips:
            page_class = PageClass.of_image(strip.width, strip.x_dpi, strip.y_dpi)
            if not strip.octets or strip.last_bit_first or strip.black_is_0 or page_class is None:
                raise StampError("not a fax of one T.6 strip a page")
            pages.append((b"".join(copy_bits(file, strip)), strip.width, strip.rows, page_class))
    return pages


def _stamped(page: bytes, width: int, rows: int, page_class: PageClass, line: HeaderLine) -> tuple[bytes, int]:
    """The bits of a page with the line on it, and its rows."""
    strip, strip_bits = _strip(width, page_class, line)
    strip_rows = header_rows(page_class.y_dpi)
    bits = int.from_bytes(page)
    count = 8 * len(page)
    if rows > strip_rows and count > strip_rows and bits >> (count - strip_rows) == (1 << strip_rows) - 1:
        count -= strip_rows
        bits &= (1 << count) - 1
    else:
        rows += strip_rows
    bits |= strip << count
    count += strip_bits
    return (bits << (-count % 8)).to_bytes(-(-count // 8)), rows


@lru_cache(8)
def _strip(width: int, page_class: PageClass, line: HeaderLine) -> tuple[int, int]:
    """The T.6 bits of the header line without their end of block, and how many they are."""
    image = header_strip(width, page_class.x_dpi, page_class.y_dpi, line)
    if not image.crop((0, image.height - 1, width, image.height)).getextrema()[0]:
        raise StampError("the header line touches the page")
    data = encode_t6(image)
    bits = int.from_bytes(data)
    padding = (bits & -bits).bit_length() - 1
    bits >>= padding
    if bits & ((1 << END_OF_BLOCK_BITS) - 1) != END_OF_BLOCK:
        raise StampError("T.6 does not end as it should")
    return bits >> END_OF_BLOCK_BITS, 8 * len(data) - padding - END_OF_BLOCK_BITS
