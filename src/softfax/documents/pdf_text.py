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
CHARACTERS_MAX = 50_000


def undrawn_text(page: pdfium.PdfPage) -> str:
    """Return the letters of a page that PDFium has no shape for, and leaves out, each once; empty where there are none."""
    missing: dict[str, None] = {}
    try:
        if not any(_lacks_font(one.raw) for one in page.get_objects(filter=[raw.FPDF_PAGEOBJ_TEXT], max_depth=3)):
            return ""
        text = page.get_textpage()
        sides = [ctypes.c_double() for _ in range(4)]
        for index in range(min(raw.FPDFText_CountChars(text.raw), CHARACTERS_MAX)):
            code = raw.FPDFText_GetUnicode(text.raw, index)
            if code <= LATIN_LAST or unicodedata.category(chr(code))[0] not in "LN":
                continue
            if raw.FPDFText_GetCharBox(text.raw, index, *sides) and _is_flat(*(side.value for side in sides)):
                one = raw.FPDFText_GetTextObject(text.raw, index)
                if one and _lacks_font(one):
                    missing[chr(code)] = None
        text.close()
    except pdfium.PdfiumError:
        pass
    return "".join(missing)


def _lacks_font(one: Any) -> bool:
    """Return True for text that is seen and whose font is not in the file."""
    font = raw.FPDFTextObj_GetFont(one)
    return bool(font) and not raw.FPDFFont_GetIsEmbedded(font) and raw.FPDFTextObj_GetTextRenderMode(one) not in UNSEEN


def _is_flat(left: float, right: float, bottom: float, top: float) -> bool:
    width, height = abs(right - left), abs(top - bottom)
    return min(width, height) <= FLAT * max(width, height)
