# SPDX-License-Identifier: GPL-2.0-or-later
"""The line at the top of each page: legible, complete, never overlapping."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from softfax.documents.header import HeaderLine, draw_header, header_rows
from softfax.errors import UsageError
from tests.support.reading import bands, black

WHEN = datetime(2026, 11, 21, 10, 34, tzinfo=UTC)
LINE = HeaderLine(
    when=WHEN,
    station="Softfax GmbH",
    number="+49 30 1234567",
    recipient="+98 21 88776655",
    page=3,
    total=12,
    time_zone="Europe/Berlin",
)
CLASSES = [(1728, 204, 98), (1728, 204, 196), (1728, 204, 391), (2592, 300, 300), (3456, 408, 391), (2432, 204, 196)]


def striped(width: int, rows: int) -> Image.Image:
    dots = np.zeros((rows, width), dtype=bool)
    dots[::3] = True
    return Image.fromarray(dots)


def parts(line: HeaderLine, width: int = 1728, x_dpi: float = 204, y_dpi: float = 196) -> list[tuple[int, int]]:
    """Return where the parts of the line stand: what is 4 mm and more apart."""
    page = draw_header(Image.new("1", (width, 100), 1), x_dpi, y_dpi, line)
    return bands(black(page).any(axis=0), gap=round(4 / 25.4 * x_dpi))


@pytest.mark.parametrize(("width", "x_dpi", "y_dpi"), CLASSES)
def test_the_strip_stands_above_the_page(width: int, x_dpi: int, y_dpi: int) -> None:
    page = striped(width, 300)
    out = draw_header(page, x_dpi, y_dpi, LINE)
    strip = header_rows(y_dpi)
    assert out.mode == "1"
    assert out.size == (width, 300 + strip)
    assert (black(out)[strip:] == black(page)).all()
    ink = np.flatnonzero(black(out)[:strip].any(axis=1))
    # Clear of the edge that machines do not print, and of the page; capitals about 2.6 mm high.
    assert ink[0] / y_dpi * 25.4 > 2.5
    assert ink[-1] < strip - 1
    assert 2.4 < (ink[-1] - ink[0] + 1) / y_dpi * 25.4 < 4.2


def test_overlaid_it_covers_the_top_and_the_page_keeps_its_size() -> None:
    page = striped(1728, 300)
    out = draw_header(page, 204, 196, LINE, overlay=True)
    strip = header_rows(196)
    assert out.size == page.size
    assert (black(out)[strip:] == black(page)[strip:]).all()
    assert not black(out)[:3].any()
    assert (black(page) == black(striped(1728, 300))).all()


def test_a_page_shorter_than_the_strip() -> None:
    assert draw_header(striped(1728, 5), 204, 98, LINE, overlay=True).size == (1728, 5)


@pytest.mark.parametrize(("width", "x_dpi", "y_dpi"), CLASSES)
def test_date_sender_and_page_stand_apart(width: int, x_dpi: int, y_dpi: int) -> None:
    left, middle, right = parts(LINE, width, x_dpi, y_dpi)
    assert left[0] / x_dpi * 25.4 == pytest.approx(9, abs=0.6)
    assert (width - right[1]) / x_dpi * 25.4 == pytest.approx(9, abs=0.6)
    assert left[1] < middle[0] < middle[1] < right[0]


def test_what_it_says() -> None:
    assert LINE.left == "2026-11-21 11:34 CET"
    assert LINE.right == "p. 3/12"
    assert dataclasses.replace(LINE, total=None).right == "p. 3"
    assert dataclasses.replace(LINE, time_zone="Asia/Tehran").left == "2026-11-21 14:04 +0330"
    assert dataclasses.replace(LINE, time_zone="UTC").left == "2026-11-21 10:34 UTC"


def test_an_unknown_time_zone_is_said() -> None:
    for zone in ("Europe/Nowhere", "../etc/passwd", "a\0b"):
        with pytest.raises(UsageError, match="time zone"):
            HeaderLine(when=WHEN, time_zone=zone)


def test_a_long_name_is_shortened_and_the_numbers_stay() -> None:
    long = dataclasses.replace(
        LINE, station="Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamten mbH" * 3
    )
    nameless = dataclasses.replace(LINE, station="")
    left, middle, right = parts(long)
    assert left[1] < middle[0] < middle[1] < right[0]
    width = parts(nameless)[1][1] - parts(nameless)[1][0]
    shown, numbers = (black(draw_header(Image.new("1", (1728, 1), 1), 204, 196, line)) for line in (long, nameless))
    tail = shown[:, middle[1] - width : middle[1]]
    start = parts(nameless)[1][0]
    # The same numbers, up to a dot of rounding.
    assert np.mean(tail != numbers[:, start : start + width]) < 0.06


def test_persian_names_stand_among_numbers_in_order() -> None:
    persian = dataclasses.replace(LINE, station="شرکت نمونه‌سازان پارس")
    left, middle, right = parts(persian)
    assert left == parts(LINE)[0]
    assert right == parts(LINE)[2]
    assert (
        middle[1] - middle[0]
        > parts(dataclasses.replace(LINE, station=""))[1][1] - parts(dataclasses.replace(LINE, station=""))[1][0]
    )


def test_without_names_there_is_date_and_page() -> None:
    assert len(parts(HeaderLine(when=WHEN, time_zone="UTC"))) == 2


def test_the_stations_number_is_not_said_twice() -> None:
    once = dataclasses.replace(LINE, station="")
    assert parts(dataclasses.replace(LINE, station=LINE.number)) == parts(once)


@settings(max_examples=80, deadline=None)
@given(
    st.text(max_size=400), st.text(max_size=60), st.text(max_size=60), st.integers(1, 100_000), st.sampled_from(CLASSES)
)
def test_whatever_it_says_nothing_overlaps(
    station: str, number: str, recipient: str, page: int, grid: tuple[int, int, int]
) -> None:
    line = HeaderLine(
        when=WHEN, station=station, number=number, recipient=recipient, page=page, total=page, time_zone="UTC"
    )
    width, x_dpi, y_dpi = grid
    out = black(draw_header(Image.new("1", (width, 10), 1), x_dpi, y_dpi, line))
    assert out.shape == (10 + header_rows(y_dpi), width)
    bare = parts(HeaderLine(when=WHEN, page=page, total=page, time_zone="UTC"), *grid)
    columns = out.any(axis=0)
    gap = round(2.5 / 25.4 * x_dpi)
    assert not columns[bare[0][1] : bare[0][1] + gap].any()
    assert not columns[bare[-1][0] - gap : bare[-1][0]].any()
    assert not columns[bare[-1][1] :].any()
