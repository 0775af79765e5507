# SPDX-License-Identifier: GPL-2.0-or-later
"""Filters of events match as `re` does, and none takes long."""

from __future__ import annotations

import re
import time

import pytest

from softfax.ami.filters import Filter

EVENT = "Event: FAXStatus\r\nPrivilege: call,all\r\nChannel: PJSIP/pbx-00000001\r\nStatus: T38 Negotiated\r\n"


@pytest.mark.parametrize(
    "pattern",
    [
        "Event: FAX",
        "Event: .*Channel: PJSIP.*",
        "^Event: FAX.*Status: T.8",
        "FAX.*Event",
        ".*PJSIP/[a-z]+-0",
        "Event: (Newchannel|Hangup|FAXStatus|ReceiveFAX|SendFAX|OriginateResponse)",
        "Event: (Fax|FAX).*Channel: PJSIP",
        "Event|Nothing.*at all",
        "Status: T38 Negotiated\\r\\n$",
        "[*+?]",
        "call\\.all",
        "a.*b.*c.*d.*e",
        "Colou?r|PJSIP",
        "",
    ],
)
def test_what_filters_let_through_is_what_re_finds(pattern: str) -> None:
    assert Filter(pattern).matches(EVENT) == bool(re.search(pattern, EVENT, re.DOTALL))
    assert Filter(pattern).wanted
    assert not Filter("!" + pattern).wanted


@pytest.mark.parametrize(
    "pattern", [".?" * 80 + "x", "(a|a)" * 30 + "b", "a*a*b", "(a*.*b|c)", "a+.*a+b", "(a+)+", "a{1,99}a{1,99}b", "("]
)
def test_what_could_take_for_ever_is_no_filter(pattern: str) -> None:
    with pytest.raises(re.error):
        Filter(pattern)


@pytest.mark.parametrize(
    "pattern", ["a.*" * 60 + "x", "(a|a)(a|a)(a|a)(a|a)a*x", "a?a?a?a?a?.*x", "[a-z]+x", ".{0,200}x"]
)
def test_what_is_one_takes_no_time_over_any_event(pattern: str) -> None:
    filters = [Filter(pattern) for _ in range(4)]
    began = time.thread_time()
    for _ in range(5):
        assert not any(one.matches("a" * 120_000) for one in filters)
    assert time.thread_time() - began < 10
