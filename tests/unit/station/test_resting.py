# SPDX-License-Identifier: GPL-2.0-or-later
"""An account whose server answers 503 with Retry-After is left alone for as long as that says."""

from __future__ import annotations

from softfax.model import Direction, FaxResult
from softfax.station.resting import Resting


def result(
    sip_code: int, retry_after_s: int | None = None, q850: int | None = None, code: int | None = None
) -> FaxResult:
    return FaxResult(
        direction=Direction.SEND, success=False, status="FAILED", error="X", status_string="", fax_id="f", sip_code=sip_code,
        result_code=1000 + sip_code if code is None else code, retry_after_s=retry_after_s, q850=q850,
    )  # fmt: skip


def test_it_rests_until_then_or_until_a_call_gets_through() -> None:
    resting = Resting()
    resting.note("a", result(503, 60), 0.0)
    resting.note("b", result(503), 0.0)
    resting.note("c", result(486, 60), 0.0)  # says something about who was called
    resting.note("d", result(500, 60, q850=34), 0.0)
    assert resting.accounts(59.0) == {"a", "d"}
    assert resting.accounts(61.0) == set()
    resting.note("a", result(503), 1.0)
    assert resting.accounts(2.0) == {"a", "d"}
    resting.note("a", result(200, code=0), 3.0)
    assert resting.accounts(4.0) == {"d"}
