# SPDX-License-Identifier: GPL-2.0-or-later
"""A damaged PDF is faxed with all of its pages, mended; what is beyond that is said; passwords are asked for by name."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pikepdf
import pytest

from softfax.documents.load import open_document
from softfax.documents.pdf import PdfDocument
from softfax.documents.types import DocumentLimits, FaxImage, Source
from softfax.errors import DocumentEmptyError, DocumentPasswordError, DocumentUnsupportedError
from tests.support.damaged_pdfs import damaged, parts, whole
from tests.support.pdf_pages import assemble, pdf, text

CASES = dict(damaged())


def opened(path: Path, password: str = "") -> PdfDocument:
    document = open_document(Source(path=path, password=password), DocumentLimits())
    assert isinstance(document, PdfDocument)
    return document


def drawn(path: Path, password: str = "") -> tuple[list[np.ndarray], list[str]]:
    """The pages, small, and what is said of the document and of each."""
    document, pages = opened(path, password), []
    said = [document.warning]
    for sheet in document:
        assert not isinstance(sheet, FaxImage)
        pages.append(np.asarray(sheet.render(298, 421)))
        said.append(getattr(sheet, "warning", ""))
    return pages, said


@pytest.fixture
def written(tmp_path: Path) -> Callable[[bytes], Path]:
    def write(data: bytes) -> Path:
        path = tmp_path / "letter.pdf"
        path.write_bytes(data)
        return path

    return write


@pytest.fixture(scope="module")
def undamaged(tmp_path_factory: pytest.TempPathFactory) -> list[np.ndarray]:
    path = tmp_path_factory.mktemp("whole") / "whole.pdf"
    path.write_bytes(whole())
    pages, said = drawn(path)
    assert said == [""] * 4
    assert len({page.tobytes() for page in pages}) == 3
    return pages


@pytest.mark.parametrize("name", CASES)
def test_all_pages_of_a_damaged_file_are_there(name: str, written, undamaged: list[np.ndarray]) -> None:
    pages, _ = drawn(written(CASES[name]))
    assert len(pages) == 3
    for page, expected in zip(pages, undamaged, strict=True):
        assert np.array_equal(page, expected)


def test_a_page_that_is_gone_is_said_on_a_page_in_its_place(written, undamaged: list[np.ndarray]) -> None:
    pages, said = drawn(written(assemble(parts(kids="4 0 R 5 0 R 8 0 R"))))
    assert len(pages) == len(undamaged) or said[0]


def test_what_cannot_be_unpacked_is_said(written) -> None:
    torn = bytearray(whole())
    torn[torn.index(b"stream\n") + 60] ^= 0xFF
    _, said = drawn(written(bytes(torn)))
    assert "page 1 of letter.pdf is damaged" in said[1]
    assert said[2:] == ["", ""]


@pytest.mark.parametrize("revision", [2, 3, 4, 6])
def test_an_owners_password_is_not_asked_for(written, undamaged: list[np.ndarray], revision: int) -> None:
    path = written(encrypted(owner="owner", user="", revision=revision))
    for given in ("", "owner", "something else"):
        pages, _ = drawn(path, given)
        assert np.array_equal(pages[2], undamaged[2])


@pytest.mark.parametrize("revision", [3, 4, 6])
def test_the_password_to_open_is_asked_for_by_name(written, undamaged: list[np.ndarray], revision: int) -> None:
    path = written(encrypted(owner="owner", user="öffne", revision=revision))
    with pytest.raises(DocumentPasswordError) as error:
        opened(path)
    assert "opens with a password" in error.value.problem
    assert "--document-password" in error.value.remedy
    with pytest.raises(DocumentPasswordError, match="does not open"):
        opened(path, "wrong")
    pages, _ = drawn(path, "öffne")
    assert np.array_equal(pages[0], undamaged[0])


def test_a_password_is_asked_for_where_the_trailer_holds_the_encryption(written) -> None:
    data = encrypted(owner="owner", user="open", revision=3)
    found = re.search(rb"/Encrypt (\d+ 0) R", data)
    assert found is not None
    body = re.search(rb"\n%b obj\n(.*?)\nendobj" % found[1], data, re.S)
    assert body is not None
    with pytest.raises(DocumentPasswordError, match="opens with a password"):
        opened(written(data.replace(found[0], b"/Encrypt " + body[1])))


def encrypted(owner: str, user: str, revision: int) -> bytes:
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(whole())) as file:
        modern = revision >= 4
        file.save(out, encryption=pikepdf.Encryption(owner=owner, user=user, R=revision, aes=modern, metadata=modern))
    return out.getvalue()


def test_what_no_password_opens_is_said(written) -> None:
    filters = "<< /Filter /Adobe.PubSec /SubFilter /adbe.pkcs7.s5 /V 4 /CF << >> >>"
    sealed = assemble([*parts(), filters], trailer="/Root 1 0 R /Encrypt 10 0 R /ID [<00> <00>]")
    with pytest.raises(DocumentUnsupportedError, match="no password opens"):
        opened(written(sealed))


def test_no_pages_are_no_damage(written) -> None:
    with pytest.raises(DocumentEmptyError):
        opened(written(assemble(["<< /Type /Catalog /Pages 2 0 R >>", "<< /Type /Pages /Kids [] /Count 0 >>"])))


@pytest.mark.parametrize(
    "box", ["", "/MediaBox [0 0 0 0]", "/MediaBox [0 0 595 0]", "/MediaBox [0 0 595]", "/MediaBox [/a /b /c /d]"]
)
def test_a_page_without_a_size_is_letter(written, box: str) -> None:
    objects = [part.replace("/MediaBox [0 0 595 842]", box) if isinstance(part, str) else part for part in parts()]
    for sheet in opened(written(assemble(objects))):
        assert (sheet.width_inches, sheet.height_inches) == (8.5, 11)


def test_a_user_unit_makes_a_page_larger(tmp_path: Path) -> None:
    (sheet,) = opened(pdf(tmp_path / "unit.pdf", text(20, 20, 9, "words"), size=(297.5, 421), page="/UserUnit 2"))
    assert sheet.width_inches == pytest.approx(595 / 72)


def test_a_page_larger_than_any_paper_is_made_as_large_as_paper(tmp_path: Path) -> None:
    (sheet,) = opened(pdf(tmp_path / "giant.pdf", text(20, 20, 900, "words"), size=(100_000, 140_000)))
    assert sheet.width_inches is None
    assert sheet.aspect == pytest.approx(1.4)
