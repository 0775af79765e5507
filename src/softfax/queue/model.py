# SPDX-License-Identifier: GPL-2.0-or-later
"""Faxes as the station keeps them: what was asked for, what became of it, attempt by attempt. Sent and received alike.

The life of a fax that is sent:

    state      what is awaited                              leaves by
    queued     its turn, or its earliest time               taken → preparing, cancelled, past its deadline → expired
    preparing  its pages                                    recorded as dialled → sending, bad document → failed
    sending    the far end's confirmation (MCF)             all pages → delivered, else → waiting or failed; crash → uncertain
    waiting    the next attempt                             taken → preparing, cancelled, past its deadline → expired
    uncertain  the policy: send again, or leave it          retried → waiting, left → ended as uncertain

A fax that is received is `receiving`, then `received` or `failed` (what came before the break is kept).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from softfax.delivery.targets import CallbackTarget
from softfax.model import Direction
from softfax.options import FaxOptions

__all__ = [
    "TERMINAL",
    "Attempt",
    "Cause",
    "Document",
    "Fax",
    "FaxFilter",
    "FaxList",
    "FaxRequest",
    "FaxState",
    "QueueCounts",
    "RetryRules",
]


class FaxState(StrEnum):
    """Where a fax is, see the module's table."""

    QUEUED = "queued"
    PREPARING = "preparing"
    SENDING = "sending"
    WAITING = "waiting"
    RECEIVING = "receiving"
    DELIVERED = "delivered"
    RECEIVED = "received"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    UNCERTAIN = "uncertain"


TERMINAL = frozenset(
    {
        FaxState.DELIVERED,
        FaxState.RECEIVED,
        FaxState.FAILED,
        FaxState.CANCELLED,
        FaxState.EXPIRED,
        FaxState.UNCERTAIN,
    }
)


class Cause(StrEnum):
    """Why an attempt failed, as far as it matters for the next one."""

    BUSY = "busy"
    NO_ANSWER = "no-answer"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    NOT_FAX = "not-fax"
    TRAINING = "training"
    BROKEN = "broken"
    DOCUMENT = "document"
    OURS = "ours"
    CRASH = "crash"
    CANCELLED = "cancelled"
    FORBIDDEN = "forbidden"


@dataclass(frozen=True, kw_only=True)
class Document:
    """One document of a request: a file in the station's keeping (`path`), or a URL it fetches. `name` is what people see.

    One that is `optional` is left out, with a warning, where it cannot be read and others can.
    """

    path: Path | None = None
    url: str = ""
    name: str = ""
    pages: str = ""
    password: str = field(default="", repr=False)
    optional: bool = False


@dataclass(frozen=True, kw_only=True)
class RetryRules:
    """How often is tried, and how long is waited. None stands for what the station's configuration says."""

    attempts: int | None = None
    wait_s: float | None = None
    on_uncertain: str | None = None
    """`report`: ends as uncertain; `resend`: sent again from the first page that was not confirmed, and marked so."""


@dataclass(frozen=True, kw_only=True)
class FaxRequest(FaxOptions):
    """One fax to one destination: a number or a SIP URI.

    `priority` is 0 (last) to 9 (first). `not_before` and `deadline` are aware. `folder` is where its documents are kept: requests
    of one broadcast share it, and so the raster.
    """

    to: str
    documents: tuple[Document, ...]
    priority: int = 5
    not_before: datetime | None = None
    deadline: datetime | None = None
    retry: RetryRules = RetryRules()
    callbacks: tuple[CallbackTarget, ...] = ()
    broadcast_id: str = ""
    folder: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One call for a fax. `first_page` is the first it was to send; `pages` how many the far end confirmed in it.

    `result` is the attempt's result as JSON (`softfax.model.FaxResult`), None while it runs or if it never came.
    """

    number: int
    started: datetime
    ended: datetime | None = None
    account: str = ""
    destination: str = ""
    unique_id: str = ""
    first_page: int = 1
    pages: int = 0
    cause: Cause | None = None
    resent: bool = False
    result: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Fax:
    """A fax as it is kept. `pages` are those confirmed (sent) or received so far; `reason` and `remedy` are for people;
    `warnings` are lines about what of its documents is not on its pages;
    `retried_after` is how many attempts there were when somebody last asked for more."""

    id: str
    direction: Direction
    state: FaxState
    created: datetime
    updated: datetime
    to: str
    caller_number: str = ""
    caller_name: str = ""
    account: str = ""
    mailbox: str = ""
    documents: tuple[str, ...] = ()
    priority: int = 5
    not_before: datetime | None = None
    deadline: datetime | None = None
    next_attempt: datetime | None = None
    ended: datetime | None = None
    pages: int = 0
    pages_total: int | None = None
    bad_pages: tuple[int, ...] = ()
    warnings: tuple[str, ...] = ()
    reason: str = ""
    remedy: str = ""
    cause: Cause | None = None
    resolution: str = ""
    header: str = ""
    ident: str = ""
    remote_station_id: str = ""
    broadcast_id: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    unread: bool = False
    retried_after: int = 0
    attempts: tuple[Attempt, ...] = ()
    result: Mapping[str, Any] | None = None

    @property
    def terminal(self) -> bool:
        """Whether nothing more happens by itself."""
        return self.state in TERMINAL and not (self.state is FaxState.UNCERTAIN and self.next_attempt is not None)

    def to_json(self) -> dict[str, Any]:
        """The resource of the HTTP API: times as RFC 3339 in UTC, None as null."""
        return {key: _plain(value) for key, value in dataclasses.asdict(self).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds").replace("+00:00", "Z")
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(inner) for inner in value]
    return value


@dataclass(frozen=True, kw_only=True)
class FaxFilter:
    """Which faxes are wanted, the newest first. `text` is looked for in numbers, names, station ids, documents and tags.

    `cursor` is that of the list before (`FaxList.cursor`).
    """

    direction: Direction | None = None
    states: frozenset[FaxState] = frozenset()
    text: str = ""
    number: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    since: datetime | None = None
    until: datetime | None = None
    broadcast_id: str = ""
    mailbox: str = ""
    unread: bool | None = None
    limit: int = 50
    cursor: str = ""


@dataclass(frozen=True)
class FaxList:
    """A part of the list. `cursor` is empty where there are no more."""

    faxes: Sequence[Fax]
    cursor: str
    total: int | None = None


@dataclass(frozen=True, kw_only=True)
class QueueCounts:
    """How full the queue is. `oldest_s` is how long the fax that has been due longest has waited, 0 for none."""

    by_state: Mapping[FaxState, int]
    due: int
    oldest_s: float
