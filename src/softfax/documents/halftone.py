# SPDX-License-Identifier: GPL-2.0-or-later
"""Pictures in black and white: screens of clustered dots, and error diffusion.

Fax compression counts changes of colour along a row, so a picture costs what its dots have of edges: dots that grow as a
cluster cost about a third of what error diffusion does, and survive bad copies better.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from softfax.documents.types import Halftone

__all__ = ["screen"]

Grey = npt.NDArray[np.uint8]

#: Printers and fax machines make dots larger than they should be.
DOT_GAIN_GAMMA = 0.85
SHARPEN = ImageFilter.UnsharpMask(radius=2.2, percent=110, threshold=2)


def _cluster(size: int) -> Grey:
    """A `size` by `size` threshold matrix whose dots grow from two centres: a screen at 45°."""
    y, x = np.mgrid[0:size, 0:size]
    step = 2 * np.pi / size
    wave = np.cos((x + y + 1) * step) + np.cos((x - y) * step)
    order = np.argsort(np.argsort((wave + 1e-6 * (x + 0.3 * y)).ravel())).reshape(size, size)
    return ((order + 0.5) * 256 / size**2).astype(np.uint8)


#: 36 lines an inch of 33 greys, and 51 lines of 19, at 204 dots an inch.
_SCREENS = {"dots": _cluster(8), "fine-dots": _cluster(6)}


def _tone(grey: Grey) -> Grey:
    """The picture's range stretched, its middle lightened for what dots gain."""
    low, high = np.percentile(grey[::4, ::4], (1, 99))
    if high - low < 48:
        low, high = max(0.0, (low + high) / 2 - 64), min(255.0, (low + high) / 2 + 64)
    low, high = min(low, 48.0), max(high, 200.0)
    ramp = np.clip((np.arange(256) - low) / (high - low), 0, 1) ** DOT_GAIN_GAMMA * 255
    return np.asarray(ramp.astype(np.uint8)[grey])


def screen(grey: Grey, kind: Halftone, *, picture: bool = True) -> npt.NDArray[np.bool_]:
    """White dots of a grey area. A `picture` is toned and sharpened first, a tint is taken as it is."""
    if picture:
        grey = np.asarray(Image.fromarray(_tone(grey)).filter(SHARPEN))
    if kind == "diffusion":
        return np.asarray(Image.fromarray(grey).convert("1"), dtype=bool)
    if kind == "none":
        return np.asarray(grey >= 128)
    matrix = _SCREENS[kind]
    rows, width = grey.shape
    size = len(matrix)
    tiled = np.tile(matrix, (rows // size + 1, width // size + 1))[:rows, :width]
    return np.asarray(grey > tiled)
