# SPDX-License-Identifier: GPL-2.0-or-later
"""What people read of events."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta

from softfax.cli.report import describe
from softfax.model import Direction, FaxResult, Mode

BUSY = FaxResult(
    session=1, direction=Direction.SEND, success=False, status="FAILED", error="BUSY", status_string="busy (486)",
    result_code=1486, mode=Mode.AUDIO, pages=0, pages_total=2, bitrate=0, ecm=False, encoding="", resolution="0x0",
    local_station_id="", remote_station_id="", bad_rows=0, duration_s=1.0, documents=["letter.pdf"], call_id="", fax_id="ab" * 12,
)  # fmt: skip


def test_a_fax_that_will_be_tried_again_says_when() -> None:
    noon = datetime.now().astimezone().replace(hour=12, minute=5, second=7)
    again = dataclasses.replace(BUSY, retry_at=noon.isoformat())
    in_two_days = dataclasses.replace(BUSY, retry_at=(noon + timedelta(days=2)).isoformat())

    assert describe(BUSY) == "failed: busy (486)"
    assert describe(again) == "failed: busy (486); next call at 12:05:07"
    assert (describe(in_two_days) or "").endswith(f"next call at {noon + timedelta(days=2):%Y-%m-%d} 12:05")
