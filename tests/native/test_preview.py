# SPDX-License-Identifier: GPL-2.0-or-later
"""The page being received is seen while it comes, and what is seen is what is there in the end."""

from __future__ import annotations

import io
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from softfax.documents.tiff import read_pages
from softfax.engine.core import Engine, PagePreview, T30Settings
from softfax.engine.line import LineSettings, run_line
from softfax.fax.preview import PAPER_GREY, png_of
from tests.native.pages import write_pages


def dots_of(page: PagePreview) -> np.ndarray:
    rows = np.frombuffer(page.dots, np.uint8).reshape(page.rows, -1)
    return np.unpackbits(rows, axis=1)[:, : page.width].astype(bool)


def watched(tmp_path: Path, mode: str, ecm: bool) -> list[tuple[PagePreview, int]]:
    """Return what was seen of a fax of two pages while it came, and the rows the counters said."""
    write_pages(tmp_path / "sent.tif", 2, rows=2000, density=0.3)
    seen: list[tuple[PagePreview, int]] = []
    with Engine(shards=1) as engine:
        a = engine.session(T30Settings(caller=True, tx_file=tmp_path / "sent.tif", ecm=ecm))
        b = engine.session(T30Settings(caller=False, rx_file=tmp_path / "received.tif"))
        assert b.preview() is None
        line = threading.Thread(target=run_line, args=(a, b, LineSettings(mode=mode, pace_us=400)))
        line.start()
        while line.is_alive():
            page = b.preview()
            if page is not None:
                seen.append((page, b.stats().rows))
            assert a.preview() is None
            time.sleep(0.02)
        line.join()
        a.close()
        b.close()
        assert b.preview() is None
    return seen


@pytest.mark.parametrize("mode", ["T38", "PCMU"])
@pytest.mark.parametrize("ecm", [True, False])
def test_a_page_grows_to_what_it_will_be(tmp_path: Path, mode: str, ecm: bool) -> None:
    seen = watched(tmp_path, mode, ecm)

    final = [dots for _, dots in read_pages(tmp_path / "received.tif")]
    first = [page for page, _ in seen if page.page == 1]
    assert len({page.rows for page in first}) > 2
    assert [page.rows for page in first] == sorted(page.rows for page in first)
    assert {page.page for page, _ in seen} == {1, 2}
    assert len({counted for _, counted in seen}) > 2
    for page, counted in seen:
        assert np.array_equal(dots_of(page), final[page.page - 1][: page.rows])
        assert counted <= 2000
        assert (page.width, page.x_dpm, page.y_dpm) == (1728, 8031, 7700)


def test_the_picture_is_as_long_as_a4_and_does_not_change_above(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    whole = np.packbits(rng.random((2000, 1728)) > 0.7, axis=1)

    def picture(rows: int) -> np.ndarray:
        png = png_of(PagePreview(1, 1728, rows, 8031, 7700, whole[:rows].tobytes()))
        assert png is not None
        return np.asarray(Image.open(io.BytesIO(png)))

    half, full = picture(1001), picture(2000)
    assert half.shape == full.shape == (1193, 864)
    drawn = int(1001 / (2 * 7700 / 8031))
    assert np.array_equal(half[:drawn], full[:drawn])
    assert (half[drawn:] == PAPER_GREY).all()
    assert png_of(PagePreview(1, 1728, 0, 8031, 7700, b"")) is None
