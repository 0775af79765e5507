# SPDX-License-Identifier: GPL-2.0-or-later
"""Scenarios of T.30 in its own terms: a machine that receives against a scripted caller, one that sends against a scripted
answerer. They follow the procedures of T.30 §5.3 to §5.5 and annex A, as test suites of ITU-T TSB-85's kind do.
"""

from __future__ import annotations

from tests.conformance import receiving, sending, turning  # noqa: F401  each adds its own
from tests.conformance.scenario import SCENARIOS, Scenario

__all__ = ["SCENARIOS", "Scenario"]
