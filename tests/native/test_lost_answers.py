# SPDX-License-Identifier: GPL-2.0-or-later
"""Answers of the receiver that are lost on the line: asked for again, they are given again."""

from __future__ import annotations

from pathlib import Path

import pytest

from softfax.engine import EventType, Fault, LineSettings
from tests.native.test_line import fax


@pytest.mark.parametrize("mode", ["T38", "PCMU"])
@pytest.mark.parametrize("ecm", [True, False])
@pytest.mark.parametrize("pages", [1, 2])
def test_a_lost_mcf_is_said_again(tmp_path: Path, mode: str, ecm: bool, pages: int) -> None:
    result = fax(
        tmp_path, LineSettings(mode=mode), pages=pages, sender={"ecm": ecm}, receiver={"fault": Fault.LOST_MCF}
    )

    assert result.identical
    for side in (result.sender, result.receiver):
        complete = result.last(side, EventType.COMPLETE)
        assert complete.code == 0
        assert complete.values[0] == pages
