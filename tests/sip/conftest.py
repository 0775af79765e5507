# SPDX-License-Identifier: GPL-2.0-or-later
"""A far end for the tests of the user agent."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sip.far_end import FarEnd


@pytest.fixture
def far() -> Iterator[FarEnd]:
    far = FarEnd()
    yield far
    far.close()
