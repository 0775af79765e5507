# SPDX-License-Identifier: GPL-2.0-or-later
"""PDFs of one page written operator by operator, for what a drawing library would not do."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from pathlib import Path

__all__ = ["assemble", "lines", "pdf", "stream", "text"]

WORDS = "Blood count within the normal range, potassium 4.1 mmol/l, no change since March."


def pdf(
    path: Path,
    content: str,
    size: tuple[float, float] = (595, 842),
    *,
    page: str = "",
    catalog: str = "",
    resources: str = "",
    objects: Sequence[str | bytes] = (),
) -> Path:
    """Writes a page; fonts are F (Helvetica) and B (bold). `objects` are numbered from 7, `page` and the like refer to them."""
    path.write_bytes(
        assemble(
            [
                f"<< /Type /Catalog /Pages 2 0 R {catalog} >>",
                "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
                f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {size[0]} {size[1]}] /Contents 4 0 R "
                f"/Resources << /Font << /F 5 0 R /B 6 0 R >> {resources} >> {page} >>",
                stream(content),
                "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
                "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold >>",
                *objects,
            ]
        )
    )
    return path


def stream(data: str | bytes, entries: str = "") -> bytes:
    """A stream object, deflated."""
    packed = zlib.compress(data.encode("latin-1") if isinstance(data, str) else data)
    return b"<< %b /Filter /FlateDecode /Length %d >>\nstream\n%b\nendstream" % (entries.encode(), len(packed), packed)


def assemble(objects: Sequence[str | bytes], trailer: str = "/Root 1 0 R", version: str = "1.7") -> bytes:
    """A file of objects, numbered from 1, with its cross-reference table."""
    out, offsets = bytearray(f"%PDF-{version}\n".encode()), []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body.encode("latin-1") if isinstance(body, str) else body)
    table = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    count = len(objects) + 1
    end = f"xref\n0 {count}\n0000000000 65535 f \n{table}trailer << /Size {count} {trailer} >>\nstartxref\n{len(out)}\n%%EOF\n"
    return bytes(out) + end.encode()


def text(x: float, y: float, size: float, words: str, font: str = "F", grey: float = 0.0, turned: float = 0.0) -> str:
    """Operators for words at a point, in points from the lower left; `turned` in radians."""
    c, s = math.cos(turned), math.sin(turned)
    return f"BT {grey} g /{font} {size} Tf {c:.4f} {s:.4f} {-s:.4f} {c:.4f} {x} {y} Tm ({words}) Tj ET\n"


def lines(x: float, y: float, count: int, grey: float = 0.0) -> str:
    """Operators for lines of nine-point type."""
    return "".join(text(x, y - 13 * i, 9, f"{i + 1}. {WORDS}", grey=grey) for i in range(count))
