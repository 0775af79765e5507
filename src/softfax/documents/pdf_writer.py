# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes PDFs of fax pages: a picture of T.6 bits on each page, page after page, in memory that does not grow with them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import BinaryIO

__all__ = ["LEAST_UNITS", "MOST_UNITS", "PdfWriter"]

#: The sides of a page, in units of 1/72 inch or of UserUnit times that (ISO 32000-1 §C.2).
LEAST_UNITS, MOST_UNITS = 3.0, 14_400.0
_CATALOG, _PAGES, _INFO = 1, 2, 3
_BOM = b"\xfe\xff"


class PdfWriter:
    """Writes to a file that can tell where it is. A page longer than PDF allows has a larger unit (UserUnit); one that is too
    short gets white below it.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._offsets: dict[int, int] = {}
        self._next = _INFO + 1
        self._kids: list[int] = []
        file.write(b"%PDF-1.6\n%\xe2\xe3\xcf\xd3\n")

    def page(
        self, bits: Iterable[bytes], octets: int, dots: tuple[int, int], points: tuple[float, float], black_is_1: bool
    ) -> bool:
        """Adds a page: T.6 bits of so many octets, its dots and rows, its size in points. Returns whether it was made longer."""
        number, content, picture = self._next, self._next + 1, self._next + 2
        self._next += 3
        self._kids.append(number)
        unit = max(1, math.ceil(max(points) / MOST_UNITS))
        width, height = (side / unit for side in points)
        page_width, page_height = max(width, LEAST_UNITS), max(height, LEAST_UNITS)
        self._object(
            number,
            f"<</Type/Page/Parent {_PAGES} 0 R/MediaBox[0 0 {_real(page_width)} {_real(page_height)}]"
            f"{f'/UserUnit {unit}' if unit > 1 else ''}"
            f"/Contents {content} 0 R/Resources<</XObject<</Im0 {picture} 0 R>>>>>>",
        )
        draw = f"q {_real(width)} 0 0 {_real(height)} 0 {_real(page_height - height)} cm /Im0 Do Q"
        self._object(content, f"<</Length {len(draw)}>>\nstream\n{draw}\nendstream")
        columns, rows = dots
        self._begin(picture)
        self._file.write(
            f"<</Type/XObject/Subtype/Image/Width {columns}/Height {rows}/ColorSpace/DeviceGray/BitsPerComponent 1"
            f"/Filter/CCITTFaxDecode/DecodeParms<</K -1/Columns {columns}/Rows {rows}"
            f"{'/BlackIs1 true' if black_is_1 else ''}>>/Length {octets}>>\nstream\n".encode()
        )
        for data in bits:
            self._file.write(data)
        self._file.write(b"\nendstream\nendobj\n")
        return page_height > height

    def close(self, information: Mapping[str, str | datetime]) -> None:
        """Writes what ends the file; `information` is its Title, Author and so on, where not empty."""
        said = "".join(f"/{key} {_text(value)}" for key, value in information.items() if value)
        self._object(_INFO, f"<<{said}>>")
        kids = " ".join(f"{kid} 0 R" for kid in self._kids)
        self._object(_PAGES, f"<</Type/Pages/Count {len(self._kids)}/Kids[{kids}]>>")
        self._object(_CATALOG, f"<</Type/Catalog/Pages {_PAGES} 0 R>>")
        start = self._file.tell()
        table = "".join(f"{self._offsets[number]:010} 00000 n \n" for number in range(1, self._next))
        self._file.write(
            f"xref\n0 {self._next}\n0000000000 65535 f \n{table}"
            f"trailer\n<</Size {self._next}/Root {_CATALOG} 0 R/Info {_INFO} 0 R>>\nstartxref\n{start}\n%%EOF\n".encode()
        )

    def _begin(self, number: int) -> None:
        self._offsets[number] = self._file.tell()
        self._file.write(f"{number} 0 obj\n".encode())

    def _object(self, number: int, text: str) -> None:
        self._begin(number)
        self._file.write(f"{text}\nendobj\n".encode("ascii"))


def _real(value: float) -> str:
    return f"{value:.4f}".rstrip("0").rstrip(".")


def _text(value: str | datetime) -> str:
    """A string of PDF (§7.9.2): what far ends write may have any character."""
    if isinstance(value, datetime):
        return f"(D:{value.astimezone(UTC):%Y%m%d%H%M%SZ})"
    text = _BOM + value.encode("utf-16-be", "replace")
    return f"<{text.hex()}>"
