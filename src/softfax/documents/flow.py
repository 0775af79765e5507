# SPDX-License-Identifier: GPL-2.0-or-later
"""Rows of type that flow from page to page, and where pages may be broken between them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from softfax.documents.paper import Paper, PaperSheet
from softfax.documents.text import draw_foot
from softfax.documents.typeset import Canvas, Line
from softfax.errors import DocumentTooLargeError

__all__ = ["BOTTOM", "TOP", "FlowSheet", "Placed", "Row", "Rule", "in_parts", "keep_together", "paginate"]

TOP = 62.0
BOTTOM = 58.0


@dataclass(frozen=True)
class Placed:
    """A line within a row: its column, and its base line from the row's top; points."""

    line: Line
    x: float
    width: float
    baseline: float
    align: str = "start"


@dataclass(frozen=True)
class Rule:
    """A bar within a row; points from the row's top."""

    x: float
    y: float
    width: float
    height: float


@dataclass
class Row:
    """A row of things side by side. `before` is the space above it, which vanishes at a page's top.

    `glued` forbids a page break after it. `bars` are bars beside the text (x, width), drawn on from row to row.
    """

    height: float
    placed: list[Placed] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    bars: tuple[tuple[float, float], ...] = ()
    before: float = 0.0
    glued: bool = False


def keep_together(rows: Sequence[Row]) -> None:
    """No single line of a paragraph stays alone at a page's foot or head."""
    for index in range(len(rows) - 1):
        if index == 0 or index == len(rows) - 2 or len(rows) <= 3:
            rows[index].glued = True


class FlowSheet(PaperSheet):
    """One page of rows."""

    def __init__(self, rows: Sequence[Row], paper: Paper, number: int, total: int) -> None:
        super().__init__(paper)
        self.rows = tuple(rows)
        self.number = number
        self.total = total

    def paint(self, canvas: Canvas) -> None:
        y = TOP
        beside: tuple[tuple[float, float], ...] = ()
        for index, row in enumerate(self.rows):
            if index:
                for x, width in set(row.bars) & set(beside):
                    canvas.rule(x, y, width, row.before)
                y += row.before
            for x, width in row.bars:
                canvas.rule(x, y, width, row.height)
            for rule in row.rules:
                canvas.rule(rule.x, y + rule.y, rule.width, rule.height)
            for item in row.placed:
                canvas.draw_in(item.line, item.x, item.width, y + item.baseline, item.align)
            y += row.height
            beside = row.bars
        draw_foot(canvas, self.paper, self.number, self.total)


def in_parts(row: Row, room: float) -> Iterator[Row]:
    """Cuts a row that is taller than `room` between its lines, which stand evenly below each other; one that fits stays whole."""
    lines: dict[float, list[Placed]] = {}
    for item in row.placed if row.height > room else ():
        lines.setdefault(item.baseline, []).append(item)
    baselines = sorted(lines)
    if len(baselines) < 2:
        yield row
        return
    above = (baselines[1] - baselines[0]) * 0.76
    edges = [0.0, *(baseline - above for baseline in baselines[1:]), row.height]
    for baseline, (top, bottom) in zip(baselines, pairwise(edges), strict=True):
        rules = [
            replace(rule, y=max(rule.y, top) - top, height=min(rule.y + rule.height, bottom) - max(rule.y, top))
            for rule in row.rules
            if rule.y < bottom and rule.y + rule.height > top
        ]
        placed = [replace(item, baseline=baseline - top) for item in lines[baseline]]
        yield Row(bottom - top, placed, rules, row.bars, 0.0 if top else row.before)


def _chunks(rows: Iterable[Row]) -> Iterator[list[Row]]:
    chunk: list[Row] = []
    for row in rows:
        chunk.append(row)
        if not row.glued:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def paginate(rows: Iterable[Row], paper: Paper, pages_max: int, name: str) -> list[FlowSheet]:
    """Pages of rows. Raises DocumentTooLargeError beyond `pages_max`."""
    room = paper.height - TOP - BOTTOM
    pages: list[list[Row]] = [[]]
    used = 0.0
    for chunk in _chunks(rows):
        whole = sum(row.before + row.height for row in chunk) - (0 if pages[-1] else chunk[0].before)
        if pages[-1] and used + whole > room:
            pages.append([])
            used = 0.0
        for row in (part for whole_row in chunk for part in in_parts(whole_row, room)):
            tall = row.height + (row.before if pages[-1] else 0)
            if pages[-1] and used + tall > room:
                pages.append([])
                used, tall = 0.0, row.height
            if len(pages) > pages_max:
                raise DocumentTooLargeError(f"{name} is too long", f"send at most {pages_max} pages of text")
            pages[-1].append(row)
            used += tall
    return [FlowSheet(page, paper, number, len(pages)) for number, page in enumerate(pages, 1)]
