# SPDX-License-Identifier: GPL-2.0-or-later
"""Callbacks: what becomes of them, when they are tried again, how they are signed."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softfax.delivery.policy import DeliveryOutcome, PostResult, RetryPolicy, judge, parse_retry_after, sign
from softfax.delivery.targets import CallbackTarget
from softfax.errors import UsageError


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_success_is_delivered(status: int) -> None:
    assert judge(PostResult(status)) is DeliveryOutcome.DELIVERED


@pytest.mark.parametrize("status", [0, 408, 425, 429, 500, 502, 503, 504, 599])
def test_what_may_pass_is_tried_again(status: int) -> None:
    assert judge(PostResult(status)) is DeliveryOutcome.RETRY


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 403, 404, 410, 413, 422])
def test_what_a_person_has_to_see_is_dead_at_once(status: int) -> None:
    assert judge(PostResult(status)) is DeliveryOutcome.DEAD


def test_a_forbidden_address_is_not_tried_again() -> None:
    assert judge(PostResult(0, "not a public address", final=True)) is DeliveryOutcome.DEAD


@given(attempts=st.integers(1, 10_000), age_s=st.floats(0, 86_399))
def test_waits_grow_to_their_limit_and_end_when_the_time_is_up(attempts: int, age_s: float) -> None:
    policy = RetryPolicy(first_s=2, longest_s=3600, give_up_s=86_400)
    wait = policy.wait_s(attempts, age_s)
    assert wait is not None
    assert 0 <= wait <= min(2 * 2 ** min(attempts - 1, 20), 3600, 86_400 - age_s)
    assert policy.wait_s(attempts, 86_400) is None


def test_waits_are_spread_over_the_whole_range() -> None:
    policy = RetryPolicy(first_s=2, longest_s=3600)
    waits = [policy.wait_s(12, 0) or 0 for _ in range(500)]
    assert min(waits) < 360
    assert max(waits) > 3240


def test_a_receiver_that_asks_for_time_gets_it() -> None:
    assert (RetryPolicy().wait_s(1, 0, retry_after_s=120) or 0) >= 120


def test_retry_after_is_seconds_or_a_date() -> None:
    now = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
    assert parse_retry_after("120") == 120
    assert parse_retry_after("Thu, 01 Jan 2026 12:01:00 GMT", now) == 60
    assert parse_retry_after("Thu, 01 Jan 2026 11:00:00 GMT", now) == 0
    assert parse_retry_after("99999999999") == 86_400
    assert parse_retry_after(None) is None


@given(st.text())
def test_any_retry_after_is_read_or_ignored(text: str) -> None:
    seconds = parse_retry_after(text)
    assert seconds is None or 0 <= seconds <= 86_400


def test_a_signature_is_the_documented_hmac() -> None:
    digest = hmac.new(b"secret", b'1700000000.{"a":1}', hashlib.sha256).hexdigest()
    assert sign("secret", b'{"a":1}', 1_700_000_000) == f"t=1700000000,v1={digest}"


@pytest.mark.parametrize(
    "url", ["", "x", "ftp://a/b", "http://", "https:///x", "http://u:p@host/", "http://a b/", "http://a:0/", "//h/x"]
)
def test_what_callbacks_cannot_be_posted_to_is_refused(url: str) -> None:
    with pytest.raises(UsageError):
        CallbackTarget(url=url)


def test_an_event_name_is_added_to_the_path_alone() -> None:
    target = CallbackTarget(url="https://host/hook?token=1")
    assert target.at("OutgoingFax").url == "https://host/hook/OutgoingFax?token=1"
    assert target.key != CallbackTarget(url="https://host/hook?token=2").key
