# SPDX-License-Identifier: GPL-2.0-or-later
"""Retries of a fax. Pure: the time comes in, a decision goes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from softfax.model import Cause, FaxState
from softfax.records.memory import SLOW_BPS
from softfax.records.model import RetryRules
from softfax.station.config.queue import QueueConfig
from softfax.station.rules import next_open

__all__ = ["Verdict", "after", "slower"]


@dataclass(frozen=True)
class Verdict:
    """Decision about a fax: its state, and the time of the next attempt, if there is one."""

    state: FaxState
    next_at: datetime | None = None


def after(
    cause: Cause,
    *,
    same_causes: int,
    attempts: int,
    rules: RetryRules,
    config: QueueConfig,
    now: datetime,
    deadline: datetime | None,
    number: str,
    retry_after_s: int = 0,
) -> Verdict:
    """Decide what follows an attempt that failed.

    `attempts` is how many have been made, without those that failed by our fault; `same_causes` how many of the last ones in
    a row had this cause, this one included. `retry_after_s` is for how long the far end asks not to be called; a fax that would
    pass its deadline by that is tried before.
    """
    if cause is Cause.CANCELLED:
        return Verdict(FaxState.CANCELLED)
    if cause is Cause.CRASH:
        if (rules.on_uncertain or config.on_uncertain) == "report":
            return Verdict(FaxState.UNCERTAIN)
        waits: Sequence[float] = config.retry_broken_s
    else:
        waits = config.waits(cause)
    if not waits or attempts >= (rules.attempts or config.attempts):
        return Verdict(FaxState.UNCERTAIN if cause is Cause.CRASH else FaxState.FAILED)
    if cause in (Cause.NOT_FAX, Cause.REFUSED) and same_causes > len(waits):
        return Verdict(FaxState.FAILED)
    wait_s = rules.wait_s if rules.wait_s is not None else waits[min(same_causes, len(waits)) - 1]
    at = next_open(number, now + timedelta(seconds=max(wait_s, retry_after_s)), config.hours)
    if retry_after_s > wait_s and (at is None or (deadline is not None and at > deadline)):
        at = next_open(number, now + timedelta(seconds=wait_s), config.hours)
    if at is None or (deadline is not None and at > deadline):
        return Verdict(FaxState.UNCERTAIN if cause is Cause.CRASH else FaxState.FAILED)
    return Verdict(FaxState.WAITING, at)


def slower(causes: Sequence[Cause | None], wanted_bps: int) -> int:
    """The highest rate of the next attempt: what is wanted (0 for any), but slow where training has failed."""
    if Cause.TRAINING not in causes:
        return wanted_bps
    return min(wanted_bps, SLOW_BPS) if wanted_bps else SLOW_BPS
