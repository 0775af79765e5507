# SPDX-License-Identifier: GPL-2.0-or-later
"""Text of a PDF page that PDFium cannot draw, because its font is neither in the file nor on this machine."""

from __future__ import annotations

import ctypes
import unicodedata
from typing import Any

import pypdfium2 as pdfium
import pypdfium2.raw as raw

__all__ = ["undrawn_text"]

#: Up to here the fonts that PDFium brings have every letter.
LATIN_LAST = 0x24F
#: Text rendering modes that paint nothing (ISO 32000-1 table 106).
UNSEEN = frozenset({raw.FPDF_TEXTRENDERMODE_INVISIBLE, raw.FPDF_TEXTRENDERMODE_CLIP})
#: A letter without a shape has a box as broad as it, and as high as a thousandth of its size.
FLAT = 0.005
CHARACTERS_MAX, OBJECTS_MAX = 50_000, 2_000


def undrawn_text(page: pdfium.PdfPage) -> tuple[str, bool]:
    """Return the letters of a page that PDFium has no shape for, and leaves out, each once (a space for those that it does not
    know); and whether there are others that nothing says which they are, so that they may come out wrong.
    """
    missing: dict[str, None] = {}
    misread = False
    try:
        lacking = [one for one in page.get_objects(filter=[raw.FPDF_PAGEOBJ_TEXT], max_depth=3) if _lacks_font(one.raw)]
        if not lacking:
            return "", False
        text = page.get_textpage()
        if _has_shapeless_columns(lacking[:OBJECTS_MAX], text):
            missing[" "] = None
        sides = [ctypes.c_double() for _ in range(4)]
        for index in range(min(raw.FPDFText_CountChars(text.raw), CHARACTERS_MAX)):
            code = raw.FPDFText_GetUnicode(text.raw, index)
            # Line ends and the like within the text are nothing to draw.
            unknown = code > ord(" ") and raw.FPDFText_HasUnicodeMapError(text.raw, index) == 1
            if not unknown and (code <= LATIN_LAST or unicodedata.category(chr(code))[0] not in "LN"):
                continue
            one = raw.FPDFText_GetTextObject(text.raw, index)
            if not one or not _lacks_font(one):
                continue
            misread |= unknown
            if not unknown and raw.FPDFText_GetCharBox(text.raw, index, *sides) and _is_flat(*(s.value for s in sides)):
                missing[chr(code)] = None
        text.close()
    except pdfium.PdfiumError:
        pass
    return "".join(missing), misread


def _has_shapeless_columns(lacking: list[pdfium.PdfObject], text: pdfium.PdfTextPage) -> bool:
    """Return True if a font that writes from top to bottom has no shapes: then the page has no letters of it either."""
    drawn: dict[int, bool] = {}
    for one in lacking:
        left, bottom, right, top = one.get_bounds()
        font = ctypes.cast(raw.FPDFTextObj_GetFont(one.raw), ctypes.c_void_p).value or 0
        # As octets of UTF-16, the end included. Some columns are spaces alone.
        seen = raw.FPDFTextObj_GetText(one.raw, text.raw, None, 0) > 2
        if seen or (left == right and bottom < top):
            drawn[font] = drawn.get(font, False) or seen
    return not all(drawn.values())


def _lacks_font(one: Any) -> bool:
    """Return True for text that is seen and whose font is not in the file."""
    font = raw.FPDFTextObj_GetFont(one)
    return bool(font) and not raw.FPDFFont_GetIsEmbedded(font) and raw.FPDFTextObj_GetTextRenderMode(one) not in UNSEEN


def _is_flat(left: float, right: float, bottom: float, top: float) -> bool:
    width, height = abs(right - left), abs(top - bottom)
    return min(width, height) <= FLAT * max(width, height)
