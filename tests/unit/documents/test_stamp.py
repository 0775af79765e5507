# SPDX-License-Identifier: GPL-2.0-or-later
"""The header line put before the bits of pages that are made: dot for dot as if it had been drawn on them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from softfax.documents.begin import prepare, start
from softfax.documents.header import HeaderLine, draw_header, header_rows
from softfax.documents.job import RasterJob, StampedJob
from softfax.documents.stamp import StampError, stamp
from softfax.documents.tiff import TiffWriter, read_pages
from softfax.documents.tiff import read_pages as pages_of
from softfax.documents.types import PageClass, RasterSettings

SAMPLES = Path(__file__).resolve().parents[3] / "samples"
WHEN = datetime(2026, 11, 28, 16, 0, tzinfo=UTC)
HEADER = {"station": "Praxis am See", "number": "+49 30 1234567", "recipient": "Dr. Müller", "when": WHEN.isoformat()}


def drawn(raster: Path, number: int, total: int) -> np.ndarray:
    info, black = list(read_pages(raster))[number - 1]
    page = Image.fromarray(~black)
    fields = {**HEADER, "when": WHEN, "page": number, "total": total}
    overlay = not black[: header_rows(info.y_dpi)].any()
    return ~np.asarray(draw_header(page, info.x_dpi, info.y_dpi, HeaderLine(**fields), overlay=overlay), dtype=bool)


@pytest.mark.parametrize("resolution", ["standard", "fine", "superfine", "300", "400"])
def test_a_stamped_page_is_the_page_with_the_line_drawn_on_it(resolution: str, tmp_path: Path) -> None:
    made = prepare(
        [SAMPLES / "report.pdf#pages=1-3", SAMPLES / "photo.png"], RasterSettings(resolution=resolution), tmp_path
    )
    pages = stamp(made.tiff, tmp_path / "stamped.tif", HEADER)
    found = list(pages_of(tmp_path / "stamped.tif"))
    assert len(found) == len(pages) == 4
    for number, (info, black) in enumerate(found, 1):
        assert (black == drawn(made.tiff, number, 4)).all()
        assert (info.width, info.rows) == (pages[number - 1].width, pages[number - 1].rows)


def test_a_page_without_a_white_margin_grows(tmp_path: Path) -> None:
    raster = tmp_path / "raster.tif"
    with TiffWriter(raster) as writer:
        writer.add_page(Image.new("1", (1728, 300), 0), PageClass.of("fine"))
    stamp(raster, tmp_path / "stamped.tif", HEADER)
    ((_, black),) = read_pages(tmp_path / "stamped.tif")
    assert black.shape[0] == 300 + header_rows(196)
    assert black[-300:].all()


def test_the_first_pages_are_left_out_and_counted(tmp_path: Path) -> None:
    made = prepare([SAMPLES / "report.pdf#pages=1-3"], RasterSettings(), tmp_path)
    assert len(stamp(made.tiff, tmp_path / "stamped.tif", HEADER, first_page=3)) == 1
    ((_, black),) = read_pages(tmp_path / "stamped.tif")
    assert (black == drawn(made.tiff, 3, 3)).all()


def test_without_a_header_the_pages_are_the_same_bits(tmp_path: Path) -> None:
    made = prepare([SAMPLES / "letter.pdf"], RasterSettings(), tmp_path)
    stamp(made.tiff, tmp_path / "stamped.tif", None)
    assert (tmp_path / "stamped.tif").read_bytes() == made.tiff.read_bytes()


def test_a_job_on_a_raster_needs_no_process_and_draws_anew_for_a_far_end(tmp_path: Path) -> None:
    made = prepare([SAMPLES / "letter.pdf"], RasterSettings(), tmp_path)
    with start([SAMPLES / "letter.pdf"], RasterSettings(), tmp_path, header=HEADER, raster=made.tiff) as job:
        assert isinstance(job, StampedJob)
        assert job.done
        job.wait_ready()
        from softfax.documents.types import FarEnd

        with job.again(tmp_path / "again.tif", FarEnd(fine=False, superfine=False), lambda: None) as again:
            assert isinstance(again, RasterJob)
            assert again.prepared().pages[0].y_dpi == 98


def test_another_tiff_is_opened_by_a_process(tmp_path: Path) -> None:
    other = tmp_path / "other.tif"
    Image.open(SAMPLES / "photo.png").convert("1").save(other, compression="group3", dpi=(204, 196))
    with pytest.raises(StampError):
        stamp(other, tmp_path / "stamped.tif", HEADER)
    with start([other], RasterSettings(), tmp_path, header=HEADER, raster=other) as job:
        assert isinstance(job, RasterJob)
        assert len(job.prepared().pages) == 1


@pytest.mark.parametrize("spoilt", [b"", b"II*\0", b"II*\0\xff\xff\xff\xff", b"nonsense"])
def test_a_spoilt_raster_is_no_traceback(spoilt: bytes, tmp_path: Path) -> None:
    raster = tmp_path / "raster.tif"
    raster.write_bytes(spoilt)
    with pytest.raises(StampError):
        stamp(raster, tmp_path / "stamped.tif", HEADER)
