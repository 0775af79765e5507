# SPDX-License-Identifier: GPL-2.0-or-later
"""Grey to black and white: type by its contrast to the ground, pictures by halftone, decided by area within a page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from softfax.documents.blocks import BLOCK, around, by_block, percentile, running, runs, spread, upsample
from softfax.documents.halftone import screen
from softfax.documents.segment import Area, Ground, Kind, areas_of, ground_of
from softfax.documents.types import Halftone, PageClass

__all__ = ["Bilevel", "bilevel"]

Grey = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

#: A stroke is black where it reaches this share of the strongest contrast around it, and no less than the noise of paper.
STROKE_SHARE = 0.38
STROKE_LEAST = 26
STROKE_NOISE = 1.7
SPECKLED = 8
HAIRLINE_LEAST = 34
HAIRLINE_DOTS = 25
#: What is straight for this long is a rule; along its edge contrast differs by no more than this from dot to dot.
RULE_DOTS = 64
RULE_LEVEL = 6
RULE_SHARE = 1 / 8
INK_BELOW = 112
TINT_NOISE = 10
#: What a tint leaves around a stroke on it, and how far a stroke on a plate differs from it.
HALO_DOTS = 3
ON_PLATE = 40
#: Strokes on a shade that are type: how dark or light, and how far from their ground.
NEARLY_BLACK, NEARLY_WHITE = 80, 160
TYPE_ON_SHADE = 60
USUAL_DOTS = 24
OUTLINE_CONTRAST = 30
#: A block with this contrast, or so many times the noise of paper, is not left without any.
LOST_CONTRAST = 45
LOST_NOISE = 4


@dataclass(frozen=True)
class Bilevel:
    """A page of dots (1 bit, white 1) and the share of it that is halftoned."""

    image: Image.Image
    pictures: float = 0.0


def bilevel(image: Image.Image, page: PageClass, halftone: Halftone = "dots") -> Bilevel:
    """Makes a grey page black and white."""
    if image.mode == "1":
        return Bilevel(image)
    grey: Grey = np.asarray(image if image.mode == "L" else image.convert("L"))
    grey = _paper_white(grey)
    ground = ground_of(grey, page.dots_per_mm, page.rows_per_mm)
    noise = _noise(ground)
    strokes, lines = _strokes(ground, noise)
    white = strokes & (ground.ground >= INK_BELOW)
    labels, areas = areas_of(ground, page.dots_per_mm, page.rows_per_mm)
    share = _paint(white, strokes, lines, grey, ground, labels, areas, halftone) if areas else 0.0
    if noise > SPECKLED:
        white |= _specks(white)
    if areas:
        _restore(white, grey, max(LOST_CONTRAST, LOST_NOISE * noise))
    return Bilevel(Image.fromarray(white), share)


def _paper_white(grey: Grey) -> Grey:
    """A scan's paper made white: its levels stretched so that the commonest light grey, if the page is mostly that, is 255."""
    histogram = np.bincount(grey[::4, ::4].ravel(), minlength=256)
    total = histogram.sum()
    if histogram[250:].sum() > 0.3 * total:
        return grey
    peak = int(histogram[150:].argmax()) + 150
    if histogram[max(0, peak - 12) : peak + 13].sum() < 0.3 * total:
        return grey
    ramp = np.minimum(np.arange(256) * 255.0 / max(peak - 6, 1), 255).astype(np.uint8)
    return np.asarray(ramp[grey])


def _noise(ground: Ground) -> float:
    """On paper as a scanner sees it every block has some contrast: what nearly half of them have is noise."""
    return percentile(ground.dark, 45)


