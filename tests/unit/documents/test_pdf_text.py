# SPDX-License-Identifier: GPL-2.0-or-later
"""Text of a PDF whose font is not in the file: it is on the fax, or the fax says that it is not."""

from __future__ import annotations

from pathlib import Path

import pikepdf
import pytest
from pikepdf import Array, Dictionary, Name

from softfax.documents.convert import convert
from softfax.documents.types import RasterSettings
from tests.support.pages import read_tiff


def write(path: Path, words: str, mode: int = 0) -> Path:
    """Write a page of one line in a Chinese font that readers are to bring."""
    pdf = pikepdf.new()
    page = pdf.add_blank_page(page_size=(595, 842))
    inner = Dictionary(
        Type=Name.Font,
        Subtype=Name.CIDFontType0,
        BaseFont=Name("/STSong-Light"),
        CIDSystemInfo=Dictionary(Registry=b"Adobe", Ordering=b"GB1", Supplement=0),
        FontDescriptor=Dictionary(
            Type=Name.FontDescriptor, FontName=Name("/STSong-Light"), Flags=6, FontBBox=Array([-25, -254, 1000, 880]),
            ItalicAngle=0, Ascent=880, Descent=-120, CapHeight=880, StemV=93,
        ),
    )  # fmt: skip
    font = Dictionary(
        Type=Name.Font, Subtype=Name.Type0, BaseFont=Name("/STSong-Light"), Encoding=Name("/UniGB-UCS2-H"),
        DescendantFonts=Array([pdf.make_indirect(inner)]),
    )  # fmt: skip
    page.Resources = Dictionary(Font=Dictionary(F=pdf.make_indirect(font)))
    shown = words.encode("utf-16-be").hex()
    page.Contents = pdf.make_stream(f"BT {mode} Tr /F 40 Tf 72 650 Td <{shown}> Tj ET".encode())
    pdf.save(path)
    return path


def faxed(document: Path, folder: Path) -> tuple[bool, list[str]]:
    """Fax a document; return whether there is ink on its page, and the warnings."""
    said: list[str] = []
    convert([str(document)], folder / "fax.tif", RasterSettings(), on_warning=said.append)
    (page,) = read_tiff(folder / "fax.tif")
    return bool(page.any()), said


def test_letters_are_drawn_or_named(tmp_path: Path) -> None:
    drawn, said = faxed(write(tmp_path / "all.pdf", "传真测试"), tmp_path)
    assert drawn != bool(said), "this machine may have such a font"
    assert drawn or ("(传真测试)" in said[0] and "save it with its fonts" in said[0])
    _, some = faxed(write(tmp_path / "some.pdf", "Fax 传真"), tmp_path)
    assert drawn != ("(传真)" in " ".join(some))


@pytest.mark.parametrize(("words", "mode"), [("Fax in Latin", 0), ("传真测试", 3)])
def test_text_that_is_drawn_or_meant_not_to_be_seen_is_no_loss(words: str, mode: int, tmp_path: Path) -> None:
    drawn, said = faxed(write(tmp_path / "a.pdf", words, mode), tmp_path)
    assert drawn == (not mode)
    assert said == []
