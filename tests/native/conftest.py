# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests of the engine run on its test library, which has the shipped library's objects and far ends that misbehave."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from softfax.engine import abi
from tests.support import engine_testing


@pytest.fixture(scope="module", autouse=True)
def engine_test_library() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTFAX_ENGINE", str(engine_testing.TEST_LIBRARY))
        patch.setattr(abi, "_library", None)
        yield
