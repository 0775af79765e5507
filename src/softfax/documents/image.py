# SPDX-License-Identifier: GPL-2.0-or-later
"""Pictures and TIFFs as sheets; pages that are a fax already are kept dot for dot. Runs only inside the worker process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from softfax.documents.ranges import parse_ranges
from softfax.documents.types import DocumentLimits, FaxImage, PageClass, Source
from softfax.errors import DocumentError, DocumentTooLargeError, DocumentUnsupportedError

__all__ = ["ImageDocument"]

FORMATS = (
    "PNG", "JPEG", "GIF", "BMP", "DIB", "WEBP", "TIFF", "PPM", "AVIF", "JPEG2000", "PCX", "PSD", "ICO", "SGI", "QOI",
)  # fmt: skip
#: Nothing in their first octets says what these are: their names do.
NAMED_FORMATS = {".tga": "TGA", ".icb": "TGA", ".vda": "TGA", ".vst": "TGA"}
#: What white is in pictures of more than 8 bits a dot, where the file does not say: the least that is no less than the brightest.
WHITES = (1.0, 255.0, 65_535.0, 2.0**31 - 1, 2.0**32 - 1)
KNOWN = "PDF, TIFF, PNG, JPEG, GIF, BMP, WebP, AVIF, JPEG 2000, PSD or text"
DPI_LEAST, DPI_MOST = 30.0, 2400.0
TIFF_HEADS = (b"II*\0", b"MM\0*")
T6, MSB_FIRST, WHITE_IS_ZERO = 4, 1, 0
TAG_COMPRESSION, TAG_PHOTOMETRIC, TAG_FILL_ORDER, TAG_OFFSETS, TAG_SIZES = 259, 262, 266, 273, 279
TAG_BITS, TAG_ORIENTATION = 258, 274
#: By the value of Orientation (TIFF 6.0 §8); the last four lie on a side.
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
LYING = frozenset(TURNS[value] for value in (5, 6, 7, 8))


class ImageSheet:
    """A picture (mode `L`): at its own size where it says one that makes sense, else as large as the paper."""

    def __init__(self, image: Image.Image, dpi: tuple[float, float]) -> None:
        self._image = image
        width, height = image.width / dpi[0], image.height / dpi[1]
        # Cameras and screenshots say 72 or 96 without meaning it; such a picture is as large as the paper.
        meant = dpi[0] >= 100
        self.width_inches: float | None = width if meant else None
        self.height_inches: float | None = height if meant else None
        self.aspect = height / width

    def render(self, width: int, rows: int) -> Image.Image:
        """Scales by area when shrinking, so that thin lines stay and no edge rings."""
        shrinks = width < self._image.width
        method = Image.Resampling.HAMMING if shrinks else Image.Resampling.BICUBIC
        grey = self._image
        if grey.size == (width, rows):
            return grey
        return grey.resize((width, rows), method, reducing_gap=3.0 if shrinks else None)


class ImageDocument:
    """An open picture or multi-page TIFF. Raises DocumentError."""

    def __init__(self, source: Source, limits: DocumentLimits) -> None:
        Image.MAX_IMAGE_PIXELS = limits.source_pixels
        self._source, self._limits = source, limits
        with _problems(source):
            named = NAMED_FORMATS.get(source.path.suffix.lower())
            self._image = Image.open(source.path, formats=FORMATS if named is None else (*FORMATS, named))
            frames = self._count(limits.pages * 2) if self._image.format == "TIFF" else 1
        self._selected = (
            parse_ranges(source.pages).select(frames, source.shown) if source.pages else list(range(frames))
        )
        if len(self._selected) > limits.pages:
            raise DocumentTooLargeError(
                f"{source.shown} has {len(self._selected)} pages", f"send at most {limits.pages}"
            )
        self._check_size()

    def _count(self, most: int) -> int:
        """The pages of a TIFF, found one after the other and no further than `most`."""
        for frame in range(1, most + 1):
            try:
                self._image.seek(frame)
            except EOFError:
                self._image.seek(0)
                return frame
        raise DocumentTooLargeError(f"{self._source.shown} has more than {most} pages", "split it")

    def __len__(self) -> int:
        return len(self._selected)

    def __iter__(self) -> Iterator[ImageSheet | FaxImage]:
        for index in self._selected:
            with _problems(self._source):
                self._image.seek(index)
                self._check_size()
                page = self._page()
            yield page
        self._image.close()

    def _check_size(self) -> None:
        if self._image.width * self._image.height > self._limits.source_pixels:
            raise DocumentTooLargeError(f"{self._source.shown} has too many pixels", "make it smaller")

    def _page(self) -> ImageSheet | FaxImage:
        image = self._image
        dpi = _resolution(image)
        if image.mode == "1" and image.height <= self._limits.page_rows and "A" not in image.getbands():
            page_class = PageClass.of_image(image.width, *dpi)
            if page_class is not None:
                bits = _t6_bits(image, self._source)
                turn = _turn(image)
                if turn is None:
                    return FaxImage(image.convert("1"), page_class, bits)
                if turn not in LYING:
                    return FaxImage(image.convert("1").transpose(turn), page_class)
        if image.format == "JPEG":
            image.draft("L", (4096, 6144))
            dpi = (dpi[0] * image.width / self._image.width, dpi[1] * image.height / self._image.height)
        image.load()
        turn = _turn(image)
        grey = _grey(
            _on_white(image), inverted=_tag(image, TAG_PHOTOMETRIC) == WHITE_IS_ZERO, bits=_tag(image, TAG_BITS)
        )
        if turn is not None:
            grey = grey.transpose(turn)
        return ImageSheet(grey, (dpi[1], dpi[0]) if turn in LYING else dpi)


def _tag(image: Image.Image, tag: int) -> int | None:
    """A whole number that a TIFF says of itself; the first of several."""
    value: Any = getattr(image, "tag_v2", {}).get(tag)
    value = value[0] if isinstance(value, tuple) and value else value
    return value if isinstance(value, int) else None


def _turn(image: Image.Image) -> Image.Transpose | None:
    """What makes a picture upright, by its EXIF or TIFF orientation."""
    return TURNS.get(image.getexif().get(TAG_ORIENTATION, 0))


def _resolution(image: Image.Image) -> tuple[float, float]:
    try:
        x, y = (float(v) for v in image.info.get("dpi", (0, 0))[:2])
    except (TypeError, ValueError, ZeroDivisionError):
        return 72.0, 72.0
    if DPI_LEAST <= x <= DPI_MOST and DPI_LEAST <= y <= DPI_MOST:
        return x, y
    return 72.0, 72.0


def _grey(image: Image.Image, *, inverted: bool, bits: int | None) -> Image.Image:
    """The picture as mode `L`. White is the white of its format, never the brightest dot of this page."""
    if image.mode == "L":
        return image
    if image.mode.startswith("I") or image.mode == "F":
        grey = _from_deep(image, bits)
        # Pillow turns pictures of 8 bits round by itself.
        return Image.fromarray(255 - grey if inverted else grey)
    if image.mode == "LAB":
        return image.getchannel(0)
    return image.convert("L")


def _from_deep(image: Image.Image, bits: int | None) -> npt.NDArray[np.uint8]:
    """The greys of a picture of 16 or 32 bits a dot, or of floating point, from 0 to 255."""
    values = np.asarray(image)
    if image.mode.startswith("I;16"):
        return np.asarray((values >> max(0, (bits or 16) - 8)).clip(0, 255).astype(np.uint8))
    values = np.nan_to_num(values.astype(np.float32), posinf=WHITES[-1], neginf=0.0)
    brightest = float(values.max(initial=0))
    white = next((white for white in WHITES if brightest <= white), WHITES[-1])
    return np.asarray((values * (255 / white)).clip(0, 255).astype(np.uint8))


def _on_white(image: Image.Image) -> Image.Image:
    """Without transparency."""
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        flat = Image.new("RGBA", image.size, "white")
        flat.alpha_composite(image.convert("RGBA"))
        return flat.convert("L")
    return image


def _t6_bits(image: Image.Image, source: Source) -> bytes | None:
    """The T.6 bits of a page, where they stand in the file as our own TIFFs and PDFs want them; decoded once to be sure."""
    tags: Any = getattr(image, "tag_v2", {})
    offsets, sizes = tags.get(TAG_OFFSETS, ()), tags.get(TAG_SIZES, ())
    plain = tags.get(TAG_COMPRESSION) == T6 and tags.get(TAG_FILL_ORDER, MSB_FIRST) == MSB_FIRST
    if not plain or tags.get(TAG_PHOTOMETRIC) != WHITE_IS_ZERO or len(offsets) != 1 or len(sizes) != 1:
        image.load()
        return None
    image.load()
    with source.path.open("rb") as file:
        file.seek(offsets[0])
        bits = file.read(sizes[0])
    return bits if len(bits) == sizes[0] else None


class _problems:
    """What goes wrong in a picture's decoder, in one clear line."""

    def __init__(self, source: Source) -> None:
        self._shown = source.shown
        with source.path.open("rb") as file:
            self._known = file.read(4) in TIFF_HEADS

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is None or isinstance(error, DocumentError):
            return
        if isinstance(error, Image.DecompressionBombError):
            raise DocumentTooLargeError(f"{self._shown} has too many pixels", "make it smaller") from None
        if isinstance(error, UnidentifiedImageError) and not self._known:
            raise DocumentUnsupportedError(
                f"{self._shown} is not a document that can be faxed", f"use {KNOWN}"
            ) from None
        if isinstance(error, (OSError, ValueError, SyntaxError, EOFError, KeyError, TypeError, IndexError)):
            raise DocumentUnsupportedError(f"{self._shown} is damaged", "open it and save it again") from None
