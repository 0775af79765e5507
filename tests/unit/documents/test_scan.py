# SPDX-License-Identifier: GPL-2.0-or-later
"""Scans become straight and white without what is around the paper; what is no scan is left as it is, and no ink is lost."""

from __future__ import annotations

import io
import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from softfax.documents.begin import prepare
from softfax.documents.image import ImageSheet
from softfax.documents.load import open_document
from softfax.documents.scan import ScanFindings, ScannedSheet, look_at, straightened
from softfax.documents.text import text_sheets
from softfax.documents.types import DocumentLimits, FaxImage, PageClass, RasterSettings, Source

WIDTH, ROWS = 1654, 2339
DPI = (200.0, 200.0)
WORDS = [
    "the",
    "patient",
    "was",
    "seen",
    "on",
    "monday",
    "with",
    "pain",
    "in",
    "left",
    "arm",
    "blood",
    "pressure",
    "normal",
    "no",
    "fever",
    "treatment",
    "report",
    "values",
]


def letter() -> Image.Image:
    """A page of type, 200 dots an inch."""
    chance = random.Random(1)
    lines = [" ".join(chance.choice(WORDS) for _ in range(chance.randint(6, 11))) for _ in range(50)]
    return text_sheets("Dear colleague,\n\n" + "\n".join(lines))[0].render(WIDTH, ROWS)


PAGE = letter()