def _strokes(ground: Ground, noise: float) -> tuple[Mask, Mask]:
    """White but for the dark strokes, and the hairlines among these."""
    rows, width = ground.contrast.shape
    above_noise = max(STROKE_LEAST, min(STROKE_NOISE * noise, 3 * STROKE_LEAST))
    least = np.maximum(above_noise, spread(ground.dark) * STROKE_SHARE).astype(np.uint8)
    white: Mask = np.empty((rows, width), bool)
    most, count = np.repeat(least, BLOCK, axis=1)[:, :width], rows // BLOCK
    whole = count * BLOCK
    bands, faint = (side[:whole].reshape(count, BLOCK, width) for side in (ground.contrast, white))
    np.less_equal(bands, most[:count, None], out=faint)
    np.less_equal(ground.contrast[whole:], most[-1], out=white[whole:])
    across, down = _crossed(white)
    lines = _hairlines(white, ground, max(HAIRLINE_LEAST, 2 * noise), least, across, down)
    _even(white, ground.contrast, across)
    _even(white.T, ground.contrast.T, down.T)
    white &= ~lines
    return white, lines


def _crossed(white: Mask) -> tuple[Mask, Mask]:
    """The blocks that a black line crosses, across and down."""
    # Eight dots of a row are an octet: what is done to them is done eight times as quickly. Those beyond the page are white.
    rows = np.packbits(~white, axis=1)
    rows = np.pad(rows, ((0, -len(rows) % BLOCK), (0, 0))).reshape(-1, BLOCK, rows.shape[1])
    return (rows == 255).any(axis=1), np.bitwise_and.reduce(rows, axis=1) != 0


