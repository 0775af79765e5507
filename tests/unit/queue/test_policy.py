# SPDX-License-Identifier: GPL-2.0-or-later
"""Times at which a fax is tried again, and may be called: the table of docs/queue.md."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softfax.fax.causes import classify, remedy
from softfax.model import Cause, FaxState
from softfax.queue.policy import after, slower
from softfax.reasons import HOST_UNREACHABLE, NAME_UNKNOWN, PORT_UNREACHABLE
from softfax.records.model import RetryRules
from softfax.station.config.queue import HoursConfig, QueueConfig
from softfax.station.rules import next_open

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def waits(cause: Cause, **more: Any) -> list[float]:
    """The waits after one failure after the other, until it has failed."""
    found: list[float] = []
    for number in range(1, 20):
        verdict = _after(cause, number, **more)
        if verdict.next_at is None:
            return found
        found.append((verdict.next_at - NOW).total_seconds())
    return found


def _after(cause: Cause, number: int, rules: RetryRules | None = None, **config: Any) -> Any:
    return after(
        cause, same_causes=number, attempts=number if cause is not Cause.OURS else 0, rules=rules or RetryRules(),
        config=QueueConfig(**config), now=NOW, deadline=None, number="+49301",
    )  # fmt: skip


def test_the_defaults() -> None:
    assert waits(Cause.BUSY) == [60, 180, 300, 600, 900, 900, 900]
    assert waits(Cause.NO_ANSWER) == [300, 900, *[3600] * 5]
    assert waits(Cause.TRAINING) == [10, 60, *[300] * 5]
    assert waits(Cause.BROKEN) == [30, 120, *[600] * 5]
    assert waits(Cause.NOT_FAX) == [1800]
    assert waits(Cause.UNREACHABLE) == [30, 120, 600, *[1800] * 4]
    assert waits(Cause.OURS)[:4] == [5, 30, 120, 120]
    for cause in (Cause.REFUSED, Cause.DOCUMENT, Cause.FORBIDDEN):
        assert waits(cause) == []
    assert _after(Cause.CRASH, 1).state is FaxState.UNCERTAIN
    assert waits(Cause.CRASH, on_uncertain="resend") == [30, 120, *[600] * 5]
    assert _after(Cause.CANCELLED, 1).state is FaxState.CANCELLED


@pytest.mark.parametrize("direction", ["send", "receive"])
def test_every_failure_has_a_remedy(direction: str) -> None:
    """Whatever the far end's SIP or T.30 says; none of them sends people who received a fax to look for a number."""
    assert all(remedy(cause) for cause in Cause)
    said = set()
    for code in [*range(1, 80), 1000, *(1000 + sip for sip in range(300, 700)), 2000]:
        sip = code - 1000 if 1000 < code < 2000 else 0
        result = {"success": False, "error": "x", "result_code": code, "sip_code": sip, "direction": direction}
        cause = classify(result)
        assert cause is not None
        assert remedy(cause, result)
        if code < 1000:
            said.add(remedy(cause, result))
    assert direction == "send" or not any("check the number" in text for text in said)


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ({"result_code": 1486, "sip_code": 486}, "call again later"),
        ({"result_code": 1487, "sip_code": 487}, "whether the recipient's machine is switched on"),
        ({"result_code": 1404, "sip_code": 404}, "check the number"),
        ({"result_code": 1401, "sip_code": 401}, "check user and password"),
        ({"result_code": 1488, "sip_code": 488}, "accept T.38 or G.711"),
        ({"result_code": 1500, "sip_code": 500}, "ask the operator of the server"),
        ({"result_code": 1502, "sip_code": 502, "status_string": NAME_UNKNOWN}, "DNS"),
        (
            {"result_code": 1503, "sip_code": 503, "status_string": PORT_UNREACHABLE},
            "server or machine there is running",
        ),
        ({"result_code": 1503, "sip_code": 503, "status_string": HOST_UNREACHABLE}, "the network and the firewalls"),
        ({"result_code": 1000, "error": "T38_NEG_ERROR"}, "mode auto"),
        ({"result_code": 10}, "no format in common"),
    ],
)
def test_the_remedy_fits(result: dict[str, Any], words: str) -> None:
    whole = {"success": False, "error": "x", "direction": "send", **result}
    cause = classify(whole)
    assert cause is not None
    assert words in remedy(cause, whole)


def test_the_rules_of_a_fax_win() -> None:
    rules = RetryRules(attempts=3, wait_s=7)
    assert waits(Cause.BUSY, rules=rules) == [7, 7]
    assert _after(Cause.CRASH, 1, rules=RetryRules(on_uncertain="resend")).state is FaxState.WAITING
    assert [slower([Cause.BUSY], 0), slower([Cause.TRAINING, None], 0), slower([Cause.TRAINING], 4800)] == [
        0,
        9600,
        4800,
    ]


