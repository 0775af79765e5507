# SPDX-License-Identifier: GPL-2.0-or-later
"""Requests to the queue. The life of a fax is a table in `softfax.transitions`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from softfax.delivery.targets import CallbackTarget
from softfax.model import Direction, Fax, FaxState
from softfax.options import FaxOptions

__all__ = ["Document", "FaxFilter", "FaxList", "FaxRequest", "QueueCounts", "RetryRules"]


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
    """Number of attempts and the waits between them. None stands for the value in the station's configuration."""

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
class FaxFilter:
    """Filter for lists of faxes, the newest first. `text` is looked for in numbers, names, station ids, documents and tags.

    `notations` are the ways that `number` may be written. `cursor` is that of the list before (`FaxList.cursor`).
    """

    direction: Direction | None = None
    states: frozenset[FaxState] = frozenset()
    text: str = ""
    number: str = ""
    notations: tuple[str, ...] = ()
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
    """A part of the list. `cursor` is empty where there are no more; the first part has the `total` of all."""

    faxes: Sequence[Fax]
    cursor: str
    total: int | None = None


@dataclass(frozen=True, kw_only=True)
class QueueCounts:
    """Numbers of faxes in the queue. `oldest_s` is the wait of the fax that has been due longest, 0 for none."""

    by_state: Mapping[FaxState, int]
    due: int
    oldest_s: float
