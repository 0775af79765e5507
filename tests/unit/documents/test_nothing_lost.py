# SPDX-License-Identifier: GPL-2.0-or-later
"""All that a reader sees on a page is on the fax: strokes by the ten thousand, watermarks, type on tones, tones beside tones."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from softfax.documents.begin import prepare
from softfax.documents.complete import draw_whole
from softfax.documents.tiff import read_pages
from softfax.documents.types import RasterSettings
from tests.support.pdf_pages import lines, pdf, text

Dots = npt.NDArray[np.bool_]
POINTS_ACROSS, POINTS_DOWN = 595.0, 842.0


class Fax:
    """The dots of a page, asked in points of its PDF."""

    def __init__(self, path: Path, folder: Path) -> None:
        document = prepare([path], RasterSettings(fit=False), folder)
        self.info = document.pages[0]
        ((_, self.black),) = read_pages(document.tiff)
        self._left = (self.black.shape[1] - round(POINTS_ACROSS / 72 * 25.4 * 1728 / 215)) // 2

    def box(self, x: float, y: float, width: float, height: float) -> Dots:
        """The dots of a rectangle whose lower left corner is at (x, y)."""
        across, down = 1728 / 215 * 25.4 / 72, self.black.shape[0] / POINTS_DOWN
        top, bottom = (POINTS_DOWN - y - height) * down, (POINTS_DOWN - y) * down
        left, right = self._left + x * across, self._left + (x + width) * across
        return self.black[round(top) : round(bottom), round(left) : round(right)]

    def ink(self, *box: float) -> float:
        return float(self.box(*box).mean())


@pytest.fixture
def fax(tmp_path: Path):
    return lambda content, **more: Fax(pdf(tmp_path / "page.pdf", content, **more), tmp_path)


def agreement(fax: Fax, other: Fax, *box: float) -> float:
    """Return how much of the ink of one page's type is black on the other, within a rectangle."""
    there, here = other.box(*box), fax.box(*box)
    return float((there & here).sum() / max(1, there.sum()))


def test_a_recording_of_many_strokes_is_drawn_to_its_end(fax) -> None:
    strokes = []
    for row in range(12):
        y = 780 - 62 * row
        for step in range(4500):
            x = 40 + step * 0.11
            rise = 20 * math.sin(step / 9) * math.cos(step / 70)
            strokes.append(f"{x:.2f} {y + rise:.2f} m {x + 0.11:.2f} {y + 20 * math.sin((step + 1) / 9):.2f} l S")
    page = fax("0.24 w 0 G\n" + "\n".join(strokes))
    inks = [page.ink(40, 760 - 62 * row, 495, 45) for row in range(12)]
    assert min(inks) > 0.5 * max(inks)


def test_what_a_renderer_drops_is_drawn_again() -> None:
    """A renderer that gives up on windows of more than 200 rows, as one does that has a limit of its own."""
    page = np.full((1200, 800), 255, np.uint8)
    page[:, ::7] = 0

    def draw(width: int, rows: int, left: int, top: int, breadth: int, height: int):
        if (width, rows) != (800, 1200):  # the small drawing
            return np.full((height, breadth), 218, np.uint8)
        window = page[top : top + height, left : left + breadth].copy()
        if height > 200:
            window[200:] = 255
        return window

    drawn, missing = draw_whole(draw, 800, 1200)
    assert (drawn == page).all()
    assert missing == 0


def test_what_cannot_be_drawn_is_reported() -> None:
    def draw(width: int, rows: int, left: int, top: int, breadth: int, height: int):
        return np.full((height, breadth), 255 if width == 800 else 100, np.uint8)

    _, missing = draw_whole(draw, 800, 1200)
    assert missing == 1.0


@pytest.mark.parametrize("angle", [0.0, 0.93])
def test_a_watermark_is_a_tint_under_type_that_stays_black(fax, angle: float) -> None:
    type_alone = fax(lines(60, 760, 45))
    both = fax(text(90, 250, 88, "COPY ONLY", "B", 0.75, angle) + lines(60, 760, 45))
    assert agreement(both, type_alone, 60, 170, 420, 600) > 0.97
    # The mark is there, and no darker than a tint.
    mark = fax(text(90, 250, 88, "COPY ONLY", "B", 0, angle)).black
    assert 0.1 < (both.black & ~type_alone.black)[mark].mean() < 0.35
    solid = np.lib.stride_tricks.sliding_window_view(both.black, (12, 12))[::4, ::4].all(axis=(2, 3))
    assert not solid.any()


def test_large_type_of_a_light_colour_is_black_where_nothing_lies_on_it(fax) -> None:
    page = fax("".join(text(60, 700 - 80 * i, 60, "Light", "B", grey) for i, grey in enumerate((0.6, 0.7, 0.8, 0.85))))
    strong = fax("".join(text(60, 700 - 80 * i, 60, "Light", "B") for i in range(4)))
    for i in range(4):
        assert agreement(page, strong, 55, 680 - 80 * i, 200, 75) > 0.93


