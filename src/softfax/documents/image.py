# SPDX-License-Identifier: GPL-2.0-or-later
"""Pictures and TIFFs as sheets; pages that are a fax already are kept dot for dot. Runs only inside the worker process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError

from softfax.documents.colour import Convert, from_deep, lightness, managed
from softfax.documents.deep_tiff import DeepPage, deep_pages
from softfax.documents.fax_bits import Complaints, is_cut
from softfax.documents.in_place import page_in_place
from softfax.documents.photoshop import is_multichannel, is_transparent
from softfax.documents.ranges import parse_ranges
from softfax.documents.types import DocumentLimits, FaxImage, PageClass, Sheet, Source
from softfax.errors import DocumentError, DocumentTooLargeError, DocumentUnsupportedError

__all__ = ["ImageDocument"]

FORMATS = (
    "PNG", "JPEG", "GIF", "BMP", "DIB", "WEBP", "TIFF", "PPM", "AVIF", "JPEG2000", "PCX", "DCX", "PSD", "ICO", "CUR", "ICNS",
    "SGI", "SUN", "MSP", "QOI",
)  # fmt: skip
#: Nothing in their first octets says what these are: their names do.
NAMED_FORMATS = {".tga": "TGA", ".icb": "TGA", ".vda": "TGA", ".vst": "TGA"}
#: Those whose pictures are pages, and those whose pictures follow each other on a screen.
PAGED, MOVING = ("TIFF", "DCX"), ("GIF", "PNG", "WEBP", "AVIF", "HEIF")
HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
KNOWN = "PDF, TIFF, PNG, JPEG, GIF, BMP, WebP, AVIF, JPEG 2000, PSD of 8 bits or text"
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
#: Modes without what lies behind a picture, or by number.
OPAQUE = {"RGBA": "RGB", "RGBa": "RGB", "RGBX": "RGB", "P": "RGB", "PA": "RGB", "LA": "L", "La": "L"}
#: Formats whose last rows come first, and white by mode.
BOTTOM_FIRST = ("BMP", "DIB", "TGA")
WHITE: dict[str, int | tuple[int, ...]] = {
    "1": 255, "L": 255, "RGB": (255,) * 3, "RGBA": (255,) * 4, "CMYK": (0,) * 4,
}  # fmt: skip
LYING = frozenset(TURNS[value] for value in (5, 6, 7, 8))


class ImageSheet:
    """A picture: at its own size where it says one that makes sense, else as large as the paper.

    `convert` makes greys of it once it is scaled; without it they are.
    """

    is_picture = True

    def __init__(
        self, image: Image.Image, dpi: tuple[float, float], convert: Convert | None = None, warning: str = ""
    ) -> None:
        self._image, self._convert, self.warning = image, convert, warning
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
        scaled = self._image
        if scaled.size != (width, rows):
            scaled = scaled.resize((width, rows), method, reducing_gap=3.0 if shrinks else None)
        return self._convert(scaled) if self._convert else scaled


class ImageDocument:
    """An open picture or multi-page TIFF. Raises DocumentError."""

    def __init__(self, source: Source, limits: DocumentLimits) -> None:
        Image.MAX_IMAGE_PIXELS = limits.source_pixels
        self._source, self._limits = source, limits
        frames, self._deep = deep_pages(source.path)
        self._image: Image.Image | None = None
        self.warning = ""
        # Where the first page is of a kind that Pillow does not know, it opens none.
        if 0 not in self._deep:
            with _problems(source):
                frames = self._open()
        self._selected = (
            parse_ranges(source.pages).select(frames, source.shown) if source.pages else list(range(frames))
        )
        if len(self._selected) > limits.pages:
            raise DocumentTooLargeError(
                f"{source.shown} has {len(self._selected)} pages", f"send at most {limits.pages}"
            )

    def _open(self) -> int:
        """Opens the file with Pillow; returns how many pages it has."""
        named = NAMED_FORMATS.get(self._source.path.suffix.lower())
        if _is_heif(self._source):
            named = "HEIF"
        # Not by its path: what Pillow maps into memory it turns wrongly.
        self._file = self._source.path.open("rb")
        self._image = image = Image.open(self._file, formats=FORMATS if named is None else (*FORMATS, named))
        self._check_size(image.size)
        if image.format in MOVING and getattr(image, "is_animated", False):
            self.warning = f"{self._source.shown} has several pictures, of which the first is faxed"
        return self._count(image) if image.format in PAGED else 1

    def _count(self, image: Image.Image) -> int:
        """The pages of a TIFF, found one after the other and only as far as so many can be meant."""
        most = 2 * self._limits.pages
        for frame in range(1, most + 1):
            try:
                image.seek(frame)
            except EOFError:
                image.seek(0)
                return frame
        raise DocumentTooLargeError(f"{self._source.shown} has more than {most} pages", "split it")

    def __len__(self) -> int:
        return len(self._selected)

    def __iter__(self) -> Iterator[Sheet | FaxImage]:
        damaged = 0
        for index in self._selected:
            page: Sheet | FaxImage
            try:
                with _problems(self._source):
                    page = self._deep_page(self._deep[index]) if index in self._deep else self._seen(index)
            except DocumentUnsupportedError:
                damaged += 1
                if damaged == len(self._selected):
                    raise
                page = page_in_place(index, self._source.shown)
            yield page
        if self._image is not None:
            self._image.close()
            self._file.close()

    def _check_size(self, size: tuple[int, int]) -> None:
        if size[0] * size[1] > self._limits.source_pixels:
            raise DocumentTooLargeError(f"{self._source.shown} has too many pixels", "make it smaller")

    def _deep_page(self, page: DeepPage) -> ImageSheet:
        self._check_size(page.size)
        picture, turn = _grey(_on_white(page.image())), TURNS.get(page.orientation)
        x_dpi, y_dpi = _sensible(*page.dpi)
        if turn is None:
            return ImageSheet(picture, (x_dpi, y_dpi))
        return ImageSheet(picture.transpose(turn), (y_dpi, x_dpi) if turn in LYING else (x_dpi, y_dpi))

    def _seen(self, index: int) -> ImageSheet | FaxImage:
        """A page that Pillow reads, as much of it as there is."""
        if self._image is None:
            self._open()
        where = self._source.shown if len(self._selected) == 1 else f"page {index + 1} of {self._source.shown}"
        try:
            return self._page(index, where)
        except UnidentifiedImageError:
            raise
        except OSError:
            ImageFile.LOAD_TRUNCATED_IMAGES = True
            try:
                self._open()
                return self._page(index, where)
            finally:
                ImageFile.LOAD_TRUNCATED_IMAGES = False

    def _page(self, index: int, where: str) -> ImageSheet | FaxImage:
        image = self._image
        assert image is not None
        # Of other formats there is one; in PSD, 0 is not it.
        if image.format in PAGED:
            image.seek(index)
        self._check_size(image.size)
        if image.format == "PSD" and is_multichannel(self._source.path):
            problem = f"{self._source.shown} is in colours of its own (Multichannel)"
            raise DocumentUnsupportedError(problem, "save it in RGB or CMYK")
        dpi, stored = _resolution(image), _turn(image)
        warning = f"{where} is damaged: a part of it may be missing" if self._is_damaged(image) else ""
        if stored in LYING:
            dpi = (dpi[1], dpi[0])
        elif image.mode == "1" and image.height <= self._limits.page_rows and "A" not in image.getbands():
            page_class = PageClass.of_image(image.width, *dpi)
            if page_class is not None:
                bits = _t6_bits(image, self._source)
                if bits is not None and is_cut(bits, image):
                    warning = f"{where} is cut off: a part of it is missing"
                kept = bits if stored is None and not warning else None
                return FaxImage(_upright(image.convert("1"), image), page_class, kept, warning)
        mode = OPAQUE.get(image.mode, image.mode)
        convert = managed(image.info.get("icc_profile"), mode)
        if image.format in ("JPEG", "MPO"):
            before = image.width
            image.draft("L" if convert is None else mode, (4096, 6144))
            dpi = (dpi[0] * image.width / before, dpi[1] * image.width / before)
        image.load()
        if ImageFile.LOAD_TRUNCATED_IMAGES:
            _whiten_missing(image)
            warning = f"{where} is cut off: what is missing is white"
        # A selection that was saved, or an ink, hides nothing of the picture.
        beside = image.format == "PSD" and image.mode == "RGBA" and not is_transparent(self._source.path)
        picture = image.convert("RGB") if beside else _on_white(image)
        picture = _grey(picture) if convert is None else picture.convert(mode)
        return ImageSheet(_upright(picture, image), dpi, convert, warning)

    @staticmethod
    def _is_damaged(image: Image.Image) -> bool:
        """Loads a TIFF; returns True where its library decoded on over damage."""
        if image.format != "TIFF":
            return False
        with Complaints() as complaints:
            image.load()
        return bool(complaints.said)


def _whiten_missing(image: Image.Image) -> None:
    """Makes the rows white that were not in the file. Raises OSError where there was none."""
    dots = np.asarray(image)
    if image.format in BOTTOM_FIRST:
        dots = dots[::-1]
    missing = (dots == dots[-1, 0]).reshape(image.height, -1).all(axis=1)
    if missing.all():
        raise OSError("no row is there")
    count = int(np.argmin(missing[::-1]))
    white = WHITE.get(image.mode)
    if image.mode == "P" and image.palette is not None and len(image.getcolors() or ()) < 256:
        white = image.palette.getcolor((255, 255, 255), image)
    if count and white is not None:
        top = 0 if image.format in BOTTOM_FIRST else image.height - count
        image.paste(white, (0, top, image.width, top + count))


def _upright(picture: Image.Image, loaded: Image.Image) -> Image.Image:
    """Turn a loaded picture upright. Pillow turns TIFFs by itself, and then drops their orientation."""
    turn = _turn(loaded)
    return picture if turn is None else picture.transpose(turn)


def _is_heif(source: Source) -> bool:
    """Return True if a file is a HEIC picture, as telephones take them. Raises DocumentUnsupportedError without a reader."""
    with source.path.open("rb") as file:
        head = file.read(64)
    # Some AVIF has a general brand first, and its own among those that follow in the box (ISO 14496-12 §4.3).
    if head[4:8] != b"ftyp" or head[8:12] not in HEIF_BRANDS or b"avif" in head[16 : int.from_bytes(head[:4])]:
        return False
    try:
        import pillow_heif
    except ImportError:
        raise DocumentUnsupportedError(
            f"{source.shown} is a HEIC picture, which needs the package pillow-heif",
            "pip install softfax[heif], or save the picture as JPEG",
        ) from None
    pillow_heif.register_heif_opener()
    return True


def _tag(image: Image.Image, tag: int) -> int | None:
    """A whole number that a TIFF says of itself; the first of several."""
    value: Any = getattr(image, "tag_v2", {}).get(tag)
    value = value[0] if isinstance(value, tuple) and value else value
    return value if isinstance(value, int) else None


def _turn(image: Image.Image) -> Image.Transpose | None:
    """Transposition that turns a picture upright, by its EXIF or TIFF orientation."""
    return TURNS.get(image.getexif().get(TAG_ORIENTATION, 0))


def _resolution(image: Image.Image) -> tuple[float, float]:
    try:
        x, y = (float(v) for v in image.info.get("dpi", (0, 0))[:2])
    except (TypeError, ValueError, ZeroDivisionError):
        return 72.0, 72.0
    return _sensible(x, y)


def _sensible(x: float, y: float) -> tuple[float, float]:
    if DPI_LEAST <= x <= DPI_MOST and DPI_LEAST <= y <= DPI_MOST:
        return x, y
    return 72.0, 72.0


def _grey(image: Image.Image) -> Image.Image:
    """The picture as mode `L`. White is the white of its format, never the brightest dot of this page."""
    if image.mode == "L":
        return image
    if image.mode.startswith("I") or image.mode == "F":
        grey = from_deep(image, 16 if image.format in ("PNG", "PPM") else _tag(image, TAG_BITS))
        # Pillow turns pictures of 8 bits round by itself.
        return Image.fromarray(255 - grey if _tag(image, TAG_PHOTOMETRIC) == WHITE_IS_ZERO else grey)
    if image.mode == "LAB":
        return lightness(image)
    return image.convert("L")


def _on_white(image: Image.Image) -> Image.Image:
    """Without transparency."""
    deep = image.mode.startswith(("I", "F"))
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or ("transparency" in image.info and not deep):
        flat = Image.new("RGBA", image.size, "white")
        flat.alpha_composite(image.convert("RGBA"))
        return flat.convert(OPAQUE.get(image.mode, "RGB"))
    return image


def _t6_bits(image: Image.Image, source: Source) -> bytes | None:
    """The T.6 bits of a page, where they stand in the file as our own TIFFs and PDFs want them; decoded once to be sure."""
    image.load()
    tags: Any = getattr(image, "tag_v2", {})
    offsets, sizes = tags.get(TAG_OFFSETS, ()), tags.get(TAG_SIZES, ())
    plain = tags.get(TAG_COMPRESSION) == T6 and tags.get(TAG_FILL_ORDER, MSB_FIRST) == MSB_FIRST
    if not plain or tags.get(TAG_PHOTOMETRIC) != WHITE_IS_ZERO or len(offsets) != 1 or len(sizes) != 1:
        return None
    with source.path.open("rb") as file:
        file.seek(offsets[0])
        bits = file.read(sizes[0])
    return bits if len(bits) == sizes[0] else None


class _problems:
    """Errors of a picture's decoder, as one clear line."""

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