def scanned(
    page: Image.Image, angle: float = 0.0, *, paper: int = 250, border: int = 0, holes: bool = False, shade: float = 0.0
) -> Image.Image:
    """Return a page as a scanner sees it: soft, noisy, askew, on paper of some grey, with darkness around it."""
    image = page.filter(ImageFilter.GaussianBlur(0.6))
    if holes:
        pen = ImageDraw.Draw(image)
        for middle in (ROWS // 2 - 315, ROWS // 2 + 315):
            pen.ellipse((70, middle - 24, 118, middle + 24), fill=10)
    grey = np.asarray(image, float) * (paper / 255) * (1 - shade * np.linspace(0, 1, WIDTH)[None, :])
    image = Image.fromarray(grey.astype(np.uint8))
    if border:
        around = Image.new("L", image.size, 20)
        around.paste(image.resize((WIDTH - 2 * border, ROWS - 2 * border)), (border, border))
        image = around
    image = image.rotate(angle, Image.Resampling.BICUBIC, fillcolor=20 if border else paper)
    noise = np.random.default_rng(1).normal(0, 3, (ROWS, WIDTH))
    made = io.BytesIO()
    Image.fromarray((np.asarray(image, float) + noise).clip(0, 255).astype(np.uint8)).save(made, "JPEG", quality=80)
    return Image.open(made).convert("L")


def found(page: Image.Image, *, certain: bool = True) -> ScanFindings | None:
    return look_at(np.asarray(ImageSheet(page, DPI).render(827, 1170)), certain=certain)


def cleaned(page: Image.Image) -> np.ndarray:
    """The page as it is drawn, in the size of its source."""
    sheet = straightened(ImageSheet(page, DPI), "auto")
    assert isinstance(sheet, ScannedSheet)
    return np.asarray(sheet.render(WIDTH, ROWS))


def ink_in_common(page: np.ndarray, wanted: Image.Image = PAGE) -> float:
    """The share of the letters' ink, in blocks, that is where it was on the sheet."""

    def blocks(grey: np.ndarray) -> np.ndarray:
        return np.asarray(Image.fromarray(grey).reduce(8)) < 235

    ink, there = blocks(np.asarray(wanted)), blocks(page)
    near = np.asarray(Image.fromarray(there).convert("L").filter(ImageFilter.MaxFilter(5))) > 0
    return float((ink & near).sum() / ink.sum())


@pytest.mark.parametrize("angle", [0.5, -0.5, 1.0, -2.0, 3.5, 5.0, -5.0])
def test_a_page_that_leans_over_is_straight(angle: float) -> None:
    seen = found(scanned(PAGE, angle))
    assert seen is not None
    assert abs(seen.angle - angle) <= 0.1
    assert ink_in_common(cleaned(scanned(PAGE, angle))) > 0.99


def test_a_page_on_its_side_is_straight_too() -> None:
    lying = ImageSheet(scanned(PAGE, 2.0).transpose(Image.Transpose.ROTATE_90), DPI)
    seen = look_at(np.asarray(lying.render(1170, 827)))
    assert seen is not None
    assert abs(seen.angle - 2.0) <= 0.1


@pytest.mark.parametrize(("angle", "border"), [(0.0, 40), (1.5, 60), (-4.0, 60)])
def test_the_dark_around_the_paper_becomes_white(angle: float, border: int) -> None:
    page = cleaned(scanned(PAGE, angle, border=border, paper=235))
    assert (page[:, :20] < 128).mean() < 0.001
    assert (page[:, -20:] < 128).mean() < 0.001
    assert (page[:20] < 128).mean() < 0.001
    assert (page[-20:] < 128).mean() < 0.001
    smaller = Image.new("L", (WIDTH, ROWS), 255)
    smaller.paste(PAGE.resize((WIDTH - 2 * border, ROWS - 2 * border)), (border, border))
    assert ink_in_common(page, smaller) > 0.99


def test_ink_at_the_margin_stays() -> None:
    page = PAGE.copy()
    pen = ImageDraw.Draw(page)
    for row in range(100, ROWS - 100, 150):
        pen.text((4, row), "Note", fill=0, font_size=34)
        pen.text((WIDTH - 60, row), "No", fill=0, font_size=34)
    pen.line((0, 40, WIDTH, 40), fill=0, width=6)
    for angle in (0.0, 1.0):
        assert ink_in_common(cleaned(scanned(page, angle, paper=240)), page) > 0.985


@pytest.mark.parametrize("angle", [0.0, 2.0])
def test_holes_are_closed_and_their_like_among_type_stay(angle: float) -> None:
    page = cleaned(scanned(PAGE, angle, holes=True))
    for middle in (ROWS // 2 - 315, ROWS // 2 + 315):
        assert (page[middle - 40 : middle + 40, 40:118] < 128).mean() < 0.01
    one = PAGE.copy()
    ImageDraw.Draw(one).ellipse((70, 1000, 118, 1048), fill=0)
    kept = cleaned(scanned(one, angle))
    assert (kept[1000:1048, 70:118] < 128).mean() > 0.5


@pytest.mark.parametrize(("paper", "shade"), [(215, 0.0), (235, 0.12)])
def test_paper_becomes_white_and_a_tint_stays(paper: int, shade: float) -> None:
    page = PAGE.copy()
    ImageDraw.Draw(page).rectangle((900, 1900, 1500, 2100), fill=190)
    out = cleaned(scanned(page, paper=paper, shade=shade))
    assert np.median(out[2150:2300]) == 255
    assert np.median(out[1950:2050, 1000:1400]) < 225
    assert ink_in_common(out, PAGE) > 0.99


def photograph() -> Image.Image:
    dots = np.random.default_rng(3).integers(0, 255, (30, 40), np.uint8)
    return Image.fromarray(dots).resize((WIDTH, ROWS), Image.Resampling.BICUBIC)


def form(*, side: bool = False) -> Image.Image:
    page = PAGE.copy()
    pen = ImageDraw.Draw(page)
    pen.rectangle((0, 0, 90, ROWS) if side else (0, 0, WIDTH, 180), fill=30)
    pen.text((120, 60), "CLINIC", fill=255, font_size=80)
    return page


def hatched() -> Image.Image:
    page = Image.new("L", (WIDTH, ROWS), 255)
    pen = ImageDraw.Draw(page)
    for row in range(200, 1800, 40):
        pen.line((100, row, 1500, row - 60), fill=0, width=3)
    return page


@pytest.mark.parametrize(
    "page",
    [PAGE, photograph(), scanned(photograph()), Image.eval(PAGE, lambda v: 255 - v), form(), form(side=True), hatched(),
     Image.new("L", (WIDTH, ROWS), 255), Image.new("L", (WIDTH, ROWS), 0), Image.new("L", (300, 300), 255)],
    ids=["clean", "photograph", "scan of one", "inverted", "dark head", "dark side", "hatched", "white", "black", "small"],
)  # fmt: skip
def test_what_is_no_scan_is_left_as_it_is(page: Image.Image) -> None:
    assert found(page) is None
    sheet = ImageSheet(page, DPI)
    assert straightened(sheet, "auto") is sheet


def test_a_dark_head_of_a_scanned_form_stays() -> None:
    out = cleaned(scanned(form(), 1.0))
    assert (out[60:140, 600:1500] < 128).mean() > 0.9


def test_the_option_decides(tmp_path: Path) -> None:
    path = tmp_path / "scan.png"
    scanned(PAGE, 2.0, border=50, paper=235).save(path, dpi=DPI)
    black = {}
    for scan in ("auto", "on", "off"):
        (tmp_path / scan).mkdir()
        made = prepare([path], RasterSettings(scan=scan), tmp_path / scan)  # type: ignore[arg-type]
        black[scan] = 1 - np.asarray(Image.open(made.tiff).convert("1")).mean()
    assert black["auto"] == black["on"]
    assert black["off"] > black["auto"] + 0.05
    # Clean and straight as a program draws it: only `on` looks at a page that is drawn and no picture.
    fax = FaxImage(Image.new("1", (1728, 2200), 1), PageClass.of("fine"))
    assert straightened(fax, "on") is fax


def test_a_scanners_pdf_is_a_scan_and_a_drawn_one_is_none(tmp_path: Path) -> None:
    for name, page, straight in (("scan.pdf", scanned(PAGE, 1.5, paper=235), True), ("clean.pdf", PAGE, False)):
        path = tmp_path / name
        page.save(path, "PDF", resolution=200)
        sheet = next(iter(open_document(Source(path=path), DocumentLimits())))
        assert getattr(sheet, "is_picture", False)
        assert isinstance(straightened(sheet, "auto"), ScannedSheet) is straight


def test_flat_dots_are_turned_in_true_proportions() -> None:
    sheet = straightened(ImageSheet(scanned(PAGE, 3.0), DPI), "auto")
    for width, rows in ((1728, 1146), (1728, 2287), (2592, 3508)):
        drawn = sheet.render(width, rows)
        assert drawn.size == (width, rows)
        assert ink_in_common(np.asarray(drawn.resize((WIDTH, ROWS), Image.Resampling.BILINEAR))) > 0.98
