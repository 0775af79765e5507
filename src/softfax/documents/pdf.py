# SPDX-License-Identifier: GPL-2.0-or-later
"""PDF pages as sheets, drawn by PDFium straight onto the dot grid. Runs only inside the worker process."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pypdfium2 as pdfium
import pypdfium2.raw as raw
from PIL import Image

from softfax.documents.complete import draw_whole
from softfax.documents.pdf_writer import LEAST_UNITS
from softfax.documents.ranges import parse_ranges
from softfax.documents.scale import dots_per_inch, user_unit
from softfax.documents.types import DocumentLimits, FaxImage, PageClass, Source
from softfax.errors import (
    DocumentEmptyError,
    DocumentPasswordError,
    DocumentTooLargeError,
    DocumentUnsupportedError,
)

__all__ = ["PdfDocument"]

Grey = npt.NDArray[np.uint8]

POINTS = 72
SIDE_MAX_INCHES = 400.0
OBJECTS_LOOKED_AT = 20_000
#: How far the mean of 16 by 16 dots may be off, of 255, where a page is drawn a fraction of a dot beside its own.
ALIKE = 64
WHITE = (255, 255, 255, 255)


class PdfSheet:
    """One page of a PDF with its annotations and what is filled into its form."""

    def __init__(self, document: pdfium.PdfDocument, index: int, shown: str, limits: DocumentLimits) -> None:
        self._where = f"page {index + 1} of {shown}"
        try:
            self._page = document[index]
            width, height = self._page.get_size()
        except pdfium.PdfiumError:
            raise DocumentUnsupportedError(f"{self._where} is damaged", "open it and save it again") from None
        if not (0 < width < math.inf and 0 < height < math.inf):
            raise DocumentUnsupportedError(f"{self._where} has no size", "open it and save it again")
        unit = self._unit()
        width, height = width * unit, height * unit
        if max(width, height) > SIDE_MAX_INCHES * POINTS:
            raise DocumentTooLargeError(f"{self._where} is larger than any paper", "print it smaller")
        self._check_images(limits)
        self._form = document.formenv
        #: Said once the page is drawn, where PDFium could not draw all of it.
        self.warning = ""
        self.width_inches: float | None = width / POINTS
        self.height_inches: float | None = height / POINTS
        self.aspect = height / width

    def _check_images(self, limits: DocumentLimits) -> None:
        """PDFium leaves out silently an image that does not fit into memory: better said than a page without it."""
        if raw.FPDFPage_CountObjects(self._page.raw) > OBJECTS_LOOKED_AT:
            return
        for image in self._page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE], max_depth=3):
            try:
                width, height = image.get_px_size()
            except pdfium.PdfiumError:
                continue
            if width * height > limits.source_pixels:
                raise DocumentTooLargeError(f"{self._where} has an image of too many pixels", "make it smaller")

    def _unit(self) -> int:
        """The page's UserUnit, as our own PDFs of very long faxes have it: a picture alone, on all the width."""
        if raw.FPDFPage_CountObjects(self._page.raw) != 1:
            return 1
        try:
            for picture in self._page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE], max_depth=1):
                dots, _ = picture.get_px_size()
                return user_unit(dots, dots * POINTS / self._page.get_width())
        except pdfium.PdfiumError:
            pass
        return 1

    def fax(self, limits: DocumentLimits) -> FaxImage | None:
        """The page dot for dot where it is a fax page already, as in our own PDFs: one CCITT image on all of it, nothing else."""
        page = self._page
        alone = raw.FPDFPage_CountObjects(page.raw) == 1 and not raw.FPDFPage_GetAnnotCount(page.raw)
        if not alone or self._form or page.get_rotation():
            return None
        try:
            for image in page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE], max_depth=1):
                width, rows = image.get_px_size()
                x_dpi, y_dpi = dots_per_inch(image)
                page_class = PageClass.of_image(width, x_dpi, y_dpi)
                coded = image.get_filters() == ["CCITTFaxDecode"] and image.get_metadata().bits_per_pixel == 1
                if page_class and coded and rows <= limits.page_rows:
                    dots = image.get_bitmap(render=False).to_pil().convert("1", dither=Image.Dither.NONE)
                    if dots.size == (width, rows) and (self._is_short(rows / y_dpi) or self._looks_like(dots)):
                        return FaxImage(dots, page_class)
        except (pdfium.PdfiumError, ValueError):
            pass  # drawn, then, as far as it can be
        return None

    def _is_short(self, rows_inches: float) -> bool:
        """A page of a few rows, on the shortest there is in a PDF, which has white below them."""
        return self._page.get_height() <= LEAST_UNITS and rows_inches < LEAST_UNITS / POINTS

    def _looks_like(self, dots: Image.Image) -> bool:
        """Not a mask, turned, mirrored, inverted or cut off: the page as it is drawn has the same ink in the same places."""
        small = (max(1, dots.width // 16), max(1, dots.height // 16))
        drawn, kept = (
            np.asarray(i.convert("L").reduce(16).resize(small), np.int16) for i in (self.render(*dots.size), dots)
        )
        return bool(np.abs(drawn - kept).max(initial=0) < ALIKE)

    def render(self, width: int, rows: int) -> Image.Image:
        """Draws the page; PDFium scales across and down by itself, so no dot is resampled."""
        drawn, missing = draw_whole(self._draw, width, rows)
        if missing and not self.warning:
            self.warning = f"parts of {self._where} could not be drawn"
        return Image.fromarray(drawn)

    def _draw(self, width: int, rows: int, left: int, top: int, window_width: int, window_rows: int) -> Grey:
        """A window of the page, which is `width` by `rows` dots in all."""
        bitmap = pdfium.PdfBitmap.new_native(window_width, window_rows, raw.FPDFBitmap_Gray)
        try:
            bitmap.fill_rect(WHITE, 0, 0, window_width, window_rows)
            flags = raw.FPDF_ANNOT | raw.FPDF_GRAYSCALE
            placed = (-left, -top, width, rows, 0, flags)
            raw.FPDF_RenderPageBitmap(bitmap.raw, self._page.raw, *placed)
            if self._form:
                raw.FPDF_FFLDraw(self._form.raw, bitmap.raw, self._page.raw, *placed)
            return np.array(bitmap.to_numpy()[:, :window_width].reshape(window_rows, window_width))
        finally:
            bitmap.close()

    def close(self) -> None:
        """Frees what PDFium holds of the page."""
        self._page.close()


class PdfDocument:
    """An open PDF; its sheets are drawn in order, each before the next is asked for. Raises DocumentError."""

    def __init__(self, source: Source, limits: DocumentLimits) -> None:
        self._shown, self._limits = source.shown, limits
        try:
            self._document = pdfium.PdfDocument(source.path, password=source.password or None)
            if self._document.get_formtype():
                self._document.init_forms()
        except pdfium.PdfiumError as error:
            raise _not_opened(source, str(error)) from None
        pages = len(self._document)
        if not pages:
            raise DocumentEmptyError(f"{source.shown} has no pages", "check the file")
        self._selected = parse_ranges(source.pages).select(pages, source.shown) if source.pages else list(range(pages))
        if len(self._selected) > limits.pages:
            raise DocumentTooLargeError(
                f"{source.shown} has {len(self._selected)} pages", f"send at most {limits.pages}"
            )

    def __len__(self) -> int:
        return len(self._selected)

    def __iter__(self) -> Iterator[PdfSheet | FaxImage]:
        for index in self._selected:
            sheet = PdfSheet(self._document, index, self._shown, self._limits)
            yield sheet.fax(self._limits) or sheet
            sheet.close()
        self._document.close()


def _not_opened(source: Source, reason: str) -> DocumentPasswordError | DocumentEmptyError | DocumentUnsupportedError:
    if "assword" in reason:
        if source.password:
            return DocumentPasswordError(f"the password does not open {source.shown}", "check it")
        return DocumentPasswordError(
            f"{source.shown} is encrypted", "give its password with --document-password or SOFTFAX_DOCUMENT_PASSWORD"
        )
    # PDFium refuses a page tree without pages; that is no damage.
    if re.search(rb"/Count\s+0\b", source.path.read_bytes()):
        return DocumentEmptyError(f"{source.shown} has no pages", "check the file")
    return DocumentUnsupportedError(f"{source.shown} is damaged, or not a PDF", "open it and save it again")
