# SPDX-License-Identifier: GPL-2.0-or-later
"""Page ranges: what people write and which pages they get."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softfax.documents.ranges import parse_ranges, split_source
from softfax.errors import DocumentError, UsageError


@pytest.mark.parametrize(
    ("text", "pages"),
    [
        ("1", [1]),
        ("1-3,5,8-", [1, 2, 3, 5, 8, 9, 10]),
        ("-3", [1, 2, 3]),
        ("8-", [8, 9, 10]),
        ("last", [10]),
        ("z", [10]),
        ("LAST", [10]),
        ("r1", [10]),
        ("r3-", [8, 9, 10]),
        ("r3-r2", [8, 9]),
        ("8-last", [8, 9, 10]),
        ("-last", list(range(1, 11))),
        ("3,1", [3, 1]),
        ("2,2", [2, 2]),
        ("5-3", [5, 4, 3]),
        ("last-1", list(range(10, 0, -1))),
        (" 1 - 3 , 5 ", [1, 2, 3, 5]),
        ("1–3", [1, 2, 3]),
        ("1;3", [1, 3]),
        ("۱-۳،۵", [1, 2, 3, 5]),
    ],
)
def test_what_people_write(text: str, pages: list[int]) -> None:
    assert [index + 1 for index in parse_ranges(text).select(10)] == pages


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        ",",
        "-",
        "1,",
        ",1",
        "1-2-3",
        "1 2",
        "a",
        "0",
        "0-3",
        "r0",
        "-0",
        "1.5",
        "1e3",
        "+1",
        "--3",
        "9" * 30,
        "1," * 600,
        "letter.pdf",
        "²",
    ],
)
def test_what_is_no_range_says_how_to_write_one(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_ranges(text)
    assert refused.value.remedy


@pytest.mark.parametrize("text", ["4", "1-4", "4-", "r4", "-4", "4-2"])
def test_a_page_that_is_not_there_is_named(text: str) -> None:
    with pytest.raises(DocumentError, match=r"letter\.pdf has no page 4.*it has 3 pages"):
        parse_ranges(text).select(3, "letter.pdf")


def test_a_selection_is_bounded() -> None:
    with pytest.raises(DocumentError, match="too many"):
        parse_ranges(",".join(["1-"] * 200)).select(1000)


@given(st.text(max_size=60))
def test_any_text_is_ranges_or_a_usage_error(text: str) -> None:
    try:
        selection = parse_ranges(text)
    except UsageError:
        return
    try:
        selected = selection.select(7)
    except DocumentError:
        return
    assert selected
    assert set(selected) <= set(range(7))


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(1, 50)), min_size=1, max_size=12))
def test_ranges_read_as_written(ranges: list[tuple[int, int]]) -> None:
    text = ",".join(f"{a}-{b}" for a, b in ranges)
    expected = [n for a, b in ranges for n in (range(a, b + 1) if a <= b else range(a, b - 1, -1))]
    assert [index + 1 for index in parse_ranges(text).select(50)] == expected


@pytest.mark.parametrize(
    ("text", "name", "ranges"),
    [
        ("letter.pdf", "letter.pdf", ""),
        ("letter.pdf#pages=2-3", "letter.pdf", "2-3"),
        ("letter.pdf#pages=", "letter.pdf", ""),
        ("https://host/a.pdf?x=1#pages=last", "https://host/a.pdf?x=1", "last"),
        ("odd#pages=1.pdf#pages=", "odd#pages=1.pdf", ""),
        ("letter.pdf#page=2", "letter.pdf#page=2", ""),
        ("-#pages=1", "-", "1"),
        ("letter:1-3.pdf", "letter:1-3.pdf", ""),
    ],
)
def test_a_source_and_its_pages(text: str, name: str, ranges: str) -> None:
    assert split_source(text) == (name, ranges)


def test_wrong_ranges_of_a_source_show_at_once() -> None:
    with pytest.raises(UsageError, match="not page ranges"):
        split_source("letter.pdf#pages=two")
