# SPDX-License-Identifier: GPL-2.0-or-later
"""Documents in and out: what people have, what a fax carries, and files that are no documents."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pypdfium2 as pdfium
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from softfax.documents.begin import prepare, start
from softfax.documents.convert import convert
from softfax.documents.deliver import deliver_pdf
from softfax.documents.tiff import TiffWriter, encode_t6, read_pages
from softfax.documents.types import DocumentLimits, DocumentMetadata, RasterSettings
from softfax.errors import (
    DocumentEmptyError,
    DocumentError,
    DocumentPasswordError,
    DocumentTooLargeError,
    DocumentUnsupportedError,
    UsageError,
)

SAMPLES = Path(__file__).resolve().parents[3] / "samples"
FINE = RasterSettings()


@pytest.mark.parametrize("name", ["letter.pdf", "invoice.pdf", "form.pdf", "photo.pdf", "invoice.png", "photo.png"])
def test_samples_become_fax_pages(tmp_path: Path, name: str) -> None:
    document = prepare([SAMPLES / name], FINE, tmp_path)

    (page,) = document.pages
    assert (page.width, page.x_dpi, page.y_dpi) == (1728, 204, 196)
    (_, dots), *_ = read_pages(document.tiff)
    assert 0.005 < dots.mean() < 0.5  # neither blank nor black


@pytest.mark.parametrize(("resolution", "y_dpi"), [("standard", 98), ("fine", 196), ("superfine", 391)])
def test_resolutions(tmp_path: Path, resolution: str, y_dpi: int) -> None:
    document = prepare([SAMPLES / "letter.pdf"], RasterSettings(resolution=resolution), tmp_path)  # type: ignore[arg-type]

    assert document.pages[0].y_dpi == y_dpi
    rows_per_mm = {98: 3.85, 196: 7.7, 391: 15.4}[y_dpi]
    assert document.pages[0].rows == pytest.approx(297 * rows_per_mm, abs=1)


def test_several_documents_are_one_fax_in_order(tmp_path: Path) -> None:
    document = prepare([SAMPLES / "letter.tif", SAMPLES / "report.pdf"], FINE, tmp_path)

    assert len(document.pages) == 11


def test_a_fax_tiff_keeps_its_dots(tmp_path: Path) -> None:
    document = prepare([SAMPLES / "form.tif"], FINE, tmp_path)

    for (_, a), (_, b) in zip(read_pages(SAMPLES / "form.tif"), read_pages(document.tiff), strict=True):
        assert np.array_equal(a, b)


def test_text_becomes_a_page_and_long_text_several(tmp_path: Path) -> None:
    text = tmp_path / "note.txt"
    text.write_text("Grüße\n\n" + "a line of text that goes on\n" * 100, encoding="utf-8")

    assert len(prepare([text], FINE, tmp_path).pages) == 2


def test_the_pdf_has_the_bits_as_they_came_and_the_true_size(tmp_path: Path) -> None:
    document = prepare([SAMPLES / "letter.pdf"], FINE, tmp_path)
    out = tmp_path / "out.pdf"
    deliver_pdf(document.tiff, out, DocumentMetadata(sender="+49 30 123", fax_id="0123456789abcdef01234567"))

    with Image.open(document.tiff) as tiff:
        offset, size = tiff.tag_v2[273][0], tiff.tag_v2[279][0]  # type: ignore[attr-defined]
    strip = document.tiff.read_bytes()[offset : offset + size]
    pdf = out.read_bytes()
    assert strip in pdf
    assert b"/CCITTFaxDecode" in pdf
    loaded = pdfium.PdfDocument(out)
    width, height = (points / 72 * 25.4 for points in loaded[0].get_size())
    assert width == pytest.approx(215.0, abs=0.05)
    assert height == pytest.approx(297.0, abs=0.05)
    assert loaded.get_metadata_dict()["Title"] == "Fax from +49 30 123"
    (_, a), (_, b) = *read_pages(document.tiff), *read_pages(out)
    assert np.array_equal(a, b)
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


@pytest.mark.parametrize("resolution", ["standard", "fine", "superfine"])
def test_a_received_pdf_is_faxed_on_dot_for_dot(tmp_path: Path, resolution: str) -> None:
    (tmp_path / "first").mkdir()
    first = prepare([SAMPLES / "letter.pdf"], RasterSettings(resolution=resolution), tmp_path / "first")
    deliver_pdf(first.tiff, tmp_path / "received.pdf")

    again = prepare([tmp_path / "received.pdf"], FINE, tmp_path)

    ((_, sent),) = read_pages(first.tiff)
    ((_, sent_on),) = read_pages(again.tiff)
    assert np.array_equal(sent, sent_on)

    # Turned in its viewer it is another page, and is drawn.
    document = pdfium.PdfDocument(tmp_path / "received.pdf")
    document[0].set_rotation(180)
    document.save(tmp_path / "turned.pdf")
    (tmp_path / "turned").mkdir()
    ((info, turned),) = read_pages(prepare([tmp_path / "turned.pdf"], FINE, tmp_path / "turned").tiff)
    top, bottom = turned[: info.rows // 4].mean(), turned[-info.rows // 4 :].mean()
    assert bottom > top, "the empty foot of the letter is at the top now"


def test_tiffs_of_other_kinds_are_delivered_without_loss(tmp_path: Path) -> None:
    dots = np.random.default_rng(1).random((300, 1728)) > 0.9
    tiff = tmp_path / "g3.tif"
    Image.fromarray(~dots).save(tiff, compression="group3", dpi=(204, 98))
    deliver_pdf(tiff, tmp_path / "out.pdf")

    ((_, got),) = read_pages(tmp_path / "out.pdf")
    assert np.array_equal(got, dots)


def test_convert_both_ways(tmp_path: Path) -> None:
    pages = convert([SAMPLES / "letter.pdf"], tmp_path / "a.tif", FINE)
    again = convert([tmp_path / "a.tif"], tmp_path / "b.pdf", FINE)

    assert pages == again
    with pytest.raises(UsageError):
        convert([SAMPLES / "letter.pdf"], tmp_path / "a.docx", FINE)
    with pytest.raises(UsageError):
        convert([SAMPLES / "letter.pdf"], tmp_path / "missing" / "a.pdf", FINE)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.integers(0, 2**32 - 1), st.floats(0.0, 1.0))
def test_t6_round_trip(rows: int, seed: int, density: float) -> None:
    dots = np.random.default_rng(seed).random((rows, 1728)) < density
    image = Image.fromarray(~dots)
    buffer = io.BytesIO()
    path = Path(f"/tmp/softfax-t6-{seed}-{rows}.tif")
    try:
        with TiffWriter(path) as writer:
            info = writer.add(image, 204, 196)
        assert info.bytes == len(encode_t6(image))
        ((_, got),) = read_pages(path)
        assert np.array_equal(got, dots)
    finally:
        path.unlink(missing_ok=True)
        buffer.close()


# ---- bad input -------------------------------------------------------------------------------------------------------


def _encrypted_pdf() -> bytes:
    """A PDF whose trailer says it is encrypted with a password nobody has."""
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>",
        b"<</Filter/Standard/V 1/R 2/O<" + b"41" * 32 + b">/U<" + b"42" * 32 + b">/P -4>>",
    ]
    out, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj" % number + body + b"endobj\n"
    xref = len(out)
    out += b"xref\n0 5\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % o for o in offsets)
    out += b"trailer<</Size 5/Root 1 0 R/Encrypt 4 0 R/ID[<%s><%s>]>>\nstartxref\n%d\n%%%%EOF" % (
        b"43" * 16,
        b"43" * 16,
        xref,
    )
    return out


def _bomb() -> bytes:
    buffer = io.BytesIO()
    Image.new("1", (30000, 30000)).save(buffer, "PNG")
    return buffer.getvalue()


BAD: dict[str, tuple[bytes, type[DocumentError]]] = {
    "nothing.pdf": (b"", DocumentEmptyError),
    "garbage.bin": (bytes(range(256)) * 20, DocumentUnsupportedError),
    "cut.pdf": ((SAMPLES / "letter.pdf").read_bytes()[:900], DocumentUnsupportedError),
    "cut.tif": ((SAMPLES / "letter.tif").read_bytes()[:5000], DocumentUnsupportedError),
    "cut.png": ((SAMPLES / "photo.png").read_bytes()[:90], DocumentUnsupportedError),
    "locked.pdf": (_encrypted_pdf(), DocumentPasswordError),
    "bomb.png": (_bomb(), DocumentTooLargeError),
    "blank.txt": (b"  \n \n", DocumentEmptyError),
    "office.docx": (b"PK\x03\x04" + b"\0" * 200, DocumentUnsupportedError),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_give_one_clear_line_and_leave_nothing(tmp_path: Path, name: str) -> None:
    data, kind = BAD[name]
    (tmp_path / name).write_bytes(data)
    work = tmp_path / "work"
    work.mkdir()

    with pytest.raises(kind) as caught:
        prepare([tmp_path / name], FINE, work)

    assert "\n" not in str(caught.value)
    assert caught.value.remedy
    assert caught.value.exit_status == 2
    assert list(work.iterdir()) == []
    assert not re.search(r"Traceback|Error:", str(caught.value))


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DocumentUnsupportedError, match=r"no-such\.pdf cannot be read"):
        prepare([tmp_path / "no-such.pdf"], FINE, tmp_path)


def test_limits_on_pages_and_bytes(tmp_path: Path) -> None:
    with pytest.raises(DocumentTooLargeError, match="10 pages"):
        prepare([SAMPLES / "report.pdf"], RasterSettings(limits=DocumentLimits(pages=5)), tmp_path)
    with pytest.raises(DocumentTooLargeError):
        prepare([SAMPLES / "report.pdf"], RasterSettings(limits=DocumentLimits(file_bytes=1000)), tmp_path)


def test_a_document_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    with pytest.raises(DocumentTooLargeError, match="too long"):
        prepare([SAMPLES / "report.pdf"], RasterSettings(limits=DocumentLimits(wall_s=0.05)), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("invoice.pdf", "<!DOCTYPE html>\n<html><body>Please log in</body></html>", "a web page (HTML)"),
        ("scan.TIF", "404 not found\n", "plain text"),
        ("photo.jpg", "  <HTML><head>", "a web page (HTML)"),
    ],
)
def test_text_under_the_name_of_a_document_is_no_fax(tmp_path: Path, name: str, content: str, kind: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(DocumentUnsupportedError, match="not what its name says") as caught:
        prepare([tmp_path / name], FINE, tmp_path)
    assert f"{name} holds {kind}" in str(caught.value)
    (tmp_path / "page.txt").write_text(content)
    assert len(prepare([tmp_path / "page.txt"], FINE, tmp_path).pages) == 1


@pytest.mark.parametrize(
    ("sample", "name", "kind"), [("letter.pdf", "letter.tif", "a PDF"), ("invoice.png", "invoice.pdf", "a picture")]
)
def test_a_document_of_another_kind_than_its_name_is_told(tmp_path: Path, sample: str, name: str, kind: str) -> None:
    (tmp_path / name).write_bytes((SAMPLES / sample).read_bytes())
    with start([tmp_path / name], FINE, tmp_path) as job:
        job.wait_ready()
        assert job.warnings == [f"{name} is {kind}, whatever its name says, and is faxed as one"]


def test_a_document_under_another_name_tells_what_else_is_to_be_told(tmp_path: Path) -> None:
    frames = [Image.new("L", (400, 300), 255 * (n == 0)) for n in range(2)]
    frames[0].save(tmp_path / "moving.pdf", "GIF", save_all=True, append_images=frames[1:])
    with start([tmp_path / "moving.pdf"], FINE, tmp_path) as job:
        job.wait_ready()
        (warning,) = job.warnings
    assert "is a picture, whatever its name says" in warning
    assert "has several pictures, of which the first is faxed" in warning
