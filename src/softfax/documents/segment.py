# SPDX-License-Identifier: GPL-2.0-or-later
"""Separation of a grey page into type, tint and pictures, by strokes and by areas.

A stroke is what is thinner than `STROKE_MM`: type, rules, handwriting. Taking all dark strokes away (a grey closing) leaves
the ground they stand on; what they differ from it by is their contrast, whatever their colour and whatever the ground's. What
the ground itself shows, where it is neither paper nor ink, is cut into connected areas, and each is judged as a whole:

    picture   its greys vary                                      halftoned
    paper     dark strokes stand on it, or it is light            white, with an outline
    ink       light strokes stand on it, or it is type            black
    tint      any other plain area, and type under other type     halftoned, white beside dark strokes
    plate     a plain area with strokes of both kinds, or few     the same, and black beside light strokes
    shade     its greys vary, it has strokes, its edge is sharp   halftoned as a picture, and the same beside black and white type
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from softfax.documents.blocks import (
    BLOCK,
    around,
    between,
    by_block,
    closing,
    label,
    opening,
    running,
    spread,
    upsample,
)

__all__ = ["Area", "Ground", "Kind", "areas_of", "ground_of"]

Grey = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

STROKE_MM = 2.0
MID_LOW, MID_HIGH = 28, 232
MID_SHARE = 0.4
#: Smallest area worth a decision of its own, in square millimetres.
AREA_MIN_MM2 = 3.0
PICTURE_MIN_MM = 8.0
TINT_MIN_MM = 5.0
FLAT_MASS = 0.6
ROUGH = 10
ROUGH_SHARE = 0.12
STROKE_CONTRAST = 40
STROKES_SHARE = 0.04
LIGHT = 205
OWN_SHARE = 0.2
TONE = 7
TONE_LEAST = 0.08
#: Darker shapes are black in any case where they are thin.
INK_MOST = 112
CROSSED_BLOCKS = 3
#: What a light shape under dark strokes is: a watermark. It is thicker than this, and its contrast to paper no more than that.
WATERMARK_MM = 0.9
WATERMARK_LEAST, WATERMARK_MOST = 26, 100
WATERMARK_BLOCKS = 60
#: The share of a watermark's own blocks with strokes over them.
WATERMARK_CROSSED = 0.03
#: Blocks with strokes, inside an area, that are more than a slip of its edge.
STROKE_BLOCKS = 10
#: A letter, not a plate that letters stand on: of one tone, it fills less of its box, and no row or column of it is long.
FILLED = 0.8
LETTER_PLAIN = 0.5
LETTER_ACROSS_MM, LETTER_DOWN_MM = 14.0, 25.0
#: The stem of a letter without anything else of it.
STEM_MM, STEM_LONGEST_MM = 3.2, 20.0
STROKE_LEVEL = 60
#: The share of its rim where a drawing ends sharply on paper.
SHARP_SHARE = 0.5
#: Paper in shadow is not darker than this; what is, is a shaded drawing.
SHADOW = 64
#: A page with fewer mid-tones than this on its ground is type alone, smoothed at its edges.
MID_TONES_OF_TYPE = 0.001


class Kind(IntEnum):
    """Reproduction of an area of the ground."""

    PAPER = 0
    INK = 1
    TINT = 2
    PICTURE = 3
    PLATE = 4
    #: Until it is known whether it is type or a watermark.
    LETTER = 5
    SHADE = 6


@dataclass(frozen=True)
class Ground:
    """A page without its dark strokes. `ground` and `contrast` (of the strokes) have the page's size; the rest is by block."""

    ground: Grey
    contrast: Grey
    #: Strongest dark stroke in each block.
    dark: Grey
    #: The page without its light strokes, where it has mid-tones at all.
    opened: Grey | None


@dataclass(frozen=True)
class Area:
    """One connected area of the ground: its blocks, what it is, its level (0 black)."""

    label: int
    kind: Kind
    level: float


def ground_of(grey: Grey, dots_per_mm: float, rows_per_mm: float) -> Ground:
    """Takes the dark strokes off a page."""
    # Odd, so that a window has a middle and edges stay where they are.
    across, down = (2 * round(STROKE_MM * per_mm / 2) + 1 for per_mm in (dots_per_mm, rows_per_mm))
    ground = closing(grey, across, down)
    contrast = ground - grey
    dark = by_block(np.maximum, contrast, 0)
    if _watermark(ground, contrast, dark, dots_per_mm, rows_per_mm):
        dark = by_block(np.maximum, contrast, 0)
    opened = None
    if np.count_nonzero(between(ground, MID_LOW, MID_HIGH)) > MID_TONES_OF_TYPE * ground.size:
        opened = opening(grey, across, down)
    return Ground(ground, contrast, dark, opened)


