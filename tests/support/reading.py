# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads drawn pages back: which typewritten letters stand in which column, where there is ink, in which order."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from PIL import Image

from softfax.documents import fonts
from softfax.documents.fonts import Style, face
from softfax.documents.paper import A4
from softfax.documents.text import COLUMN_WIDTH, COLUMNS, PITCH, POINTS, TOP
from softfax.documents.typeset import POINTS_PER_INCH, Canvas, Paragraph, Type

Black = npt.NDArray[np.bool_]

#: Letters whose shapes differ at every size.
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789äöüßéαβγδжцщюя€.,:;-()[]/+="


def black(image: Image.Image) -> Black:
    """The black dots of a page."""
    return np.asarray(image.convert("L")) < 128


def bands(ink: npt.NDArray[np.bool_], gap: int = 1) -> list[tuple[int, int]]:
    """Return where a row (or column) of flags is set, as [start, end); gaps shorter than `gap` do not count."""
    out: list[tuple[int, int]] = []
    for index in np.flatnonzero(ink):
        if out and index - out[-1][1] < gap:
            out[-1] = (out[-1][0], int(index) + 1)
        else:
            out.append((int(index), int(index) + 1))
    return out


def read_typewritten(image: Image.Image, letters: Iterable[str] = LETTERS) -> list[str]:
    """The lines of a typewritten A4 page, letter by letter; `?` is ink that is none of `letters`."""
    page = black(image)
    rows, width = page.shape
    x_scale, y_scale = width / A4.width, rows / A4.height
    left = (A4.width - COLUMNS * COLUMN_WIDTH) / 2
    mono = face(Style.MONO)
    shapes = {}
    for letter in letters:
        number = mono.shaper.get_nominal_glyph(ord(letter))
        shapes[letter] = fonts.glyph(Style.MONO, number, POINTS * x_scale, POINTS * y_scale)
    lines = []
    for index in range(60):
        baseline = round((TOP + PITCH * (index + 0.8)) * y_scale)
        line = "".join(
            _letter(page, round((left + column * COLUMN_WIDTH) * x_scale), baseline, COLUMN_WIDTH * x_scale, shapes)
            for column in range(COLUMNS)
        )
        lines.append(line.rstrip())
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _letter(page: Black, x: int, baseline: int, step: float, shapes: dict[str, fonts.Glyph]) -> str:
    height = PITCH * page.shape[0] / A4.height
    top_row = baseline - round(height * 0.78)
    cell = page[top_row : top_row + round(height), x + 1 : x + round(step) - 1]  # neighbours may reach a dot into it
    if not cell.any():
        return " "
    best, most = "?", 0
    for letter, (mask, left, top) in shapes.items():
        tall, wide = mask.shape
        seen = page[baseline - top : baseline - top + tall, x + left : x + left + wide]
        ink = int(mask.sum())
        # ä holds an a: the letter with most ink is it.
        if ink > most and seen.shape == mask.shape and (seen == mask).all():
            best, most = letter, ink
    return best


def pieces(text: str, kind: Type | None = None, x: float = 10) -> list[bytes]:
    """The connected shapes of one line of text from the left, on a fine A4 page, from x in points; to compare orders."""
    canvas = Canvas(1728, 2292, A4.width / POINTS_PER_INCH, A4.height / POINTS_PER_INCH)
    (line, *_) = Paragraph([(text, kind or Type(Style.SANS, 24))]).lines(10_000)
    canvas.draw(line, x, 50)
    return shapes_of(canvas.dots < 128)


def shapes_of(ink: Black) -> list[bytes]:
    """The shapes between blank columns, from the left."""
    out = []
    for start, end in bands(ink.any(axis=0)):
        part = ink[:, start:end]
        rows = np.flatnonzero(part.any(axis=1))
        out.append(bytes(str(part.shape[1]), "ascii") + part[rows[0] : rows[-1] + 1].tobytes())
    return out
