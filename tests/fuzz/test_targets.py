# SPDX-License-Identifier: GPL-2.0-or-later
"""Each fuzz target in C for some seconds, from what is kept of earlier runs; `make fuzz` goes on for longer."""

from __future__ import annotations

import os
import shutil

import pytest

from tests.fuzz.targets import FOUND, build, native, run
from tests.support.absent import absent


@pytest.mark.parametrize("name", native())
def test_nothing_breaks(name: str) -> None:
    if not shutil.which("clang"):
        absent("no Clang: apt-get install clang")
    build()
    result = run(name, int(os.environ.get("FUZZ_SECONDS") or 4))
    assert result.ok, f"{result.output[-3000:]}\nthe inputs are in {FOUND}"
