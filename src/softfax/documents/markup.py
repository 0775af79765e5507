# SPDX-License-Identifier: GPL-2.0-or-later
"""Markdown (CommonMark with tables) as set pages. HTML in it is printed as it stands, nothing is fetched."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from softfax.documents.charsets import decode_text
from softfax.documents.flow import Placed, Row, Rule, keep_together, paginate
from softfax.documents.fonts import Style, missing_warning
from softfax.documents.paper import A4, Paper, PaperSheet
from softfax.documents.text import text_sheets
from softfax.documents.typeset import Paragraph, Type, clean, plain

__all__ = ["Typeset", "looks_like_markup", "markup_sheets", "typeset"]

SIDE = 62.0
BODY = Type(Style.SANS, 11)
LEADING = 1.4
CODE_POINTS = 9.5
HEADINGS = {"h1": 20.0, "h2": 15.0, "h3": 12.5}
INDENT = 20.0
QUOTE_INDENT = 15.0
QUOTE_BAR = 2.2
CODE_BAR = 0.7
PARAGRAPH_GAP = 8.0
TIGHT_GAP = 2.5
BLOCK_GAP = 12.0
CELL_PAD = 5.0
CELL_MIN = 36.0
COLUMNS_MAX = 24  # tables with more are typewritten
BULLETS = ("•", "–", "▪")
#: What is longer (some 300 pages), has more between two blank lines, or is nested deeper is no prose, and is typewritten.
CHARACTERS_MAX, BLOCK_CHARACTERS_MAX, NESTING_MAX = 1_000_000, 16_000, 60

_ENDINGS = (".md", ".markdown", ".mdown")
_HEADING = re.compile(r"(?:\A|\n[ \t]*\n)#{1,4} \S[^\n]{0,200}\n[ \t]*\n")
_BLANK_LINE = re.compile(r"\n[ \t]*\n")
_TASK = re.compile(r"\[[ xX]\] ")
_OTHER_SIGNS = re.compile(
    r"(?:^|\n)(?:```|~~~)|\]\(https?://|\*\*\w[^*\n]{0,200}\w\*\*|\n\|? ?:?-{3,}:?(?: ?\| ?:?-{3,}:?)+ ?\|?\n"
)


def looks_like_markup(name: str, text: str) -> bool:
    """Return True if a file is Markdown: by its name, or by a heading that stands alone and one more sign of its own."""
    if name.lower().endswith(_ENDINGS):
        return True
    head = text[:100_000].replace("\r\n", "\n")
    return bool(_HEADING.search(head) and _OTHER_SIGNS.search(head))


def markup_sheets(
    text: str, *, pages_max: int = 1000, paper: Paper = A4, name: str = "the text"
) -> Sequence[PaperSheet]:
    """Markdown as pages. Raises DocumentEmptyError, DocumentTooLargeError."""
    rows = [] if len(text) > CHARACTERS_MAX else list(_rows(text, _Column(SIDE, paper.width - 2 * SIDE)))
    # What has marks but no text is printed as it stands.
    return (
        paginate(rows, paper, pages_max, name)
        if rows
        else text_sheets(text, pages_max=pages_max, paper=paper, name=name)
    )


def _rows(text: str, place: _Column) -> Iterator[Row]:
    """The rows of a text; none of one that has more than can be set."""
    if len(max(_BLANK_LINE.split(text), key=len)) > BLOCK_CHARACTERS_MAX:
        return
    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": NESTING_MAX}).enable("table")
    tokens = parser.parse(text.replace("\f", "\n"))
    # The parser passes over what is nested deeper.
    if any(token.level >= NESTING_MAX - 1 for token in tokens):
        return
    tree = SyntaxTreeNode(tokens)
    if not any(node.type == "tr" and len(node.children) > COLUMNS_MAX for node in tree.walk()):
        yield from _blocks(tree.children, place)


@dataclass(frozen=True)
class Typeset:
    """The pages of a text, and a line for people about what could not be set (often empty)."""

    sheets: Sequence[PaperSheet]
    warning: str


def typeset(data: bytes, name: str, *, pages_max: int = 1000, paper: Paper = A4) -> Typeset:
    """A text file as pages: Markdown where it is that, else typewritten. Raises DocumentEmptyError, DocumentTooLargeError."""
    text = decode_text(data)
    sheets: Sequence[PaperSheet]
    if looks_like_markup(name, text):
        sheets = markup_sheets(text, pages_max=pages_max, paper=paper, name=name)
    else:
        sheets = text_sheets(text, pages_max=pages_max, paper=paper, name=name)
    return Typeset(sheets, missing_warning(clean(text)))


@dataclass(frozen=True)
class _Column:
    """Position of blocks: their column, the bars beside it, the depth of lists, whether list items are set close."""

    x: float
    width: float
    bars: tuple[tuple[float, float], ...] = ()
    depth: int = 0
    tight: bool = False

    def indented(self, by: float, right_to_left: bool) -> _Column:
        by = min(by, max(0.0, self.width - 80))  # nests are not deeper than the page is wide
        return replace(self, x=self.x if right_to_left else self.x + by, width=self.width - by)


# ---- blocks --------------------------------------------------------------------------------------------------------------


def _blocks(nodes: Sequence[SyntaxTreeNode], place: _Column) -> Iterator[Row]:
    for node in nodes:
        if node.type == "heading":
            yield from _heading(node, place)
        elif node.type == "paragraph":
            yield from _paragraph(node, place)
        elif node.type in ("bullet_list", "ordered_list"):
            yield from _list(node, place)
        elif node.type == "blockquote":
            yield from _quote(node, place)
        elif node.type in ("fence", "code_block"):
            yield from _code(node.content, place)
        elif node.type == "hr":
            yield Row(1, rules=[Rule(place.x, 0, place.width, 0.8)], bars=place.bars, before=14)
        elif node.type == "table":
            yield from _table(node, place)


def _set(paragraphs: Sequence[Paragraph], place: _Column, points: float, before: float) -> list[Row]:
    """Lines of paragraphs, one row each."""
    pitch = points * LEADING
    rows = [
        Row(pitch, [Placed(line, place.x, place.width, pitch * 0.76)], bars=place.bars)
        for paragraph in paragraphs
        for line in paragraph.lines(place.width)
    ]
    if rows:
        rows[0].before = before
    keep_together(rows)
    return rows


def _heading(node: SyntaxTreeNode, place: _Column) -> Iterator[Row]:
    points = HEADINGS.get(node.tag, BODY.points)
    rows = _set(_inline(node, Type(Style.BOLD, points)), place, points, points * 0.9 + 6)
    if node.tag == "h1":
        rows.append(Row(4, rules=[Rule(place.x, 2, place.width, 1.2)], bars=place.bars))
    for row in rows:
        row.glued = True
    yield from rows


def _paragraph(node: SyntaxTreeNode, place: _Column) -> Iterator[Row]:
    yield from _set(_inline(node, BODY), place, BODY.points, TIGHT_GAP if place.tight else PARAGRAPH_GAP)


def _list(node: SyntaxTreeNode, place: _Column) -> Iterator[Row]:
    right_to_left = _runs_right_to_left(node)
    tight = all(child.hidden for item in node.children for child in item.children if child.type == "paragraph")
    first = int(node.attrs.get("start", 1)) if node.type == "ordered_list" else 0
    numbered = node.type == "ordered_list"
    indent = INDENT if not numbered else max(INDENT, 8 + plain(f"{first + len(node.children)}.", BODY).width)
    inner = replace(place.indented(indent, right_to_left), depth=place.depth + 1, tight=tight)
    for index, item in enumerate(node.children):
        marker = plain(
            f"{first + index}." if numbered else BULLETS[place.depth % len(BULLETS)], BODY, int(right_to_left)
        )
        rows = list(_blocks(item.children, inner)) or [Row(BODY.points * LEADING, bars=place.bars, before=TIGHT_GAP)]
        gutter = place.x + place.width - indent + 6 if right_to_left else place.x
        baseline = rows[0].placed[0].baseline if rows[0].placed else BODY.points * LEADING * 0.76
        align = "left" if numbered == right_to_left else "right"
        if not numbered:
            align = "center"
        if not _TASK.match(_first_text(item)):
            rows[0].placed.append(Placed(marker, gutter, indent - 6, baseline, align))
        if index == 0 and place.depth == 0:
            rows[0].before = PARAGRAPH_GAP
        yield from rows


def _quote(node: SyntaxTreeNode, place: _Column) -> Iterator[Row]:
    right_to_left = _runs_right_to_left(node)
    inner = place.indented(QUOTE_INDENT, right_to_left)
    bar = place.x + place.width - QUOTE_BAR - 2 if right_to_left else place.x + 2
    rows = list(_blocks(node.children, replace(inner, bars=(*place.bars, (bar, QUOTE_BAR)), tight=False)))
    if rows:
        rows[0].before = BLOCK_GAP
    yield from rows


def _code(content: str, place: _Column) -> Iterator[Row]:
    inner = place.indented(8, False)
    inner = replace(inner, bars=(*place.bars, (place.x + 1, CODE_BAR)))
    kind = Type(Style.MONO, CODE_POINTS)
    rows: list[Row] = []
    for line in content.rstrip("\n").split("\n"):
        rows += _set([Paragraph([(line.expandtabs(4), kind)], 0)], inner, CODE_POINTS, 0)
    if rows:
        rows[0].before = BLOCK_GAP
        keep_together(rows)
    yield from rows


# ---- tables --------------------------------------------------------------------------------------------------------------


def _table(node: SyntaxTreeNode, place: _Column) -> Iterator[Row]:
    """Cells wrapped in columns as wide as they need, or as there is room for."""
    cells: list[list[tuple[Paragraph, str]]] = []
    heads = 0
    for part in node.children:
        for row in part.children:
            kind = replace(BODY, style=Style.BOLD if part.type == "thead" else Style.SANS, points=10.0)
            cells.append([_cell(cell, kind) for cell in row.children])
            heads += part.type == "thead"
    if not cells or not cells[0]:
        return
    mirrored = cells[0][0][0].right_to_left
    widths = _column_widths(cells, place.width)
    order = range(len(widths) - 1, -1, -1) if mirrored else range(len(widths))
    total = sum(widths)
    left = place.x + place.width - total if mirrored else place.x
    pitch = 10.0 * LEADING
    for index, line in enumerate(cells):
        placed = []
        x = left
        deepest = 1
        for column in order:
            paragraph, align = line[column] if column < len(line) else (Paragraph([]), "start")
            lines = paragraph.lines(widths[column] - 2 * CELL_PAD)
            deepest = max(deepest, len(lines))
            placed += [
                Placed(text, x + CELL_PAD, widths[column] - 2 * CELL_PAD, 3 + pitch * (depth + 0.76), align)
                for depth, text in enumerate(lines)
            ]
            x += widths[column]
        height = deepest * pitch + 6
        thick = 1.2 if index in (heads - 1, len(cells) - 1) else 0.4
        rules = [Rule(left, height - thick, total, thick)]
        if not index:
            rules.append(Rule(left, 0, total, 1.2))
        yield Row(height, placed, rules, place.bars, 0 if index else BLOCK_GAP, index < heads)


def _cell(node: SyntaxTreeNode, kind: Type) -> tuple[Paragraph, str]:
    paragraphs = _inline(node, kind)
    style = str(node.attrs.get("style", ""))
    align = style.removeprefix("text-align:") if style.startswith("text-align:") else "start"
    return (paragraphs[0] if paragraphs else Paragraph([])), align


def _column_widths(cells: Sequence[Sequence[tuple[Paragraph, str]]], room: float) -> list[float]:
    """Each column as wide as its widest cell; where that is too much, wide columns give way first."""
    count = max(len(line) for line in cells)
    natural = [
        max(line[c][0].measure(0, len(line[c][0].text)) if c < len(line) else 0.0 for line in cells) + 2 * CELL_PAD + 1
        for c in range(count)
    ]
    if sum(natural) <= room:
        return natural
    limit = room / count
    for low, _ in pairwise([*sorted(natural), 0.0]):
        narrow = [w for w in natural if w <= low]
        wide = count - len(narrow)
        if wide and (room - sum(narrow)) / wide >= limit:
            limit = (room - sum(narrow)) / wide
    widths = [min(w, max(limit, min(CELL_MIN, room / count))) for w in natural]
    return [w * min(1.0, room / sum(widths)) for w in widths]


# ---- inline --------------------------------------------------------------------------------------------------------------


def _inline(node: SyntaxTreeNode, kind: Type) -> list[Paragraph]:
    """The text of a block; each hard line break begins a paragraph."""
    spans: list[list[tuple[str, Type]]] = [[]]
    for child in node.children:
        for text, style in _spans(child, kind):
            if text == "\n":
                spans.append([])
            else:
                spans[-1].append((text, style))
    base = Paragraph([s for part in spans for s in part]).base if len(spans) > 1 else None
    return [Paragraph(part, base) for part in spans if any(text.strip() for text, _ in part)]


def _spans(node: SyntaxTreeNode, kind: Type) -> Iterator[tuple[str, Type]]:
    if node.type == "inline":
        yield from _tasks(node, kind)
    elif node.type == "text" or node.type == "html_inline":
        yield node.content, kind
    elif node.type == "softbreak":
        yield " ", kind
    elif node.type == "hardbreak":
        yield "\n", kind
    elif node.type == "code_inline":
        bold = kind.style == Style.BOLD
        yield node.content, Type(Style.MONO_BOLD if bold else Style.MONO, kind.points * 0.94)
    elif node.type == "image":
        yield f"[{node.content or 'image'}: {node.attrs.get('src', '')}]", kind
    elif node.type == "link":
        yield from _link(node, kind)
    else:
        style = kind.style
        if node.type == "strong":
            style = Style.BOLD
        elif node.type == "em" and style == Style.SANS:
            style = Style.OBLIQUE
        for child in node.children:
            yield from _spans(child, replace(kind, style=style))


def _tasks(node: SyntaxTreeNode, kind: Type) -> Iterator[tuple[str, Type]]:
    """Inline text; `[ ]` and `[x]` at its beginning are boxes to tick."""
    for index, child in enumerate(node.children):
        if not index and child.type == "text" and _TASK.match(child.content):
            yield ("☐  " if child.content[1] == " " else "☑  "), Type(Style.SANS, kind.points)
            yield child.content[4:], kind
        else:
            yield from _spans(child, kind)


def _link(node: SyntaxTreeNode, kind: Type) -> Iterator[tuple[str, Type]]:
    spans = [span for child in node.children for span in _spans(child, kind)]
    yield from spans
    address = str(node.attrs.get("href", "")).removeprefix("mailto:")
    said = "".join(text for text, _ in spans).strip().rstrip("/")
    if address.rstrip("/") not in ("", said, f"http://{said}", f"https://{said}") and not address.startswith("#"):
        yield f" (\u2066{address}\u2069)", replace(kind, style=Style.SANS)


def _first_text(node: SyntaxTreeNode) -> str:
    """The source of the first text in a block."""
    return next((inner.content for inner in node.walk() if inner.type == "inline" and inner.content.strip()), "")


def _runs_right_to_left(node: SyntaxTreeNode) -> bool:
    return Paragraph([(_first_text(node)[:200], BODY)]).right_to_left
