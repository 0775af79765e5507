# SPDX-License-Identifier: GPL-2.0-or-later
"""Words that people read of events."""

from __future__ import annotations

import dataclasses
import os
from datetime import datetime, timedelta

from softfax.cli.report import Reporter, describe
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


def test_a_reader_who_goes_ends_nothing() -> None:
    """`softfax serve | head -n 1`: the station, or the fax under way, goes on."""
    theirs, ours = os.pipe()
    with os.fdopen(ours, "w") as stream:
        os.close(theirs)
        for as_json in (False, True):
            reporter = Reporter(json_lines=as_json, out=stream, err=stream)
            reporter.text("listening")
            reporter.line("listening", address="127.0.0.1")
            reporter.event(BUSY)
            reporter.problem("something went wrong")