def _watermark(ground: Grey, contrast: Grey, dark: Grey, dots_per_mm: float, rows_per_mm: float) -> bool:
    """Moves light type that lies under dark type from the strokes to the ground: it is to be seen, not to be read first."""
    faint = (dark > WATERMARK_LEAST) & (dark < WATERMARK_MOST)
    if faint.sum() < WATERMARK_BLOCKS:
        return False
    ys, xs = (np.flatnonzero(faint.any(axis=axis)) for axis in (1, 0))
    box = np.s_[ys[0] * BLOCK : (ys[-1] + 1) * BLOCK, xs[0] * BLOCK : (xs[-1] + 1) * BLOCK]
    ground, contrast = ground[box], contrast[box]
    across, down = (2 * round(WATERMARK_MM * per_mm / 2) + 1 for per_mm in (dots_per_mm, rows_per_mm))
    if not _any_thick(contrast, across, down):
        return False
    thick = opening(contrast, across, down)
    thick[(thick < WATERMARK_LEAST) | (thick > WATERMARK_MOST)] = 0
    own = by_block(np.maximum, thick, 0) > 0
    # Strokes over it are darker than it by as much as type is darker than paper.
    crossed = own & (by_block(np.maximum, contrast, 0) > 2 * WATERMARK_MOST)
    if crossed.sum() < max(STROKE_BLOCKS, WATERMARK_CROSSED * own.sum()):
        return False
    ground -= np.minimum(thick, contrast)
    contrast -= np.minimum(thick, contrast)
    return True


