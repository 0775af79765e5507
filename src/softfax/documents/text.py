# SPDX-License-Identifier: GPL-2.0-or-later
"""Plain text as a typewritten page: 80 columns, 60 lines of A4, and right to left where the text is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from softfax.documents.bidi import paragraph_level
from softfax.documents.fonts import Style
from softfax.documents.paper import A4, Paper, PaperSheet
from softfax.documents.typeset import Canvas, Line, Paragraph, Type, clean, plain
from softfax.errors import DocumentEmptyError, DocumentTooLargeError

__all__ = ["TextSheet", "draw_foot", "text_sheets"]


POINTS = 10.5
COLUMNS = 80
TAB = 8
PITCH = 12.0  # six lines an inch, as typewriters have it
RIGHT_TO_LEFT_POINTS = 11.5
TOP = BOTTOM = 56.0
FOOT = 30.0  # the page number's base line, from the bottom edge
FOOT_TYPE = Type(Style.SANS, 9)
PARAGRAPH_CHARACTERS_MAX = 4000
SHARE_FOR_PROPORTIONAL = 1 / 3

MONO = Type(Style.MONO, POINTS)
SANS = Type(Style.SANS, RIGHT_TO_LEFT_POINTS)
SANS_AMONG_MONO = Type(Style.SANS, POINTS)
COLUMN_WIDTH = 1233 / 2048 * POINTS  # of DejaVu Sans Mono

_LINE_ENDS = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
#: Only what ends takes what is between: an escape alone, as printers have it too, takes nothing of the text behind it.
_ESCAPES = re.compile("\x1b(?:\\[[0-?]*[ -/]*[@-~]|\\][^\x07\x1b\n]*(?:\x07|\x1b\\\\)|[()][A-Z0-9]?|[@-Z\\\\^_])")
_OVERSTRIKE = re.compile("[^\x08\n]\x08")


class TextSheet(PaperSheet):
    """One page of text; `lines` are None where blank. Drawn on any dot grid."""

    def __init__(self, lines: Sequence[Line | None], number: int, total: int, paper: Paper, pitch: float) -> None:
        super().__init__(paper)
        self.lines = tuple(lines)
        self.number = number
        self.total = total
        self.pitch = pitch

    def paint(self, canvas: Canvas) -> None:
        column = COLUMNS * COLUMN_WIDTH
        left = (self.paper.width - column) / 2
        for index, line in enumerate(self.lines):
            if line is not None:
                canvas.draw_in(line, left, column, TOP + self.pitch * (index + 0.8))
        draw_foot(canvas, self.paper, self.number, self.total)


def draw_foot(canvas: Canvas, paper: Paper, number: int, total: int) -> None:
    """The page number, where there is more than one page."""
    if total > 1:
        canvas.draw_in(plain(f"{number} / {total}", FOOT_TYPE, 0), 0, paper.width, paper.height - FOOT, "center")


def text_sheets(
    text: str,
    *,
    pages_max: int = 1000,
    paper: Paper = A4,
    name: str = "the text",
    proportional: bool | None = None,
) -> Sequence[TextSheet]:
    """Text as pages: 80 columns of a typewriter's letters, or proportional ones where much of it runs right to left.

    `proportional` decides that. A form feed begins a page. `name` is what messages call it. Raises DocumentEmptyError,
    DocumentTooLargeError.
    """
    # One letter takes at least a tenth of a line even where fonts have narrow ones; far more is never printed.
    if len(text) > pages_max * 60 * 400:
        raise _too_long(name, pages_max)
    text = _printable(text)
    if not clean(text).strip():
        raise DocumentEmptyError(f"{name} is empty", "check the file")
    # Letters with dots above and below need more room between lines.
    if proportional is None:
        proportional = _is_right_to_left(text)
    kind, pitch = (SANS, PITCH * 1.4) if proportional else (MONO, PITCH)
    page_lines = int((paper.height - TOP - BOTTOM) / pitch)
    pages: list[tuple[Line | None, ...]] = []
    for part in text.rstrip().split("\f"):
        page: list[Line | None] = []
        for line in _lines(part, kind):
            if len(page) == page_lines:
                pages.append(tuple(page))
                page = []
                if len(pages) >= pages_max:
                    raise _too_long(name, pages_max)
            page.append(line)
        pages.append(tuple(page))
        if len(pages) > pages_max:
            raise _too_long(name, pages_max)
    return [TextSheet(lines, number, len(pages), paper, pitch) for number, lines in enumerate(pages, 1)]


def _too_long(name: str, pages_max: int) -> DocumentTooLargeError:
    return DocumentTooLargeError(f"{name} is too long", f"send at most {pages_max} pages of text")


def _printable(text: str) -> str:
    """Without terminal escapes and overstriking; line ends as one character."""
    if "\x1b" in text:
        text = _ESCAPES.sub("", text)
    if "\x08" in text:
        text = _OVERSTRIKE.sub("", text)
    return _LINE_ENDS.sub("\n", text)


def _is_right_to_left(text: str) -> bool:
    levels = [paragraph_level(line[:200]) for line in text[:200_000].split("\n") if line.strip()]
    known = [level for level in levels if level is not None]
    return bool(known) and sum(known) >= SHARE_FOR_PROPORTIONAL * len(known)


def _lines(part: str, kind: Type) -> Iterator[Line | None]:
    width = COLUMNS * COLUMN_WIDTH
    for raw in part.removesuffix("\n").split("\n"):
        text = raw.expandtabs(TAB) if "\t" in raw else raw
        if not text.strip():
            yield None
        while text.strip():
            piece, text = _cut(text)
            right_to_left = kind is MONO and paragraph_level(piece) == 1
            yield from Paragraph([(piece, SANS_AMONG_MONO if right_to_left else kind)]).lines(width)


def _cut(text: str) -> tuple[str, str]:
    """A very long line is several paragraphs: what its letters do to each other ends somewhere."""
    if len(text) <= PARAGRAPH_CHARACTERS_MAX:
        return text, ""
    space = text.rfind(" ", PARAGRAPH_CHARACTERS_MAX // 2, PARAGRAPH_CHARACTERS_MAX)
    end = space + 1 if space > 0 else PARAGRAPH_CHARACTERS_MAX
    return text[:end], text[end:]
