# SPDX-License-Identifier: GPL-2.0-or-later
"""Test pages drawn without the rest of softfax, so that the sanitized engine runs alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from softfax.documents.tiff import TiffWriter

WIDTH = 1728


def write_pages(path: Path, count: int = 1, *, rows: int = 600, density: float = 0.02, y_dpi: int = 196) -> None:
    """A fax TIFF of `count` pages with lines, a frame and some noise, each page different."""
    rng = np.random.default_rng(7)
    with TiffWriter(path) as writer:
        for number in range(count):
            white = np.ones((rows, WIDTH), dtype=bool)
            white[20 + 10 * number :: 47, 100:1600] = False
            white[10:-10, 90 + number : 94 + number] = False
            block = white[100:300, 400:900]
            block &= rng.random(block.shape) > density
            writer.add(Image.fromarray(white), 204, y_dpi)
