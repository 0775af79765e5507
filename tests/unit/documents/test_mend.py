# SPDX-License-Identifier: GPL-2.0-or-later
"""A TIFF left in the middle keeps the pages that are whole; the process killed at each write is in tests/native/test_disk.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from softfax.documents.mend import mend
from softfax.documents.tiff import TiffWriter, read_pages


@pytest.fixture(scope="module")
def three_pages(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("mend") / "three.tif"
    with TiffWriter(path) as writer:
        for number in range(3):
            white = np.ones((60, 1728), dtype=bool)
            white[10 + number :: 7, 100:900] = False
            writer.add(Image.fromarray(white), 204, 196)
    return path.read_bytes()


def test_a_whole_file_stays_as_it_is(tmp_path: Path, three_pages: bytes) -> None:
    path = tmp_path / "x.tif"
    path.write_bytes(three_pages)

    assert mend(path) == 3
    assert path.read_bytes() == three_pages


def test_of_a_file_cut_off_anywhere_the_whole_pages_are_left(tmp_path: Path, three_pages: bytes) -> None:
    path = tmp_path / "x.tif"
    seen = []
    for cut in range(0, len(three_pages), 7):
        path.write_bytes(three_pages[:cut])
        pages = mend(path)
        assert len(list(read_pages(path)) if pages else []) == pages
        assert mend(path) == pages
        seen.append(pages)
    assert seen == sorted(seen)
    assert set(seen) == {0, 1, 2}


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_nothing_makes_it_fail(tmp_path: Path, three_pages: bytes, data: st.DataObject) -> None:
    damaged = bytearray(three_pages)
    for _ in range(data.draw(st.integers(0, 6))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "x.tif"
    path.write_bytes(bytes(damaged))

    assert 0 <= mend(path) <= 10_000


@pytest.mark.parametrize("content", [b"", b"II", b"%PDF-1.4", b"II*\0", b"MM\0*\0\0\0\0"])
def test_what_is_no_tiff_has_no_pages(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(content)

    assert mend(path) == 0
    assert mend(tmp_path / "missing") == 0
