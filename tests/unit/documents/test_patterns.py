# SPDX-License-Identifier: GPL-2.0-or-later
"""The eight test patterns, judged by what a reader sees on the page: lines whole, greys in order, small type legible."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pypdfium2 as pdfium
import pytest
from PIL import Image

from softfax.documents.begin import prepare
from softfax.documents.bilevel import bilevel
from softfax.documents.tiff import read_pages
from softfax.documents.types import PageClass, PageInfo, RasterSettings

SAMPLES = Path(__file__).resolve().parents[3] / "samples"
sys.path.insert(0, str(SAMPLES))
import patterns

Dots = npt.NDArray[np.bool_]
SETTINGS = {"fine": RasterSettings(), "superfine": RasterSettings(resolution="superfine")}
DOTS_PER_MM = 1728 / 215
LEFT_MM = (215 - 210) / 2
#: Dots per mm of what a page is compared with.
SCALE = 4 * 203.99 / 25.4


class Page:
    """A page of dots, asked in millimetres of the paper."""

    def __init__(self, info: PageInfo, black: Dots) -> None:
        self.info, self.black = info, black
        self.rows_per_mm = info.rows / 297

    def box(self, x: float, y: float, width: float, height: float) -> Dots:
        left, right = (round((v + LEFT_MM) * DOTS_PER_MM) for v in (x, x + width))
        top, bottom = (round(v * self.rows_per_mm) for v in (y, y + height))
        return self.black[top:bottom, left:right]

    def ink(self, *box: float) -> float:
        return float(self.box(*box).mean())


@pytest.fixture(scope="module")
def page_of(tmp_path_factory: pytest.TempPathFactory):
    @cache
    def made(resolution: str) -> list[Page]:
        document = prepare([SAMPLES / "patterns.pdf"], SETTINGS[resolution], tmp_path_factory.mktemp(resolution))
        read = read_pages(document.tiff)
        return [Page(info, black) for info, (_, black) in zip(document.pages, read, strict=True)]

    return lambda number, resolution="fine": made(resolution)[number - 1]


@cache
def drawn(number: int) -> np.ndarray:
    """Greys of a page as the PDF has it, at four times the resolution of a fax."""
    page = pdfium.PdfDocument(SAMPLES / "patterns.pdf")[number - 1]
    grey = page.render(scale=SCALE * 25.4 / 72, grayscale=True).to_numpy()
    return grey.reshape(grey.shape[:2]).copy()


def legible(page: Page, number: int, x: float, y: float, width: float, height: float) -> float:
    """Return how well type can be read: agreement of its ink with what the PDF says at four times the resolution, 0 to 1.

    It counts the dots of ink that came out black, give or take one dot, and those that are black where there is no ink.
    """
    left, right = (round((v + LEFT_MM) * DOTS_PER_MM) for v in (x, x + width))
    top, bottom = (round(v * page.rows_per_mm) for v in (y, y + height))
    black = page.black[top:bottom, left:right]
    xs = ((np.arange(left, right + 1) - 20) / DOTS_PER_MM * SCALE).round().astype(int)
    ys = (np.arange(top, bottom + 1) / page.rows_per_mm * SCALE).round().astype(int)
    part = 255 - drawn(number)[ys[0] : ys[-1], xs[0] : xs[-1]].astype(float)
    ys, xs = ys - ys[0], xs - xs[0]
    means = np.add.reduceat(np.add.reduceat(part, ys[:-1], 0), xs[:-1], 1)
    means /= np.outer(np.diff(ys), np.diff(xs))
    full = means.max()
    must, may = means > 0.62 * full, means > 0.12 * full
    kept = (near(black) & must).sum() / max(1, must.sum())
    spilt = (black & ~near(may)).sum() / max(1, black.sum())
    amount = black.sum() * full / max(1.0, means.sum())
    return float(kept * (1 - spilt)) if 0.75 < amount < 1.5 else 0.0


def near(dots: Dots) -> Dots:
    """With the dots beside them: PDFium places letters on whole dots."""
    p = np.pad(dots, 1)
    rows, columns = dots.shape
    return np.logical_or.reduce([p[y : y + rows, x : x + columns] for y in range(3) for x in range(3)])


@pytest.mark.parametrize("resolution", ["fine", "superfine"])
def test_every_line_is_whole_however_thin(page_of, resolution: str) -> None:
    page = page_of(1, resolution)
    for i, width in enumerate(patterns.LINE_WIDTHS_MM):
        across = page.box(45, 28.5 + 8 * i, 50, 3)
        assert across.any(axis=0).mean() > 0.999, f"the horizontal line of {width} mm has gaps"
        down = page.box(113.5 + 8 * i, 35, 3, 50)
        assert down.any(axis=1).mean() > 0.999, f"the vertical line of {width} mm has gaps"
        thickness_mm = across.sum(axis=0).mean() / page.rows_per_mm
        assert thickness_mm <= width + 0.21


def test_the_star_has_all_its_rays(page_of) -> None:
    page = page_of(1)
    angles = np.linspace(0, 2 * np.pi, 7200, endpoint=False)
    ys = ((190 + 60 * np.sin(angles)) * page.rows_per_mm).astype(int)
    xs = ((105 + LEFT_MM + 60 * np.cos(angles)) * DOTS_PER_MM).astype(int)
    ring = page.black[ys, xs]
    assert int((ring & ~np.roll(ring, 1)).sum()) == 72


def test_greys_are_in_order_and_near_their_tone(page_of) -> None:
    page = page_of(2)
    steps = [page.ink(22 + 15.5 * i, 35, 11.5, 50) for i in range(patterns.STEPS)]
    assert steps == sorted(steps, reverse=True)
    assert steps[0] > 0.98
    assert steps[-1] < 0.01
    for i in range(3, 9):
        assert abs(steps[i] - (1 - i / 10)) < 0.16
    ramp = [page.ink(25 + 10 * i, 115, 10, 50) for i in range(16)]
    assert ramp == sorted(ramp, reverse=True)


@pytest.mark.parametrize("resolution", ["fine", "superfine"])
def test_type_from_six_points_is_legible(page_of, resolution: str) -> None:
    page = page_of(3, resolution)
    for face in range(4):
        for i, points in enumerate(patterns.TYPE_POINTS):
            y = 34 + 60 * face + 7 * i
            agreement = legible(page, 3, 20, y - 3.5, 90, 4.8)
            assert agreement > 0.95, (face, points, agreement)


def test_grey_and_coloured_type_is_as_black_as_black_type(page_of) -> None:
    page = page_of(4)
    ink = [page.ink(20, 29 + 7 * i, 90, 4) for i in range(len(patterns.TYPE_COLOURS))]
    for colour, share in zip(patterns.TYPE_COLOURS, ink, strict=True):
        assert 0.75 * ink[0] < share < 1.3 * ink[0], colour
    for i, colour in enumerate(patterns.TYPE_COLOURS):
        assert legible(page, 4, 20, 29 + 7 * i, 90, 4) > 0.97, colour


def test_light_tints_are_paper_dark_ones_ink_and_type_shows_on_both(page_of) -> None:
    page = page_of(4)
    for i, (_ground, ink) in enumerate(patterns.GROUNDS):
        y = 100 + 16 * i
        empty, typed = page.ink(140, y + 1, 40, 10), page.ink(25, y + 5, 80, 4)
        if ink == "#000000":
            assert empty < 0.01
            assert 0.08 < typed < 0.3
        else:
            assert empty > 0.99
            assert 0.6 < typed < 0.92
    assert page.ink(20, 198, 150, 17) > 0.25, "large type in a light colour is black"


def test_a_photograph_and_small_type_survive_on_one_page(page_of) -> None:
    page = page_of(5)
    assert 0.2 < page.info.pictures < 0.35
    for i in range(4):
        assert legible(page, 5, 20, 145 + 6 * i, 80, 4) > 0.97
        assert legible(page, 5, 20, 175 + 6 * i, 80, 4) > 0.97
    photo = page.box(20, 30, 165, 110)
    rows, columns = (n // 24 * 24 for n in photo.shape)
    tiles = photo[:rows, :columns].reshape(rows // 24, 24, columns // 24, 24).mean(axis=(1, 3))
    grey = pdfium.PdfDocument(SAMPLES / "patterns.pdf")[4].render(scale=1).to_pil().convert("L")
    box = tuple(round(v * 72 / 25.4) for v in (20, 30, 185, 140))
    wanted = 1 - np.asarray(grey.crop(box).resize(tiles.shape[::-1]), dtype=float) / 255  # type: ignore[arg-type]
    assert np.corrcoef(tiles.ravel(), wanted.ravel())[0, 1] > 0.93
    assert page.info.bytes < 130_000, "clustered dots: error diffusion takes about three times that"


def test_line_pairs_of_two_dots_are_resolved(page_of) -> None:
    page = page_of(6)
    for i, dots in enumerate(patterns.PAIRS_DOTS):
        if dots == 1:
            continue  # finer than any phase of the dots can show
        down = page.box(32, 40 + 45 * i, 34, 10)
        changes = np.diff(down[5].astype(int)).clip(0).sum()
        assert changes == pytest.approx(34 / (2 * dots * patterns.DOT_MM), abs=2), dots
        assert 0.35 < down.mean() < 0.8


def test_a_table_keeps_its_hairlines_and_loses_its_tint(page_of) -> None:
    page = page_of(7)
    for r in range(2, 17):
        assert page.box(21, 29.5 + 9 * r, 168, 1).any(axis=0).mean() > 0.99, f"the line under row {r}"
    for k in range(6):
        assert page.box(19.5 + 34 * k, 40, 1, 130).any(axis=1).mean() > 0.99, f"the line beside column {k}"
    for r in range(1, 16):
        assert page.ink(45, 31.5 + 9 * r, 8, 6) < 0.01, "cells are white"
    assert page.ink(40, 31, 12, 6) > 0.95, "the head is black"


def test_a_frame_at_the_edge_is_brought_inside_what_machines_print(page_of, tmp_path: Path) -> None:
    page = page_of(8)
    side = round(9 * DOTS_PER_MM)
    assert not page.black[:, :side].any()
    assert not page.black[:, -side:].any()
    columns = np.flatnonzero(page.black[page.info.rows // 2])
    assert columns[0] < 1.2 * side
    assert columns[-1] > 1728 - 1.2 * side
    left_alone = prepare([SAMPLES / "patterns.pdf#pages=8"], RasterSettings(fit=False), tmp_path)
    ((_, black),) = read_pages(left_alone.tiff)
    assert np.flatnonzero(black[page.info.rows // 2])[0] == pytest.approx((LEFT_MM + 1) * DOTS_PER_MM, abs=3)


def test_an_area_inside_a_picture_belongs_to_it() -> None:
    """A ring of greys around a plain square: the picture's rectangle takes the square over."""
    rng = np.random.default_rng(8)
    grey = np.full((1200, 1728), 255, np.uint8)
    grey[200:900, 300:1300] = np.clip(rng.normal(120, 60, (88, 125)).repeat(8, 0).repeat(8, 1)[:700, :1000], 0, 255)
    grey[400:700, 600:1000] = 255
    grey[450:650, 650:950] = 140

    dots = bilevel(Image.fromarray(grey), PageClass.of("fine"))

    assert dots.pictures > 0.2
    assert not np.asarray(dots.image)[200:900, 300:1300].all()
