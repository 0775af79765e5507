# SPDX-License-Identifier: GPL-2.0-or-later
"""Cover pages: what stands where, and templates that people write."""

from __future__ import annotations

import base64
import dataclasses
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from softfax.documents.cover import CoverFields, CoverSheet, cover_sheet, cover_templates
from softfax.documents.fonts import Style
from softfax.documents.types import Sheet
from softfax.documents.typeset import Type
from softfax.errors import UsageError
from tests.support.reading import Black, bands, black, pieces, read_typewritten, shapes_of

ENGLISH = CoverFields(
    to="Dr. Anna Smith",
    to_company="Smith & Sons <Ltd>",
    to_number="+49 30 7654321",
    sender="John Miller",
    sender_company="Softfax",
    sender_number="+44 20 7946 0958",
    subject="Contract 2026/1123",
    pages=4,
    date="21 November 2026",
    note="Dear Dr. Smith,\n\nplease find the contract enclosed.",
)
PERSIAN = CoverFields(
    to="دکتر رضایی", sender="مریم", subject="قرارداد", pages=3, date="۳۰ آبان", note="با سلام و احترام"
)
GRIDS = [(1728, 1146), (1728, 2292), (1728, 4572), (2592, 3508)]


def region(page: Black, x_mm: float, y_mm: float, width_mm: float, height_mm: float) -> Black:
    rows, width = page.shape
    x, y = width / 210, rows / 297
    return page[round(y_mm * y) : round((y_mm + height_mm) * y), round(x_mm * x) : round((x_mm + width_mm) * x)]


def template(
    tmp_path: Path, inner: str, attributes: str = 'width="210mm" height="297mm" viewBox="0 0 210 297"'
) -> Path:
    path = tmp_path / "mine.svg"
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" {attributes}>{inner}</svg>'
    )
    return path


