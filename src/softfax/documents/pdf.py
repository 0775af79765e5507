# SPDX-License-Identifier: GPL-2.0-or-later
"""PDF pages as sheets, drawn by PDFium straight onto the dot grid. Runs only inside the worker process."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pypdfium2 as pdfium
import pypdfium2.raw as raw
from PIL import Image

from softfax.documents.complete import draw_whole
from softfax.documents.in_place import page_in_place
from softfax.documents.pdf_open import OpenPdf
from softfax.documents.pdf_text import undrawn_text
from softfax.documents.ranges import parse_ranges
from softfax.documents.scale import dots_per_inch
from softfax.documents.types import DocumentLimits, FaxImage, PageClass, Sheet, Source
from softfax.errors import DocumentTooLargeError, DocumentUnsupportedError

__all__ = ["PdfDocument"]

Grey = npt.NDArray[np.uint8]

POINTS = 72
#: The shortest page, as our own PDFs of a few rows have it (`softfax.documents.pdf_writer`).
LEAST_UNITS = 3.0
LETTER = (612.0, 792.0)
SIDE_MAX_INCHES = 400.0
OBJECTS_LOOKED_AT = 20_000
#: How far the mean of 16 by 16 dots may be off, of 255, where a page is drawn a fraction of a dot beside its own.
ALIKE = 64
#: A text rendering mode (ISO 32000-1 table 106).
INVISIBLE = 3
WHITE = (255, 255, 255, 255)
NOT_DRAWN = "could not be drawn"
ANNOTATIONS_MAX = 10_000
#: Annotations that nobody misses on paper.
NOT_MISSED = frozenset(
    {raw.FPDF_ANNOT_LINK, raw.FPDF_ANNOT_POPUP, raw.FPDF_ANNOT_TEXT, raw.FPDF_ANNOT_FILEATTACHMENT, raw.FPDF_ANNOT_SOUND,
     raw.FPDF_ANNOT_MOVIE, raw.FPDF_ANNOT_SCREEN, raw.FPDF_ANNOT_PRINTERMARK, raw.FPDF_ANNOT_TRAPNET}
)  # fmt: skip
#: Annotations that nothing can be drawn of where they bring no appearance, unless it is made for them (`pdf_notes`).
NEED_APPEARANCE = frozenset(
    {raw.FPDF_ANNOT_STAMP, raw.FPDF_ANNOT_CARET, raw.FPDF_ANNOT_LINE, raw.FPDF_ANNOT_POLYGON, raw.FPDF_ANNOT_POLYLINE}
)
#: The writing of China, Japan and Korea begins after it.
LAST_BEFORE_CJK = "\u2e7f"
#: What a form of Adobe's own kind shows to programs that do not know it.
PLEASE_WAIT = re.compile(r"please wait|adobe reader|not supported|viewer", re.I)


class PdfSheet:
    """One page of a PDF with its annotations and what is filled into its form, as it prints."""

    has_strokes = True

    def __init__(self, page: pdfium.PdfPage, where: str, limits: DocumentLimits, unit: float, note: str) -> None:
        self._page, self._where = page, where
        width, height = self._page.get_size()
        if not (0 < width < math.inf and 0 < height < math.inf):
            width, height = LETTER
        width, height = width * unit, height * unit
        self._check_images(limits)
        self._form = page.formenv
        #: Said once the page is drawn: what is not on it, and what PDFium could not draw.
        self.warning = "; ".join(filter(None, (note and f"{where} {note}", self._set_to_print(), self._without_font())))
        # What is larger than any paper is made as large as the paper.
        real = max(width, height) <= SIDE_MAX_INCHES * POINTS
        self.width_inches: float | None = width / POINTS if real else None
        self.height_inches: float | None = height / POINTS if real else None
        self.aspect = height / width

    def _set_to_print(self) -> str:
        """Shows the fields that print and hides the others, which PDFium does for the other annotations by itself.

        Returns a line for people where something is on the screen that is not on the fax.
        """
        page, hidden, bare = self._page.raw, 0, 0
        for index in range(min(raw.FPDFPage_GetAnnotCount(page), ANNOTATIONS_MAX)):
            note = raw.FPDFPage_GetAnnot(page, index)
            if not note:
                continue
            try:
                kind, flags = raw.FPDFAnnot_GetSubtype(note), raw.FPDFAnnot_GetFlags(note)
                prints = bool(flags & raw.FPDF_ANNOT_FLAG_PRINT) and not flags & raw.FPDF_ANNOT_FLAG_HIDDEN
                seen = not flags & (raw.FPDF_ANNOT_FLAG_HIDDEN | raw.FPDF_ANNOT_FLAG_NOVIEW)
                if seen and not prints and kind not in NOT_MISSED:
                    hidden += self._has_content(note, kind)
                bare += prints and kind in NEED_APPEARANCE and not _has_appearance(note)
                if kind == raw.FPDF_ANNOT_WIDGET:
                    raw.FPDFAnnot_SetFlags(note, raw.FPDF_ANNOT_FLAG_PRINT if prints else raw.FPDF_ANNOT_FLAG_HIDDEN)
            finally:
                raw.FPDFPage_CloseAnnot(note)
        what = "a note or field that is" if hidden == 1 else f"{hidden} notes or fields that are"
        lines = [f"{self._where} has {what} set not to be printed, and left out"] if hidden else []
        if bare:
            lines.append(f"{self._where} has notes without an appearance, which are left out")
        return "; ".join(lines)

    def _without_font(self) -> str:
        """Return a line for people where text is left out for want of its font."""
        if raw.FPDFPage_CountObjects(self._page.raw) > OBJECTS_LOOKED_AT:
            return ""
        letters, misread = undrawn_text(self._page)
        shown = f" ({letters[:8]}{'…' if len(letters) > 8 else ''})" if letters.strip() else ""
        what = "text in a font that is neither in the file nor on this machine"
        end = f"which is left out{shown}" if letters else "which may come out as other letters"
        remedy = "save it with its fonts"
        if letters and (letters == " " or letters[0] > LAST_BEFORE_CJK):
            remedy += ", or install a font for Chinese, Japanese and Korean (apt install fonts-wqy-microhei)"
        return f"{self._where} has {what}, {end}: {remedy}" if letters or misread else ""

    def _has_content(self, note: Any, kind: int) -> bool:
        """Return True if an annotation shows something that a reader may miss: not a button, nor an empty field."""
        if kind != raw.FPDF_ANNOT_WIDGET:
            return _has_appearance(note)
        if not self._form:
            return False
        field = raw.FPDFAnnot_GetFormFieldType(self._form.raw, note)
        if field in (raw.FPDF_FORMFIELD_CHECKBOX, raw.FPDF_FORMFIELD_RADIOBUTTON):
            return bool(raw.FPDFAnnot_IsChecked(self._form.raw, note))
        if field in (raw.FPDF_FORMFIELD_TEXTFIELD, raw.FPDF_FORMFIELD_COMBOBOX, raw.FPDF_FORMFIELD_LISTBOX):
            # In octets of UTF-16, the end included.
            return bool(raw.FPDFAnnot_GetFormFieldValue(self._form.raw, note, None, 0) > 2)
        return False

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

    @property
    def is_picture(self) -> bool:
        """True if the page is one picture and nothing else visible, as scanners make them; letters that OCR put behind it
        do not count."""
        pictures = 0
        if raw.FPDFPage_CountObjects(self._page.raw) > OBJECTS_LOOKED_AT or raw.FPDFPage_GetAnnotCount(self._page.raw):
            return False
        try:
            for one in self._page.get_objects(max_depth=2):
                if one.type == raw.FPDF_PAGEOBJ_IMAGE:
                    left, bottom, right, top = one.get_bounds()
                    width, height = self._page.get_size()
                    pictures += (right - left) * (top - bottom) > 0.9 * width * height
                    continue
                hidden = one.type == raw.FPDF_PAGEOBJ_TEXT and raw.FPDFTextObj_GetTextRenderMode(one.raw) == INVISIBLE
                if not hidden and one.type != raw.FPDF_PAGEOBJ_FORM:
                    return False
        except pdfium.PdfiumError:
            return False
        return pictures == 1

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
        """True unless it is a mask, turned, mirrored, inverted or cut off: the page as drawn has its ink in the same places."""
        small = (max(1, dots.width // 16), max(1, dots.height // 16))
        drawn, kept = (
            np.asarray(i.convert("L").reduce(16).resize(small), np.int16) for i in (self.render(*dots.size), dots)
        )
        return bool(np.abs(drawn - kept).max(initial=0) < ALIKE)

    def render(self, width: int, rows: int) -> Image.Image:
        """Draws the page; PDFium scales across and down by itself, so no dot is resampled."""
        drawn, missing = draw_whole(self._draw, width, rows)
        if missing and NOT_DRAWN not in self.warning:
            self.warning = "; ".join(filter(None, (self.warning, f"parts of {self._where} {NOT_DRAWN}")))
        return Image.fromarray(drawn)

    def _draw(self, width: int, rows: int, left: int, top: int, window_width: int, window_rows: int) -> Grey:
        """A window of the page, which is `width` by `rows` dots in all."""
        bitmap = pdfium.PdfBitmap.new_native(window_width, window_rows, raw.FPDFBitmap_Gray)
        try:
            bitmap.fill_rect(WHITE, 0, 0, window_width, window_rows)
            flags = raw.FPDF_ANNOT | raw.FPDF_PRINTING
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
        self._pdf = pdf = OpenPdf(source)
        pages, notes = len(pdf), pdf.notes
        if self._waits():
            notes.append(
                "is an XFA form, of which only a page in its place can be faxed: print it to a PDF with Adobe Reader"
            )
        self.warning = "; ".join(f"{source.shown} {note}" for note in notes)
        self._selected = parse_ranges(source.pages).select(pages, source.shown) if source.pages else list(range(pages))
        if len(self._selected) > limits.pages:
            raise DocumentTooLargeError(
                f"{source.shown} has {len(self._selected)} pages", f"send at most {limits.pages}"
            )

    def _waits(self) -> bool:
        """Return True if all there is of a form is a page that asks for another program."""
        if self._pdf.form_type == raw.FORMTYPE_XFA_FULL:
            return True
        if self._pdf.form_type != raw.FORMTYPE_XFA_FOREGROUND or len(self._pdf) > 1:
            return False
        page, _ = self._pdf.page(0)
        try:
            return page is not None and PLEASE_WAIT.search(page.get_textpage().get_text_range()) is not None
        except pdfium.PdfiumError:
            return False

    def __len__(self) -> int:
        return len(self._selected)

    def __iter__(self) -> Iterator[Sheet | FaxImage]:
        damaged = 0
        for index in self._selected:
            sheet = self._sheet(index)
            if sheet is None:
                damaged += 1
                if damaged == len(self._selected):
                    raise DocumentUnsupportedError(f"{self._shown} is damaged", "open it and save it again")
                yield page_in_place(index, self._shown)
                continue
            fax = sheet.fax(self._limits)
            yield replace(fax, warning=sheet.warning) if fax else sheet
            sheet.close()
        self._pdf.close()

    def _sheet(self, index: int) -> PdfSheet | None:
        page, note = self._pdf.page(index)
        if page is None:
            return None
        return PdfSheet(page, f"page {index + 1} of {self._shown}", self._limits, self._pdf.unit(index), note)


def _has_appearance(note: Any) -> bool:
    # In octets of UTF-16, the end included.
    return bool(raw.FPDFAnnot_GetAP(note, raw.FPDF_ANNOT_APPEARANCEMODE_NORMAL, None, 0) > 2)
