# SPDX-License-Identifier: GPL-2.0-or-later
"""Two machines have two sample clocks: faxes over G.711 come through at every phase between them, and while they drift apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from softfax.engine.abi import EventType
from softfax.engine.line import LineSettings
from tests.native.test_line import fax


@pytest.mark.parametrize("tenths", range(10))
def test_v17_trains_at_every_phase_between_the_clocks(tmp_path: Path, tenths: int) -> None:
    # Every page after V.17's first training begins with a short one, which must find the phase by itself.
    result = fax(
        tmp_path, LineSettings(mode="PCMU"), pages=2, sender={"ecm": False}, impairments={"phase": tenths / 10}
    )

    assert result.completed
    assert result.identical
    complete = result.last(result.receiver, EventType.COMPLETE)
    assert complete.code == 0
    assert [e.values for e in result.receiver if e.type is EventType.NEGOTIATED]
    assert {e.values[0] for e in result.receiver if e.type is EventType.NEGOTIATED} == {14400}


# At 200 ppm a few rows get lost where no error correction brings them again.
@pytest.mark.parametrize(
    ("ppm", "ecm"), [(-200, True), (-100, True), (-100, False), (50, True), (50, False), (200, True)]
)
def test_faxes_come_through_while_the_clocks_drift_apart(tmp_path: Path, ppm: int, ecm: bool) -> None:
    line = LineSettings(mode="PCMA" if ppm < 0 else "PCMU")
    result = fax(tmp_path, line, pages=3, sender={"ecm": ecm}, impairments={"skew_ppm": ppm})

    assert result.completed
    assert result.identical
    assert result.last(result.receiver, EventType.COMPLETE).code == 0
    assert result.last(result.sender, EventType.COMPLETE).code == 0
