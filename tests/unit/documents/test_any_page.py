# SPDX-License-Identifier: GPL-2.0-or-later
"""Every page that T.30 can carry becomes a page of a PDF, from one row to the longest the decoder takes, and goes on by fax."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pypdfium2 as pdfium
import pytest
from PIL import Image

from softfax.documents.begin import prepare
from softfax.documents.deliver import deliver_pdf
from softfax.documents.pdf_writer import LEAST_UNITS, MOST_UNITS
from softfax.documents.strips import read_strips
from softfax.documents.tiff import TiffWriter, read_pages
from softfax.documents.types import DocumentMetadata, RasterSettings
from softfax.errors import DocumentUnsupportedError
from softfax.web.pictures import page_png


def page(rows: int, width: int = 1728) -> Image.Image:
    white = np.ones((rows, width), dtype=bool)
    white[:, 100:110] = False
    white[:: max(1, rows // 7), 300:900] = False
    return Image.fromarray(white)


@pytest.mark.parametrize(("x_dpi", "y_dpi", "width"), [(204, 98, 1728), (204, 196, 1728), (408, 391, 4864)])
@pytest.mark.parametrize("rows", [1, 4, 8, 9, 17])
def test_a_page_of_a_few_rows(tmp_path: Path, x_dpi: int, y_dpi: int, width: int, rows: int) -> None:
    tiff, pdf = tmp_path / "in.tif", tmp_path / "out.pdf"
    with TiffWriter(tiff) as writer:
        for count in (600, rows, 600):
            writer.add(page(count, width), x_dpi, y_dpi)

    deliver_pdf(tiff, pdf)

    for (sent, before), (info, after) in zip(read_pages(tiff), read_pages(pdf), strict=True):
        assert np.array_equal(before, after)
        assert (info.width, info.rows) == (sent.width, sent.rows)
        assert info.y_dpi == pytest.approx(y_dpi, rel=0.03), "a short page keeps its scale: what was added is white"
    document = pdfium.PdfDocument(pdf)
    assert all(side >= LEAST_UNITS - 0.001 for one in document for side in one.get_size())
    keywords = document.get_metadata_dict()["Keywords"]
    assert ("page 2 is shorter" in keywords) == (document[1].get_height() < LEAST_UNITS + 0.001), keywords
    assert page_png(pdf, 2) is not None

    again = prepare([pdf], RasterSettings(resolution="400" if x_dpi == 408 else "fine"), tmp_path)
    for (_, before), (_, after) in zip(read_pages(tiff), read_pages(again.tiff), strict=True):
        assert np.array_equal(before, after)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(("y_dpi", "rows"), [(196, 39_200), (98, 65_535)])
def test_a_page_longer_than_five_metres(tmp_path: Path, y_dpi: int, rows: int) -> None:
    tiff, pdf = tmp_path / "in.tif", tmp_path / "out.pdf"
    with TiffWriter(tiff) as writer:
        writer.add(page(rows), 204, y_dpi)
        writer.add(page(100), 204, y_dpi)

    deliver_pdf(tiff, pdf)

    for (_, before), (info, after) in zip(read_pages(tiff), read_pages(pdf), strict=True):
        assert np.array_equal(before, after)
        assert info.x_dpi == pytest.approx(204, rel=0.01)
        assert info.y_dpi == pytest.approx(y_dpi, rel=0.03)
    document = pdfium.PdfDocument(pdf)
    assert all(side <= MOST_UNITS for one in document for side in one.get_size())
    assert b"/UserUnit" in pdf.read_bytes()
    assert page_png(pdf, 1, 200) is not None


def test_the_widest_and_longest_page_is_delivered_though_it_is_too_large_to_draw(tmp_path: Path) -> None:
    tiff, pdf = tmp_path / "in.tif", tmp_path / "out.pdf"
    with TiffWriter(tiff) as writer:
        # White rows of T.6 are a bit each.
        writer.add_t6(b"\xff" * (65_535 // 8), 4864, 65_535, 408, 391)

    (info,) = deliver_pdf(tiff, pdf)

    assert (info.width, info.rows) == (4864, 65_535)
    assert len(pdfium.PdfDocument(pdf)) == 1
    with pytest.raises(DocumentUnsupportedError):
        list(read_pages(pdf))
    with pytest.raises(DocumentUnsupportedError):
        list(read_pages(tiff))


def test_bits_in_the_other_order_and_inverted_pages(tmp_path: Path) -> None:
    """TIFF as spandsp writes it, and as it allows besides."""
    dots = ~np.asarray(page(300))
    for name, options in {"order": {266: 2}, "inverted": {262: 1}, "both": {262: 1, 266: 2}}.items():
        tiff, pdf = tmp_path / f"{name}.tif", tmp_path / f"{name}.pdf"
        Image.fromarray(~dots).save(
            tiff, "TIFF", compression="group4", strip_size=1728 * 300, dpi=(204, 196), tiffinfo=options
        )
        assert read_strips(tiff)[0].octets, "it goes through as it is"
        ((_, want),) = read_pages(tiff)

        deliver_pdf(tiff, pdf)

        ((_, got),) = read_pages(pdf)
        assert np.array_equal(got, want), name


def test_names_that_a_far_end_chose(tmp_path: Path) -> None:
    tiff, pdf = tmp_path / "in.tif", tmp_path / "out.pdf"
    with TiffWriter(tiff) as writer:
        writer.add(page(600), 204, 196)
    sender = "بخش (1)\\ >> /JS \udc80"

    deliver_pdf(tiff, pdf, DocumentMetadata(sender=sender, recipient="x" * 500))

    assert pdfium.PdfDocument(pdf).get_metadata_dict()["Author"] == sender.replace("\udc80", "?")
