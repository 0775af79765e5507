# SPDX-License-Identifier: GPL-2.0-or-later
"""Pictures and TIFFs as sheets; pages that are a fax already are kept dot for dot. Runs only inside the worker process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from PIL import Image, ImageOps, UnidentifiedImageError

from softfax.documents.ranges import parse_ranges
from softfax.documents.types import DocumentLimits, FaxImage, PageClass, Source
from softfax.errors import DocumentError, DocumentTooLargeError, DocumentUnsupportedError

__all__ = ["ImageDocument"]

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM")
KNOWN = "PDF, TIFF, PNG, JPEG, GIF, BMP, WebP or text"
DPI_LEAST, DPI_MOST = 30.0, 2400.0
TIFF_HEADS = (b"II*\0", b"MM\0*")
T6, MSB_FIRST, WHITE_IS_ZERO = 4, 1, 0
TAG_COMPRESSION, TAG_PHOTOMETRIC, TAG_FILL_ORDER, TAG_OFFSETS, TAG_SIZES = 259, 262, 266, 273, 279


class ImageSheet:
    """A picture: at its own size where it says one that makes sense, else as large as the paper."""

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
        grey = _grey(self._image)
        if grey.size == (width, rows):
            return grey
        return grey.resize((width, rows), method, reducing_gap=3.0 if shrinks else None)


class ImageDocument:
    """An open picture or multi-page TIFF. Raises DocumentError."""

    def __init__(self, source: Source, limits: DocumentLimits) -> None:
        Image.MAX_IMAGE_PIXELS = limits.source_pixels
        self._source, self._limits = source, limits
        with _problems(source):
            self._image = Image.open(source.path, formats=FORMATS)
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
                return FaxImage(image.convert("1"), page_class, bits)
        if image.format == "JPEG":
            image.draft("L", (4096, 6144))
            dpi = (dpi[0] * image.width / self._image.width, dpi[1] * image.height / self._image.height)
        image.load()
        upright = ImageOps.exif_transpose(image)
        if upright.size != image.size:
            dpi = dpi[1], dpi[0]
        return ImageSheet(_on_white(upright), dpi)


def _resolution(image: Image.Image) -> tuple[float, float]:
    try:
        x, y = (float(v) for v in image.info.get("dpi", (0, 0))[:2])
    except (TypeError, ValueError, ZeroDivisionError):
        return 72.0, 72.0
    if DPI_LEAST <= x <= DPI_MOST and DPI_LEAST <= y <= DPI_MOST:
        return x, y
    return 72.0, 72.0


def _grey(image: Image.Image) -> Image.Image:
    if image.mode == "L":
        return image
    if image.mode.startswith("I") or image.mode == "F":
        # 16 bits: the picture's own range.
        extrema: Any = image.getextrema()
        low, high = float(extrema[0]), float(extrema[1])
        scale = 255.0 / max(1.0, high - low)
        return image.point(lambda v: (v - low) * scale).convert("L")
    return image.convert("L")


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
