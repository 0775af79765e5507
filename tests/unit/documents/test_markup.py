# SPDX-License-Identifier: GPL-2.0-or-later
"""Markdown on paper: what is said where, and where pages are broken."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from softfax.documents.flow import BOTTOM, TOP, FlowSheet, Placed
from softfax.documents.fonts import Style
from softfax.documents.markup import SIDE, looks_like_markup, markup_sheets, typeset
from softfax.documents.paper import A4
from softfax.documents.text import TextSheet
from softfax.documents.types import Sheet
from softfax.errors import DocumentEmptyError, DocumentTooLargeError
from tests.support.reading import bands, black


def flow(text: str, pages_max: int = 1000) -> list[FlowSheet]:
    sheets = list(markup_sheets(text, pages_max=pages_max))
    assert all(isinstance(sheet, FlowSheet) for sheet in sheets)
    return sheets  # type: ignore[return-value]


def placed(sheets: Sequence[FlowSheet]) -> list[Placed]:
    return [item for sheet in sheets for row in sheet.rows for item in row.placed]


def said(text: str) -> list[str]:
    """The lines of a document, from the top; what stands beside each other one by one."""
    return [item.line.text for item in placed(flow(text))]


def styles(text: str) -> dict[str, Style]:
    """Word → the font it is set in."""
    out = {}
    for item in placed(flow(text)):
        line = item.line
        for start, end, kind in line._paragraph.spans(line.start, line.end):
            for word in line._paragraph.text[start:end].split():
                out[word] = kind.style
    return out


def column(item: Placed, page_width: int = 1728) -> tuple[float, float]:
    """Return from where to where a line's ink is, as a share of the page's width."""
    ink = np.flatnonzero(black(FlowSheet([_row(item)], A4, 1, 1).render(page_width, 2292)).any(axis=0))
    return ink[0] / page_width, ink[-1] / page_width


def _row(item: Placed):  # type: ignore[no-untyped-def]
    from softfax.documents.flow import Row

    return Row(30, [item])


def test_bold_italic_and_code_have_their_fonts() -> None:
    assert styles("plain **bold** *italic* `code` ***both*** ~~kept~~") == {
        "plain": Style.SANS,
        "bold": Style.BOLD,
        "italic": Style.OBLIQUE,
        "code": Style.MONO,
        "both": Style.BOLD,
        "~~kept~~": Style.SANS,
    }


def test_headings_are_larger_the_higher_they_are() -> None:
    heights = []
    for level in range(1, 5):
        (item,) = placed(flow(f"{'#' * level} HHH"))
        (band,) = bands(black(FlowSheet([_row(item)], A4, 1, 1).render(1728, 2292)).any(axis=1))
        heights.append(band[1] - band[0])
    assert heights == sorted(heights, reverse=True)
    assert len(set(heights)) == 4


def test_links_are_printed_with_their_address() -> None:
    (line,) = said("see [our terms](https://example.com/terms) now")
    assert line.replace("\u2066", "").replace("\u2069", "") == "see our terms (https://example.com/terms) now"
    assert said("<https://example.com/> or [mail](mailto:a@example.com)") == [
        "https://example.com/ or mail (\u2066a@example.com\u2069)"
    ]


def test_pictures_are_named_and_not_fetched() -> None:
    assert said("![our logo](https://example.com/logo.png)") == ["[our logo: https://example.com/logo.png]"]


def test_html_is_printed_as_it_stands() -> None:
    assert said("a <b>bold</b> <script>x</script>") == ["a <b>bold</b> <script>x</script>"]


def test_lists_have_markers_beside_their_text() -> None:
    assert said("3. three\n4. four\n   - sub\n     - subsub\n") == [
        "three",
        "3.",
        "four",
        "4.",
        "sub",
        "–",
        "subsub",
        "▪",
    ]
    text, marker = placed(flow("- item"))
    assert column(marker)[1] < column(text)[0]
    outer, _, inner, _ = placed(flow("- outer\n  - inner"))
    assert column(outer)[0] < column(inner)[0]


def test_boxes_to_tick_replace_the_bullet() -> None:
    assert said("- [ ] to do\n- [x] done") == ["☐  to do", "☑  done"]


def test_code_keeps_its_lines_and_blanks() -> None:
    assert said("```\nif x:\n\n    y = 1\n```") == ["if x:", "", "    y = 1"]
    assert said("para\n\n    indented code") == ["para", "indented code"]


def test_paragraphs_flow_and_hard_breaks_break() -> None:
    assert said("one\ntwo  \nthree") == ["one two", "three"]


def test_quotes_have_a_bar_at_their_side() -> None:
    (sheet,) = flow("> quoted\n>\n> again")
    page = black(sheet.render(1728, 2292))
    first = bands(page.any(axis=0))[0]
    assert first[1] - first[0] < 12
    assert len(bands(page[:, first[0] : first[1]].any(axis=1))) == 1


def test_tables_have_columns() -> None:
    text = "| Item | Price |\n| --- | ---: |\n| Paper | 7.45 |\n| A much longer name of something | 120.00 |"
    items = placed(flow(text))
    assert [i.line.text for i in items] == [
        "Item",
        "Price",
        "Paper",
        "7.45",
        "A much longer name of something",
        "120.00",
    ]
    names, prices = items[0::2], items[1::2]
    assert max(column(i)[1] for i in names) < min(column(i)[0] for i in prices)
    assert len({round(column(i)[0], 2) for i in names}) == 1
    assert len({round(column(i)[1], 2) for i in prices[1:]}) == 1
    assert styles(text)["Price"] == Style.BOLD


@pytest.mark.parametrize("columns", [1, 2, 5, 12, 24])
def test_wide_tables_stay_on_the_page(columns: int) -> None:
    row = "|" + " some words in a cell |" * columns
    sheets = flow("\n".join([row, "|" + "---|" * columns, row, row]))
    ink = np.flatnonzero(np.any([black(s.render(864, 1146)).any(axis=0) for s in sheets], axis=0))
    margin = SIDE / A4.width * 864
    assert ink[0] >= margin - 2
    assert ink[-1] <= 864 - margin + 2


def test_everything_stays_within_the_margins() -> None:
    text = (
        "# "
        + "Heading " * 20
        + "\n\n"
        + "w" * 300
        + "\n\n> > > "
        + "quote " * 60
        + "\n\n- "
        + "item " * 60
        + "\n\n`"
        + "c" * 200
        + "`"
    )
    for sheet in flow(text):
        ink = np.flatnonzero(black(sheet.render(1728, 1146)).any(axis=0))
        assert ink[0] >= SIDE / A4.width * 1728 - 3
        assert ink[-1] <= 1728 * (1 - SIDE / A4.width) + 3


def test_persian_markdown_is_mirrored() -> None:
    text, marker = placed(flow("1. مورد نخست"))
    assert column(text)[1] < column(marker)[0]
    (sheet,) = flow("> نقل‌قول")
    page = black(sheet.render(1728, 2292))
    assert bands(page.any(axis=0))[-1][1] > 1728 * 0.89
    first, second = placed(flow("| کالا | تعداد |\n| --- | --- |"))
    assert {first.line.text, second.line.text} == {"کالا", "تعداد"}
    item = next(i for i in (first, second) if i.line.text == "کالا")
    assert column(item)[0] > 0.5


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.sampled_from(["# Heading", "## Second", "para " * 40, "para", "- a\n- b", "> q", "```\ncode\n```"]),
        min_size=20,
        max_size=90,
    )
)
def test_no_heading_is_stranded_at_a_pages_foot(blocks: list[str]) -> None:
    heads = "".join("h" if block.startswith("#") else " " for block in blocks)
    assume(max(map(len, heads.split()), default=0) < 8)  # a page of nothing else cannot be helped
    sheets = flow("\n\n".join([*blocks, "the end"]))
    for sheet in sheets[:-1]:
        assert not sheet.rows[-1].glued
        last = [item.line.text for item in sheet.rows[-1].placed]
        assert last not in (["Heading"], ["Second"])
    texts = [i.line.text for i in placed(sheets)]
    assert texts.count("Heading") == blocks.count("# Heading")
    assert texts[-1] == "the end"


def test_no_line_of_a_paragraph_is_left_alone() -> None:
    for filler in range(40):
        sheets = flow("x\n\n" * filler + "word " * 150)
        for sheet in sheets:
            lines = [i.line.text for row in sheet.rows for i in row.placed if i.line.text.startswith("word")]
            assert len(lines) != 1


def test_many_pages_are_numbered_and_bounded() -> None:
    sheets = flow("some text\n\n" * 100)
    assert [s.number for s in sheets] == list(range(1, len(sheets) + 1))
    assert {s.total for s in sheets} == {len(sheets)}
    with pytest.raises(DocumentTooLargeError, match="at most 2 pages"):
        flow("some text\n\n" * 1000, pages_max=2)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("readme.md", "anything", True),
        ("NOTES.MARKDOWN", "", True),
        ("letter.txt", "# Title\n\nSome **bold** words.\n", True),
        ("-", "# Title\n\n```\ncode\n```\n", True),
        ("letter.txt", "# Title\n\n| a | b |\n| :--- | ---: |\n| 1 | 2 |\n", True),
        ("letter.txt", "# Title\n\na | b\n---|" + "-" * 200 + "+\n", False),
        ("letter.txt", "Dear Sir,\n\nwe have 2 * 3 * 4 items # 5.\n", False),
        ("setup.cfg", "# comment\n[a]\nb = 1\n\n# other\n\nc = 2\n", False),
        ("run.sh", "#!/bin/sh\n# do things\n\necho **x**\n", False),
        ("x.yaml", "# list\n\n- a\n- b: c\n", False),
    ],
)
def test_what_counts_as_markdown(name: str, text: str, expected: bool) -> None:
    assert looks_like_markup(name, text) is expected


def test_a_file_is_set_by_what_it_is() -> None:
    assert isinstance(typeset(b"# Title\n\ntext", "a.md").sheets[0], FlowSheet)
    assert not isinstance(typeset(b"# Title\n\ntext", "a.txt").sheets[0], FlowSheet)
    assert "U+6F22" in typeset("漢".encode(), "a.txt").warning
    assert typeset(b"plain", "a.txt").warning == ""


@pytest.mark.parametrize("text", ["", "\n\n", "   "])
def test_nothing_to_print_is_said(text: str) -> None:
    with pytest.raises(DocumentEmptyError):
        markup_sheets(text)


@pytest.mark.parametrize(
    "text",
    ["text\n\n" + ">" * 70 + " LAST\n", "|a" * 25 + "|\n" + "|---" * 25 + "|\n" + "|1" * 24 + "|LAST|\n"],
    ids=["nested", "columns"],
)
def test_what_has_more_than_can_be_set_is_printed_as_it_stands(text: str) -> None:
    (sheet,) = markup_sheets(text)
    assert isinstance(sheet, TextSheet)
    assert any(line is not None and "LAST" in line.text for line in sheet.lines)


def test_a_cell_that_is_taller_than_a_page_goes_on_on_the_next() -> None:
    words = [f"word{n:04}" for n in range(1200)]
    sheets = flow("# T\n\n| a | b |\n|---|---|\n| " + " ".join(words) + " | x |\n| 1 | LAST |\n")
    text = " ".join(item.line.text for item in placed(sheets))
    assert all(word in text for word in [*words, "LAST"])
    assert all(sum(row.height for row in sheet.rows) <= A4.height - TOP - BOTTOM for sheet in sheets)


def test_what_has_marks_only_is_printed_as_it_stands() -> None:
    (sheet,) = markup_sheets("[a]: https://example.com/")
    assert black(sheet.render(1728, 1146)).any()


@pytest.mark.parametrize(
    "text",
    [
        ">" * 3000 + "a",
        "\n".join("  " * n + "- a" for n in range(200)),
        "[" * 15_000,
        "![" * 7_000,
        "*a **" * 3_000,
        "|a" * 5_000 + "\n" + "|-" * 5_000,
        "a b " * 100_000,
        "# " + "x" * 15_000,
        "text\n\n" * 40_000,
    ],
    ids=["quotes", "lists", "brackets", "pictures", "stars", "table", "paragraph", "heading", "paragraphs"],
)
def test_hostile_markdown_costs_little(text: str) -> None:
    start = time.thread_time()
    try:
        markup_sheets(text)[0].render(864, 573)
    except DocumentTooLargeError:
        pass
    assert time.thread_time() - start < 10


@settings(max_examples=80, deadline=None)
@given(
    st.text(alphabet=st.sampled_from("#*_`>-+|[]()!<&\\~ \n\t1.aسא漢:=\u2067"), max_size=200) | st.text(max_size=200)
)
def test_any_text_makes_pages_of_the_right_size(text: str) -> None:
    try:
        sheets = markup_sheets(text)
    except DocumentEmptyError:
        return
    assert isinstance(sheets[0], Sheet)
    assert sheets[0].render(432, 301).size == (432, 301)
