# SPDX-License-Identifier: GPL-2.0-or-later
"""Fax pages from sheets: the class of page, the sheet's place on it, and the dots."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from PIL import Image

from softfax.documents.bilevel import bilevel
from softfax.documents.types import MM, RESOLUTION_NAMES, FarEnd, FaxImage, PageClass, RasterSettings, Sheet
from softfax.errors import DocumentTooLargeError

__all__ = ["FaxPage", "class_for", "fits", "raster"]

#: What every machine prints of a row (T.4: 196.6 mm of 215) and of an A4 page (281.5 mm of 297).
UNPRINTED_SIDE_MM = 9.2
UNPRINTED_END_MM = 7.7
SHRINK_LEAST = 0.88
A4_MM = (210.0, 297.0)
#: Widths of sheets, upright, that ask for B4 (257 mm) and A3 (297 mm) paper.
B4_FROM_MM, A3_FROM_MM, A3_TO_MM = 225.0, 270.0, 312.0
TALL = 2.4
ROLL_PAPERS = 6
TURN_FROM = 1.05
CUT_SEARCH = 0.15
#: Rows an inch of standard resolution, and how much the darker half of such a row counts where strokes are drawn.
FLAT_DPI, THIN_COUNTS = 98, 0.7
#: A page that is a little too long is shrunk rather than cut.
SHRINK_TO_LENGTH = 0.9
#: Sizes of paper, as `PageClass.size` counts them.
SIZES = {"a4": 0, "b4": 1, "a3": 2}


@dataclass(frozen=True)
class FaxPage:
    """A page of dots (1 bit, white 1), the share of it that is halftoned, and its T.6 bits where they came with it."""

    image: Image.Image
    page_class: PageClass
    pictures: float = 0.0
    t6: bytes | None = None


@dataclass(frozen=True)
class _Placement:
    """Position of a sheet on the page, in dots: offset and size; the page is `height` rows long."""

    left: int
    top: int
    width: int
    rows: int
    height: int


class _Turned:
    """A landscape sheet on portrait paper: its top to the left."""

    def __init__(self, sheet: Sheet) -> None:
        self._sheet = sheet
        self.width_inches, self.height_inches = sheet.height_inches, sheet.width_inches
        self.aspect = 1 / sheet.aspect
        self.has_strokes = _is_drawn(sheet)

    def render(self, width: int, rows: int) -> Image.Image:
        """The sheet, turned."""
        return self._sheet.render(rows, width).transpose(Image.Transpose.ROTATE_90)


class _Scanned:
    """A page of dots as a sheet, for a far end that cannot take it as it is."""

    def __init__(self, fax: FaxImage) -> None:
        self._image = fax.image
        width, height = fax.page_class.width_mm / MM, fax.image.height / fax.page_class.rows_per_mm / MM
        self.width_inches: float | None = width
        self.height_inches: float | None = height
        self.aspect = height / width

    def render(self, width: int, rows: int) -> Image.Image:
        """Grey by area: what was a dot stays visible."""
        return self._image.convert("L").resize((width, rows), Image.Resampling.BOX)


def class_for(sheet: Sheet, settings: RasterSettings) -> PageClass:
    """The class of page a sheet gets: the resolution wished for and its own paper, as far as the far end takes them."""
    if settings.paper != "auto":
        size = SIZES[settings.paper]
    else:
        width_mm = (sheet.width_inches or 0) * MM
        size = 2 if A3_FROM_MM <= width_mm <= A3_TO_MM else 1 if B4_FROM_MM <= width_mm < A3_FROM_MM else 0
    resolution = settings.far_end.best(settings.resolution)
    return PageClass.of(resolution, min(size, settings.far_end.size))


def fits(page: PageClass, rows: int, far_end: FarEnd) -> bool:
    """Return True if a page that exists already is taken as it is."""
    short = far_end.length_mm is None or rows / page.rows_per_mm <= far_end.length_mm
    return far_end.takes(RESOLUTION_NAMES[f"{page.x_dpi}x{page.y_dpi}"]) and page.size <= far_end.size and short


def raster(source: Sheet | FaxImage, settings: RasterSettings, name: str) -> Iterator[FaxPage]:
    """The fax pages of a sheet: one, or several where it is cut. Raises DocumentTooLargeError."""
    if isinstance(source, FaxImage):
        rows_max = settings.longest_mm * source.page_class.rows_per_mm
        kept = settings.paper == "auto" or SIZES[settings.paper] == source.page_class.size
        if kept and fits(source.page_class, source.image.height, settings.far_end) and source.image.height <= rows_max:
            yield FaxPage(source.image, source.page_class, t6=source.t6)
            return
        sheet: Sheet = _Scanned(source)
        settings = replace(settings, fit=False)
    else:
        sheet = source
    # A wide strip without a size of its own, a logo or a line of a form, fits as it is.
    if sheet.aspect < 1 / TURN_FROM and (sheet.width_inches is not None or sheet.aspect > 1 / TALL):
        sheet = _Turned(sheet)
    page = class_for(sheet, settings)
    place = _place(sheet, page, settings)
    if place.height > settings.limits.page_rows:
        raise DocumentTooLargeError(f"a page of {name} is too long for a fax", "cut it into pages")
    dots = bilevel(_draw(sheet, page, place), page, settings.halftone)
    if settings.fit and sheet.width_inches is not None:
        moved = _inside(dots.image, page, place)
        if moved is not None:
            dots = bilevel(_draw(sheet, page, moved), page, settings.halftone)
    for part in _cut(dots.image, settings.longest_mm * page.rows_per_mm):
        yield FaxPage(part, page, dots.pictures)


def _place(sheet: Sheet, page: PageClass, settings: RasterSettings) -> _Placement:
    """True size where the sheet has one and the paper is wide enough; else as large as every machine prints."""
    line_mm, longest_mm = page.width_mm, settings.longest_mm
    if sheet.width_inches is not None and sheet.height_inches is not None:
        width_mm, height_mm = sheet.width_inches * MM, sheet.height_inches * MM
        scale = min(1.0, line_mm / width_mm)
        if SHRINK_TO_LENGTH <= longest_mm / (height_mm * scale) < 1:
            scale = longest_mm / height_mm
    else:
        width_mm = line_mm - 2 * UNPRINTED_SIDE_MM
        height_mm = width_mm * sheet.aspect
        paper_mm = A4_MM[1] * line_mm / 215 - 2 * UNPRINTED_END_MM
        # What is much longer than paper is a roll as wide as the paper, up to a length.
        scale = min(1.0, (paper_mm if sheet.aspect < TALL else ROLL_PAPERS * paper_mm) / height_mm)
    width = max(1, min(page.width, round(width_mm * scale * page.dots_per_mm)))
    rows = max(1, round(height_mm * scale * page.rows_per_mm))
    margin = 0 if sheet.width_inches is not None else round(UNPRINTED_END_MM * page.rows_per_mm)
    return _Placement((page.width - width) // 2, margin, width, rows, rows + 2 * margin)


def _draw(sheet: Sheet, page: PageClass, place: _Placement) -> Image.Image:
    drawn = (
        _flat(sheet, place) if page.y_dpi == FLAT_DPI and _is_drawn(sheet) else sheet.render(place.width, place.rows)
    )
    if (place.width, place.rows) == (page.width, place.height):
        return drawn
    canvas = Image.new("L", (page.width, place.height), 255)
    canvas.paste(drawn, (place.left, place.top))
    return canvas


def _is_drawn(sheet: Sheet) -> bool:
    """Tell whether a sheet is made of strokes, as a PDF is that is no picture."""
    return bool(getattr(sheet, "has_strokes", False)) and not getattr(sheet, "is_picture", False)


def _flat(sheet: Sheet, place: _Placement) -> Image.Image:
    """The sheet in rows as high as those of standard resolution, without losing strokes that are thinner than one.

    The bar of a small e covers a third of a row: by area alone it would be too light to be black.
    """
    pairs = np.asarray(sheet.render(place.width, 2 * place.rows), np.float32).reshape(place.rows, 2, place.width)
    grey = pairs.mean(axis=1) * (1 - THIN_COUNTS) + pairs.min(axis=1) * THIN_COUNTS
    return Image.fromarray(grey.round().astype(np.uint8))


def _inside(dots: Image.Image, page: PageClass, place: _Placement) -> _Placement | None:
    """A better place, where ink stands outside what machines print: moved, and shrunk if it must be; None if all is well."""
    box = dots.point([255] + [0] * 255).getbbox()  # of the black dots, which are 0
    if box is None:
        return None
    left, top, right, bottom = box
    side = round(UNPRINTED_SIDE_MM * page.dots_per_mm)
    sheet_mm = place.height / page.rows_per_mm
    # The ends matter where the sheet fills its paper; a longer or shorter one is printed as its length allows.
    fills = abs(sheet_mm - A4_MM[1] * page.width_mm / 215) < 12
    end = round(UNPRINTED_END_MM / 2 * page.rows_per_mm) if fills else 0
    room_x, room_y = page.width - 2 * side, place.height - 2 * end
    if left >= side and right <= page.width - side and top >= end and bottom <= place.height - end:
        return None
    scale = min(1.0, room_x / (right - left), room_y / (bottom - top))
    if scale < 1:
        scale = max(SHRINK_LEAST, math.floor(scale * 200) / 200)
    width, rows = round(place.width * scale), round(place.rows * scale)
    # The ink's box, where it comes to lie when the sheet stands in the middle, pushed inside.
    x = (page.width - width) // 2
    y = place.top + (place.rows - rows) // 2
    ink_left, ink_right = x + (left - place.left) * scale, x + (right - place.left) * scale
    ink_top, ink_bottom = y + (top - place.top) * scale, y + (bottom - place.top) * scale
    x += _push(ink_left, ink_right, side, page.width - side)
    y += _push(ink_top, ink_bottom, end, place.height - end)
    if (x, y, width, rows) == (place.left, place.top, place.width, place.rows):
        return None
    return _Placement(int(x), int(y), width, rows, place.height)


def _push(low: float, high: float, least: float, most: float) -> int:
    """Shift that brings what lies from `low` to `high` within the limits, or to their middle if it is larger."""
    if high - low > most - least:
        return round((least + most) / 2 - (low + high) / 2)
    return round(max(0.0, least - low) - max(0.0, high - most))


def _cut(image: Image.Image, rows_max: float) -> Iterator[Image.Image]:
    """Cut to pages at white rows where there are some near the end of a page."""
    if image.height <= rows_max:
        yield image
        return
    limit = max(1, int(rows_max))
    blank: npt.NDArray[np.bool_] = np.asarray(np.asarray(image, dtype=bool).all(axis=1))
    top = 0
    while top < image.height:
        bottom = min(top + limit, image.height)
        if bottom < image.height:
            window = blank[bottom - max(1, int(limit * CUT_SEARCH)) : bottom]
            whites = np.flatnonzero(window)
            if whites.size:
                bottom -= len(window) - 1 - int(whites[-1])
        yield image.crop((0, top, image.width, bottom))
        top = bottom