# ---- the ones that come with softfax ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(cover_templates()))
@pytest.mark.parametrize("grid", GRIDS)
def test_every_template_is_drawn_at_every_resolution(name: str, grid: tuple[int, int]) -> None:
    sheet = cover_sheet(ENGLISH, name)
    assert isinstance(sheet, Sheet)
    image = sheet.render(*grid)
    assert (image.mode, image.size) == ("L", grid)
    assert (sheet.width_inches, sheet.height_inches) == (pytest.approx(8.27, abs=0.01), pytest.approx(11.69, abs=0.01))
    page = black(image)
    assert 0.003 < page.mean() < 0.08
    # Nothing where machines do not print.
    rows, width = page.shape
    assert not page[: rows // 40].any()
    assert not page[:, : width // 30].any()
    assert not page[:, -width // 30 :].any()


def test_there_are_a_drawn_a_plain_and_a_persian_template() -> None:
    assert {"default", "persian", "plain"} <= set(cover_templates())


def test_no_grey() -> None:
    levels = np.asarray(cover_sheet(ENGLISH).render(1728, 1146))
    assert ((levels > 40) & (levels < 220)).mean() < 0.004


def test_values_stand_on_the_page() -> None:
    page = black(cover_sheet(ENGLISH).render(1728, 2292))
    left = 20 / 25.4 * 72
    name, company = (shapes_of(region(page, 20, y, 80, 6.5)) for y in (68, 77))
    assert name == pieces("Dr. Anna Smith", Type(Style.BOLD, 6.2 / 25.4 * 72), left)
    assert company == pieces("Smith & Sons <Ltd>", Type(Style.SANS, 4.6 / 25.4 * 72), left)


def test_word_mark_is_big() -> None:
    page = black(cover_sheet(CoverFields()).render(1728, 2292))
    mark = region(page, 15, 15, 100, 40)
    rows = np.flatnonzero(mark.any(axis=1))
    assert (rows[-1] - rows[0]) / 2292 * 297 > 25


def test_persian_subject_and_note_stand_at_the_right() -> None:
    page = black(cover_sheet(PERSIAN).render(1728, 2292))
    for y, height in ((106, 9), (130, 12)):
        ink = np.flatnonzero(region(page, 0, y, 210, height).any(axis=0))
        assert ink[-1] / 1728 * 210 == pytest.approx(190, abs=1.5)
        assert ink[0] / 1728 * 210 > 110


def test_the_persian_template_is_mirrored() -> None:
    page = black(cover_sheet(PERSIAN, "persian").render(1728, 2292))
    mark = np.flatnonzero(region(page, 0, 12, 210, 42).any(axis=0))
    assert mark[-1] / 1728 * 210 == pytest.approx(188, abs=4)
    assert not region(page, 20, 68, 30, 20).any()


def test_empty_fields_leave_their_labels_out() -> None:
    with_subject, without = (
        black(cover_sheet(f).render(1728, 2292)) for f in (ENGLISH, dataclasses.replace(ENGLISH, subject=""))
    )
    assert region(with_subject, 15, 98, 180, 30).any()
    assert not region(without, 15, 98, 180, 30).any()


def test_a_long_note_is_cut_at_its_box() -> None:
    fields = dataclasses.replace(ENGLISH, note="A long note. " * 1000)
    page = black(cover_sheet(fields).render(1728, 2292))
    assert region(page, 15, 250, 180, 24).any()
    assert not region(page, 0, 276.5, 210, 20).any()


def test_a_long_name_is_made_smaller_then_cut() -> None:
    fields = dataclasses.replace(ENGLISH, to="Prof. Dr. Maximilian Mustermann-Beispiel " * 5)
    page = black(cover_sheet(fields).render(1728, 2292))
    assert region(page, 20, 67, 80, 8).any()
    assert not region(page, 100.5, 67, 9, 8).any()


def test_a_character_without_a_shape_is_said() -> None:
    sheet = cover_sheet(dataclasses.replace(ENGLISH, to="漢"))
    assert isinstance(sheet, CoverSheet)
    assert "U+6F22" in sheet.warning
    assert cover_sheet(ENGLISH).warning == ""  # type: ignore[attr-defined]


# ---- plain text ------------------------------------------------------------------------------------------------------------


def test_a_plain_text_template(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text("FAX for {to} ({pages} pages)\n  {to_company}\n{subject}\nend")
    page = cover_sheet(CoverFields(to="Anna", pages=2, subject=""), path).render(1728, 2292)
    assert read_typewritten(page) == ["FAX for Anna (2 pages)", "end"]


def test_the_plain_template_is_one_page_however_long_the_note() -> None:
    sheet = cover_sheet(dataclasses.replace(ENGLISH, note="word " * 4000), "plain")
    lines = read_typewritten(sheet.render(1728, 2292))
    assert lines[0] == "F A X"
    assert len(lines) <= 60


# ---- templates of users ----------------------------------------------------------------------------------------------------


def test_boxes_text_and_conditions(tmp_path: Path) -> None:
    path = template(
        tmp_path,
        '<g transform="translate(10, 20)"><rect data-text="To {to}" x="0" y="0" width="90" height="10" data-size="5"/></g>'
        '<text x="10" y="100" font-size="8" font-family="Helvetica">{subject}</text>'
        '<g data-if="note"><rect x="10" y="200" width="50" height="10"/></g>',
    )
    page = black(cover_sheet(CoverFields(to="Anna", subject="S & <T>"), path).render(1728, 2292))
    assert region(page, 10, 20, 40, 8).any()
    assert region(page, 10, 90, 60, 14).any()
    assert not region(page, 0, 190, 210, 30).any()


@pytest.mark.parametrize("align", ["left", "center", "right", "start", "end"])
@pytest.mark.parametrize("valign", ["top", "middle", "bottom"])
def test_alignment(tmp_path: Path, align: str, valign: str) -> None:
    box = f'<rect data-text="Word" x="50" y="100" width="100" height="60" data-size="8" data-align="{align}" data-valign="{valign}"/>'
    page = black(cover_sheet(CoverFields(), template(tmp_path, box)).render(1728, 2292))
    (row,), (column, *_) = bands(page.any(axis=1), 30), bands(page.any(axis=0), 60)
    across = (column[0] + column[1]) / 2 / 1728 * 210
    down = (row[0] + row[1]) / 2 / 2292 * 297
    assert (
        {"left": 50, "start": 50, "center": 85, "right": 115, "end": 115}[align]
        <= across
        <= {
            "left": 85,
            "start": 85,
            "center": 115,
            "right": 150,
            "end": 150,
        }[align]
    )
    assert (
        {"top": 100, "middle": 120, "bottom": 145}[valign] <= down <= {"top": 115, "middle": 140, "bottom": 160}[valign]
    )


def test_an_embedded_picture_is_drawn(tmp_path: Path) -> None:
    data = io.BytesIO()
    Image.new("L", (8, 8), 0).save(data, "PNG")
    href = "data:image/png;base64," + base64.b64encode(data.getvalue()).decode()
    path = template(tmp_path, f'<image x="10" y="10" width="30" height="30" xlink:href="{href}"/>')
    assert region(black(cover_sheet(CoverFields(), path).render(1728, 2292)), 12, 12, 26, 26).all()


@pytest.mark.parametrize(
    ("inner", "message"),
    [
        ('<image href="/etc/passwd"/>', "refers to '/etc/passwd'"),
        ('<image xlink:href="https://example.com/a.png"/>', "refers to 'https"),
        ('<image href="data:image/svg+xml;base64,AAAA"/>', "refers to 'data:image/svg"),
        ('<use href="other.svg#a"/>', "refers to"),
        ('<rect data-text="{too}" width="10" height="10"/>', "unknown field {too}"),
        ("<text>{nobody}</text>", "unknown field {nobody}"),
        ('<rect data-text="x" width="ten" height="10"/>', "wrong value"),
        ('<rect data-text="x" width="10" height="10" data-font="comic"/>', "wrong value"),
        ('<rect data-text="x" width="10" height="10" data-align="justify"/>', "alignment"),
        ('<rect data-text="x" width="10" height="10" data-size="nan"/>', "wrong"),
        ('<circle data-text="x" r="4"/>', "not a <rect>"),
        ('<g transform="rotate(3)"><rect data-text="x" width="10" height="10"/></g>', "turned"),
        ("<g>", "not XML"),
        ("<g>" * 5000 + "</g>" * 5000, "nested too deep"),
    ],
)
def test_a_bad_template_is_one_clear_line(tmp_path: Path, inner: str, message: str) -> None:
    with pytest.raises(UsageError) as error:
        cover_sheet(ENGLISH, template(tmp_path, inner))
    assert message in str(error.value)
    assert "mine.svg" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "attributes",
    ['width="0"', 'width="9km"', 'viewBox="0 0 0 0"', 'width="210mm" height="297mm" viewBox="0 0 nan 1"', ""],
)
def test_a_page_without_a_size_is_refused(tmp_path: Path, attributes: str) -> None:
    with pytest.raises(UsageError):
        cover_sheet(ENGLISH, template(tmp_path, "", attributes))


def test_entities_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.svg"
    path.write_text(
        '<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg xmlns="http://www.w3.org/2000/svg">&x;</svg>'
    )
    with pytest.raises(UsageError, match="document type"):
        cover_sheet(ENGLISH, path)


def test_a_missing_template_names_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="default, persian, plain"):
        cover_sheet(ENGLISH, tmp_path / "none.svg")
    with pytest.raises(UsageError):
        cover_sheet(ENGLISH, tmp_path)


def test_an_enormous_template_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.svg"
    path.write_bytes(b"<svg " + b" " * (5 << 20))
    with pytest.raises(UsageError, match="larger than 4 MB"):
        cover_sheet(ENGLISH, path)


@settings(max_examples=25, deadline=None)
@given(
    st.builds(
        CoverFields,
        to=st.text(max_size=80),
        subject=st.text(max_size=200),
        note=st.text(max_size=600),
        pages=st.integers(0, 10_000),
    ),
    st.sampled_from(["default", "persian", "plain"]),
)
def test_any_values_make_a_page(fields: CoverFields, name: str) -> None:
    assert cover_sheet(fields, name).render(432, 301).size == (432, 301)
