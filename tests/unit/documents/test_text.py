# SPDX-License-Identifier: GPL-2.0-or-later
"""Plain text on paper: what a reader sees on the page."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from softfax.documents.bidi import embedding_levels, line_levels, visual_order
from softfax.documents.charsets import decode_text
from softfax.documents.fonts import FOLDER, Style, missing_warning
from softfax.documents.kinds import looks_like_text
from softfax.documents.text import text_sheets
from softfax.documents.types import Sheet
from softfax.documents.typeset import Paragraph, Type, plain, shortened
from softfax.errors import DocumentEmptyError, DocumentTooLargeError
from tests.support.reading import LETTERS, bands, black, pieces, read_typewritten

GRIDS = [(1728, 1146), (1728, 2292), (1728, 4572), (2592, 3508), (3456, 4677), (2048, 2292)]


def read(text: str, width: int = 1728, rows: int = 2292) -> list[list[str]]:
    return [read_typewritten(sheet.render(width, rows)) for sheet in text_sheets(text)]


# ---- what stands on the page ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "rows"), GRIDS)
def test_every_letter_is_read_back_at_every_resolution(width: int, rows: int) -> None:
    lines = [LETTERS[:60], LETTERS[60:], "Dear Sir,  two blanks"]
    (page,) = read("\n".join(lines), width, rows)
    assert page == lines


def test_a_page_is_a_sheet_of_a4() -> None:
    (sheet,) = text_sheets("hello")
    assert isinstance(sheet, Sheet)
    assert sheet.width_inches == pytest.approx(8.27, abs=0.01)
    assert sheet.height_inches == pytest.approx(11.69, abs=0.01)
    assert sheet.render(1728, 2292).mode == "L"


def test_eighty_columns_fit_and_the_next_letter_does_not() -> None:
    (page,) = read("x" * 80 + "\n" + "y" * 81)
    assert page == ["x" * 80, "y" * 80, "y"]


def test_long_lines_are_wrapped_at_words() -> None:
    words = ["word", "another", "fax", "machine", "line"] * 30
    (page,) = read(" ".join(words))
    assert " ".join(page).split() == words
    assert all(60 < len(line) <= 80 for line in page[:-1])


def test_addresses_are_broken_after_a_sign() -> None:
    (page,) = read("https://www.example.com/" + "path/" * 20)
    assert "".join(page) == "https://www.example.com/" + "path/" * 20
    assert page[0].endswith("/")


def test_tabs_go_to_every_eighth_column() -> None:
    (page,) = read("a\tb\n1234567\tc\n12345678\td")
    assert page == ["a       b", "1234567 c", "12345678        d"]


def test_a_form_feed_begins_a_page_and_pages_are_numbered() -> None:
    first, second = (sheet.render(1728, 2292) for sheet in text_sheets("one\fone"))
    foot = slice(2292 - 130, 2292)
    assert read_typewritten(first) == read_typewritten(second) == ["one"]
    assert black(first)[foot].any()
    assert (black(first)[foot] != black(second)[foot]).any()
    (alone,) = text_sheets("one")
    assert not black(alone.render(1728, 2292))[foot].any()


def test_sixty_lines_make_a_page() -> None:
    assert [len(page) for page in read("\n".join(f"line {n}" for n in range(130)))] == [60, 60, 10]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_of_all_systems(end: str) -> None:
    assert read(end.join(["one", "", "two"])) == [["one", "", "two"]]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[1;31mred\x1b[0m and\x1b[K plain", "red and plain"),
        ("N\x08NA\x08AM\x08ME\x08E", "NAME"),
        ("bell\x07 and\x00 null\x7f", "bell and null"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1bEPAYMENT due", "PAYMENT due"),
        ("\x1b]an end that never comes", "]an end that never comes"),
    ],
)
def test_control_characters_do_no_harm(text: str, shown: str) -> None:
    assert read(text) == [[shown]]


def test_lines_do_not_touch() -> None:
    page = black(text_sheets("\n".join(["Agjpqy, (Bdhk)"] * 20))[0].render(1728, 1146))
    assert len(bands(page.any(axis=1), gap=1)) == 20


def test_drawn_lines_join() -> None:
    """Box drawing has no gaps that a fax would show as dots."""
    page = black(text_sheets("┌────┐\n│    │\n└────┘")[0].render(1728, 2292))
    assert len(bands(page.any(axis=0), gap=2)) == 1
    assert len(bands(page.any(axis=1), gap=2)) == 1


# ---- what cannot be printed ----------------------------------------------------------------------------------------------


def test_a_character_without_a_shape_is_a_box_and_named() -> None:
    plain_page, with_box = (black(text_sheets(t)[0].render(1728, 2292)) for t in ("a b", "a 漢 b"))
    assert with_box.sum() > plain_page.sum() + 40
    assert "U+6F22" in missing_warning("a 漢 b")
    assert missing_warning("Größe Ελλάδα Жизнь سلام ۱۲۳ שלום → € ☎ ✓ ﷼ ａ\n\t\ufe0f\u200d") == ""


def test_compatible_spellings_are_used() -> None:
    assert Paragraph([("﷼ Ａ１", Type(Style.SANS, 11))]).text == "ریال A1"


@pytest.mark.parametrize("text", ["", "   \n\n\f\n", "\x00\x1b[0m\x07", "\ufeff"])
def test_nothing_to_print_is_said(text: str) -> None:
    with pytest.raises(DocumentEmptyError):
        text_sheets(text)


@pytest.mark.parametrize(
    "text",
    ["a\n" * 700_000, "a" * 50_000_000, "\f" * 1001 + "a", "word " * 2_000_000],
    ids=["lines", "line", "pages", "words"],
)
def test_endless_text_is_one_clear_error_soon(text: str) -> None:
    start = time.monotonic()
    with pytest.raises(DocumentTooLargeError, match="endless is too long; send at most 100 pages"):
        text_sheets(text, pages_max=100, name="endless")
    assert time.monotonic() - start < 20


@pytest.mark.parametrize(
    "text",
    [
        "a" + "\u0301" * 100_000,
        "\u2068" * 100_000 + "a",
        "\u202b(a" * 50_000,
        "א" + "(a)" * 50_000,
        "\u200d" * 100_000 + "س",
    ],
    ids=["marks", "isolates", "embeddings", "brackets", "joiners"],
)
def test_hostile_text_costs_little(text: str) -> None:
    start = time.monotonic()
    sheets = text_sheets(text)
    sheets[0].render(1728, 1146)
    assert time.monotonic() - start < 10


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=400), st.sampled_from([(432, 300), (1728, 1146), (301, 77)]))
def test_any_text_makes_pages_of_the_right_size(text: str, grid: tuple[int, int]) -> None:
    try:
        sheets = text_sheets(text)
    except DocumentEmptyError:
        return
    for sheet in sheets[:2]:
        assert sheet.render(*grid).size == grid


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet=st.characters(codec="utf-16", exclude_categories=("Cs",)), max_size=60), st.floats(1, 300))
def test_no_character_is_lost_when_lines_are_broken(text: str, width: float) -> None:
    paragraph = Paragraph([(text, Type(Style.SANS, 11))])
    lines = paragraph.lines(width)
    spaces = " \u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2008\u2009\u200a\u200b\u205f\u3000\xa0\u2007\u202f"
    kept = "".join(line.text for line in lines)
    assert [c for c in kept if c not in spaces] == [c for c in paragraph.text if c not in spaces]


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_can_be_decoded(data: bytes) -> None:
    assert isinstance(decode_text(data), str)
    assert isinstance(looks_like_text(data), bool)


# ---- bytes ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Größe, naïve — “quoted”", "utf-8"),
        ("Größe", "utf-8-sig"),
        ("سلام Größe Ж", "utf-16"),
        ("Größe und Übermaß für €5 “gut”", "cp1252"),
        ("Café", "cp1252"),
        ("سلام، اين يك نامه است. تهران 1234", "cp1256"),
    ],
)
def test_encodings_are_told_apart(text: str, encoding: str) -> None:
    data = text.encode(encoding)
    assert looks_like_text(data)
    assert decode_text(data) == text


def test_utf16_of_both_byte_orders() -> None:
    assert (
        decode_text(b"\xff\xfe" + "Öl".encode("utf-16-le"))
        == decode_text(b"\xfe\xff" + "Öl".encode("utf-16-be"))
        == "Öl"
    )


def test_binary_files_are_no_text() -> None:
    assert not looks_like_text(b"PK\x03\x04\x00\x00")
    assert not looks_like_text(b"P5 # GIMP\n#\n# two words\n12 7\n255\n")


def test_looking_at_a_beginning_takes_no_time() -> None:
    """The station itself looks, at whatever is uploaded."""
    start = time.thread_time()
    assert looks_like_text(b"P1 " + b"# " * 2000)
    assert time.thread_time() - start < 1


# ---- right to left -------------------------------------------------------------------------------------------------------


def test_hebrew_runs_from_the_right() -> None:
    forced_left_to_right = pieces("\u202dגבא")
    assert pieces("אבג") == forced_left_to_right
    assert pieces("אבג") != pieces("\u202dאבג")


def test_arabic_letters_are_joined() -> None:
    """Persian letters take the forms their neighbours ask for."""
    assert len(pieces("بیست")) == 1
    assert len(pieces("ب\u200cی\u200cس\u200cت")) == 4
    # A joined letter at the beginning stands rightmost, in its initial form.
    assert pieces("بیا")[-1] != pieces("ب")[0]


def test_numbers_and_latin_keep_their_order_in_persian() -> None:
    order = pieces("نامه ۱۲۳ و Fax دو")
    digits, latin = pieces("۱۲۳"), pieces("Fax")

    def place(sequence: list[bytes]) -> int:
        return next(i for i in range(len(order)) if order[i : i + len(sequence)] == sequence)

    assert place(latin) < place(digits)


def test_a_right_to_left_paragraph_stands_at_the_right() -> None:
    (sheet,) = text_sheets("سلام دنیا\n\nHello")
    page = black(sheet.render(1728, 2292))
    persian, english = bands(page.any(axis=1), gap=20)
    right = np.flatnonzero(page[persian[0] : persian[1]].any(axis=0))
    left = np.flatnonzero(page[english[0] : english[1]].any(axis=0))
    margin = round(1728 * (1 - 505.7 / 595.3) / 2)
    assert abs(right[-1] - (1728 - margin)) < 12
    assert right[0] > 1200
    assert abs(left[0] - margin) < 12
    assert left[-1] < 500


def test_letters_made_of_parts_have_their_font_among_typewritten_ones() -> None:
    assert pieces("خانۀ", Type(Style.MONO, 24)) == pieces("خانۀ", Type(Style.SANS, 24))


def test_a_persian_word_in_typewritten_english() -> None:
    (sheet,) = text_sheets("The word سلام is Persian, and so are others in this line.")
    lines = read_typewritten(sheet.render(1728, 2292))
    assert lines[0].startswith("The word ")
    assert len(bands(black(sheet.render(1728, 2292)).any(axis=1), gap=12)) == 1


@pytest.mark.parametrize(
    ("logical", "base", "visual"),
    [
        # Capitals stand for Hebrew letters, as in UAX #9.
        ("car is THE CAR in arabic", 0, "car is RAC EHT in arabic"),
        ("CAR IS the car IN ENGLISH", 1, "HSILGNE NI the car SI RAC"),
        ("he said “IT IS 123, 456, OK”.", 0, "he said “KO ,456 ,123 SI TI”."),
        ("smith (fabrikam ARABIC) HEBREW", 1, "WERBEH (CIBARA fabrikam) smith"),
        ("ARABIC book(s)", 1, "book(s) CIBARA"),
        ("ARABIC 10-20, 30%", 1, "30% ,10-20 CIBARA"),
        ("a \u2067B c\u2069 d", 0, "a \u2067c B\u2069 d"),
        ("a \u202eb c\u202c d", 0, "a c b d"),
        ("A\tB", 1, "B\tA"),
        ("abc DEF  ", 0, "abc FED  "),
    ],
)
def test_examples_of_the_bidirectional_algorithm(logical: str, base: int, visual: str) -> None:
    text = "".join(chr(0x05D0 + ord(c) - 65) if "A" <= c <= "Z" else c for c in logical)
    level, levels = embedding_levels(text, base)
    order = visual_order(line_levels(text, levels, level))
    mirror = str.maketrans("()", ")(")
    shown = [logical[i].translate(mirror) if levels[i] % 2 else logical[i] for i in order]
    assert "".join(c for c in shown if c not in "\u202e\u202c") == visual


@settings(max_examples=200, deadline=None)
@given(
    st.text(
        alphabet="aX1 ,.()[]+אבس۱٤\u0301\u064b\t\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
        max_size=40,
    )
)
def test_every_character_has_its_place(text: str) -> None:
    base, levels = embedding_levels(text)
    assert base in (0, 1)
    assert len(levels) == len(text)
    assert all(base <= level <= 126 for level in levels)
    assert sorted(visual_order(line_levels(text, levels, base))) == list(range(len(text)))


def test_the_fonts_come_with_the_package_and_cover_the_scripts() -> None:
    files = list(FOLDER.iterdir())
    assert {f"{style}.ttf" for style in Style} | {"LICENSE.txt"} == {f.name for f in files}
    assert sum(f.stat().st_size for f in files) < 1_500_000
    latin = {chr(c) for c in range(0x20, 0x180) if chr(c).isprintable()}
    greek = {chr(c) for c in range(0x386, 0x3CF) if chr(c).isalpha()}
    cyrillic = {chr(c) for c in range(0x400, 0x524)}
    arabic = {chr(c) for c in (*range(0x621, 0x63B), *range(0x640, 0x64B))} | {chr(c) for c in range(0x660, 0x66A)}
    persian = set("پچژگکیۀ۰۱۲۳۴۵۶۷۸۹،؛؟٪٫٬«»\u200c")
    assert missing_warning("".join(sorted(latin | greek | cyrillic | arabic | persian))) == ""


# ---- shortening ----------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=80), st.floats(5, 200))
def test_shortened_text_fits(text: str, width: float) -> None:
    kind = Type(Style.SANS, 10)
    line = shortened(text, kind, width)
    assert line.width <= width + 0.01
    if plain(text, kind).width > width and line.text:
        assert "…" in line.text
