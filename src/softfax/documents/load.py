# SPDX-License-Identifier: GPL-2.0-or-later
"""Opens documents and yields grey or bilevel fax pages. Runs only inside the worker process, under its limits."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps, UnidentifiedImageError

from softfax.documents.raster import bilevel, fit_page
from softfax.documents.types import FAX_WIDTH, X_DPI, Y_DPI, RasterSettings
from softfax.errors import (
    DocumentEmptyError,
    DocumentError,
    DocumentPasswordError,
    DocumentTooLargeError,
    DocumentUnsupportedError,
)

__all__ = ["Page", "load"]

#: A page of the fax: 1 bit, its resolution in dots per inch.
Page = tuple[Image.Image, float, float]

A4_INCHES = (210 / 25.4, 297 / 25.4)
TEXT_POINTS = 11
TEXT_COLUMNS = 80
TEXT_LINES = 62
TEXT_MARGIN_INCHES = 0.8
FONTS = (
    "DejaVuSansMono.ttf",
    "/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf",
    "/usr/share/fonts/truetype/liberation/LiberationMono-Regular.ttf",
)
IMAGE_FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM")


def load(path: Path, settings: RasterSettings) -> Iterator[Page]:
    """The fax pages of one document, in order. Raises DocumentError with the remedy."""
    limits = settings.limits
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError as error:
        raise DocumentUnsupportedError(
            f"{path.name} cannot be read: {error.strerror}", "check the file's name"
        ) from None
    if size > limits.file_bytes:
        raise DocumentTooLargeError(
            f"{path.name} is larger than {limits.file_bytes >> 20} MB", "split it, or send less"
        )
    if not head:
        raise DocumentEmptyError(f"{path.name} is empty", "check the file")
    if b"%PDF-" in head[:1024]:
        yield from _pdf(path, settings)
    elif (text := _as_text(path, head)) is not None:
        yield from _text(text, settings)
    else:
        yield from _image(path, settings)


# ---- PDF ---------------------------------------------------------------------------------------------------------------


def _pdf(path: Path, settings: RasterSettings) -> Iterator[Page]:
    import pypdfium2 as pdfium

    try:
        document = pdfium.PdfDocument(path, password=settings.password or None)
        if document.get_formtype():
            document.init_forms()
    except pdfium.PdfiumError as error:
        if "assword" in str(error):
            raise DocumentPasswordError(
                f"{path.name} is encrypted", "save a copy without password and fax that"
            ) from None
        # PDFium refuses a page tree without pages; that is no damage.
        if re.search(rb"/Count\s+0\b", path.read_bytes()):
            raise DocumentEmptyError(f"{path.name} has no pages", "check the file") from None
        raise DocumentUnsupportedError(f"{path.name} is damaged or no PDF", "open and save it anew") from None
    with document:
        count = len(document)
        if not count:
            raise DocumentEmptyError(f"{path.name} has no pages", "check the file")
        if count > settings.limits.pages:
            raise DocumentTooLargeError(f"{path.name} has {count} pages", f"send at most {settings.limits.pages}")
        y_dpi = Y_DPI[settings.resolution]
        for index in range(count):
            try:
                page = document[index]
            except pdfium.PdfiumError:
                raise DocumentUnsupportedError(
                    f"page {index + 1} of {path.name} is damaged", "open and save it anew"
                ) from None
            yield _pdf_page(page, path, index, y_dpi, settings)
            page.close()


def _pdf_page(page: object, path: Path, index: int, y_dpi: int, settings: RasterSettings) -> Page:
    width, height = (v / 72 for v in page.get_size())  # type: ignore[attr-defined]
    if width <= 0 or height <= 0:
        raise DocumentUnsupportedError(f"page {index + 1} of {path.name} has no size", "open and save it anew")
    turned = width > height * 1.05
    if turned:
        width, height = height, width
    rows = round(FAX_WIDTH / X_DPI * height / width * y_dpi)
    if rows > settings.limits.page_rows:
        raise DocumentTooLargeError(f"page {index + 1} of {path.name} is too long", "split it into pages")
    # PDFium scales both ways alike: draw at the finer resolution, then squeeze the other.
    scale = max(FAX_WIDTH / width, rows / height) / 72
    bitmap = page.render(scale=scale, grayscale=True, rotation=90 if turned else 0, may_draw_forms=True)  # type: ignore[attr-defined]
    image = bitmap.to_pil().convert("L")
    if image.size != (FAX_WIDTH, rows):
        image = image.resize((FAX_WIDTH, rows), Image.Resampling.LANCZOS)
    return bilevel(image), X_DPI, y_dpi


# ---- images ------------------------------------------------------------------------------------------------------------


def _image(path: Path, settings: RasterSettings) -> Iterator[Page]:
    Image.MAX_IMAGE_PIXELS = settings.limits.source_pixels
    try:
        with Image.open(path, formats=IMAGE_FORMATS) as image:
            frames = getattr(image, "n_frames", 1) if image.format == "TIFF" else 1
            if frames > settings.limits.pages:
                raise DocumentTooLargeError(f"{path.name} has {frames} pages", f"send at most {settings.limits.pages}")
            for index in range(frames):
                image.seek(index)
                yield _frame(image, path, settings)
    except DocumentError:
        raise
    except Image.DecompressionBombError:
        raise DocumentTooLargeError(f"{path.name} has too many pixels", "make it smaller") from None
    except UnidentifiedImageError:
        raise DocumentUnsupportedError(
            f"{path.name} is no document that can be faxed", "use PDF, TIFF, PNG, JPEG, GIF, BMP, WebP or plain text"
        ) from None
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise DocumentUnsupportedError(f"{path.name} is damaged ({error})", "open and save it anew") from None


def _frame(image: Image.Image, path: Path, settings: RasterSettings) -> Page:
    if image.width * image.height > settings.limits.source_pixels:
        raise DocumentTooLargeError(f"{path.name} has too many pixels", "make it smaller")
    dpi = image.info.get("dpi", (0, 0))
    x_dpi, y_dpi = (float(v) for v in dpi[:2])
    if (
        image.mode == "1"
        and image.width == FAX_WIDTH
        and 190 <= x_dpi <= 210
        and image.height <= settings.limits.page_rows
    ):
        # A fax already: its dots are kept as they are.
        nearest = min(Y_DPI.values(), key=lambda v: abs(v - y_dpi))
        if abs(nearest - y_dpi) <= 5:
            return image.convert("1"), X_DPI, nearest
    upright = ImageOps.exif_transpose(image)
    if upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info:
        flat = Image.new("RGBA", upright.size, "white")
        flat.alpha_composite(upright.convert("RGBA"))
        upright = flat.convert("RGB")
    grey = upright.convert("L")
    rows_dpi = Y_DPI[settings.resolution]
    inches = (grey.width / x_dpi, grey.height / y_dpi) if x_dpi > 1 and y_dpi > 1 else None
    page = fit_page(grey, rows_dpi, inches)
    if page.height > settings.limits.page_rows:
        raise DocumentTooLargeError(f"{path.name} is too long for a fax page", "cut it into pages")
    return bilevel(page), X_DPI, rows_dpi


# ---- text --------------------------------------------------------------------------------------------------------------


def _as_text(path: Path, head: bytes) -> str | None:
    """The contents if the file is UTF-8 text, else None."""
    if b"\0" in head or any(byte < 9 or 13 < byte < 27 or 27 < byte < 32 for byte in head):
        return None
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        return None


def _font(size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    for name in FONTS:
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return ImageFont.load_default(size)


def _text(text: str, settings: RasterSettings) -> Iterator[Page]:
    lines: list[str] = []
    for line in text.expandtabs(8).replace("\r\n", "\n").rstrip().split("\n"):
        for part in line.split("\f"):
            lines += textwrap.wrap(part, TEXT_COLUMNS, drop_whitespace=False, replace_whitespace=False) or [""]
    if not any(line.strip() for line in lines):
        raise DocumentEmptyError("the text is empty", "check the file")
    if len(lines) > settings.limits.pages * TEXT_LINES:
        raise DocumentTooLargeError("the text is too long", f"send at most {settings.limits.pages} pages")
    y_dpi = Y_DPI[settings.resolution]
    square = (FAX_WIDTH, round(A4_INCHES[1] * X_DPI))
    margin = round(TEXT_MARGIN_INCHES * X_DPI)
    pitch = (square[1] - 2 * margin) / TEXT_LINES
    font = _font(TEXT_POINTS / 72 * X_DPI * 0.98)
    for start in range(0, len(lines), TEXT_LINES):
        page = Image.new("L", square, 255)
        draw = ImageDraw.Draw(page)
        for row, line in enumerate(lines[start : start + TEXT_LINES]):
            draw.text((margin, margin + row * pitch), line, fill=0, font=font)
        rows = round(A4_INCHES[1] * y_dpi)
        yield bilevel(page.resize((FAX_WIDTH, rows), Image.Resampling.LANCZOS)), X_DPI, y_dpi
