# SPDX-License-Identifier: GPL-2.0-or-later
"""Fax TIFFs (TIFF-F, RFC 2306): written page by page with one T.6 strip each, as spandsp writes them; read back."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import IO

import numpy as np
import numpy.typing as npt

# Pillow loads all it knows where a format is named that it has not loaded.
from PIL import Image, TiffImagePlugin, UnidentifiedImageError  # noqa: F401

from softfax.documents.types import PageClass, PageInfo
from softfax.errors import DocumentUnsupportedError

__all__ = ["DOTS_MAX", "TiffWriter", "encode_t4", "encode_t6", "page_dots", "read_pages"]

_SHORT, _LONG, _RATIONAL = 3, 4, 5
T4_OPTIONS = 292
PICTURES_MEASURED = 0.02
#: The largest page that is drawn here: an octet for each dot. (A fax may have twice that.)
DOTS_MAX = 160_000_000


def _encode(page: Image.Image, compression: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    # Pillow holds white as 1 and the encoder takes bits as they are, where T.4 and T.6 have white as 0.
    # (Its own inversion is of bytes, and white is 1 or 255 by who drew it.)
    inverted = page.point([255] + [0] * 255)
    inverted.save(buffer, "TIFF", compression=compression, strip_size=page.width * page.height, **options)
    buffer.seek(0)
    with Image.open(buffer) as written:
        tags = written.tag_v2  # type: ignore[attr-defined]
        offsets, sizes = tags[273], tags[279]
    if len(offsets) != 1:
        raise ValueError("the encoder split the page")
    data = buffer.getvalue()
    return data[offsets[0] : offsets[0] + sizes[0]]


def encode_t6(page: Image.Image) -> bytes:
    """The T.6 (MMR) bits of a 1-bit page, white as 0, first bit highest."""
    return _encode(page, "group4")


def encode_t4(page: Image.Image, *, two_dimensional: bool) -> bytes:
    """The T.4 bits of a 1-bit page, 1-D (MH) or 2-D (MR), white as 0, first bit highest."""
    return _encode(page, "group3", tiffinfo={T4_OPTIONS: int(two_dimensional)})


class TiffWriter:
    """Writes a multi-page fax TIFF; a page is on disk when `add` returns."""

    def __init__(self, path: Path) -> None:
        self._file: IO[bytes] = path.open("wb")
        self._file.write(b"II*\0" + struct.pack("<I", 0))
        self._link = 4
        self._before = 0
        self.pages: list[PageInfo] = []

    @classmethod
    def appending(cls, path: Path) -> TiffWriter:
        """Writer of pages behind those of a file that is such a writer's. `pages` are the new ones."""
        self = cls.__new__(cls)
        self._file, self._link, self._before, self.pages = path.open("r+b"), 4, 0, []
        while directory := self._number("<I", self._link):
            self._link = directory + 2 + 12 * self._number("<H", directory)
            self._before += 1
        return self

    def _number(self, kind: str, at: int) -> int:
        self._file.seek(at)
        number: int = struct.unpack(kind, self._file.read(struct.calcsize(kind)))[0]
        return number

    def add_page(
        self, page: Image.Image, page_class: PageClass, *, pictures: float = 0.0, t6: bytes | None = None
    ) -> PageInfo:
        """Appends a fax page; `t6` are its bits where they came with it. A page with pictures, where T.6 may not be the
        smallest code, is measured in all three.
        """
        bits = t6 if t6 is not None else encode_t6(page)
        codes = (0, 0, 0)
        if pictures > PICTURES_MEASURED:
            codes = (*(len(encode_t4(page, two_dimensional=two)) for two in (False, True)), len(bits))  # type: ignore[assignment]
        return self.add_t6(
            bits, page.width, page.height, page_class.x_dpi, page_class.y_dpi, codes=codes, pictures=round(pictures, 3)
        )

    def add(self, page: Image.Image, x_dpi: float, y_dpi: float) -> PageInfo:
        """Appends a 1-bit page."""
        return self.add_t6(encode_t6(page), page.width, page.height, x_dpi, y_dpi)

    def add_t6(
        self,
        data: bytes,
        width: int,
        rows: int,
        x_dpi: float,
        y_dpi: float,
        *,
        codes: tuple[int, int, int] = (0, 0, 0),
        pictures: float = 0.0,
    ) -> PageInfo:
        """Appends a page of T.6 bits."""
        file = self._file
        strip = file.seek(0, io.SEEK_END)
        file.write(data + b"\0" * (len(data) & 1))
        resolutions = file.tell()
        for dpi in (x_dpi, y_dpi):
            ratio = Fraction(dpi).limit_denominator(1000)
            file.write(struct.pack("<II", ratio.numerator, ratio.denominator))
        entries = [
            (254, _LONG, 2),  # NewSubfileType: a page of several
            (256, _LONG, width),
            (257, _LONG, rows),
            (258, _SHORT, 1),
            (259, _SHORT, 4),  # T.6
            (262, _SHORT, 0),  # white is 0
            (266, _SHORT, 1),
            (273, _LONG, strip),
            (277, _SHORT, 1),
            (278, _LONG, rows),
            (279, _LONG, len(data)),
            (282, _RATIONAL, resolutions),
            (283, _RATIONAL, resolutions + 8),
            (284, _SHORT, 1),
            (293, _LONG, 0),  # T6Options
            (296, _SHORT, 2),  # inch
            # PageNumber; its second value (of how many) stays 0, unknown
            (297, _SHORT, self._before + len(self.pages)),
        ]
        directory = file.tell()
        file.write(struct.pack("<H", len(entries)))
        for tag, kind, value in entries:
            count = 2 if tag == 297 else 1
            file.write(struct.pack("<HHI", tag, kind, count))
            file.write(struct.pack("<HH", value, 0) if kind == _SHORT else struct.pack("<I", value))
        end = file.tell()
        file.write(struct.pack("<I", 0))
        file.seek(self._link)
        file.write(struct.pack("<I", directory))
        self._link = end
        file.flush()
        info = PageInfo(width, rows, x_dpi, y_dpi, len(data), codes, pictures)
        self.pages.append(info)
        return info

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def __enter__(self) -> TiffWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_pages(path: Path) -> Iterator[tuple[PageInfo, npt.NDArray[np.bool_]]]:
    """The pages of a fax TIFF, or of a PDF we delivered, as arrays of rows and dots, True for black.

    Raises DocumentUnsupportedError.
    """
    try:
        if path.suffix.lower() == ".pdf":
            yield from _read_pdf(path)
        else:
            yield from _read_tiff(path)
    except _UNREADABLE as error:
        raise _not_readable(path, error) from None


