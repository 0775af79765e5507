# SPDX-License-Identifier: GPL-2.0-or-later
"""Setting type: paragraphs are broken into lines once, in points; lines are drawn on any dot grid.

Widths come from the font's own units (HarfBuzz, unhinted), so a page breaks its lines alike at every resolution.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from math import inf
from typing import NamedTuple
from unicodedata import combining

import numpy as np
import uharfbuzz as hb
from PIL import Image

from softfax.documents import fonts
from softfax.documents.bidi import embedding_levels, line_levels, visual_order
from softfax.documents.fonts import Style, face, face_for

__all__ = ["Canvas", "Line", "Paragraph", "Type", "clean", "plain", "shortened"]

POINTS_PER_INCH = 72
LINE_CHARACTERS_MAX = 500
"""A line never holds more, whatever their width: marks and joiners have none."""
CACHED_CHARACTERS_MAX = 48
FORCED_BLOCK = 24
CONTEXT = 3  # characters on each side that the shaper sees, for joining
ELLIPSIS = "…"

_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ufff9-\ufffb\ufeff]")
_SPACES = re.compile("[\t\n\u2028\u2029]")
_SURROGATES = re.compile("[\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
_COMPATIBLE = re.compile(
    "[\u3000-\u303f\u32c0-\u33ff\ufd50-\ufdff\uff01-\uffee\U0001d400-\U0001d7ff\U0001f100-\U0001f1ff]"
)
_WORDS = re.compile("[^ \u1680\u2000-\u2006\u2008-\u200b\u205f\u3000]*[ \u1680\u2000-\u2006\u2008-\u200b\u205f\u3000]*")
_HYPHENS = re.compile(r"(?<=\w\w)[-–—\u2010](?=\w\w)")
_GOOD_BREAK = frozenset("/-_.?&=,;:)]}")
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]")


def clean(text: str) -> str:
    """Text of one paragraph: tabs and line ends become spaces, controls go, what is no character becomes U+FFFD."""
    text = _SURROGATES.sub("\ufffd", _CONTROLS.sub("", _SPACES.sub(" ", text)))
    return _COMPATIBLE.sub(lambda match: fonts.substitute(match[0]), text)


@dataclass(frozen=True)
class Type:
    """A font and its size in points."""

    style: Style
    points: float


class Shaped(NamedTuple):
    """One shaped run: (glyph, dx, dy, advance) in font units, in the order they stand from the left."""

    style: Style
    glyphs: tuple[tuple[int, int, int, int], ...]
    advance: int


def _shape(style: Style, text: str, right_to_left: bool, before: str = "", after: str = "") -> Shaped:
    shape = _shape_cached if len(text) <= CACHED_CHARACTERS_MAX else _shape_now
    return shape(style, text, right_to_left, before, after)


def _shape_now(style: Style, text: str, right_to_left: bool, before: str, after: str) -> Shaped:
    buffer = hb.Buffer()
    buffer.add_str(before + text + after, len(before), len(text))
    buffer.guess_segment_properties()
    buffer.direction = "rtl" if right_to_left else "ltr"
    hb.shape(face(style).shaper, buffer)
    glyphs = tuple(
        (info.codepoint, p.x_offset, p.y_offset, p.x_advance)
        for info, p in zip(buffer.glyph_infos, buffer.glyph_positions, strict=True)
    )
    return Shaped(style, glyphs, sum(g[3] for g in glyphs))


_shape_cached = lru_cache(8192)(_shape_now)


def _faces(text: str, style: Style) -> list[Style]:
    """Font of each character; marks and joiners go with what they follow."""
    if text.isascii():
        return [style] * len(text)
    out: list[Style] = []
    for char in text:
        follows = out and (combining(char) or char in "\u200c\u200d\ufe0e\ufe0f" or (char == " " and out[-1] != style))
        same = follows and ord(char) in face(out[-1]).characters
        out.append(out[-1] if same or (follows and char in "\u200c\u200d\ufe0e\ufe0f") else face_for(char, style))
    return out


def _width(text: str, kind: Type) -> float:
    """The width of text in points, whatever line it comes to stand in."""
    return (_width_cached if len(text) <= CACHED_CHARACTERS_MAX else _width_now)(text, kind)


def _width_now(text: str, kind: Type) -> float:
    total = 0.0
    position = 0
    for style, group in groupby(_faces(text, kind.style)):
        end = position + len(list(group))
        run = text[position:end]
        total += _shape(style, run, bool(_RIGHT_TO_LEFT.search(run))).advance * kind.points / face(style).upem
        position = end
    return total


_width_cached = lru_cache(32768)(_width_now)


class Paragraph:
    """Text of one or several types that runs one way. `base`: 0 left to right, 1 right to left, None by its first letter."""

    def __init__(self, spans: Iterable[tuple[str, Type]], base: int | None = None) -> None:
        kept = [(clean(text), kind) for text, kind in spans]
        self.text = "".join(text for text, _ in kept)
        self._ends: list[tuple[int, Type]] = []
        position = 0
        for text, kind in kept:
            position += len(text)
            if text:
                self._ends.append((position, kind))
        self.base, self.levels = embedding_levels(self.text, base)

    @property
    def right_to_left(self) -> bool:
        return self.base == 1

    def spans(self, start: int, end: int) -> Iterator[tuple[int, int, Type]]:
        """The parts of [start, end) that are of one type."""
        for stop, kind in self._ends:
            if stop > start:
                yield start, min(stop, end), kind
                start = stop
            if start >= end:
                return

    def measure(self, start: int, end: int) -> float:
        """The width of a part, in points."""
        return sum(_width(self.text[s:e], kind) for s, e, kind in self.spans(start, end))

    def lines(self, width: float) -> list[Line]:
        """Broken at words to a width in points; a word that is too wide itself is broken where it must be."""
        out: list[Line] = []
        start = 0
        used = 0.0
        for begin, end in self._pieces():
            visible = begin + len(self.text[begin:end].rstrip())
            wide = self._word_width(begin, visible)
            if start < begin and (used + wide > width + 0.01 or visible - start > LINE_CHARACTERS_MAX):
                out.append(Line(self, start, begin))
                start, used = begin, 0.0
            while start == begin and wide > width + 0.01:
                stop = self._forced_break(begin, visible, width)
                out.append(Line(self, begin, stop))
                start = begin = stop
                wide = self._word_width(begin, visible)
            used += wide + self.measure(visible, end)
        out.append(Line(self, start, len(self.text)))
        return out

    def _word_width(self, begin: int, end: int) -> float:
        return self.measure(begin, end) if end - begin <= LINE_CHARACTERS_MAX else inf

    def _pieces(self) -> Iterator[tuple[int, int]]:
        """Words with the space after them; also the parts of hyphenated ones."""
        for match in _WORDS.finditer(self.text):
            begin = match.start()
            for hyphen in _HYPHENS.finditer(self.text, begin, match.end()):
                yield begin, hyphen.end()
                begin = hyphen.end()
            if match.end() > begin:
                yield begin, match.end()

    def _forced_break(self, begin: int, end: int, width: float) -> int:
        """Place to break a word from `begin` so that it fits; after at least one character."""
        high = min(end, begin + LINE_CHARACTERS_MAX)
        low, room = begin, width + 0.01
        while low < high:
            block = min(low + FORCED_BLOCK, high)
            wide = self.measure(low, block)
            if wide > room:
                high = block - 1
                break
            low, room = block, room - wide
        first = low
        while low < high:
            middle = (low + high + 1) // 2
            if self.measure(first, middle) <= room:
                low = middle
            else:
                high = middle - 1
        low = max(low, begin + 1)
        for stop in range(low, max(begin + 1, low - (low - begin) // 3), -1):
            if self.text[stop - 1] in _GOOD_BREAK:
                return stop
        stop = low
        while stop > begin + 1 and stop < end and combining(self.text[stop]):
            stop -= 1
        return stop if stop > begin + 1 else low


class _Placed(NamedTuple):
    shaped: Shaped
    kind: Type


class Line:
    """A line of a paragraph: [start, end) of its text."""

    __slots__ = ("_paragraph", "end", "start")

    def __init__(self, paragraph: Paragraph, start: int, end: int) -> None:
        self._paragraph = paragraph
        self.start = start
        self.end = start + len(paragraph.text[start:end].rstrip(" \u200b"))

    @property
    def text(self) -> str:
        return self._paragraph.text[self.start : self.end]

    @property
    def right_to_left(self) -> bool:
        return self._paragraph.right_to_left

    def runs(self) -> list[_Placed]:
        """Shaped, in the order they stand from the left."""
        whole = self._paragraph
        levels = line_levels(self.text, whole.levels[self.start : self.end], whole.base)
        runs: list[_Placed] = []
        run_levels: list[int] = []
        for start, end, kind in whole.spans(self.start, self.end):
            styles = _faces(whole.text[start:end], kind.style)
            keys = zip(levels[start - self.start : end - self.start], styles, strict=True)
            position = start
            for (level, style), group in groupby(keys):
                stop = position + len(list(group))
                around = (
                    whole.text[max(self.start, position - CONTEXT) : position],
                    whole.text[stop : min(self.end, stop + CONTEXT)],
                )
                if not level % 2:
                    around = ("", "")
                runs.append(_Placed(_shape(style, whole.text[position:stop], bool(level % 2), *around), kind))
                run_levels.append(level)
                position = stop
        return [runs[index] for index in visual_order(run_levels)]

    @property
    def width(self) -> float:
        """Width in points."""
        return sum(run.shaped.advance * run.kind.points / face(run.shaped.style).upem for run in self.runs())


def plain(text: str, kind: Type, base: int | None = None) -> Line:
    """One line that is never broken."""
    paragraph = Paragraph([(text[: LINE_CHARACTERS_MAX * 2], kind)], base)
    return Line(paragraph, 0, len(paragraph.text))


def shortened(text: str, kind: Type, width: float, base: int | None = None) -> Line:
    """One line of at most this width in points, its end replaced by an ellipsis if it is too long."""
    line = plain(text, kind, base)
    if line.width <= width and len(text) <= LINE_CHARACTERS_MAX * 2:
        return line
    low, high = 0, min(len(text), LINE_CHARACTERS_MAX * 2)
    while low < high:
        middle = (low + high + 1) // 2
        if plain(text[:middle].rstrip() + ELLIPSIS, kind, base).width <= width:
            low = middle
        else:
            high = middle - 1
    if not low and plain(ELLIPSIS, kind).width > width:
        return plain("", kind)
    return plain(text[:low].rstrip() + ELLIPSIS, kind, base)


class Canvas:
    """A page, or a strip of one, on a dot grid. Positions are in points from the upper left corner."""

    def __init__(self, width: int, rows: int, width_inches: float, height_inches: float) -> None:
        self.dots = np.full((rows, width), 255, dtype=np.uint8)
        self.x_scale = width / (width_inches * POINTS_PER_INCH)
        self.y_scale = rows / (height_inches * POINTS_PER_INCH)

    def draw(self, line: Line, x: float, baseline: float) -> float:
        """Draws a line whose left end is at x; returns where it ends, in points."""
        y = round(baseline * self.y_scale)
        for run in line.runs():
            scale = run.kind.points / face(run.shaped.style).upem
            x_ppem, y_ppem = run.kind.points * self.x_scale, run.kind.points * self.y_scale
            for number, dx, dy, advance in run.shaped.glyphs:
                dots = fonts.glyph(run.shaped.style, number, x_ppem, y_ppem)
                left = round((x + dx * scale) * self.x_scale) + dots.left
                self._blacken(dots.mask, left, y - round(dy * scale * self.y_scale) - dots.top)
                x += advance * scale
        return x

    def draw_in(self, line: Line, x: float, width: float, baseline: float, align: str = "start") -> None:
        """Draws a line within a column: align `start`, `end` (as the text runs), `left`, `right` or `center`."""
        if align in ("start", "end"):
            align = "right" if line.right_to_left == (align == "start") else "left"
        if align != "left":
            x += (width - line.width) * (0.5 if align == "center" else 1)
        self.draw(line, x, baseline)

    def rule(self, x: float, y: float, width: float, height: float) -> None:
        """A black bar, at least one dot thick."""
        left, top = round(x * self.x_scale), round(y * self.y_scale)
        across, down = max(1, round(width * self.x_scale)), max(1, round(height * self.y_scale))
        rows, columns = self.dots.shape
        self.dots[max(0, top) : max(0, min(rows, top + down)), max(0, left) : max(0, min(columns, left + across))] = 0

    def _blacken(self, mask: fonts.Mask, left: int, top: int) -> None:
        rows, columns = self.dots.shape
        height, width = mask.shape
        if left < 0 or top < 0 or left + width > columns or top + height > rows:
            mask = mask[max(0, -top) : max(0, rows - top), max(0, -left) : max(0, columns - left)]
            left, top = max(0, left), max(0, top)
            height, width = mask.shape
        if height and width:
            self.dots[top : top + height, left : left + width][mask] = 0

    def image(self) -> Image.Image:
        """The page, mode L, white 255."""
        return Image.fromarray(self.dots)
