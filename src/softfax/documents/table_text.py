# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables kept as text (CSV and its kin) as set pages: the delimiter is found, columns are as wide as they need."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice

from softfax.documents.flow import BOTTOM, TOP, FlowSheet, Placed, Row, Rule, in_parts
from softfax.documents.fonts import Style
from softfax.documents.paper import A4, Paper
from softfax.documents.typeset import Paragraph, Type, clean
from softfax.errors import DocumentTooLargeError

__all__ = ["TABLE_NAMES", "read_table", "table_sheets"]

TABLE_NAMES = frozenset({".csv", ".tsv", ".tab"})
DELIMITERS = (";", ",", "\t", "|")
LOOKED_AT = 200
#: Of rows that have to have as many cells as most have.
ALIKE = 0.7
CELLS_MAX, COLUMNS_MAX, CELL_CHARACTERS_MAX = 200_000, 400, 2000
SIDE, PAD = 40.0, 4.0
#: Sizes of type that are tried, upright and then on the side; what does not fit at the last wraps.
SIZES = (10.0, 9.0, 8.0, 7.0)
WIDEST = 180.0
LEADING = 1.35
LYING = Paper(A4.height, A4.width)
_NUMBER = re.compile(r"[-+]?[\d.,' \u00a0]*\d[\d.,' \u00a0]*\s*(?:%|€|\$|£)?")

Table = list[list[str]]


def read_table(text: str) -> Table | None:
    """The cells of a table; None where it is none, or one too large to be set."""
    delimiter, text = _delimiter(text)
    if not delimiter:
        return None
    rows: Table = []
    cells = 0
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            cells += len(row)
            if cells > CELLS_MAX or len(row) > COLUMNS_MAX:
                return None
            if any(cell.strip() for cell in row):
                rows.append([" ".join(clean(cell.strip()).split()) for cell in row])
                if max(map(len, rows[-1])) > CELL_CHARACTERS_MAX:
                    return None
    except csv.Error:
        return None
    # Columns that are empty on all rows say nothing.
    count = max(map(len, rows), default=0)
    used = [c for c in range(count) if any(c < len(row) and row[c] for row in rows)]
    return [[row[c] if c < len(row) else "" for c in used] for row in rows] if len(used) > 1 else None


def _delimiter(text: str) -> tuple[str, str]:
    """Delimiter of the cells, empty where there is none; and the text without a line that names it to spreadsheets."""
    if said := re.match(r"sep=(.)\r?\n", text):
        return said[1], text[said.end() :]
    best, most = "", 0.0
    for delimiter in DELIMITERS:
        try:
            head = [
                row for row in islice(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), LOOKED_AT) if row
            ]
        except csv.Error:
            continue
        counts = Counter(map(len, head))
        (columns, rows), *_ = counts.most_common(1) or [(1, 0)]
        share = rows / max(1, len(head))
        # Decimal commas make a table too, of rows that are less alike.
        if columns > 1 and share >= ALIKE and share + columns / 100 > most:
            best, most = delimiter, share + columns / 100
    return best, text


def table_sheets(table: Table, *, pages_max: int, name: str) -> Sequence[FlowSheet]:
    """A table as pages, its head on each. Raises DocumentTooLargeError."""
    head = not any(_NUMBER.fullmatch(cell) for cell in table[0]) and len(table) > 1
    paper, points, widths = _fitted(table)
    pages: list[tuple[list[Row], Paper]] = []
    for columns in _groups(widths, paper.width - 2 * SIDE):
        for rows in _paged(table, columns, [widths[c] for c in columns], points, head, paper):
            pages.append((rows, paper))
            if len(pages) > pages_max:
                raise DocumentTooLargeError(f"{name} is too long", f"send at most {pages_max} pages of text")
    return [FlowSheet(rows, paper, number, len(pages)) for number, (rows, paper) in enumerate(pages, 1)]


def _fitted(table: Table) -> tuple[Paper, float, list[float]]:
    """The paper, the size of type and the widths of the columns."""
    for paper in (A4, LYING):
        for points in SIZES:
            widths = _widths(table, points)
            if sum(widths) <= paper.width - 2 * SIDE:
                return paper, points, widths
    return LYING, SIZES[-1], [min(width, WIDEST) for width in widths]


def _widths(table: Table, points: float) -> list[float]:
    """Each column as wide as its widest cell, among those with the most characters."""
    kind = Type(Style.BOLD, points)
    out = []
    for column in range(len(table[0])):
        longest = sorted({row[column] for row in table}, key=len)[-3:]
        out.append(max(_measure(cell, kind) for cell in longest) + 2 * PAD + 1)
    return out


def _measure(text: str, kind: Type) -> float:
    paragraph = Paragraph([(text, kind)])
    return paragraph.measure(0, len(paragraph.text))


def _groups(widths: Sequence[float], room: float) -> Iterator[list[int]]:
    """The columns that stand on a page; where several are needed, each begins with the first, which names the rows."""
    group: list[int] = []
    used = 0.0
    for column, width in enumerate(widths):
        if group and used + width > room and group != [0]:
            yield group
            group, used = [0], widths[0]
        group.append(column)
        used += width
    yield group


def _paged(
    table: Table, columns: list[int], widths: list[float], points: float, head: bool, paper: Paper
) -> Iterator[list[Row]]:
    room = paper.height - TOP - BOTTOM
    first = _row(table[0], columns, widths, points, bold=head, top=True)
    # A page that begins in the middle has the head again, unless that is most of a page.
    again = [first] if head and first.height < room / 2 else []
    above = sum(row.height for row in again)
    page, used = list[Row](), 0.0
    for whole in (first, *(_row(line, columns, widths, points) for line in table[1:])):
        for row in in_parts(whole, room - above):
            if page and used + row.height > room:
                yield page
                page, used = [*again], above
            page.append(row)
            used += row.height
    yield page


def _row(
    line: Sequence[str],
    columns: list[int],
    widths: list[float],
    points: float,
    *,
    bold: bool = False,
    top: bool = False,
) -> Row:
    kind, pitch = Type(Style.BOLD if bold else Style.SANS, points), points * LEADING
    placed: list[Placed] = []
    x, deepest = SIDE, 1
    for column, width in zip(columns, widths, strict=True):
        cell = line[column]
        lines = Paragraph([(cell, kind)]).lines(width - 2 * PAD) if cell else []
        align = "end" if _NUMBER.fullmatch(cell) else "start"
        deepest = max(deepest, len(lines))
        placed += [
            Placed(text, x + PAD, width - 2 * PAD, 2 + pitch * (depth + 0.76), align)
            for depth, text in enumerate(lines)
        ]
        x += width
    height, total = deepest * pitch + 4, sum(widths)
    rules = [Rule(SIDE, height - 0.4, total, 1.0 if bold else 0.4)]
    edge = SIDE
    for width in (0.0, *widths):
        edge += width
        rules.append(Rule(edge, 0, 0.4, height))
    return Row(height, placed, [*rules, Rule(SIDE, 0, total, 0.8)] if top else rules)
