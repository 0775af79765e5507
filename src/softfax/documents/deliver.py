# SPDX-License-Identifier: GPL-2.0-or-later
"""Received faxes as PDF: the CCITT bits as they came, pages in their true size, written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from PIL import Image

from softfax.documents.tiff import TiffWriter, read_pages
from softfax.documents.types import MM, DocumentMetadata, PageClass, PageInfo
from softfax.errors import DocumentUnsupportedError

__all__ = ["deliver_pdf", "write_atomically"]

CCITT_T6 = 4


def write_atomically(path: Path, data: bytes) -> None:
    """Writes a file so that it is there whole or not at all, also after a power cut."""
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.rename(path)
    finally:
        part.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _is_single_strip_t6(path: Path) -> bool:
    with Image.open(path) as image:
        for index in range(getattr(image, "n_frames", 1)):
            image.seek(index)
            tags = image.tag_v2  # type: ignore[attr-defined]
            if tags.get(259) != CCITT_T6 or len(tags.get(273, ())) != 1:
                return False
    return True


def _layout(width: int, rows: int, dpi: tuple[float, float]) -> tuple[float, float, float, float]:
    """Page and image size in points: for fax pages what T.4 says (215 mm, 7.7 rows to the millimetre), not its rounded dpi."""
    page = width / dpi[0] * 72, rows / dpi[1] * 72
    if fax := PageClass.of_image(width, *dpi):
        page = fax.width_mm / MM * 72, rows / fax.rows_per_mm / MM * 72
    return (*page, *page)


def _keywords(metadata: DocumentMetadata, pages: int) -> list[str]:
    said = [f"{pages} page{'s' * (pages != 1)}"]
    if metadata.fax_id:
        said.insert(0, f"fax {metadata.fax_id}")
    if metadata.bitrate_bps:
        said.append(f"{metadata.bitrate_bps} bit/s")
    return said


def deliver_pdf(tiff: Path, out: Path, metadata: DocumentMetadata | None = None) -> tuple[PageInfo, ...]:
    """Writes the PDF of a fax TIFF; returns its pages. T.6 of one strip a page is passed through byte for byte; what came
    in another form is encoded anew, without loss. Raises DocumentUnsupportedError, OSError.
    """
    import img2pdf  # slow to load, and not needed to make pages

    metadata = metadata or DocumentMetadata()
    pages = tuple(info for info, _ in read_pages(tiff))
    if not pages:
        raise DocumentUnsupportedError(f"{tiff.name} has no pages")
    source = tiff
    if not _is_single_strip_t6(tiff):
        source = tiff.with_name(f".{tiff.name}.t6")
        with TiffWriter(source) as writer:
            for info, black in read_pages(tiff):
                writer.add(Image.fromarray(~black), info.x_dpi, info.y_dpi)
    try:
        data = img2pdf.convert(
            str(source),
            layout_fun=_layout,
            title=f"Fax from {metadata.sender}" if metadata.sender else "Fax",
            author=metadata.sender or None,
            subject=f"Fax to {metadata.recipient}" if metadata.recipient else None,
            keywords=_keywords(metadata, len(pages)),
            creator="softfax",
            creationdate=metadata.received,
            moddate=metadata.received,
            rotation=img2pdf.Rotation.none,
        )
    except img2pdf.ImageOpenError as error:
        raise DocumentUnsupportedError(f"{tiff.name} is not a fax ({error})") from None
    finally:
        if source is not tiff:
            source.unlink()
    write_atomically(out, data)
    return pages
