# SPDX-License-Identifier: GPL-2.0-or-later
"""Colours and deep greys of pictures as the greys that a viewer shows. Runs only inside the worker process."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

__all__ = ["Convert", "eight_bits", "from_deep", "lightness", "managed", "white_of"]

Convert = Callable[[Image.Image], Image.Image]

#: What white is in pictures of more than 8 bits a dot, where the file does not say: the least that is no less than the brightest.
WHITES = (1.0, 255.0, 65_535.0, 2.0**31 - 1, 2.0**32 - 1)
#: Colour spaces of profiles, by the modes they are for.
SPACES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
PROFILE_MAX = 16 << 20


def managed(profile: object, mode: str) -> Convert | None:
    """Converter of a picture to greys by its ICC profile; None where the profile adds nothing to sRGB."""
    if not isinstance(profile, bytes) or not 128 < len(profile) <= PROFILE_MAX:
        return None
    from PIL import ImageCms

    try:
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = own.profile.xcolor_space.strip()
        if mode != SPACES.get(space) or "sRGB" in (own.profile.profile_description or ""):
            return None
        screen = ImageCms.createProfile("sRGB")
        intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
        flags = ImageCms.Flags.BLACKPOINTCOMPENSATION
        transform = ImageCms.buildTransform(own, screen, mode, "RGB", intent, flags)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None  # a damaged profile: viewers show the picture without it

    def convert(picture: Image.Image) -> Image.Image:
        shown = ImageCms.applyTransform(picture, transform)
        assert shown is not None
        return shown.convert("L")

    return convert


def lightness(image: Image.Image) -> Image.Image:
    """The greys of a picture in CIE L*a*b*: its lightness, by the curve of sRGB."""
    star = np.arange(256) * (100 / 255)
    linear = np.where(star > 8, ((star + 16) / 116) ** 3, star / 903.3)
    curve = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055)
    return image.getchannel(0).point([round(v) for v in (curve * 255).clip(0, 255).tolist()])


def from_deep(image: Image.Image, bits: int | None) -> npt.NDArray[np.uint8]:
    """The greys of a picture of 16 or 32 bits a dot, or of floating point, from 0 to 255."""
    values: npt.NDArray[Any] = np.asarray(image)
    if image.mode.startswith("I;16"):
        return np.asarray((values >> max(0, (bits or 16) - 8)).clip(0, 255).astype(np.uint8))
    return eight_bits(values, white_of(values, bits or 32, floating=image.mode == "F"))


def eight_bits(values: npt.NDArray[Any], white: float) -> npt.NDArray[np.uint8]:
    """Samples from 0 to `white` as those from 0 to 255."""
    numbers = np.nan_to_num(values.astype(np.float32), posinf=white, neginf=0.0)
    return np.asarray((numbers * (255 / white)).clip(0, 255).astype(np.uint8))


def white_of(values: npt.NDArray[Any], bits: int, *, signed: bool = False, floating: bool = False) -> float:
    """White level of the samples. Those of 32 bits and more, and of floating point, mostly use a part of their range."""
    if not floating and bits <= 16:
        return 2.0 ** (bits - signed) - 1
    finite = values[np.isfinite(values)] if floating else values
    brightest = float(finite.max(initial=0))
    return next((white for white in WHITES[not floating :] if brightest <= white), WHITES[-1])