@pytest.mark.parametrize(
    ("result", "cause"),
    [
        ({"success": True}, None),
        ({"result_code": 1486}, Cause.BUSY),
        ({"result_code": 1480}, Cause.NO_ANSWER),
        ({"result_code": 1404}, Cause.REFUSED),
        ({"result_code": 1503}, Cause.UNREACHABLE),
        ({"result_code": 1000}, Cause.UNREACHABLE),
        ({"result_code": 1403}, Cause.FORBIDDEN),
        ({"result_code": 2000}, Cause.CRASH),
        ({"result_code": 2}, Cause.NOT_FAX),
        ({"result_code": 6}, Cause.TRAINING),
        ({"result_code": 9}, Cause.REFUSED),
        ({"result_code": 49}, Cause.NOT_FAX),
        ({"result_code": 49, "bitrate": 14400}, Cause.BROKEN),
        ({"result_code": 49, "error": "CANCEL"}, Cause.CANCELLED),
        ({"result_code": 41, "error": "FILE_ERROR"}, Cause.DOCUMENT),
        ({"result_code": 1000, "error": "FILE_ERROR"}, Cause.UNREACHABLE),
        ({"result_code": 61, "error": "INIT_ERROR"}, Cause.OURS),
    ],
)
def test_causes(result: dict[str, Any], cause: Cause | None) -> None:
    assert classify(result) is cause


HOURS = [
    HoursConfig(begin="08:00", end="21:00", time_zone="UTC"),
    HoursConfig(prefix="+49", begin="09:00", end="17:00", days=("mon", "tue", "wed", "thu", "fri"), time_zone="Europe/Berlin"),
    HoursConfig(prefix="+1", begin="22:00", end="02:00", time_zone="UTC"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("number", "at", "opens"),
    [
        ("+33", "2026-11-21T12:00", "2026-11-21T12:00"),
        ("+33", "2026-11-21T21:00", "2026-11-22T08:00"),
        ("+49301", "2026-11-20T15:59", "2026-11-20T15:59"),  # a Friday, 16:59 there
        ("+49301", "2026-11-20T16:00", "2026-11-23T08:00"),  # over the weekend
        ("+49301", "2026-06-19T15:00", "2026-06-22T07:00"),  # summer
        ("+1555", "2026-11-21T12:00", "2026-11-21T22:00"),
        ("+1555", "2026-11-21T01:30", "2026-11-21T01:30"),
        ("+1555", "2026-11-21T02:00", "2026-11-21T22:00"),
    ],
)
def test_calling_windows(number: str, at: str, opens: str) -> None:
    when = datetime.fromisoformat(f"{at}+00:00")
    assert next_open(number, when, HOURS) == datetime.fromisoformat(f"{opens}+00:00")


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),
    st.sampled_from(["+49", "+1", "+33"]),
)
def test_what_opens_is_open_and_never_past(at: datetime, number: str) -> None:
    opens = next_open(number, at, HOURS)
    assert opens is not None
    assert at <= opens <= at + timedelta(days=4)
    assert next_open(number, opens, HOURS) == opens


def test_a_deadline_ends_it() -> None:
    verdict = after(
        Cause.BUSY, same_causes=1, attempts=1, rules=RetryRules(), config=QueueConfig(), now=NOW,
        deadline=NOW + timedelta(seconds=59), number="1",
    )  # fmt: skip
    assert (verdict.state, verdict.next_at) == (FaxState.FAILED, None)


@pytest.mark.parametrize(
    ("retry_after_s", "deadline_s", "wait_s"),
    [(0, None, 60), (5, None, 60), (600, None, 600), (600, 700, 600), (600, 300, 60), (600, 30, None)],
)
def test_a_far_end_that_names_a_time_is_not_called_before(
    retry_after_s: int, deadline_s: int | None, wait_s: int | None
) -> None:
    """Unless the fax would pass its deadline by that."""
    verdict = after(
        Cause.BUSY, same_causes=1, attempts=1, rules=RetryRules(), config=QueueConfig(), now=NOW, number="+49301",
        deadline=None if deadline_s is None else NOW + timedelta(seconds=deadline_s), retry_after_s=retry_after_s,
    )  # fmt: skip
    assert verdict.next_at == (None if wait_s is None else NOW + timedelta(seconds=wait_s))


@pytest.mark.parametrize(
    ("sip", "q850", "cause"),
    [
        (480, 1, Cause.REFUSED),
        (500, 17, Cause.BUSY),
        (404, 34, Cause.UNREACHABLE),
        (503, 16, Cause.UNREACHABLE),
        (486, 127, Cause.BUSY),
        (480, 19, Cause.NO_ANSWER),
    ],
)
def test_the_cause_of_the_telephone_network_tells_more_than_the_status(sip: int, q850: int, cause: Cause) -> None:
    assert classify({"error": "X", "result_code": 1000 + sip, "sip_code": sip, "q850": q850}) is cause
