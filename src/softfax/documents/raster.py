# SPDX-License-Identifier: GPL-2.0-or-later
"""From grey to black and white: text and lines by threshold, pictures by clustered dots, decided by area within a page."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from softfax.documents.types import FAX_WIDTH, X_DPI

__all__ = ["bilevel", "fit_page"]

BLOCK = 16
MID_LOW, MID_HIGH = 40, 246
PICTURE_SHARE = 0.45
FLAT_SPREAD = 0.5
FLAT_SHARE = 0.22
TINT_LOW, TINT_HIGH = 110, 200

Grey = npt.NDArray[np.uint8]


def _clustered_dots() -> Grey:
    """An 8 by 8 threshold matrix whose dots grow from two centres (a 45° screen of about 36 lines an inch at 204 dpi).

    Fax compression counts colour changes: grown dots cost a third of what error diffusion does.
    """
    y, x = np.mgrid[0:8, 0:8]
    wave = np.cos((x + y + 1) * np.pi / 4) + np.cos((x - y) * np.pi / 4)
    order = np.argsort(np.argsort((wave + 1e-6 * (x + 0.3 * y)).ravel())).reshape(8, 8)
    return ((order + 0.5) * 4).astype(np.uint8)


_DOTS = _clustered_dots()


def _picture_areas(grey: Grey) -> npt.NDArray[np.bool_]:
    """Which dots belong to pictures: blocks that are mostly mid-tone, and their neighbours of the same kind."""
    rows, width = grey.shape
    padded = np.pad(grey, ((0, -rows % BLOCK), (0, -width % BLOCK)), constant_values=255)
    blocks = padded.reshape(padded.shape[0] // BLOCK, BLOCK, padded.shape[1] // BLOCK, BLOCK)
    share = ((blocks > MID_LOW) & (blocks < MID_HIGH)).mean(axis=(1, 3))
    core = share > PICTURE_SHARE
    core[core] = _is_picture(blocks.swapaxes(1, 2)[core].reshape(-1, BLOCK * BLOCK))
    # A block alone is an anti-aliased letter or a stamp; a picture has neighbours.
    around = _neighbours(core)
    core &= around >= 3
    # Highlights and shadows inside a picture belong to it.
    area = core | (_neighbours(core) >= 3)
    return np.repeat(np.repeat(area, BLOCK, axis=0), BLOCK, axis=1)[:rows, :width]


def _is_picture(blocks: Grey) -> npt.NDArray[np.bool_]:
    """Which of these blocks (one a row) are parts of pictures, and which are flat tints with type on or in them.

    A flat tint is a logo (dark: it becomes solid black) or a shaded cell (light: white); only one in between needs dots.
    """
    mid = np.where((blocks > MID_LOW) & (blocks < MID_HIGH), blocks.astype(np.float32), np.nan)
    tint = np.nanmedian(mid, axis=1)
    near = (np.abs(mid - tint[:, None]) <= FLAT_SPREAD).sum(axis=1)
    flat = near > FLAT_SHARE * (~np.isnan(mid)).sum(axis=1)
    return np.asarray(~flat | ((tint > TINT_LOW) & (tint < TINT_HIGH)))


def _neighbours(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    p = np.pad(mask.astype(np.int64), 1)
    total = sum(p[dy : dy + mask.shape[0], dx : dx + mask.shape[1]] for dy in range(3) for dx in range(3))
    return np.asarray(total - mask, dtype=np.int64)


def bilevel(image: Image.Image) -> Image.Image:
    """A 1-bit page (white 1) of a grey one."""
    if image.mode == "1":
        return image
    grey: Grey = np.asarray(image.convert("L"))
    # Text printed in grey or colour must stay whole: the threshold is high, and no halftone eats its edges.
    white = grey >= 160
    picture = _picture_areas(grey)
    if picture.any():
        rows, width = grey.shape
        screen = np.tile(_DOTS, (rows // 8 + 1, width // 8 + 1))[:rows, :width]
        white = np.where(picture, grey > screen, white)
    return Image.fromarray(white)


def fit_page(image: Image.Image, y_dpi: int, page_inches: tuple[float, float] | None) -> Image.Image:
    """Brings an image to fax width, its own proportions kept; `page_inches` (width, height) where it knows its size.

    A landscape image wider than fax paper is turned.
    """
    width, height = page_inches or (float(image.width), float(image.height))
    if width > height * 1.05:
        image = image.transpose(Image.Transpose.ROTATE_90)
        width, height = height, width
    rows = max(1, round(FAX_WIDTH / X_DPI * height / width * y_dpi))
    if image.size == (FAX_WIDTH, rows):
        return image
    if image.mode not in ("L", "RGB"):
        image = image.convert("L")
    return image.resize((FAX_WIDTH, rows), Image.Resampling.LANCZOS, reducing_gap=2.0)
