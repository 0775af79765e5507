# SPDX-License-Identifier: GPL-2.0-or-later
"""A fax of a request, as it is taken, and as it is changed while it waits."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypedDict

from softfax.diskspace import DiskFloor
from softfax.documents.fetch import redacted
from softfax.documents.types import RasterSettings
from softfax.errors import DiskFullError, LocalError, UsageError
from softfax.model import TERMINAL, Direction, Fax, FaxContext, FaxState, new_fax_id
from softfax.options import options_of
from softfax.queue import pages
from softfax.records import rows
from softfax.records.errors import EndedError
from softfax.records.model import FaxRequest
from softfax.records.reading import StoredFax
from softfax.sip.headers import number_of
from softfax.station.config import StationConfig

if TYPE_CHECKING:
    from softfax.queue.queue import FaxQueue

__all__ = ["Times", "check_room", "checked", "context_of", "moved", "once_more"]

DOCUMENTS_MAX = 100
TOO_LATE = ("the fax could not be sent before its deadline", "move it, or see [[queue.hours]]")


def check_room(config: StationConfig) -> None:
    """Raise DiskFullError where there is no room for a fax, LocalError where none can be written. Blocks for a moment."""
    problem = DiskFloor((config.data.dir,), config.retention.min_free_mb).problem()
    if problem and "full" not in problem:
        raise LocalError(problem, "give the folder to the station's user, and see that its disk is not read-only")
    if problem:
        raise DiskFullError(problem, "make room, or lower min_free_mb in [retention]")


class Times(TypedDict, total=False):
    """Priority and times of a fax that may be changed while it waits."""

    priority: int
    not_before: datetime
    deadline: datetime


def moved(queue: FaxQueue, kept: StoredFax, times: Times, now: datetime) -> tuple[Fax, FaxRequest]:
    """A fax that waits, with another priority and other times, and its request. Raises UsageError, EndedError."""
    fax, rules = kept.fax, queue.station.rules
    if kept.request is None or fax.state not in (FaxState.QUEUED, FaxState.WAITING):
        raise EndedError(f"fax {fax.id} is {fax.state}", "only faxes that wait for a call can be moved")
    request = dataclasses.replace(kept.request, **times)
    due: datetime | None = fax.next_attempt or now
    deadline = request.deadline or fax.deadline
    if "not_before" in times:
        begin = max(now, times["not_before"])
        due = rules.opens(rules.number_key(fax.to), begin)
        deadline = request.deadline or begin + timedelta(seconds=queue.station.config.queue.give_up_s)
    if due is None or (deadline is not None and max(due, now) >= deadline):
        raise UsageError(*TOO_LATE)
    return dataclasses.replace(
        fax, priority=request.priority, not_before=request.not_before, deadline=deadline, next_attempt=due, updated=now
    ), request


def once_more(queue: FaxQueue, kept: StoredFax, now: datetime) -> Fax:
    """A fax that has ended without being delivered, to be sent once more. Raises EndedError, DoNotFaxError."""
    if kept.request is None or kept.fax.state not in TERMINAL or kept.fax.state is FaxState.DELIVERED:
        raise EndedError(
            f"fax {kept.fax.id} is {kept.fax.state}", "only faxes that were not delivered are sent once more"
        )
    # A time that was asked for and has not come yet still holds; so does a deadline that has not passed.
    not_before = max(now, kept.fax.not_before or now)
    due = queue.station.rules.opens(queue.station.rules.check(kept.fax.to), not_before) or not_before
    deadline = kept.fax.deadline
    if deadline is None or deadline <= due:
        deadline = due + timedelta(seconds=queue.station.config.queue.give_up_s)
    return dataclasses.replace(
        kept.fax, state=FaxState.WAITING, next_attempt=due, deadline=deadline, ended=None, reason="", remedy="",
        cause=None, retried_after=len(kept.fax.attempts), not_before=not_before if not_before > now else None,
    )  # fmt: skip


def checked(queue: FaxQueue, request: FaxRequest, now: datetime) -> tuple[Fax, FaxRequest, FaxContext]:
    """A fax of a request. Raises UsageError, DocumentError."""
    config, rules = queue.station.config, queue.station.rules
    routes = rules.routes(request.to, request.account)
    given = len(request.documents) + bool(request.cover)
    only_polls = bool(request.poll and not given)
    if not (given or only_polls) or len(request.documents) > DOCUMENTS_MAX:
        raise UsageError(f"{len(request.documents)} documents in one fax", f"use 1 to {DOCUMENTS_MAX}")
    if request.callbacks and queue.station.outbox is None:
        raise UsageError("callbacks are switched off", "set enabled = true in [callbacks]")
    begin = max(now, request.not_before or now)
    due = rules.opens(rules.number_key(request.to), begin)
    deadline = request.deadline or begin + timedelta(seconds=config.queue.give_up_s)
    if due is None or due > deadline:
        raise UsageError(*TOO_LATE)
    fax_id = new_fax_id()
    ready: pages.Made | None = None
    if only_polls:
        request = dataclasses.replace(request, folder=None)
    else:
        folder = request.folder or queue.folder / (request.broadcast_id or fax_id)
        request = dataclasses.replace(
            request,
            documents=pages.keep_documents(request.documents, folder),
            folder=folder,
            # Its pages stay as they are, whatever the configuration says later.
            **options_of(queue.filled(request), RasterSettings),
        )
        ready = pages.made(queue.filled(request), folder)
    asked = dataclasses.replace(request, account=request.account or routes[0].account)
    fax = Fax(
        id=fax_id,
        direction=Direction.RECEIVE if only_polls else Direction.SEND,
        state=FaxState.QUEUED,
        created=now,
        updated=now,
        to=request.to,
        caller=request.caller_number,
        **options_of(asked.with_defaults(config.fax.options), Fax)
        | rows.ordered(vars(request) | {"retry": dataclasses.asdict(request.retry)})
        | {"poll": bool(request.poll)},
        documents=tuple(d.name or redacted(d.url or "") for d in request.documents),
        priority=request.priority,
        not_before=request.not_before,
        deadline=deadline,
        next_attempt=due,
        broadcast_id=request.broadcast_id,
        warnings=ready.warnings if ready is not None else (),
    )
    return fax, request, context_of(fax, routes[0].uri)


def context_of(fax: Fax, uri: str) -> FaxContext:
    """Context of a fax that is not on a call."""
    return FaxContext(
        fax_id=fax.id,
        direction=fax.direction,
        outgoing=True,
        session_number=0,
        unique_id=f"{int(fax.created.timestamp())}.{int(fax.id[:8], 16)}",
        channel="",
        caller_number=fax.caller,
        caller_name=fax.caller_name,
        called_number=number_of(uri) or uri,
        entry_point=fax.account,
        ident=fax.ident,
        header=fax.header,
        documents=fax.documents,
        tags=dict(fax.tags),
    )
