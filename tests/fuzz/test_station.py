# SPDX-License-Identifier: GPL-2.0-or-later
"""A station lives through SIP that no user agent sends; `python -m tests.fuzz.python.sip` goes on for longer."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.python.sip import attack, survived
from tests.support.served import serving


@pytest.mark.sip
def test_messages_at_the_edge_and_beyond_it_bring_nothing_down(tmp_path: Path) -> None:
    with serving(tmp_path / "station", "FUZZED") as station:
        survived(station)
        attack(station, seed=1, count=400)
        survived(station)
