# SPDX-License-Identifier: GPL-2.0-or-later
"""The fonts that come with softfax, and their glyphs as dots.

Shapes are drawn by FreeType straight at the page's dot grid, which need not be square, with hints for black and
white: a letter looks the same wherever it stands, stays whole at 98 rows an inch, and compresses well.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterable, Sequence
from enum import StrEnum
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple
from unicodedata import category, name, normalize

import freetype
import numpy as np
import numpy.typing as npt
import uharfbuzz as hb

__all__ = [
    "FOLDER",
    "Face",
    "Glyph",
    "Style",
    "boxes_warning",
    "face",
    "face_for",
    "glyph",
    "missing_characters",
    "missing_warning",
    "substitute",
]

FOLDER = Path(__file__).with_name("fonts")
GLYPHS_CACHED = 8192
PPEM_MAX = 4000
FLAT = 1.5  # dots this much wider than high are those of standard resolution
WARN_CHARACTERS = 5

Mask = npt.NDArray[np.bool_]


class Style(StrEnum):
    """The fonts, by file name."""

    SANS = "DejaVuSans"
    BOLD = "DejaVuSans-Bold"
    OBLIQUE = "DejaVuSans-Oblique"
    MONO = "DejaVuSansMono"
    MONO_BOLD = "DejaVuSansMono-Bold"


#: Where a character is looked for, in order. Arabic and Hebrew are in the proportional fonts only.
_CHAIN: dict[Style, tuple[Style, ...]] = {
    Style.SANS: (Style.SANS, Style.MONO),
    Style.BOLD: (Style.BOLD, Style.SANS),
    Style.OBLIQUE: (Style.OBLIQUE, Style.SANS),
    Style.MONO: (Style.MONO, Style.SANS),
    Style.MONO_BOLD: (Style.MONO_BOLD, Style.MONO, Style.BOLD, Style.SANS),
}


class Glyph(NamedTuple):
    """A glyph's black dots, and where their upper left corner is, from the pen: `left` to the right, `top` up."""

    mask: Mask
    left: int
    top: int


class Face:
    """One font, for shaping (HarfBuzz) and for drawing (FreeType)."""

    def __init__(self, style: Style) -> None:
        data = (FOLDER / f"{style}.ttf").read_bytes()
        hb_face = hb.Face(data)
        self.shaper = hb.Font(hb_face)
        self.upem: int = hb_face.upem
        self.characters = frozenset(hb_face.unicodes)
        self._outlines = freetype.Face(str(FOLDER / f"{style}.ttf"))
        self._lock = threading.Lock()

    def draw(self, glyph: int, x_ppem: float, y_ppem: float) -> Glyph:
        """The dots of a glyph at a size in dots per em, across and down."""
        flags = freetype.FT_LOAD_RENDER | freetype.FT_LOAD_TARGET_MONO
        if x_ppem > FLAT * y_ppem:
            flags |= freetype.FT_LOAD_FORCE_AUTOHINT  # the fonts' own hints make slanting strokes too bold then
        with self._lock:
            self._outlines.set_char_size(round(min(x_ppem, PPEM_MAX) * 64), round(min(y_ppem, PPEM_MAX) * 64), 72, 72)
            self._outlines.load_glyph(glyph, flags)
            slot = self._outlines.glyph
            bitmap = slot.bitmap
            rows, width, pitch = bitmap.rows, bitmap.width, bitmap.pitch
            if not rows or not width:
                return Glyph(np.zeros((0, 0), dtype=bool), 0, 0)
            raw = ctypes.string_at(bitmap._FT_Bitmap.buffer, rows * pitch)
            left, top = slot.bitmap_left, slot.bitmap_top
        bits = np.unpackbits(np.frombuffer(raw, dtype=np.uint8).reshape(rows, pitch), axis=1)
        return Glyph(bits[:, :width].astype(bool), left, top)


@cache
def face(style: Style) -> Face:
    """The font of a style, opened once."""
    return Face(style)


@lru_cache(GLYPHS_CACHED)
def glyph(style: Style, number: int, x_ppem: float, y_ppem: float) -> Glyph:
    """`Face.draw`, remembered."""
    return face(style).draw(number, x_ppem, y_ppem)


def _has(style: Style, char: str) -> bool:
    """Return True if a font has a character, or the parts that HarfBuzz will make it of (ۀ is ە and ٔ)."""
    known = face(style).characters
    return ord(char) in known or all(ord(part) in known for part in normalize("NFD", char))


@lru_cache(4096)
def face_for(char: str, style: Style) -> Style:
    """The style that has this character; the one asked for if none has it (its box is drawn then)."""
    return next((s for s in _CHAIN[style] if _has(s, char)), style)


@lru_cache(4096)
def substitute(char: str) -> str:
    """Substitute for a character that no font has: its compatible spelling (﷼ is ریال) if that can be set, else itself."""
    spelt = normalize("NFKC", char)
    return spelt if not _has(Style.SANS, char) and all(_has(Style.SANS, c) for c in spelt) else char


def missing_characters(text: Iterable[str]) -> list[str]:
    """The characters that no font has, each once, in order. Those without a shape of their own are none of them."""
    return sorted(
        char
        for char in set(text)
        if category(char)[0] not in "CZ"
        and not _is_invisible(char)
        and substitute(char) == char
        and not _has(Style.SANS, char)
        and not _has(Style.MONO, char)
    )


def _is_invisible(char: str) -> bool:
    return "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef"  # variation selectors


def missing_warning(text: Iterable[str]) -> str:
    """One line for people about characters drawn as boxes; empty if there are none."""
    return boxes_warning(missing_characters(text))


def boxes_warning(unknown: Sequence[str]) -> str:
    """Warning about characters that are known to have been drawn as boxes."""
    if not unknown:
        return ""
    named = ", ".join(f"U+{ord(c):04X} {name(c, '').lower()}".strip() for c in unknown[:WARN_CHARACTERS])
    more = f" and {len(unknown) - WARN_CHARACTERS} more" if len(unknown) > WARN_CHARACTERS else ""
    return f"no font has {named}{more}; drawn as boxes"
