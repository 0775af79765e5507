# SPDX-License-Identifier: GPL-2.0-or-later
"""Outcome of a callback's attempt, time of the next one, and signatures of requests. Pure functions."""

from __future__ import annotations

import email.utils
import hashlib
import hmac
import random
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum

__all__ = ["DeliveryOutcome", "PostResult", "RetryPolicy", "judge", "parse_retry_after", "sign"]

#: 408 and 425 ask to try again, 429 to wait first (RFC 9110 §15.5.9, RFC 8470 §5.2, RFC 6585 §4).
RETRIED_STATUSES = frozenset({408, 425, 429})
RETRY_AFTER_MAX_S = 24 * 3600.0


class DeliveryOutcome(Enum):
    """Outcome of an attempt."""

    DELIVERED = "delivered"
    RETRY = "retry"
    DEAD = "dead"


@dataclass(frozen=True)
class PostResult:
    """Result of a POST: an HTTP status, or 0 and the reason. `final` errors do not get better by waiting."""

    status: int = 0
    error: str = ""
    retry_after_s: float | None = None
    final: bool = False


def judge(attempt: PostResult) -> DeliveryOutcome:
    """2xx is delivered. No answer, 408, 425, 429 and 5xx are tried again. The rest, redirects too, is for a person to see."""
    if 200 <= attempt.status < 300:
        return DeliveryOutcome.DELIVERED
    if attempt.final:
        return DeliveryOutcome.DEAD
    if not attempt.status or attempt.status in RETRIED_STATUSES or attempt.status >= 500:
        return DeliveryOutcome.RETRY
    return DeliveryOutcome.DEAD


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """Waits of up to `first_s`, doubling to `longest_s`, drawn evenly from nothing to that ("full jitter"), for `give_up_s`."""

    first_s: float = 2.0
    longest_s: float = 3600.0
    give_up_s: float = 24 * 3600.0

    def wait_s(self, attempts: int, age_s: float, retry_after_s: float | None = None) -> float | None:
        """Seconds until the next attempt of a callback `age_s` old after `attempts`, at least one; None when it is given up.

        A receiver's Retry-After is the least that is waited. The last attempt is made when the time is up, not before.
        """
        left = self.give_up_s - age_s
        if left <= 0:
            return None
        longest_s = min(self.longest_s, self.first_s * 2.0 ** min(attempts - 1, 40))
        wait = random.uniform(0.0, longest_s)
        if retry_after_s is not None:
            wait += min(retry_after_s, RETRY_AFTER_MAX_S)
        return min(wait, left)


def parse_retry_after(text: str | None, now: datetime | None = None) -> float | None:
    """Seconds of a Retry-After header, which is a number or a date (RFC 9110 §10.2.3); None for anything else."""
    text = (text or "").strip()[:64]
    if text.isascii() and text.isdigit():
        return min(float(text), RETRY_AFTER_MAX_S)
    try:
        when = email.utils.parsedate_to_datetime(text)
        if when.tzinfo is None:
            when = when.replace(tzinfo=UTC)
        seconds = (when - (now or datetime.now(UTC))).total_seconds()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return min(max(seconds, 0.0), RETRY_AFTER_MAX_S)


def sign(secret: str, body: bytes, timestamp: int) -> str:
    """The value of Softfax-Signature: HMAC-SHA256 of `timestamp.body`, keyed by the secret in UTF-8."""
    digest = hmac.new(secret.encode(), b"%d." % timestamp + body, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={digest}"
