# SPDX-License-Identifier: GPL-2.0-or-later
"""Failover: the routes that have failed, and the decision to use another at once. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from softfax.fax.outcome import NO_T30
from softfax.model import Attempt, Cause, FaxResult
from softfax.station.routes import Route, fails_over

__all__ = ["failed_over"]


def failed_over(attempts: Iterable[Attempt], choices: Collection[Route]) -> set[str]:
    """The accounts that the last attempts failed through, one after the other, while there is another to try.

    When all have failed it begins anew: nothing is left out.
    """
    ways, failed = {choice.account for choice in choices}, set[str]()
    for attempt in attempts:
        if attempt.ended is None or attempt.cause is Cause.NOT_REACHED:
            continue
        if attempt.result is None or not _of_the_way(attempt.result):
            failed.clear()
            continue
        failed.add(attempt.account)
        if failed >= ways:
            failed.clear()
    return failed


def _of_the_way(result: FaxResult) -> bool:
    """Return True if the trunk failed, rather than the document or the called party."""
    # T.38 is refused on a call that has been answered.
    answered = result.result_code < NO_T30 or result.error == "T38_NEG_ERROR"
    return result.error != "FILE_ERROR" and fails_over(result.sip_code, answered=answered, q850=result.q850 or 0)
