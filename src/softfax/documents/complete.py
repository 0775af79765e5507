# SPDX-License-Identifier: GPL-2.0-or-later
"""A drawn page held against a small drawing of itself: a renderer that gives up on a part of a page says nothing.

PDFium's rasterizer, for one, drops strokes of a page with tens of thousands of them when it is drawn whole at fax size, and draws
the same page completely in bands. So a page is drawn in bands, its ink is compared block by block with that of a drawing at a
quarter of the size, and a block that has lost its ink is drawn again by itself.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image

from softfax.documents.blocks import around, spread

__all__ = ["BAND", "draw_whole"]

Grey = npt.NDArray[np.uint8]
#: Draws a window of a page that is `width` by `rows` dots in all: `(width, rows, left, top, window width, window rows)`.
Draw = Callable[[int, int, int, int, int, int], Grey]

#: Rows drawn at a time. PDFium lost strokes above 1,100 rows of 1728 dots and never below.
BAND = 512
SCALE = 4
#: Dots of the small drawing in a block.
BLOCK = 16
#: The least ink of a block worth a look, as a share of its area.
INK_LEAST = 0.01
#: The small drawing shows a hairline up to `SCALE` times too thick, so a quarter of its ink is all there may be.
KEPT_LEAST = 0.12


def draw_whole(draw: Draw, width: int, rows: int) -> tuple[Grey, float]:
    """Draws a page so that nothing is missing; returns it and the share of its blocks that could not be drawn completely."""
    page = _in_bands(draw, width, rows, BAND)
    small_width, small_rows = -(-width // SCALE), -(-rows // SCALE)
    expected = _ink(_in_bands(draw, small_width, small_rows, 2 * BAND))
    missing = _missing(page, expected)
    if not missing.any():
        return page, 0.0
    side = BLOCK * SCALE
    # With the blocks around them, which may have lost a part of theirs.
    for y, x in zip(*np.nonzero(spread(missing.view(np.uint8))), strict=True):
        top, left = int(y) * side, int(x) * side
        height, breadth = min(side, rows - top), min(side, width - left)
        page[top : top + height, left : left + breadth] = draw(width, rows, left, top, breadth, height)
    # Tiles of a pattern are drawn on whole dots: those of the small drawing may be a block away.
    return page, float(_missing(page, expected, BLOCK).mean())


def _in_bands(draw: Draw, width: int, rows: int, band: int) -> Grey:
    page = np.empty((rows, width), np.uint8)
    for top in range(0, rows, band):
        height = min(band, rows - top)
        page[top : top + height] = draw(width, rows, 0, top, width, height)
    return page


def _ink(small: Grey) -> npt.NDArray[np.float64]:
    """The share of ink in each block of a small drawing."""
    rows, width = small.shape
    padded = np.pad(small, ((0, -rows % BLOCK), (0, -width % BLOCK)), constant_values=255)
    tiles = padded.reshape(padded.shape[0] // BLOCK, BLOCK, padded.shape[1] // BLOCK, BLOCK)
    return np.asarray(1 - tiles.mean(axis=(1, 3)) / 255)


def _missing(page: Grey, expected: npt.NDArray[np.float64], away: int = 1) -> npt.NDArray[np.bool_]:
    """The blocks whose ink is not on the page, not even so many dots of the small drawing away."""
    small = around(np.minimum, np.asarray(Image.fromarray(page).reduce(SCALE)), 2 * away + 1, 255)
    return np.asarray((expected > INK_LEAST) & (_ink(small) < KEPT_LEAST * expected))