def page_dots(path: Path, index: int) -> npt.NDArray[np.bool_]:
    """One page of a fax TIFF, True for black. Raises DocumentUnsupportedError."""
    try:
        with Image.open(path) as image:
            image.seek(index)
            return _black(image)
    except (*_UNREADABLE, EOFError) as error:
        raise _not_readable(path, error) from None


_UNREADABLE = (OSError, UnidentifiedImageError, ValueError, SyntaxError, Image.DecompressionBombError)


def _not_readable(path: Path, error: Exception) -> DocumentUnsupportedError:
    return DocumentUnsupportedError(f"{path.name} is not a fax that can be read ({error})", "take another copy of it")


def _check(width: int, rows: int) -> None:
    if width * rows > DOTS_MAX:
        raise ValueError(f"a page of {width} by {rows} dots")


def _black(image: Image.Image) -> npt.NDArray[np.bool_]:
    _check(*image.size)
    return ~np.asarray(image.convert("1"), dtype=bool)


def _read_tiff(path: Path) -> Iterator[tuple[PageInfo, npt.NDArray[np.bool_]]]:
    with Image.open(path) as image:
        for index in range(getattr(image, "n_frames", 1)):
            image.seek(index)
            sizes = image.tag_v2.get(279, (0,)) if hasattr(image, "tag_v2") else (0,)
            x_dpi, y_dpi = (float(v) for v in image.info.get("dpi", (204.0, 196.0)))
            yield PageInfo(image.width, image.height, x_dpi, y_dpi, sum(sizes)), _black(image)


def _read_pdf(path: Path) -> Iterator[tuple[PageInfo, npt.NDArray[np.bool_]]]:
    import pypdfium2 as pdfium
    import pypdfium2.raw as raw

    from softfax.documents.scale import dots_per_inch

    document = pdfium.PdfDocument(path)
    try:
        for page in document:
            image = next(iter(page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE])))
            _check(*image.get_px_size())
            size = len(image.get_data(decode_simple=False))
            bitmap = np.asarray(image.get_bitmap(render=False).to_pil().convert("L")) < 128
            rows, width = bitmap.shape
            yield PageInfo(width, rows, *dots_per_inch(image), size), bitmap
    except pdfium.PdfiumError as error:
        raise ValueError(str(error)) from None
    finally:
        document.close()
