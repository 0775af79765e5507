# SPDX-License-Identifier: GPL-2.0-or-later
"""A fax that goes on at a page of a TIFF made before: the same dots, the numbers of the whole, marked as continued."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from softfax.documents.begin import prepare, start
from softfax.documents.header import header_rows
from softfax.documents.tiff import read_pages
from softfax.documents.types import RasterSettings

HEADER = {"station": "Clinic", "number": "5551", "when": "2026-01-02T03:04:05+00:00", "time_zone": "UTC"}


def test_later_pages_come_from_the_raster_with_their_own_header(tmp_path: Path) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_text("\f".join(f"This is page {n}." for n in (1, 2, 3)))
    cover = {"to": "Somebody", "subject": "Pages"}
    made = prepare([letter], RasterSettings(), tmp_path, cover=cover)
    letter.write_text("What is not read any more.")
    settings = RasterSettings(first_page=3)
    with start(
        [letter], settings, tmp_path, cover=cover, header={**HEADER, "continued": True}, raster=made.tiff
    ) as job:
        again = job.prepared()
    before, after = ([dots for _, dots in read_pages(path)] for path in (made.tiff, again.tiff))
    assert (len(before), len(after)) == (4, 2)
    rows = header_rows(196)
    for old, new in zip(before[2:], after, strict=True):
        assert np.array_equal(old[rows:], new[rows:])
        assert new[:rows].sum() > old[:rows].sum() + 500
