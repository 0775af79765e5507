# SPDX-License-Identifier: GPL-2.0-or-later
"""Scans as they were meant: straight, without the dark around the paper and the holes in it, the paper white.

A page is looked at once, small; what is found is applied wherever it is drawn. By itself this happens only where it is certain:
the page is one picture, most of it is paper, and noise, shade or skew show that it was scanned. Nothing but even darkness that
reaches the edge is taken away, and a page is turned only as far as all its ink stays on it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from softfax.documents.blocks import label, runs
from softfax.documents.types import FaxImage, Sheet

if TYPE_CHECKING:
    from softfax.options import Scan

__all__ = ["ScanFindings", "ScannedSheet", "look_at", "straightened"]

Grey = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
#: Top, bottom, left, right.
Spot = tuple[int, int, int, int]

#: Dots per inch that a page is looked at, and how wide one without a size is taken to be.
LOOK_DPI = 100
WIDTH_INCHES = 8.27
LOOK_MOST = 2600
MM = LOOK_DPI / 25.4

#: Paper: the commonest light grey. So much of the page has to be near it.
PAPER_LEAST, PAPER_NEAR = 120, 14
SHARE_OF_PAPER = 0.55
#: Paper of files that were never on paper is as white as can be, and all of it the same.
CLEAN_PAPER, CLEAN_SHARE = 250, 0.97

#: Degrees.
SKEW_LEAST, SKEW_MOST, SKEW_STEP, SKEW_FINE = 0.15, 6.0, 0.5, 0.05
#: How much better a page's lines stand out when straight, against all angles and against none.
SKEW_CONTRAST, SKEW_GAIN = 1.6, 1.08
SKEW_AGREE = 0.35
#: What is longer is a stroke of a drawing or a rule, no letter.
STROKE_MM = 12.0
INK_LEAST, INK_MOST = 1500, 60_000
#: A page may become so much smaller for its ink to stay on it.
SHRINK_LEAST = 0.94

#: Darkness around the paper, as a share of the page's side, and how much of a side it takes.
BORDER_MOST, BORDER_SIDE = 0.15, 0.85
BORDER_DARK = 95
#: How uneven it may be, in greys, and how far its inner edge may be off a straight line, in dots.
BORDER_NOISE, BORDER_OFF = 22.0, 2.5
HALO = 3

#: Holes that were punched: their size and how far from the edge they are.
HOLE_MM, HOLE_WITHIN_MM = (4.5, 9.0), 22.0
HOLE_FILL = (0.68, 0.9)
#: Shade of the paper from place to place, as far as it is taken for shade and not for a tint.
SHADE_MOST = 22
BLOCK = 48


@dataclass(frozen=True)
class ScanFindings:
    """Corrections to a page: degrees to turn it clockwise, and by how much it shrinks for that; the grey of its paper,
    by place, and what is no part of it, both as small pictures of the whole page."""

    angle: float = 0.0
    scale: float = 1.0
    paper: Grey | None = None
    beyond: Mask | None = None


class ScannedSheet:
    """A sheet with what was found applied to it."""

    def __init__(self, sheet: Sheet, found: ScanFindings) -> None:
        self._sheet, self._found = sheet, found
        self.width_inches, self.height_inches = sheet.width_inches, sheet.height_inches
        self.aspect = sheet.aspect

    def render(self, width: int, rows: int) -> Image.Image:
        """The sheet, straight and on white."""
        found = self._found
        # Flat dots are turned as square ones, or strokes would be lost between rows.
        taller = 2 if found.angle and rows < 0.7 * width * self.aspect else 1
        image = self._sheet.render(width, rows * taller)
        if found.paper is not None:
            image = _whitened(image, found.paper)
        if found.beyond is not None:
            beyond = Image.fromarray(found.beyond).resize(image.size, Image.Resampling.NEAREST)
            image.paste(255, (0, 0), beyond)
        if found.angle:
            image = _turned(image, found, self.aspect)
        return image.resize((width, rows), Image.Resampling.BOX) if taller > 1 else image


def straightened(sheet: Sheet | FaxImage, scan: Scan) -> Sheet | FaxImage:
    """A sheet as it was meant, itself where nothing is to be done: `auto` where that is certain, `on` for any sheet.

    What is a fax already keeps its dots.
    """
    if scan == "off" or isinstance(sheet, FaxImage) or not (scan == "on" or getattr(sheet, "is_picture", False)):
        return sheet
    width = round((sheet.width_inches or WIDTH_INCHES) * LOOK_DPI)
    width = max(1, min(width, LOOK_MOST, round(LOOK_MOST / sheet.aspect)))
    rows = max(1, round(width * sheet.aspect))
    found = look_at(np.asarray(sheet.render(width, rows)), certain=scan == "auto")
    return ScannedSheet(sheet, found) if found is not None else sheet


def look_at(page: Grey, *, certain: bool = True) -> ScanFindings | None:
    """Find the corrections to a page in greys, at some 100 dots an inch; None for none."""
    if min(page.shape) < 2 * LOOK_DPI:
        return None
    inner = _inner(page)
    level, share, clean = _paper(inner)
    if level < PAPER_LEAST or share < SHARE_OF_PAPER:
        return None
    shaded = not clean
    beyond = _beyond(page, level)
    ink = (page < level * 0.62) & ~beyond
    angle, scale = _skew(ink)
    if certain and not shaded and angle and not _is_type(ink, angle):
        angle, scale = 0.0, 1.0
    # A clean file with a dark bar along its edge is no scan.
    if certain and not (shaded or angle):
        return None
    beyond |= _holes(ink, angle)
    paper = _shade(page, level, beyond) if shaded else None
    if not angle and paper is None and not beyond.any():
        return None
    return ScanFindings(angle, scale, paper, beyond if beyond.any() else None)


def _inner(page: Grey) -> Grey:
    """Without the outermost tenth on each side, where darkness may be."""
    rows, width = page.shape
    return page[rows // 10 : rows - rows // 10, width // 10 : width - width // 10]


def _paper(page: Grey) -> tuple[int, float, bool]:
    """The grey of the paper, the share of the page near it, and whether it is all the same, as no paper is."""
    counts = np.bincount(page.ravel(), minlength=256).astype(float)
    smooth = np.convolve(counts, np.ones(5) / 5, "same")
    level = int(PAPER_LEAST + np.argmax(smooth[PAPER_LEAST:]))
    low, high = max(0, level - PAPER_NEAR), min(256, level + PAPER_NEAR + 1)
    near = counts[low:high]
    if not near.sum():
        return 0, 0.0, False
    level = int(low + np.argmax(near))
    # Between letters, whose edges are grey anywhere.
    light = Image.fromarray(page >= low).convert("L").filter(ImageFilter.MinFilter(5))
    between = page[np.asarray(light) > 0]
    same = float((np.abs(between.astype(np.int16) - level) <= 1).mean()) if between.size else 0.0
    return level, float(counts[low:].sum() / page.size), level >= CLEAN_PAPER and same > CLEAN_SHARE


# ---- skew ----------------------------------------------------------------------------------------------------------------


def _skew(ink: Mask) -> tuple[float, float]:
    """Degrees by which lines rise to the right, and how much smaller the page becomes turned straight; 0 where not certain."""
    rows, width = ink.shape
    y, x = np.nonzero(ink)
    if y.size < INK_LEAST or y.size > 0.35 * ink.size:
        return 0.0, 1.0
    if y.size > INK_MOST:
        step = y.size // INK_MOST + 1
        y, x = y[::step], x[::step]
    angle, contrast = _best_angle(y, x)
    if contrast < SKEW_CONTRAST:
        # Lines that run down a page that lies on its side.
        angle, contrast = _best_angle(-x, y)
        y, x = -x, y
    if contrast < SKEW_CONTRAST or not SKEW_LEAST <= abs(angle) < SKEW_MOST - SKEW_STEP:
        return 0.0, 1.0
    middle = (y.min() + y.max()) / 2
    for half in (y < middle, y >= middle):
        if half.sum() > INK_LEAST // 4 and abs(_best_angle(y[half], x[half])[0] - angle) > SKEW_AGREE:
            return 0.0, 1.0
    y, x = np.nonzero(ink)
    turn = math.radians(angle)
    across, down = x - width / 2, y - rows / 2
    turned_x = np.abs(across * math.cos(turn) - down * math.sin(turn)).max()
    turned_y = np.abs(across * math.sin(turn) + down * math.cos(turn)).max()
    scale = min(1.0, (width / 2 - 2) / turned_x, (rows / 2 - 2) / turned_y)
    return (angle, scale) if scale >= SHRINK_LEAST else (0.0, 1.0)


def _is_type(ink: Mask, angle: float) -> bool:
    """Return True if what runs at an angle is made of small pieces, as lines of type are, and not of long strokes."""
    image = Image.fromarray(ink).convert("L")
    white = Image.eval(image, lambda v: 255 - v)
    straight = np.asarray(_turned(white, ScanFindings(angle), ink.shape[0] / ink.shape[1])) < 200
    long = sum(right - left for row in straight[::2] for left, right in runs(row) if right - left > STROKE_MM * MM)
    return long < 0.3 * max(1, int(straight[::2].sum()))


def _best_angle(y: npt.NDArray[np.int64], x: npt.NDArray[np.int64]) -> tuple[float, float]:
    """The angle at which lines stand out most, and how much more than at the others; at least as at none."""
    coarse = np.arange(-SKEW_MOST, SKEW_MOST + SKEW_STEP / 2, SKEW_STEP)
    scores = np.array([_sharpness(y, x, angle) for angle in coarse])
    best = float(coarse[int(np.argmax(scores))])
    fine = np.arange(best - SKEW_STEP, best + SKEW_STEP + SKEW_FINE / 2, SKEW_FINE)
    finer = np.array([_sharpness(y, x, angle) for angle in fine])
    at = int(np.argmax(finer))
    contrast = float(finer[at] / max(1.0, float(np.median(scores))))
    if finer[at] < SKEW_GAIN * _sharpness(y, x, 0.0):
        return 0.0, contrast
    return float(fine[at]), contrast


def _sharpness(y: npt.NDArray[np.int64], x: npt.NDArray[np.int64], angle: float) -> float:
    """Difference between neighbouring rows of a page, were it turned by an angle."""
    rows = np.rint(y + x * math.tan(math.radians(angle))).astype(np.int64)
    profile = np.bincount(rows - rows.min()).astype(float)
    return float((np.diff(profile) ** 2).sum())


def _turned(image: Image.Image, found: ScanFindings, aspect: float) -> Image.Image:
    """Turned about its middle in true proportions; dots need not be square."""
    width, rows = image.size
    flat = width * aspect / rows  # how much higher than wide a dot is
    cos, sin = (f(math.radians(found.angle)) / found.scale for f in (math.cos, math.sin))
    middle_x, middle_y = width / 2, rows / 2
    # From the new dots to the old ones.
    a, b, d, e = cos, sin * flat, -sin / flat, cos
    matrix = (a, b, middle_x - a * middle_x - b * middle_y, d, e, middle_y - d * middle_x - e * middle_y)
    return image.transform(image.size, Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC, fillcolor=255)


# ---- what is no part of the page -----------------------------------------------------------------------------------------


def _beyond(page: Grey, level: int) -> Mask:
    """The darkness around the paper: dark from the edge on, as even as darkness is, with a straight inner edge."""
    dark = page < min(BORDER_DARK, level * 0.5)
    beyond = np.zeros(page.shape, dtype=bool)
    for turns in range(4):
        # Each side in turn becomes the left one.
        found = _left_of(np.rot90(page, turns), np.rot90(dark, turns))
        if found is not None:
            beyond |= np.rot90(found, -turns)
    return beyond


def _left_of(page: Grey, dark: Mask) -> Mask | None:
    """The darkness at the left edge: a strip along the whole side, or a wedge from a corner."""
    rows, width = dark.shape
    most = max(1, int(width * BORDER_MOST))
    light = ~dark[:, : most + 1]
    depth = np.where(light.any(axis=1), light.argmax(axis=1), most + 1)
    there = np.flatnonzero(depth >= 2)
    if there.size < rows // 12:
        return None
    first, last = int(there[0]), int(there[-1])
    # Dark all along: rows without darkness within are something else that touches the edge.
    whole = there.size >= BORDER_SIDE * (last - first + 1)
    along = last - first + 1 >= BORDER_SIDE * rows or first < 3 or last >= rows - 3
    if not whole or not along:
        return None
    slope, base = _line(there, depth[there])
    straight = slope * np.arange(rows) + base
    off = np.abs(depth[there] - straight[there])
    wedge = last - first + 1 < BORDER_SIDE * rows
    if (
        float(np.median(off)) > BORDER_OFF
        or float(np.percentile(off, 80)) > 3 * BORDER_OFF
        or (wedge and abs(slope) < 0.004)
    ):
        return None
    if float(np.clip(straight, 0, None).max()) > most:
        return None
    # What is joined to the darkness and juts out of it is ink.
    row = np.arange(rows)
    edge = np.where((first <= row) & (row <= last), np.minimum(depth, straight + BORDER_OFF), 0)
    edge = np.where(edge > 0.5, edge + HALO, 0)
    columns = np.arange(width)[None, :]
    found = columns < edge[:, None]
    core = columns < np.maximum(0, edge - HALO - 2)[:, None]
    if core.sum() > 50 and float(page[core].std()) > BORDER_NOISE:
        return None
    return np.asarray(found)


def _line(x: npt.NDArray[np.int64], y: npt.NDArray[np.int64]) -> tuple[float, float]:
    """A straight line through most of some points: slope, and height at 0."""
    slope, base = np.polyfit(x, y, 1)
    for _ in range(3):
        off = np.abs(y - (slope * x + base))
        near = off <= max(1.5, float(np.percentile(off, 70)))
        if near.sum() < 10:
            break
        slope, base = np.polyfit(x[near], y[near], 1)
    return float(slope), float(base)


def _holes(ink: Mask, angle: float) -> Mask:
    """Holes that were punched: two or more round dark spots of one size, below one another near a side."""
    found = np.zeros(ink.shape, dtype=bool)
    within, lean = int(HOLE_WITHIN_MM * MM), math.tan(math.radians(angle))
    for side in (slice(0, within), slice(ink.shape[1] - within, ink.shape[1])):
        spots = [spot for spot in _spots(ink[:, side]) if _is_round(spot, ink[:, side])]
        for spot in spots:
            top, bottom, left, right = spot
            alike = [other for other in spots if _are_alike(spot, other, lean)]
            if len(alike) >= 2:
                found[max(0, top - HALO) : bottom + HALO, side][:, max(0, left - HALO) : right + HALO] = True
    return found


def _are_alike(one: Spot, other: Spot, lean: float) -> bool:
    """Return True if two spots are of one size and one below the other, on a page that leans over."""
    aside = (other[2] + other[3]) - (one[2] + one[3]) - (other[0] + other[1] - one[0] - one[1]) * lean
    return abs(aside) < 4 * MM and abs((other[1] - other[0]) - (one[1] - one[0])) < 1.5 * MM


def _is_round(spot: Spot, ink: Mask) -> bool:
    top, bottom, left, right = spot
    height, width = bottom - top, right - left
    if not all(HOLE_MM[0] * MM <= side <= HOLE_MM[1] * MM for side in (height, width)) or abs(height - width) > 1 * MM:
        return False
    box = ink[top:bottom, left:right]
    corners = box[: height // 10 + 1, : width // 10 + 1].any() or box[-(height // 10) - 1 :, -(width // 10) - 1 :].any()
    return HOLE_FILL[0] <= float(box.mean()) <= HOLE_FILL[1] and not corners


def _spots(ink: Mask) -> list[Spot]:
    """The boxes of spots that hang together, none larger than a hole may be."""
    labels, count = label(ink, corners=False)
    y, x = np.nonzero(labels)
    first, last = np.full((2, count), max(ink.shape)), np.zeros((2, count), int)
    for axis, place in enumerate((y, x)):
        np.minimum.at(first[axis], labels[y, x] - 1, place)
        np.maximum.at(last[axis], labels[y, x] - 1, place + 1)
    small = ((last - first) <= int(HOLE_MM[1] * MM) + 1).all(axis=0)
    top, left, bottom, right = (side[small].tolist() for side in (*first, *last))
    return list(zip(top, bottom, left, right, strict=True))[:2000]


# ---- paper ---------------------------------------------------------------------------------------------------------------


def _shade(page: Grey, level: int, beyond: Mask) -> Grey:
    """The grey of the paper block by block; a block without paper in it has what is around it."""
    rows, width = page.shape
    down, across = -(-rows // BLOCK), -(-width // BLOCK)
    blocks = np.full((down, across), level, np.uint8)
    for i in range(down):
        for j in range(across):
            part = np.s_[i * BLOCK : (i + 1) * BLOCK, j * BLOCK : (j + 1) * BLOCK]
            paper = page[part][~beyond[part]]
            paper = paper[(paper >= level - SHADE_MOST) & (paper <= level + SHADE_MOST)]
            if paper.size > BLOCK * BLOCK // 5:
                blocks[i, j] = np.percentile(paper, 40)
    image = Image.fromarray(blocks)
    return np.asarray(image.filter(ImageFilter.MedianFilter(3)) if min(image.size) >= 3 else image)


def _whitened(image: Image.Image, paper: Grey) -> Image.Image:
    """Paper becomes white, and what is darker keeps its distance."""
    shade = Image.fromarray(paper).resize(image.size, Image.Resampling.BILINEAR)
    scaled = np.asarray(image, np.float32) * (255.0 / np.maximum(np.asarray(shade, np.float32) - PAPER_NEAR / 2, 1.0))
    return Image.fromarray(np.minimum(scaled, 255.0).astype(np.uint8))
