# SPDX-License-Identifier: GPL-2.0-or-later
"""Arithmetic of a grey page: running extremes along rows and columns, and measurements of its blocks of dots."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "BLOCK",
    "around",
    "between",
    "by_block",
    "closing",
    "label",
    "opening",
    "percentile",
    "running",
    "runs",
    "spread",
    "upsample",
]

Grey = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

BLOCK = 8
#: Rows that are worked on at a time.
BAND = 128


def running(op: Callable[..., Grey], a: Grey, size: int, axis: int, edge: int) -> Grey:
    """The running maximum or minimum over `size` along an axis, centred, by doubling."""
    if size <= 1:
        return a
    before = size // 2
    shape = list(a.shape)
    shape[axis] += size - 1
    m = np.empty(shape, a.dtype)
    along = m if axis == 0 else m.T
    along[:before], along[before + a.shape[axis] :] = edge, edge
    along[before : before + a.shape[axis]] = a if axis == 0 else a.T
    width = 1

    def cut(start: int, length: int) -> Grey:
        part: Grey = m[start : start + length] if axis == 0 else m[:, start : start + length]
        return part

    while width < size:
        step = min(width, size - width)
        length = m.shape[axis] - step
        m = op(cut(0, length), cut(step, length))
        width += step
    return m


def around(op: Callable[..., Grey], a: Grey, size: int, edge: int) -> Grey:
    """The running maximum or minimum over squares of `size`, centred."""
    return running(op, running(op, a, size, 0, edge), size, 1, edge)


def closing(a: Grey, across: int, down: int) -> Grey:
    """The page without what is darker than its surroundings and smaller than so many dots."""
    return _in_bands(a, across, down, ((np.maximum, 0), (np.minimum, 255)))


def opening(a: Grey, across: int, down: int) -> Grey:
    """The page without what is lighter than its surroundings and smaller than so many dots."""
    return _in_bands(a, across, down, ((np.minimum, 255), (np.maximum, 0)))


def _in_bands(a: Grey, across: int, down: int, passes: Iterable[tuple[Callable[..., Grey], int]]) -> Grey:
    """Running extremes, one pass after the other, in bands of rows that fit a processor's cache: a quarter of the time."""
    made = np.empty_like(a)
    for top in range(0, len(a), BAND):
        bottom = min(top + BAND, len(a))
        # With the rows that the passes reach.
        first = max(0, top - down)
        band = a[first : bottom + down]
        for op, edge in passes:
            band = running(op, running(op, band, down, 0, edge), across, 1, edge)
        made[top:bottom] = band[top - first : bottom - first]
    return made


def by_block(op: np.ufunc, a: npt.NDArray[Any], fill: int, dtype: type[np.generic] | None = None) -> npt.NDArray[Any]:
    """`op` reduced over each block, those at the edges made whole with `fill`; rows first, then by pairs, which is many times
    quicker than along both axes at once, or along so short a one.
    """
    if a.shape[1] % BLOCK:
        a = np.pad(a, ((0, 0), (0, -a.shape[1] % BLOCK)), constant_values=fill)
    rows, width = a.shape
    count = rows // BLOCK
    whole = count * BLOCK
    lines = np.empty((-(-rows // BLOCK), width), dtype or a.dtype)
    op.reduce(a[:whole].reshape(count, BLOCK, width), axis=1, dtype=dtype, out=lines[:count])
    if whole < rows:
        # Only these rows are copied, and not the page.
        last = np.pad(a[whole:], ((0, -rows % BLOCK), (0, 0)), constant_values=fill)
        op.reduce(last, axis=0, dtype=dtype, out=lines[-1])
    while lines.shape[1] > width // BLOCK:
        lines = op(lines[:, ::2], lines[:, 1::2])
    return lines


def upsample(by_block: npt.NDArray[np.generic], rows: int, width: int) -> npt.NDArray[np.generic]:
    """A value per block as a value per dot."""
    return np.repeat(np.repeat(by_block, BLOCK, axis=0), BLOCK, axis=1)[:rows, :width]


def spread(by_block: Grey) -> Grey:
    """The maximum of each block and its eight neighbours."""
    return around(np.maximum, by_block, 3, 0)


def between(a: Grey, low: int, high: int) -> Mask:
    """The dots that are lighter than `low` and darker than `high`, in one comparison: what is darker wraps around."""
    return np.asarray((a - np.uint8(low + 1)) < high - low - 1)


def percentile(a: Grey, share: float) -> float:
    """The level below which so many percent of the dots are, as `np.percentile` has it, by counting."""
    below = np.cumsum(np.bincount(a.ravel(), minlength=256))
    at = (a.size - 1) * share / 100
    low, high = (int(np.searchsorted(below, place, side="right")) for place in (math.floor(at), math.ceil(at)))
    return low + (high - low) * (at % 1)


def runs(there: Mask) -> list[tuple[int, int]]:
    """Begin and end of each run of dots in a row."""
    edges = np.flatnonzero(np.diff(np.pad(there.view(np.int8), 1)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def label(mask: Mask, *, corners: bool) -> tuple[npt.NDArray[np.int32], int]:
    """Connected areas, numbered from 1: runs of each row joined to those of the row above, also where only `corners` touch."""
    labels = np.zeros(mask.shape, np.int32)
    parent = [0]

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    above: list[tuple[int, int, int]] = []
    for y, row in enumerate(mask):
        here = []
        for start, stop in runs(row):
            touching = {root(k) for a, b, k in above if a < stop + corners and start < b + corners}
            if touching:
                mine = min(touching)
                for k in touching:
                    parent[k] = mine
            else:
                mine = len(parent)
                parent.append(mine)
            labels[y, start:stop] = mine
            here.append((start, stop, mine))
        above = here
    roots = np.array([root(i) for i in range(len(parent))])
    kept, numbered = np.unique(roots, return_inverse=True)
    return numbered.astype(np.int32)[labels], len(kept) - 1
