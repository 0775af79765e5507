# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables kept as text are set as tables: delimiters, quotes, encodings, many rows and many columns."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softfax.documents.begin import prepare
from softfax.documents.flow import BOTTOM, TOP, FlowSheet
from softfax.documents.table_text import read_table, table_sheets
from softfax.documents.types import RasterSettings
from softfax.errors import DocumentTooLargeError

NAMES = ["Date", "Patient", "Amount"]


@pytest.mark.parametrize(
    ("text", "second"),
    [
        ("Date,Patient,Amount\r\n28.11.,Anna,5.50\r\n", ["28.11.", "Anna", "5.50"]),
        ("Date;Patient;Amount\n28.11.;Anna;5,50\n29.11.;Bob;1,00", ["28.11.", "Anna", "5,50"]),
        ("Date\tPatient\tAmount\n28.11.\tAnna, Dr.\t5,50\n", ["28.11.", "Anna, Dr.", "5,50"]),
        ("Date|Patient|Amount\n28.11.|Anna|5\n", ["28.11.", "Anna", "5"]),
        ('Date;Patient;Amount\n28.11.;"Anna; ""Dr.""\nMeier";5\n', ["28.11.", 'Anna; "Dr." Meier', "5"]),
        ("sep=;\r\nDate;Patient;Amount\r\n28.11.;Anna;5\r\n", ["28.11.", "Anna", "5"]),
        ("Date;;Patient;Amount;\n28.11.;;Anna;5;\n\n;;;;\n", ["28.11.", "Anna", "5"]),
        ("Date;Patient;Amount\n28.11.;Anna\n1;2;3\n4;5;6\n", ["28.11.", "Anna", ""]),
    ],
    ids=["commas", "semicolons", "tabs", "bars", "quotes", "sep", "empty columns", "short row"],
)
def test_cells_are_found(text: str, second: list[str]) -> None:
    assert read_table(text)[:2] == [NAMES, second]  # type: ignore[index]


@pytest.mark.parametrize(
    "text", ["", "one\ntwo\n", "Dear all,\nplease note, that this, is none.\nRegards\n", '"' * 1000]
)
def test_what_is_no_table_is_typewritten(text: str) -> None:
    assert read_table(text) is None


def words(sheet: FlowSheet) -> list[str]:
    return [placed.line.text for row in sheet.rows for placed in row.placed]


def test_each_page_has_the_head_and_no_cell_is_lost() -> None:
    table = [NAMES, *([f"{n}.1.", f"Patient {n}", str(n)] for n in range(200))]
    pages = table_sheets(table, pages_max=50, name="a.csv")
    assert len(pages) > 2
    assert all(words(page)[:3] == NAMES for page in pages)
    said = [word for page in pages for word in words(page)]
    assert {cell for row in table for cell in row} <= set(said)


def test_a_wide_table_is_turned_and_then_cut_between_columns() -> None:
    for count, turned, pages in ((8, False, 1), (16, True, 1), (60, True, 5)):
        table = [[f"value {row}.{column}" for column in range(count)] for row in range(5)]
        found = table_sheets(table, pages_max=50, name="a.csv")
        assert (found[0].aspect < 1) is turned
        assert len(found) == pages
        assert all("value 3.0" in words(page) for page in found)
        assert f"value 4.{count - 1}" in words(found[-1])


def test_a_file_in_an_old_encoding_is_a_table_on_paper(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("Datum;Prüfung\r\n28.11.;Größe\r\n".encode("cp1252"))
    assert len(prepare([path], RasterSettings(), tmp_path).pages) == 1
    path.write_bytes(b"no table\n")
    assert len(prepare([path], RasterSettings(), tmp_path).pages) == 1


@given(st.text(st.sampled_from('a1;,\t|"\n\r \u00e4'), max_size=200))
def test_anything_is_a_table_or_none(text: str) -> None:
    table = read_table(text)
    if table is not None:
        assert len({len(row) for row in table}) == 1
        table_sheets(table, pages_max=1000, name="a.csv")


def test_large_tables_end_in_time() -> None:
    began = time.process_time()
    assert read_table("a;b\n" * 200_000) is None
    assert read_table(";".join(["a"] * 100_000)) is None
    with pytest.raises(DocumentTooLargeError):
        table_sheets([["a", "b"]] * 5000, pages_max=10, name="a.csv")
    assert time.process_time() - began < 20


def test_a_row_that_is_taller_than_a_page_goes_on_on_the_next() -> None:
    words = [f"word{n:04}WWWW" for n in range(140)]
    table = read_table("id,note" + ",c" * 9 + "\n1," + " ".join(words) + ",x" * 9 + "\n2,short" + ",y" * 9 + "\n")
    assert table is not None
    sheets = table_sheets(table, pages_max=10, name="a.csv")
    text = " ".join(item.line.text for sheet in sheets for row in sheet.rows for item in row.placed)
    assert all(word in text for word in [*words, "short"])
    for sheet in sheets:
        room = sheet.paper.height - TOP - BOTTOM
        assert sum(row.height for row in sheet.rows) <= room
        assert all(rule.y + rule.height <= row.height + 1 for row in sheet.rows for rule in row.rules)


def test_a_cell_too_long_for_a_table_is_typewritten_and_not_cut() -> None:
    assert read_table("a,b\n1," + "x" * 2000 + "\n2,3\n") is not None
    assert read_table("a,b\n1," + "x" * 2001 + "\n2,3\n") is None
