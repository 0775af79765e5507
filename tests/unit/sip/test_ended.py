# SPDX-License-Identifier: GPL-2.0-or-later
"""The end of a call as the far end tells it: Reason with Q.850, Retry-After within limits, Warning."""

from __future__ import annotations

import pytest

from softfax.model import EndedBy
from softfax.sip.ended import CallEnd, end_of, q850_of, retry_after_s


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        (" 18000;duration=3600", 3600),
        ("5 (in a meeting)", 5),
        ("", 0),
        ("soon", 0),
        ("-3", 0),
        ("9" * 30, 0),
    ],
)
def test_retry_after(value: str, seconds: int) -> None:
    assert retry_after_s(value) == seconds


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        (['Reason: Q.850;cause=17;text="User busy"'], (17, "User busy")),
        (["reason :q.850 ; cause = 1"], (1, "")),
        (['Reason: SIP;cause=480;text="a, Q.850;cause=3", Q.850;cause=1'], (1, "")),
        (["Reason: SIP;cause=486", "Reason: Q.850;cause=17"], (17, "")),
        (["Reason: Q.850", ' ;cause=34;text="no \\"way\\""'], (34, 'no "way"')),
        (["Reason: Q.850;cause=0"], (0, "")),
        (["Reason: Q.850;cause=200"], (0, "")),
        (["Reason: Q.850;cause=x, Q.850;cause=16"], (16, "")),
        (["Reason: " + ',;"' * 300], (0, "")),
        (["X-Reason: Q.850;cause=17"], (0, "")),
        ([], (0, "")),
    ],
)
def test_q850(headers: list[str], found: tuple[int, str]) -> None:
    assert q850_of("\r\n".join(["BYE sip:fax@192.0.2.1 SIP/2.0", *headers])) == found


def test_a_refusal_with_all_of_it() -> None:
    head = (
        "SIP/2.0 503 Service Unavailable\r\nRetry-After: 60\r\nReason: Q.850;cause=34\r\n"
        'Warning: 399 gw.example "trunk \\"7\\" is full\x1b[2J"'
    )
    assert end_of(head) == CallEnd(by=EndedBy.FAR_END, q850=34, words='trunk "7" is full\ufffd[2J', retry_after_s=60)
