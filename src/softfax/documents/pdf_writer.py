# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes PDFs of fax pages by img2pdf, page by page: a picture of T.6 bits on each, of any size that T.30 can carry.

img2pdf's own `convert` opens every picture and refuses pages of sizes that PDF has no units for; its document takes the bits as
they are.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, BinaryIO

import img2pdf

__all__ = ["LEAST_UNITS", "MOST_UNITS", "PdfWriter"]

#: The sides of a page, in units of 1/72 inch or of UserUnit times that (ISO 32000-1 §C.2).
LEAST_UNITS, MOST_UNITS = 3.0, 14_400.0
VERSION = "1.6"  # the first with UserUnit


class PdfWriter:
    """Collects pages and writes them. A page longer than PDF allows has a larger unit (UserUnit); one that is too short gets
    white below it.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._pages: list[dict[str, Any]] = []

    def page(
        self, bits: Iterable[bytes], octets: int, dots: tuple[int, int], points: tuple[float, float], black_is_1: bool
    ) -> bool:
        """Adds a page: T.6 bits of so many octets, its dots and rows, its size in points. Returns whether it was made longer.

        Raises OSError where the bits are fewer.
        """
        data = b"".join(bits)
        if len(data) != octets:
            raise OSError(f"{octets - len(data)} octets of a page are missing")
        unit = max(1, math.ceil(max(points) / MOST_UNITS))
        width, height = (round(side / unit, 4) for side in points)
        page_width, page_height = max(width, LEAST_UNITS), max(height, LEAST_UNITS)
        self._pages.append(
            {
                "imgwidthpx": dots[0],
                "imgheightpx": dots[1],
                "imgdata": data,
                "imgwidthpdf": width,
                "imgheightpdf": height,
                "imgypdf": page_height - height,
                "pagewidth": page_width,
                "pageheight": page_height,
                "userunit": unit if unit > 1 else None,
                "inverted": not black_is_1,
            }
        )
        return page_height > height

    def close(self, information: Mapping[str, Any]) -> None:
        """Writes the file; `information` is its title, author and so on as img2pdf names them."""
        document = img2pdf.pdfdoc(
            engine=img2pdf.Engine.internal,
            version=VERSION,
            **{key: _clean(value) if isinstance(value, str) else value for key, value in information.items()},
        )
        for page in self._pages:
            document.add_imagepage(
                color=img2pdf.Colorspace["1"],
                imgformat=img2pdf.ImageFormat.CCITTGroup4,
                smaskdata=None,
                imgxpdf=0,
                depth=1,
                **page,
            )
        document.tostream(self._file)


def _clean(text: str) -> str:
    """Text that PDF's UTF-16 has: what far ends write may have any character."""
    return text.encode("utf-16-be", "replace").decode("utf-16-be")