def _ruled(crossed: Mask, dots: int) -> Mask:
    """The rows of blocks in which a line, or whatever else, goes on for so many dots."""
    return np.asarray(running(np.minimum, crossed.view(np.uint8), dots // BLOCK, 1, 0).any(axis=1))


def _bands(wanted: Mask) -> Iterator[slice]:
    """The rows of dots of blocks that follow each other, and a row on both sides."""
    for first, last in runs(wanted):
        yield slice(max(0, first * BLOCK - 1), last * BLOCK + 1)


def _straight(dots: Mask) -> Mask:
    """Keep the dots that stand in a row of `HAIRLINE_DOTS` or more."""
    kept = running(np.minimum, dots.view(np.uint8), HAIRLINE_DOTS, 1, 0)
    return running(np.maximum, kept, HAIRLINE_DOTS, 1, 0).view(bool)


def _even(white: Mask, contrast: Grey, crossed: Mask) -> None:
    """A rule is as thick beside type as it is elsewhere: the half-covered dots along its edge become black together."""
    for band in _bands(_ruled(crossed, RULE_DOTS)):
        part = contrast[band]
        level = np.zeros_like(part, bool)
        level[:, 1:] = (np.abs(np.diff(part.astype(np.int16), axis=1)) <= RULE_LEVEL) & (part[:, 1:] > STROKE_LEAST)
        straight = _straight(level)
        straight[:, :-1] |= straight[:, 1:]  # the first dot of each, which differs from the one before it
        begins = straight & ~level
        run = np.where(straight, np.cumsum(begins.ravel()).reshape(begins.shape), 0)
        black = np.bincount(run.ravel(), ~white[band].ravel())
        rules = black >= np.maximum(RULE_SHARE * np.bincount(run.ravel()), 1)
        rules[0] = False
        white[band] &= ~rules[run]


def _hairlines(white: Mask, ground: Ground, faintest: float, least: Grey, across: Mask, down: Mask) -> Mask:
    """Rules fainter than the type beside them: crests of contrast that go straight for `HAIRLINE_DOTS`.

    Looked for only in bands of blocks where several in a row have some contrast, yet too little for black, or where a rule is
    drawn already and some block has not quite enough.
    """
    missed = (ground.dark > faintest) & (ground.dark <= least)
    lines = np.zeros_like(white)
    if not missed.any():
        return lines
    for dots, contrast, faint, crossed in (
        (lines, ground.contrast, missed, across),
        (lines.T, ground.contrast.T, missed.T, down.T),
    ):
        for band in _bands(_ruled(faint, HAIRLINE_DOTS) | (_ruled(crossed, HAIRLINE_DOTS) & faint.any(axis=1))):
            part = contrast[band]
            crest = part > faintest
            crest[1:-1] &= (part[1:-1] >= part[:-2]) & (part[1:-1] > part[2:])
            dots[band] |= _straight(crest)
    return lines


def _specks(white: Mask) -> Mask:
    """Black dots without a black neighbour."""
    p = np.pad(white, 1, constant_values=True)
    rows, width = white.shape
    alone = ~white
    for dy in range(3):
        for dx in range(3):
            if (dy, dx) != (1, 1):
                alone &= p[dy : dy + rows, dx : dx + width]
    return alone


def _paint(
    white: Mask,
    strokes: Mask,
    lines: Mask,
    grey: Grey,
    ground: Ground,
    labels: npt.NDArray[np.int32],
    areas: list[Area],
    halftone: Halftone,
) -> float:
    """Reproduces each area of the ground as what it is; returns the share that is halftoned."""
    halftoned = 0
    rows, width = grey.shape
    for area in areas:
        cells = spread((labels == area.label).view(np.uint8)).view(bool)
        if area.kind not in (Kind.PICTURE, Kind.SHADE):
            cells &= (labels == 0) | (labels == area.label)
        ys, xs = np.nonzero(cells)
        if not ys.size:
            continue  # a picture that surrounds it took it over
        top, bottom = ys.min() * BLOCK, min((ys.max() + 1) * BLOCK, rows)
        left, right = xs.min() * BLOCK, min((xs.max() + 1) * BLOCK, width)
        box = np.s_[top:bottom, left:right]
        inside = upsample(cells[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1], bottom - top, right - left).astype(
            bool
        )
        part = white[box]
        if area.kind is Kind.PICTURE:
            part[inside] = screen(grey[box], halftone)[inside]
            halftoned += int(inside.sum())
        elif area.kind is Kind.SHADE:
            part[inside] = _shade(grey, ground, strokes, box, halftone)[inside]
            halftoned += int(inside.sum())
        elif area.kind in (Kind.TINT, Kind.PLATE) and halftone != "none":
            part[inside] = _tint(grey, ground, strokes, lines, box, area, halftone)[inside]
            halftoned += int(inside.sum())
        elif area.kind is Kind.INK:
            part[inside] &= (grey[box] > (area.level + 255) / 2)[inside]
            part |= inside & _outline(ground.ground[box], area.level, lighter=False)
        else:
            paper = inside & (ground.ground[box] > area.level * 0.5)
            # A stroke on a tint is darker than the tint: the tint's own corners are none.
            tint = (np.abs(grey[box].astype(np.int16) - area.level) <= TINT_NOISE) & ~lines[box]
            part[paper] = (strokes[box] | tint)[paper]
            part &= ~(inside & _outline(ground.ground[box], area.level, lighter=True))
        white[box] = part
    return float(halftoned / (rows * width))


def _tint(
    grey: Grey,
    ground: Ground,
    strokes: Mask,
    lines: Mask,
    box: tuple[slice, slice],
    area: Area,
    halftone: Halftone,
) -> Mask:
    """The dots of a plain tone. It steps back around strokes: white beside dark ones and, on a plate, black beside light ones."""
    around = _around(box)
    # The corners of a tint are thin, and went with the strokes.
    own = (np.abs(grey[around].astype(np.int16) - area.level) <= TINT_NOISE) & ~lines[around]
    inner = _within(box, around)
    dots = screen(np.where(own[inner], grey[box], ground.ground[box]), halftone, picture=False)
    if area.kind is Kind.PLATE and ground.opened is not None:
        dark = grey[around] < area.level - ON_PLATE
        light = (grey[around] > area.level + ON_PLATE) & (grey[around] - ground.opened[around] > ON_PLATE)
        return _parted(dots, dark, light, inner)
    dark = ~strokes[around] & ~own
    return np.asarray((dots | _near(dark, 0)[inner]) & ~dark[inner])


def _shade(grey: Grey, ground: Ground, strokes: Mask, box: tuple[slice, slice], halftone: Halftone) -> Mask:
    """The dots of greys that run into each other. Type on them is what nearly is black, or white, against its own ground."""
    around = _around(box)
    # Between letters the ground of light type looks like strokes, and the other way round: what there is more of is the ground.
    over, under = ground.ground[around], ground.ground[around] if ground.opened is None else ground.opened[around]
    usual = np.asarray(Image.fromarray(grey[around]).filter(ImageFilter.BoxBlur(USUAL_DOTS)))
    on_light = usual.astype(np.int16) - under > over.astype(np.int16) - usual
    dark = on_light & ~strokes[around] & (grey[around] < NEARLY_BLACK) & (ground.contrast[around] > TYPE_ON_SHADE)
    light = ~on_light & (grey[around] > NEARLY_WHITE) & (grey[around] - under > TYPE_ON_SHADE)
    return _parted(screen(grey[box], halftone), dark, light, _within(box, around))


def _around(box: tuple[slice, slice]) -> tuple[slice, slice]:
    """A box, widened by what a stroke has beside it."""
    down, across = (slice(max(0, side.start - HALO_DOTS), side.stop + HALO_DOTS) for side in box)
    return down, across


def _within(box: tuple[slice, slice], around: tuple[slice, slice]) -> tuple[slice, slice]:
    """Slices of a box within what is around it."""
    down, across = (
        slice(side.start - wide.start, side.stop - wide.start) for side, wide in zip(box, around, strict=True)
    )
    return down, across


def _parted(dots: Mask, dark: Mask, light: Mask, inner: tuple[slice, slice]) -> Mask:
    """Dots with dark strokes and white beside them, light strokes and black beside those."""
    by_dark, by_light = _near(dark, HALO_DOTS), _near(light, HALO_DOTS)
    dots = (dots | by_dark[inner]) & ~(by_light & ~by_dark)[inner]
    return np.asarray((dots | light[inner]) & ~dark[inner])


def _near(dots: Mask, gap: int) -> Mask:
    """The surroundings of strokes, `HALO_DOTS` wide, and what lies between them where it is no wider than twice `gap`."""
    near = dots.view(np.uint8)
    for op, size, edge in ((np.maximum, 2 * (HALO_DOTS + gap) + 1, 0), (np.minimum, 2 * gap + 1, 1)):
        near = around(op, near, size, edge)
    return near.view(bool)


def _outline(ground: Grey, level: float, *, lighter: bool) -> Mask:
    """The dots of a plain tone beside a lighter or a darker ground: where both become one colour, a line parts them."""
    own = np.abs(ground.astype(np.int16) - level) <= TINT_NOISE
    op, edge = (np.maximum, 0) if lighter else (np.minimum, 255)
    beside = around(op, ground, 5, edge).astype(np.int16)
    far = (beside - level if lighter else level - beside) >= OUTLINE_CONTRAST
    return np.asarray(own & far)


def _restore(white: Mask, grey: Grey, least: float) -> None:
    """The last look: where the page has a sharp contrast and the dots around it are all of one colour, they follow the page."""
    lowest, highest = by_block(np.minimum, grey, 255), by_block(np.maximum, grey, 0)
    some_black = ~by_block(np.minimum, white.view(np.uint8), 1).astype(bool)
    some_white = by_block(np.maximum, white.view(np.uint8), 0).astype(bool)
    edges = highest.astype(np.int16) - lowest >= least
    mixed = spread((some_black & some_white).view(np.uint8)).astype(bool)
    lost = edges & ~mixed & (spread(some_black.view(np.uint8)) != spread(some_white.view(np.uint8)))
    if not lost.any():
        return
    rows, width = grey.shape
    for y, x in zip(*np.nonzero(spread(lost.view(np.uint8))), strict=True):
        box = np.s_[y * BLOCK : min((y + 1) * BLOCK, rows), x * BLOCK : min((x + 1) * BLOCK, width)]
        around = np.s_[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2]
        middle = (int(lowest[around].min()) + int(highest[around].max())) / 2
        white[box] = grey[box] > middle
