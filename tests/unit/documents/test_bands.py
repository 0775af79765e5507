# SPDX-License-Identifier: GPL-2.0-or-later
"""A page that is worked on band by band looks as if it had been worked on as a whole."""

from __future__ import annotations

import numpy as np
import pytest

from softfax.documents import blocks


@pytest.mark.parametrize("rows", [1, 6, 7, 8, 40, 61])
@pytest.mark.parametrize(("across", "down"), [(1, 1), (3, 5), (17, 17), (4, 6)])
def test_bands_make_no_difference(monkeypatch: pytest.MonkeyPatch, rows: int, across: int, down: int) -> None:
    page = np.random.default_rng(rows).integers(0, 256, (rows, 30), np.uint8)
    page[page > 150] = 255
    whole = blocks.closing(page, across, down), blocks.opening(page, across, down)
    monkeypatch.setattr(blocks, "BAND", 7)
    assert np.array_equal(blocks.closing(page, across, down), whole[0])
    assert np.array_equal(blocks.opening(page, across, down), whole[1])
