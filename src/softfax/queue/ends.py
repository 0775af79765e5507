# SPDX-License-Identifier: GPL-2.0-or-later
"""The end of an attempt or a fax: written as soon as the database takes it, and what it says."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

import sqlalchemy as sa

from softfax.asjson import rfc3339
from softfax.errors import in_short
from softfax.fax.causes import remedy
from softfax.fax.outcome import Outcome
from softfax.model import Cause, Fax, FaxContext, FaxResult, FaxState, FaxUpdate, JobEvent
from softfax.reasons import REASON_REMEDIES
from softfax.records.reading import StoredFax
from softfax.station import making

if TYPE_CHECKING:
    from softfax.queue.queue import FaxQueue

__all__ = ["HELD_S", "held", "state_of", "with_result", "without_call"]

log = logging.getLogger("softfax.queue")

#: How soon is written again what the database did not take.
HELD_S = 1.0

T = TypeVar("T")


async def held(queue: FaxQueue, what: str, work: Callable[[], Awaitable[T]]) -> T:
    """Do what needs the database, as soon as it takes it. Raises SQLAlchemyError where the queue is closed before."""
    while True:
        try:
            return await work()
        except sa.exc.SQLAlchemyError as error:
            if queue.closed:
                raise
            log.error("%s cannot be written and is held: %s", what, in_short(error))
            await asyncio.sleep(HELD_S)


def with_result(fax: Fax, result: FaxResult, state: FaxState, cause: Cause | None, at: datetime) -> Fax:
    """A fax that ends with a result and its cause."""
    return dataclasses.replace(
        fax,
        state=state,
        updated=at,
        ended=at,
        pages=result.pages,
        pages_total=result.pages_total,
        reason="" if cause is None else result.status_string,
        remedy="" if cause is None else result.remedy or remedy(cause, result.to_json(), poll=fax.only_polls),
        cause=cause,
        remote_station_id=result.remote_station_id or fax.remote_station_id,
        result=result,
    )


def without_call(kept: StoredFax, state: FaxState, why: Outcome, at: datetime) -> tuple[Fax, FaxResult]:
    """A fax that ends without a call, and its result."""
    fax = kept.fax
    failed = making.failed(kept.context, why, 0.0)
    result = dataclasses.replace(failed, documents=list(fax.documents), pages=fax.pages, pages_total=fax.pages_total)
    ended = dataclasses.replace(
        fax,
        state=state,
        updated=at,
        ended=at,
        next_attempt=None,
        reason=why.text,
        remedy=REASON_REMEDIES.get(why.text, fax.remedy),
        cause=None,
        result=result,
    )
    return ended, result


def state_of(fax: Fax, context: FaxContext) -> FaxUpdate:
    """The state of a fax as an event."""
    event = JobEvent(
        state=str(fax.state),
        reason=fax.reason,
        attempt=len(fax.attempts),
        pages=fax.pages,
        pages_total=fax.pages_total,
        next_attempt=_next_attempt(fax),
        fax_id=fax.id,
    )
    return FaxUpdate(context, event)


def _next_attempt(fax: Fax) -> str | None:
    """Time of the next attempt, as in events; None where it is due or over."""
    if fax.next_attempt is None or fax.state not in (FaxState.QUEUED, FaxState.WAITING, FaxState.UNCERTAIN):
        return None
    return rfc3339(fax.next_attempt)