def test_dark_and_light_type_on_one_plate_are_both_read(fax) -> None:
    plate = "0.5 g 80 300 380 200 re f\n"
    page = fax(plate + text(100, 440, 12, "Small dark words") + text(100, 400, 12, "Small white words", grey=1))
    expected = fax(text(100, 440, 12, "Small dark words") + text(100, 400, 12, "Small white words"))
    assert agreement(page, expected, 95, 435, 200, 16) > 0.97
    letters = expected.box(95, 395, 200, 16)
    assert (~page.box(95, 395, 200, 16))[letters].mean() > 0.9  # white where the letters are
    around = np.zeros_like(letters)
    around[1:-1, 1:-1] = letters[2:, 1:-1] | letters[:-2, 1:-1] | letters[1:-1, 2:] | letters[1:-1, :-2]
    assert page.box(95, 395, 200, 16)[around & ~letters].mean() > 0.6  # and dark beside them
    assert 0.3 < page.ink(300, 320, 100, 60) < 0.7  # the plate keeps its tone


def test_a_dark_word_half_on_a_plate_stays_whole(fax) -> None:
    page = fax(
        "0.66 g 80 560 380 200 re f\n"
        + text(60, 720, 40, "Dark words", grey=0.25)
        + text(180, 620, 44, "White", grey=1)
    )
    word = fax(text(60, 720, 40, "Dark words"))
    assert agreement(page, word, 55, 708, 220, 45) > 0.97


@pytest.mark.parametrize("grey", [0.6, 0.75, 0.83])
def test_a_sheet_that_becomes_white_under_type_keeps_the_edges_of_its_boxes(fax, grey: float) -> None:
    boxes = "".join(f"1 g 60 {600 - i * 140} 300 80 re f\n" for i in range(4))
    page = fax(f"{grey} g 20 20 555 802 re f\n" + lines(40, 790, 6) + boxes)
    for i in range(4):
        edge = page.box(57, 600 - i * 140 + 5, 6, 70)
        assert edge.any(axis=1).mean() > 0.98, "a line stands at the left edge, all the way"


def test_shaded_rows_of_a_table_stay_apart(fax) -> None:
    rows = "".join(f"{0.85 if i % 2 else 1} g 50 {692 - 24 * i} 500 24 re f\n" for i in range(10))
    words = "".join(text(60, 699 - 24 * i, 10, f"Row {i}: sodium 140 mmol/l, normal") for i in range(10))
    page = fax(rows + words)
    for i in (1, 3, 5):
        assert page.box(250, 692 - 24 * i - 2, 250, 4).any(axis=0).mean() > 0.98


def test_type_of_nearly_the_colour_of_its_ground_does_not_vanish(fax) -> None:
    page = fax("0.1 g 50 30 400 50 re f\n" + text(60, 60, 10, "Dark grey on nearly black", grey=0.3))
    assert (~page.box(60, 58, 120, 11)).mean() > 0.04


def test_shaded_bars_keep_their_shades_and_a_curve_over_them(fax) -> None:
    def height(x: float) -> float:
        return 420 - 60 * math.sin((x - 70) / 45)

    content = ""
    for bar in range(6):
        for strip in range(80):
            content += f"{0.75 - 0.0045 * strip:.4f} g {70 + 75 * bar} {340 + 3 * strip} 50 3.2 re f\n"
    curve = " ".join(f"{x} {height(x):.1f} {'m' if x == 70 else 'l'}" for x in range(70, 520, 5))
    sheet = fax(f"{content} q /T gs 0.1 0.2 0.7 RG 6 w {curve} S Q", resources="/ExtGState << /T << /CA 0.5 >> >>")

    for bar in range(6):
        foot, top = (sheet.ink(75 + 75 * bar, y, 40, 20) for y in (345, 555))
        assert foot < 0.5 < top < 0.95
    for x in range(90, 500, 15):
        # Where the curve rises steeply, a box of its width holds less of it.
        on = sheet.ink(x - 2, height(x) - 2, 4, 4)
        beside = max(sheet.ink(x - 2, height(x) + shift, 4, 4) for shift in (-22, 18))
        assert on > beside + 0.08, x


def test_type_on_a_shaded_plate_is_read_in_black_and_in_white(fax) -> None:
    def shade(darkest: float, lightest: float, y: float) -> str:
        return "".join(
            f"{darkest + (lightest - darkest) * step / 260:.4f} g {40 + 2 * step} {y} 2.2 150 re f\n"
            for step in range(260)
        )

    black, white = lines(50, 640, 6), lines(50, 440, 6, grey=1)
    sheet = fax(shade(0.45, 0.95, 560) + black + shade(0.05, 0.45, 360) + white)
    plain = fax(black + lines(50, 440, 6))

    assert agreement(sheet, plain, 50, 570, 400, 90) > 0.9
    type_on_dark, plain_type = sheet.box(50, 370, 400, 90), plain.box(50, 370, 400, 90)
    assert (~type_on_dark & plain_type).sum() / plain_type.sum() > 0.85
