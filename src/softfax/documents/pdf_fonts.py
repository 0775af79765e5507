# SPDX-License-Identifier: GPL-2.0-or-later
"""Fonts of a PDF that are not in the file and whose letters PDFium's own fonts lack, Greek and Cyrillic among them: softfax's
are put in their place.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pikepdf
from pikepdf import Array, Dictionary, Name

__all__ = ["give_fonts"]

FOLDER = Path(__file__).with_name("fonts")
FILES = ("/FontFile", "/FontFile2", "/FontFile3")
SIMPLE = (Name.Type1, Name.TrueType, Name.MMType1)
#: Names of letters beyond Latin (Adobe Glyph List): of the Russian collection, by number, and Greek ones.
BEYOND_LATIN = re.compile(
    r"/(?:afii100\d\d|afii108\d\d|uni0[3-5][0-9A-F]{2}|(?:alpha|beta|gamma|delta|epsilon|zeta|eta|theta|iota|kappa|lambda|nu|xi|"
    r"omicron|pi|rho|sigma1?|tau|upsilon|phi|chi|psi|omega)(?:tonos|dieresis(?:tonos)?)?)$",
    re.I,
)
#: Fonts that every renderer has.
WITH_GREEK = re.compile(r"symbol|dingbats", re.I)
NAMES_MAX, FONTS_MAX = 600, 200
#: A font whose letters are named (ISO 32000-1 table 123).
NONSYMBOLIC = 32


def give_fonts(pdf: pikepdf.Pdf, resources: Any, given: dict[str, Any]) -> bool:
    """Give each such font among a page's resources a file; `given` holds those that were. Raises one of PROBLEMS."""
    changed = False
    fonts = resources.get("/Font", Dictionary())
    for name in list(fonts.keys())[:FONTS_MAX]:
        font = fonts[name]
        if isinstance(font, Dictionary) and font.get("/Subtype") in SIMPLE and _lacks(font):
            bold = "bold" in str(font.get("/BaseFont", "")).lower()
            _give(pdf, font, "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf", given)
            changed = True
    return changed


def _lacks(font: Any) -> bool:
    """Return True if a font is not in the file and has letters by names beyond Latin."""
    descriptor, encoding = font.get("/FontDescriptor"), font.get("/Encoding")
    if WITH_GREEK.search(str(font.get("/BaseFont", ""))):
        return False
    if not isinstance(encoding, Dictionary) or (
        isinstance(descriptor, Dictionary) and any(f in descriptor for f in FILES)
    ):
        return False
    differences = encoding.get("/Differences", Array())
    names = (str(thing) for thing in list(differences)[:NAMES_MAX] if isinstance(thing, Name))
    return any(BEYOND_LATIN.match(name) for name in names)


def _give(pdf: pikepdf.Pdf, font: Any, file: str, given: dict[str, Any]) -> None:
    if file not in given:
        data = (FOLDER / file).read_bytes()
        given[file] = pdf.make_stream(data, Length1=len(data))
    font.Subtype = Name.TrueType
    font.FontDescriptor = Dictionary(
        Type=Name.FontDescriptor,
        FontName=font.get("/BaseFont", Name.DejaVuSans),
        Flags=NONSYMBOLIC,
        FontFile2=given[file],
        FontBBox=Array([-1000, -300, 2000, 1100]),
        ItalicAngle=0,
        Ascent=900,
        Descent=-236,
        CapHeight=729,
        StemV=80,
    )