def _any_thick(contrast: Grey, across: int, down: int) -> bool:
    """Return False where no window of so many dots has the least contrast throughout: by the pairs of dots within it."""
    rows, width = (side - side % 2 for side in contrast.shape)
    pairs = np.minimum(contrast[:rows:2, :width], contrast[1:rows:2, :width])
    pairs = np.minimum(pairs[:, ::2], pairs[:, 1::2])
    for size, axis in ((down // 2, 0), (across // 2, 1)):
        pairs = running(np.minimum, pairs, size, axis, 0)
    return bool(pairs.max(initial=0) >= WATERMARK_LEAST)


@dataclass(frozen=True)
class _Tiles:
    """Measurements of each block: mean and lowest level of the ground, its range, shares of dots, and its extremes."""

    level: npt.NDArray[np.float64]
    deepest: Grey
    rough: Grey
    on_ground: npt.NDArray[np.float64]  # dark strokes on mid-tone ground
    on_ink: npt.NDArray[np.float64]  # light strokes on mid-tone ink
    darkest: Grey
    lightest: Grey
    mid: Mask
    cell_mm: tuple[float, float]  # across, down


def _share(a: Mask) -> npt.NDArray[np.float64]:
    return np.asarray(by_block(np.add, a.view(np.uint8), 0, np.uint16) / (BLOCK * BLOCK))


def areas_of(ground: Ground, dots_per_mm: float, rows_per_mm: float) -> tuple[npt.NDArray[np.int32], list[Area]]:
    """The areas of a page that are neither paper nor ink: a label per block (0 for none), and what each is."""
    if ground.opened is None:
        return np.zeros(ground.dark.shape, np.int32), []
    ground_mid, ink_mid = (between(side, MID_LOW, MID_HIGH) for side in (ground.ground, ground.opened))
    mid = _share(ground_mid) > MID_SHARE
    either = mid | (_share(ink_mid) > MID_SHARE)
    light = ground.ground - ground.contrast - ground.opened
    lowest, highest = by_block(np.minimum, ground.ground, 255), by_block(np.maximum, ground.ground, 255)
    mean = by_block(np.add, ground.ground, 255, np.uint16) / (BLOCK * BLOCK)
    inked = by_block(np.minimum, ground.opened, 255)
    known = _Tiles(
        level=np.where(mid, mean, inked),
        deepest=np.where(mid, lowest, inked),
        rough=highest - lowest,
        on_ground=_share((ground.contrast > STROKE_CONTRAST) & ground_mid),
        on_ink=_share((light > STROKE_CONTRAST) & ink_mid),
        darkest=by_block(np.minimum, ground.ground - ground.contrast, 255),
        lightest=by_block(np.maximum, ground.ground, 0),
        mid=mid,
        cell_mm=(BLOCK / dots_per_mm, BLOCK / rows_per_mm),
    )
    labels, count = label(either, corners=True)
    areas: list[Area] = []
    for number in range(1, count + 1):
        cells = labels == number
        own = cells & mid
        if cells.sum() * known.cell_mm[0] * known.cell_mm[1] < AREA_MIN_MM2:
            labels[cells] = 0
        elif not own.any():
            labels[cells] = 0  # thin grey type: its contrast says all
        elif own.sum() < OWN_SHARE * cells.sum():
            # Grey type: thin strokes that have no ground, thick ones that look like one.
            areas.append(Area(number, Kind.INK, float(np.median(known.level[cells]))))
        else:
            areas += _divide(labels, cells, number, known, ground.ground)
    return labels, _letters(areas, labels, known.darkest)


def _divide(labels: npt.NDArray[np.int32], cells: Mask, first: int, known: _Tiles, ground: Grey) -> list[Area]:
    """One area of a single kind, or the plain colours that touch each other in it."""
    own = cells & known.mid
    greys = _greys(own, ground)
    tones = _tones(greys)
    covered = sum(share for _, share in tones)
    if len(tones) < 2 or covered < FLAT_MASS:
        plain = tones[0][1] if tones else 0.0
        kind = _judge(cells, known, plain, plain)
        if kind in (Kind.PICTURE, Kind.SHADE):
            labels[_fill(cells)] = first
        return [Area(first, kind, float(np.median(known.level[own])))]
    levels = np.array([level for level, _ in tones])
    nearest = np.abs(known.deepest[..., None] - levels).argmin(axis=2)
    areas = []
    for tone, level in enumerate(levels):
        mine = cells & (nearest == tone)
        if mine.any():
            number = first if tone == 0 else int(labels.max()) + 1
            labels[mine] = number
            areas.append(Area(number, _judge(mine, known, 1.0, tones[tone][1]), float(level)))
    return areas


def _greys(cells: Mask, ground: Grey) -> npt.NDArray[np.int64]:
    """The histogram of an area's mid-tones."""
    ys, xs = np.nonzero(cells)
    box = ground[ys.min() * BLOCK : (ys.max() + 1) * BLOCK, xs.min() * BLOCK : (xs.max() + 1) * BLOCK]
    step = 2 if cells.sum() > 400 else 1
    inside = upsample(cells[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1], *box.shape)
    histogram = np.bincount(box[::step, ::step][inside[::step, ::step].astype(bool)], minlength=256)
    histogram[: MID_LOW + 1] = histogram[MID_HIGH:] = 0
    return np.asarray(histogram)


def _tones(histogram: npt.NDArray[np.int64]) -> list[tuple[float, float]]:
    """The plain colours of an area, commonest first: level, and the share of it within three greys of that; at most four."""
    rest, total = histogram.astype(np.float64), float(max(1, histogram.sum()))
    tones = []
    for _ in range(4):
        level = int(np.convolve(rest, np.ones(TONE), "same").argmax())
        low, high = max(0, level - TONE // 2), level + TONE // 2 + 1
        share = float(rest[low:high].sum()) / total
        if share < TONE_LEAST:
            break
        tones.append((float(np.average(np.arange(low, low + len(rest[low:high])), weights=rest[low:high])), share))
        rest[low:high] = 0
    return tones


def _judge(cells: Mask, known: _Tiles, plain: float, tone: float) -> Kind:
    """Return what an area is. `plain` is the share of its commonest greys, `tone` that of the one it is judged for."""
    own = cells & known.mid
    inner = _inner(own)
    core = inner if inner.sum() >= 4 else own if own.any() else cells
    values = known.level[core]
    dark_strokes = float((known.on_ground[core] > 0.04).mean()) if core is inner else 0.0
    light_strokes = float((known.on_ink[cells] > 0.04).mean())
    tall, wide = (int(np.ptp(np.nonzero(cells.any(axis=axis))[0])) + 1 for axis in (1, 0))
    smaller_mm = min(tall * known.cell_mm[1], wide * known.cell_mm[0])
    if core is inner and smaller_mm > PICTURE_MIN_MM:
        rough_share = float((known.rough[core] > ROUGH).mean())
        deep = float(np.percentile(values, 5)) < SHADOW
        smooth = rough_share <= ROUGH_SHARE
        if plain < FLAT_MASS and smooth and _cut_out(cells, known):
            return Kind.SHADE
        if plain < FLAT_MASS and (not smooth or dark_strokes < STROKES_SHARE or deep):
            return Kind.PICTURE
    median = float(np.median(values))
    thickness_mm = _thickness(cells) * min(known.cell_mm)
    if median > INK_MOST and tone > LETTER_PLAIN and not _filled(cells):
        across_mm, down_mm = (_run(cells.T if axis else cells) * known.cell_mm[axis] for axis in (0, 1))
        if across_mm < LETTER_ACROSS_MM and down_mm < LETTER_DOWN_MM:
            return Kind.LETTER
    longer_mm = max(tall * known.cell_mm[1], wide * known.cell_mm[0])
    if median > LIGHT:
        stem = tone > LETTER_PLAIN and thickness_mm <= STEM_MM and longer_mm < STEM_LONGEST_MM
        return Kind.LETTER if stem else Kind.PAPER
    within = _inner(cells)
    dark, light = (
        _many(within & differs)
        for differs in (known.darkest < median - STROKE_LEVEL, known.lightest > median + STROKE_LEVEL)
    )
    if dark and light:
        return Kind.PLATE
    if light_strokes > STROKES_SHARE and light_strokes > dark_strokes:
        return Kind.INK
    if dark_strokes > STROKES_SHARE:
        return Kind.PAPER
    if thickness_mm <= TINT_MIN_MM:
        return Kind.INK
    return Kind.PLATE if dark or light else Kind.TINT


def _cut_out(cells: Mask, known: _Tiles) -> bool:
    """Return True if an area ends sharply on paper, as a drawing does; shadow on paper fades."""
    rim = spread(cells.view(np.uint8)).view(bool) & ~cells & (known.lightest >= MID_HIGH)
    nearest = around(np.minimum, np.where(cells, known.deepest, 255).astype(np.uint8), 5, 255)
    return bool(rim.any() and (nearest[rim] < LIGHT).mean() > SHARP_SHARE)


def _letters(areas: list[Area], labels: npt.NDArray[np.int32], darkest: Grey) -> list[Area]:
    """Light shapes of letters: all of a tone that dark strokes cross somewhere are a watermark, others are type."""
    crossed = [
        area.level
        for area in areas
        if area.kind is Kind.LETTER
        and int((darkest[labels == area.label] < area.level - STROKE_LEVEL).sum()) >= CROSSED_BLOCKS
    ]

    def settled(area: Area) -> Area:
        marks = any(abs(area.level - level) <= TONE for level in crossed)
        # Letters that touch each other are not seen as letters.
        if marks and (area.kind is Kind.LETTER or (area.kind is Kind.PLATE and not _filled(labels == area.label))):
            return replace(area, kind=Kind.TINT)
        return replace(area, kind=Kind.INK) if area.kind is Kind.LETTER else area

    return [settled(area) for area in areas]


def _filled(cells: Mask) -> bool:
    """Return True if an area nearly fills its box."""
    ys, xs = np.nonzero(cells)
    return bool(ys.size and ys.size >= FILLED * (np.ptp(ys) + 1) * (np.ptp(xs) + 1))


def _many(cells: Mask) -> bool:
    """Return True if strokes stand in an area, and not a slip of its edge alone."""
    return int(cells.sum()) > STROKE_BLOCKS


def _inner(cells: Mask) -> Mask:
    """Without its rim, whose blocks hold the edge of the shape."""
    p = np.pad(cells, 1)
    return cells & p[:-2, 1:-1] & p[2:, 1:-1] & p[1:-1, :-2] & p[1:-1, 2:]


def _run(cells: Mask) -> float:
    """The length of the row of blocks that a block of an area stands in, on average."""
    edges = np.diff(np.pad(cells.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    lengths = np.nonzero(edges == -1)[1] - np.nonzero(edges == 1)[1]
    return float((lengths**2).sum() / lengths.sum())


def _thickness(cells: Mask) -> int:
    """Depth in blocks: the number of times that the rim can be taken off, twice."""
    times = 0
    while cells.any() and times < 40:
        cells = _inner(cells)
        times += 1
    return 2 * times - 1


def _fill(cells: Mask) -> Mask:
    """A picture's area with its highlights and shadows: whole where it is nearly a rectangle, else without holes."""
    ys, xs = np.nonzero(cells)
    box = np.zeros_like(cells)
    box[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1] = True
    if cells.sum() > 0.7 * box.sum():
        return box
    outside = ~np.pad(cells, 1)
    reached = np.zeros_like(outside)
    reached[0, :] = reached[-1, :] = reached[:, 0] = reached[:, -1] = True
    reached &= outside
    while True:
        grown = spread(reached.view(np.uint8)).view(bool) & outside
        if (grown == reached).all():
            break
        reached = grown
    return np.asarray(~reached[1:-1, 1:-1])
