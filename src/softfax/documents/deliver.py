# SPDX-License-Identifier: GPL-2.0-or-later
"""Received faxes as PDF: the CCITT bits as they came, pages in their true size, written whole or not at all."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from PIL import Image

from softfax.documents.atomic import PRIVATE, written_atomically
from softfax.documents.strips import Strip, copy_bits, open_regular, read_strips
from softfax.documents.tiff import TiffWriter, read_pages
from softfax.documents.types import MM, DocumentMetadata, PageClass, PageInfo
from softfax.errors import DocumentUnsupportedError

__all__ = ["deliver_pdf"]


def _points(strip: Strip) -> tuple[float, float]:
    """Page size in points: for fax pages what T.4 says (215 mm, 7.7 rows to the millimetre), not its rounded dpi."""
    if fax := PageClass.of_image(strip.width, strip.x_dpi, strip.y_dpi):
        return fax.width_mm / MM * 72, strip.rows / fax.rows_per_mm / MM * 72
    return strip.width / strip.x_dpi * 72, strip.rows / strip.y_dpi * 72


def _information(metadata: DocumentMetadata, pages: int, longer: list[int]) -> dict[str, Any]:
    words = [f"{pages} page{'s' * (pages != 1)}"]
    if metadata.fax_id:
        words.insert(0, f"fax {metadata.fax_id}")
    if metadata.bitrate_bps:
        words.append(f"{metadata.bitrate_bps} bit/s")
    words += [f"page {number} is shorter than a page of a PDF can be: there is white below it" for number in longer]
    when = metadata.received or datetime.now(UTC)
    return {
        "title": f"Fax from {metadata.sender}" if metadata.sender else "Fax",
        "author": metadata.sender,
        "subject": f"Fax to {metadata.recipient}" if metadata.recipient else "",
        "keywords": [", ".join(words)],
        "creator": "softfax",
        "producer": "softfax",
        "creationdate": when,
        "moddate": when,
    }


def deliver_pdf(
    tiff: Path, out: Path, metadata: DocumentMetadata | None = None, mode: int | None = PRIVATE
) -> tuple[PageInfo, ...]:
    """Writes the PDF of a fax TIFF; returns its pages. T.6 of one strip a page is passed through byte for byte, whatever the
    size of its pages; what came in another form is encoded anew, without loss. Raises DocumentUnsupportedError, OSError.
    """
    # Takes longer to load than all the rest of what makes pages.
    from softfax.documents.pdf_writer import PdfWriter

    strips = read_strips(tiff)
    if not strips:
        raise DocumentUnsupportedError(f"{tiff.name} has no pages", "nothing was received: let it be sent again")
    source = tiff
    try:
        if not all(strip.octets for strip in strips):
            source = tiff.with_name(f".{tiff.name}.t6")
            with TiffWriter(source) as writer:
                for info, black in read_pages(tiff):
                    writer.add(Image.fromarray(~black), info.x_dpi, info.y_dpi)
            strips = read_strips(source)
        with open_regular(source) as bits, written_atomically(out, mode) as file:
            pdf = PdfWriter(file)
            longer = [
                number
                for number, strip in enumerate(strips, 1)
                if pdf.page(
                    copy_bits(bits, strip), strip.octets, (strip.width, strip.rows), _points(strip), strip.black_is_0
                )
            ]
            pdf.close(_information(metadata or DocumentMetadata(), len(strips), longer))
    finally:
        if source is not tiff:
            source.unlink(missing_ok=True)
    return tuple(PageInfo(strip.width, strip.rows, strip.x_dpi, strip.y_dpi, strip.octets) for strip in strips)
