# SPDX-License-Identifier: GPL-2.0-or-later
"""T.30 as the standard has it, against scripted far ends: every scenario of `make conformance`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.check import check
from tests.conformance.farend import Departure, FarEnd
from tests.conformance.scenarios import SCENARIOS, Scenario


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.name)
def test_a_scenario(scenario: Scenario, tmp_path: Path) -> None:
    check(scenario, tmp_path)


def test_a_machine_that_departs_is_caught(tmp_path: Path) -> None:
    def script(far: FarEnd):  # type: ignore[no-untyped-def]
        yield far.hears("CFR")

    with pytest.raises(Departure, match="said DIS instead of CFR"):
        check(Scenario("x", "", "receives", script), tmp_path)


def test_scenarios_have_names_of_their_own() -> None:
    assert len({one.name for one in SCENARIOS}) == len(SCENARIOS) > 40
