# SPDX-License-Identifier: GPL-2.0-or-later
"""PDFs that other programs trip over are faxed as they are meant, and what is missing of them is said."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pikepdf
import pytest

from softfax.documents import pdf_pictures
from softfax.documents.load import open_document
from softfax.documents.pdf_inline import SAMPLES_MAX, made_whole
from softfax.documents.pdf_pictures import CUT
from softfax.documents.types import DocumentLimits, FaxImage, Source
from tests.support.odd_pdfs import (
    CUT_INLINE,
    CUT_PICTURES,
    FILES,
    FORM,
    GREYS,
    HELVETICA,
    NOISE_RAW,
    PAGES,
    PICTURES,
    WORDS,
    inline,
    picture_pdf,
    plain,
)
from tests.support.pdf_pages import stream, text


def drawn(tmp_path: Path, data: bytes) -> tuple[np.ndarray, str]:
    """The first page in points, and all that is said."""
    path = tmp_path / "odd.pdf"
    path.write_bytes(data)
    document = open_document(Source(path=path), DocumentLimits())
    sheet = next(iter(document))
    assert not isinstance(sheet, FaxImage)
    page = np.asarray(sheet.render(595, 842), int)
    return page, "; ".join(filter(None, (document.warning, getattr(sheet, "warning", ""))))  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def as_meant(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    page, said = drawn(tmp_path_factory.mktemp("plain"), plain())
    assert not said
    assert (page < 128).any()
    return page


@pytest.mark.parametrize("name", PAGES)
def test_twelve_lines_are_drawn_however_they_are_written(tmp_path: Path, as_meant: np.ndarray, name: str) -> None:
    page, said = drawn(tmp_path, PAGES[name])
    assert np.array_equal(page, as_meant)
    assert not said or "mended" in said


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_drawn_however_it_is_written(tmp_path: Path, name: str) -> None:
    expected, _ = drawn(tmp_path, picture_pdf(GREYS.tobytes()))
    page, said = drawn(tmp_path, PICTURES[name])
    assert (expected < 128).any()
    # Inks are a little lighter than black, as on paper.
    assert np.abs(page - expected).mean() < 4
    assert not said


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_are_drawn_as_they_are_meant_on_every_page(tmp_path: Path, name: str) -> None:
    """Mending one page makes the others no worse."""
    path = tmp_path / "three.pdf"
    with pikepdf.new() as pages:
        for _ in range(3):
            pages.pages.extend(pikepdf.open(io.BytesIO(PICTURES[name])).pages)
        pages.save(path)
    expected, _ = drawn(tmp_path, picture_pdf(GREYS.tobytes()))
    found = [np.asarray(sheet.render(595, 842), int) for sheet in open_document(Source(path=path), DocumentLimits())]  # type: ignore[union-attr]
    assert [np.abs(page - expected).mean() < 4 for page in found] == [True] * 3


@pytest.mark.parametrize("in_form", [False, True])
@pytest.mark.parametrize("name", CUT_INLINE)
def test_a_picture_that_is_cut_within_the_contents_is_said_and_takes_nothing_along(
    tmp_path: Path, name: str, in_form: bool
) -> None:
    def page(contents: str) -> bytes:
        if not in_form:
            return plain(contents)
        form = stream(contents, "/Type /XObject /Subtype /Form /BBox [0 0 595 842]")
        return plain("/X Do", more="/XObject << /X 7 0 R >>", objects=(form,))

    whole, cut = CUT_INLINE[name]
    expected, said = drawn(tmp_path, page(whole))
    assert not said
    found, said = drawn(tmp_path, page(cut))
    assert "page 1 of odd.pdf has a picture whose data end early" in said
    words = np.r_[0:150, 700:842]
    assert np.array_equal(found[words], expected[words])
    assert (found[700:] < 128).any()


def test_contents_that_end_within_a_picture_show_what_there_is_of_it(tmp_path: Path) -> None:
    cut = inline(GREYS.tobytes()[: GREYS.size // 2], end=b"")
    page, said = drawn(tmp_path, plain(cut))
    expected, _ = drawn(tmp_path, plain(inline(GREYS.tobytes())))
    assert "page 1 of odd.pdf has a picture whose data end early" in said
    assert np.abs(page - expected)[: 842 - 400 - 140].mean() < 1


def test_a_cut_picture_takes_no_other_along(tmp_path: Path) -> None:
    """Its data are stored as they are, so that anything could be their rest."""
    whole, cut = CUT_INLINE["deflated"]
    between = "BT /F 20 Tf 60 720 Td (Between) Tj ET"
    expected, _ = drawn(tmp_path, plain(f"{whole} {between} {whole}"))
    found, said = drawn(tmp_path, plain(f"{cut} {between} {whole}"))
    assert "page 1 of odd.pdf has a picture whose data end early" in said
    assert np.array_equal(found, expected)


def test_words_that_look_like_the_beginning_of_a_picture_hide_none(tmp_path: Path) -> None:
    """Neither right before it nor far from it."""
    words = "BT /F 20 Tf 60 780 Td (Our BI report) Tj ET "
    for between in ("", "q Q " * 2000):
        cut = f"{words} {between} {inline(NOISE_RAW[: len(NOISE_RAW) // 2])}"
        found, said = drawn(tmp_path, plain(cut))
        expected, _ = drawn(tmp_path, plain(f"{words} {inline(NOISE_RAW)}"))
        assert "page 1 of odd.pdf has a picture whose data end early" in said
        assert np.array_equal(found[700:], expected[700:])


def test_pictures_that_say_to_be_large_take_no_more_memory_than_so_much() -> None:
    picture = inline(NOISE_RAW[:900].hex().encode() + b">", "/F /AHx").replace("/W 60 /H 40", "/W 8000 /H 4000")
    with pikepdf.new() as pdf:
        made, fault = made_whole(pdf, (picture * 12).encode("latin-1"), None)
    assert fault == CUT
    assert len(made) < 2 * SAMPLES_MAX


@pytest.mark.parametrize(
    "contents",
    ["BT /F 20 Tf (draw with /Im1 Do Q, \\) (as in /Im2 Do ) or so) Tj ET", "% /Im1 Do (\n", "/Gr#C3#B6#C3#9Fe Do"],
    ids=["in words", "in a comment", "with letters beyond ASCII"],
)
def test_a_name_that_is_no_missing_picture_is_not_said(tmp_path: Path, contents: str) -> None:
    page = plain(f"{contents}\n{WORDS}", more="/XObject << /Gr#C3#B6#C3#9Fe 7 0 R >>", objects=(stream("", FORM),))
    assert drawn(tmp_path, page)[1] == ""


@pytest.mark.parametrize("first", [False, True])
def test_pages_that_share_contents_have_pictures_of_their_own(tmp_path: Path, first: bool) -> None:
    """The one without is said, and not the other."""
    path = tmp_path / "shared.pdf"
    with pikepdf.open(
        io.BytesIO(plain(WORDS + "/X Do", more="/XObject << /X 7 0 R >>", objects=(stream("", FORM),)))
    ) as pdf:
        there = pdf.pages[0].obj
        gone = pdf.make_indirect(pikepdf.Dictionary(there))
        gone.Resources = pikepdf.Dictionary(Font=there.Resources.Font)
        pdf.pages.insert(0 if first else 1, pikepdf.Page(gone))
        pdf.save(path)
    said = [sheet.warning for sheet in open_document(Source(path=path), DocumentLimits())]
    assert ["names a picture" in one for one in said] == [first, not first]


def test_pictures_are_looked_at_once_however_many_forms_and_stamps_share_them(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = list[tuple[int, int]]()

    def look(things: pikepdf.Dictionary) -> dict[str, pikepdf.Object]:
        looked.append(things.objgen)
        return dict(things)

    monkeypatch.setattr(pdf_pictures, "dict", look, raising=False)
    with pikepdf.new() as pdf:
        forms = [pdf.make_stream(b"q Q", Type=pikepdf.Name.XObject, Subtype=pikepdf.Name.Form) for _ in range(50)]
        shared = pdf.make_indirect(pikepdf.Dictionary({f"/F{number}": form for number, form in enumerate(forms)}))
        for form in forms:
            form.Resources = pikepdf.Dictionary(XObject=shared)
        stamps = [pikepdf.Dictionary(XObject=shared) for _ in range(50)]
        assert {form.objgen for form, _ in pdf_pictures.page_forms(*stamps)} == {form.objgen for form in forms}
        assert looked == [shared.objgen]


@pytest.mark.parametrize("name", CUT_PICTURES)
def test_a_picture_whose_data_end_early_is_said(tmp_path: Path, name: str) -> None:
    whole, cut = CUT_PICTURES[name]
    assert drawn(tmp_path, whole)[1] == ""
    assert "page 1 of odd.pdf has a picture whose data end early" in drawn(tmp_path, cut)[1]


@pytest.mark.parametrize("name", FILES)
def test_what_is_missing_for_good_is_said(tmp_path: Path, name: str) -> None:
    data, expected = FILES[name]
    assert re.search(expected, drawn(tmp_path, data)[1])


def test_an_empty_page_is_nothing_missing(tmp_path: Path) -> None:
    assert drawn(tmp_path, plain().replace(b"/Contents 4 0 R", b""))[1] == ""


FONT = "<< /Type /Font /Subtype /Type0 /BaseFont /{base} /Encoding /{encoding} /DescendantFonts [8 0 R] {more} >>"
DESCENDANT = (
    "<< /Type /Font /Subtype /{kind} /BaseFont /{base} /CIDSystemInfo << /Registry (Adobe) /Ordering ({order}) /Supplement 2 >> "
    "/FontDescriptor << /Type /FontDescriptor /FontName /{base} /Flags 4 /FontBBox [0 -200 1000 900] /ItalicAngle 0 /Ascent 800 "
    "/Descent -200 /StemV 80 >> >>"
)
NAMES = stream(
    "/CIDInit /ProcSet findresource begin 12 dict begin begincmap 1 begincodespacerange <0000> <ffff> endcodespacerange "
    "1 beginbfrange <0024> <0026> <0041> endbfrange endcmap end end"
)


@pytest.mark.parametrize(
    ("encoding", "order", "letters", "more", "said"),
    [
        ("UniJIS-UCS2-H", "Japan1", "65E5672C8A9E", "", r"left out \(日本語\)"),
        ("UniJIS-UCS2-V", "Japan1", "65E5672C8A9E", "", "which is left out: save it with its fonts"),
        ("Identity-H", "Identity", "002400250026", "", "which may come out as other letters"),
        ("Identity-H", "Identity", "002400250026", "/ToUnicode 9 0 R", "^$"),
    ],
)
def test_letters_that_no_font_has_are_said(
    tmp_path: Path, encoding: str, order: str, letters: str, more: str, said: str
) -> None:
    base, kind = ("ArialMT", "CIDFontType2") if order == "Identity" else ("HeiseiMin-W3", "CIDFontType0")
    data = plain(
        f"BT /X 30 Tf 100 700 Td <{letters}> Tj ET" + text(50, 400, 12, "beside it"),
        objects=(
            FONT.format(base=base, encoding=encoding, more=more),
            DESCENDANT.format(base=base, kind=kind, order=order),
            NAMES,
        ),
    ).replace(b"/F 5 0 R >>", b"/F 5 0 R /X 7 0 R >>")
    assert HELVETICA.encode() in data
    page, line = drawn(tmp_path, data)
    # A machine may have a font for Japanese.
    with_font = order != "Identity" and not line and bool((page[50:250] < 128).any())
    assert with_font or re.search(said, line)


def test_a_ticked_box_without_its_state_is_ticked(tmp_path: Path) -> None:
    look = stream("0 0 20 20 re f", "/Type /XObject /Subtype /Form /BBox [0 0 20 20]")
    box = "<< /Type /Annot /Subtype /Widget /F 4 /FT /Btn /T (a) /V /Yes /Rect [100 700 120 720] /AP << /N << /Yes 7 0 R >> >> >>"
    form = "/AcroForm << /Fields [8 0 R] >>"
    ticked, _ = drawn(tmp_path, plain("", page="/Annots [8 0 R]", catalog=form, objects=(look, box)))
    assert (ticked < 128).sum() > 300
    empty, _ = drawn(
        tmp_path, plain("", page="/Annots [8 0 R]", catalog=form, objects=(look, box.replace("/V /Yes", "/V /Off")))
    )
    assert not (empty < 128).any()


@pytest.mark.parametrize(
    "names", ["/afii10065 /afii10066 /afii10067", "/uni03B1 /uni03B2 /Omega", "/alphatonos /beta /Omega"]
)
@pytest.mark.parametrize(
    "base", ["/Type1 /BaseFont /Foo", "/TrueType /BaseFont /Arial,Bold", "/Type1 /BaseFont /Times-Roman"]
)
def test_greek_and_cyrillic_without_a_font_are_drawn(tmp_path: Path, names: str, base: str) -> None:
    font = f"<< /Type /Font /Subtype {base} /Encoding << /Differences [97 {names}] >> /FirstChar 97 /Widths [600 600 600] >>"
    data = plain("BT /X 40 Tf 100 700 Td (abc) Tj ET", objects=(font,)).replace(b"/F 5 0 R >>", b"/F 5 0 R /X 7 0 R >>")
    page, said = drawn(tmp_path, data)
    assert all((page[100:160, left : left + 24] < 128).any() for left in (100, 124, 148))
    assert not said


@pytest.mark.parametrize(
    "entries",
    [
        "/BBox [20 20 0 0] /XStep 20 /YStep 20",
        "/BBox [0 0 20 20] /XStep -20 /YStep -20",
        "/BBox [0 0 20 20] /XStep 20 /YStep 20",
    ],
)
def test_tiles_are_the_same_whichever_way_round_they_are_given(tmp_path: Path, entries: str) -> None:
    """Drawn in bands as a page of a fax is, no tile is missing where one band ends."""

    def tiles(given: str) -> np.ndarray:
        tile = stream(
            "0.2 g 2 2 m 15 5 l 5 15 l f", f"/PatternType 1 /PaintType 1 /TilingType 1 {given} /Resources << >>"
        )
        path = tmp_path / "tiles.pdf"
        path.write_bytes(
            plain("/Pattern cs /P scn 50 100 450 650 re f", more="/Pattern << /P 7 0 R >>", objects=(tile,))
        )
        sheet = next(iter(open_document(Source(path=path), DocumentLimits())))
        assert not isinstance(sheet, FaxImage)
        return np.asarray(sheet.render(1728, 2292), int)

    usual = tiles("/BBox [0 0 20 20] /XStep 20 /YStep 20")
    assert np.abs(tiles(entries) - usual).mean() < 1
