# SPDX-License-Identifier: GPL-2.0-or-later
"""Pages of faxes as pictures: every dot in square dots, or scaled to a width in sixteen greys. Kept in memory up to a limit."""

from __future__ import annotations

import asyncio
import io
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from softfax.documents.scale import dots_per_inch
from softfax.errors import DocumentUnsupportedError

__all__ = ["WIDTH_MAX", "WIDTH_MIN", "Pictures", "page_png"]

WIDTH_MIN, WIDTH_MAX = 16, 4096
PIXELS_MAX = 160_000_000
ASPECT_MAX = 40
GREYS = 16
#: PDFium is not made for two threads at a time.
_PDFIUM = threading.Lock()
_RAMP = [value for step in range(GREYS) for value in (step * 17,) * 3]
_TO_GREY = [value >> 4 for value in range(256)]


class Pictures:
    """Makes pictures in threads, a few at a time, and keeps those asked for last."""

    def __init__(self, bytes_max: int, at_a_time: int = 2) -> None:
        self._max = bytes_max
        self._kept: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        self._bytes = 0
        self._turn = asyncio.Semaphore(at_a_time)

    async def page(self, file: Path, etag: str, number: int, width: int | None) -> bytes | None:
        """A page of a fax TIFF or of a PDF we wrote, as PNG; None where it has no such page. `etag` names the picture among those
        of the file. Raises DocumentError.
        """
        key = (str(file), etag)
        if (found := self._kept.get(key)) is not None:
            self._kept.move_to_end(key)
            return found
        async with self._turn:
            if (found := self._kept.get(key)) is not None:
                return found
            made = await asyncio.to_thread(page_png, file, number, width)
        if made is not None:
            self._keep(key, made)
        return made

    def _keep(self, key: tuple[str, str], png: bytes) -> None:
        if len(png) > self._max // 4 or key in self._kept:
            return
        self._kept[key] = png
        self._bytes += len(png)
        while self._bytes > self._max:
            _, old = self._kept.popitem(last=False)
            self._bytes -= len(old)


def page_png(file: Path, number: int, width: int | None = None) -> bytes | None:
    """A page as PNG, upright in square dots; None where there is no such page. Blocks. Raises DocumentUnsupportedError."""
    try:
        found = _pdf_page(file, number) if file.suffix.lower() == ".pdf" else _tiff_page(file, number)
        return None if found is None else _png(*found, width)
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DocumentUnsupportedError(
            f"{file.name} is not a fax that can be read ({error})", "take another copy of it"
        ) from None


def _tiff_page(file: Path, number: int) -> tuple[Image.Image, float, float] | None:
    with Image.open(file) as image:
        try:
            image.seek(number - 1)
        except EOFError:
            return None
        x_dpi, y_dpi = (float(v) or 204.0 for v in image.info.get("dpi", (204.0, 196.0)))
        _check(image.size)
        return image.convert("1"), x_dpi, y_dpi


def _pdf_page(file: Path, number: int) -> tuple[Image.Image, float, float] | None:
    import pypdfium2 as pdfium
    import pypdfium2.raw as raw

    with _PDFIUM:
        document = pdfium.PdfDocument(file)
        try:
            if number > len(document):
                return None
            page = document[number - 1]
            picture = next(iter(page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE])), None)
            if picture is None:
                return None
            _check(picture.get_px_size())
            image = picture.get_bitmap(render=False).to_pil().convert("1", dither=Image.Dither.NONE)
            return image, *dots_per_inch(picture)
        except pdfium.PdfiumError as error:
            raise ValueError(str(error)) from None
        finally:
            document.close()


def _check(size: Sequence[int]) -> None:
    if not (size[0] and size[1]) or size[0] * size[1] > PIXELS_MAX:
        raise ValueError(f"a page of {size[0]} by {size[1]} dots")


def _png(image: Image.Image, x_dpi: float, y_dpi: float, width: int | None) -> bytes:
    out = io.BytesIO()
    if width is None:
        # The coarser direction is stretched, so that no dot is lost.
        if x_dpi >= y_dpi:
            size = (image.width, max(1, round(image.height * min(x_dpi / y_dpi, ASPECT_MAX))))
        else:
            size = (max(1, round(image.width * min(y_dpi / x_dpi, ASPECT_MAX))), image.height)
        _check(size)
        square = image if size == image.size else image.resize(size, Image.Resampling.NEAREST)
        square.save(out, "PNG", dpi=(max(x_dpi, y_dpi),) * 2)
        return out.getvalue()
    rows = max(1, round(image.height * x_dpi / y_dpi * width / image.width))
    rows = min(rows, width * ASPECT_MAX)
    grey = image.convert("L").resize((width, rows), Image.Resampling.BOX)
    few = Image.frombytes("P", grey.size, grey.point(_TO_GREY).tobytes())
    few.putpalette(_RAMP)
    few.save(out, "PNG", bits=4)
    return out.getvalue()
