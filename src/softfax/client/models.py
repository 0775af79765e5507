# SPDX-License-Identifier: GPL-2.0-or-later
"""Answers of a station, typed; of a fax, keys that a newer station adds are in `raw`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from softfax.asjson import of_json, rfc3339
from softfax.model import Attempt, Fax

__all__ = [
    "Attempt",
    "Broadcast",
    "ContactEntry",
    "Delivery",
    "DocumentLink",
    "Fax",
    "Forbidden",
    "KnownNumber",
    "Page",
    "Polled",
    "Run",
    "StreamEvent",
    "Upload",
    "order",
    "timed",
]


@dataclass(frozen=True, kw_only=True)
class Page:
    """A page of an upload, as it will be faxed."""

    number: int
    width: int
    rows: int
    bytes: int
    seconds: float
    resolution: str = ""


@dataclass(frozen=True, kw_only=True)
class Upload:
    """A document made into pages."""

    id: str
    name: str
    bytes: int
    pages: tuple[Page, ...]
    seconds: float
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Upload:
        """Make one from the API's JSON."""
        return of_json(cls, body)


@dataclass(frozen=True, kw_only=True)
class Broadcast:
    """Progress of a broadcast."""

    broadcast_id: str
    total: int
    by_state: Mapping[str, int]
    ended: bool
    pages: int


@dataclass(frozen=True, kw_only=True)
class DocumentLink:
    """A URL of a document that needs no token until it expires."""

    url: str
    expires: datetime


@dataclass(frozen=True, kw_only=True)
class ContactEntry:
    """An entry of the address book."""

    id: str
    name: str
    number: str
    company: str = ""
    email: str = ""
    notes: str = ""


@dataclass(frozen=True, kw_only=True)
class Forbidden:
    """A number of the do-not-fax list."""

    number: str
    reason: str = ""
    added: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class KnownNumber:
    """Memory of a number from the calls to it, with what was set for it: transport, rate, and several faxes in one call or not
    (`joined`, "on" or "off")."""

    number: str
    calls: int
    delivered: int
    updated: datetime | None = None
    last_cause: str = ""
    transport: str = ""
    rate_bps: int = 0
    ecm: bool | None = None
    resolution: str = ""
    account: str = ""
    remote_station_id: str = ""
    seconds_per_page: float = 0.0
    t38_failures: int = 0
    t38_failed: datetime | None = None
    training_failed: datetime | None = None
    joined_failed: datetime | None = None
    mode: str | None = None
    max_rate: int | None = None
    joined: str | None = None


@dataclass(frozen=True, kw_only=True)
class Polled:
    """Documents that far ends may fetch; with an `id` where an order put them out."""

    id: str
    name: str
    numbers: tuple[str, ...]
    documents: tuple[str, ...]
    callers: tuple[str, ...] = ()
    pages_total: int | None = None
    poll_document: str = ""
    has_password: bool = False
    created: datetime | None = None
    until: datetime | None = None
    out: bool = True
    fetched: int = 0
    last_fetched: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run of a SWML document."""

    id: str
    state: str
    to: str
    started: datetime
    ended: datetime | None = None
    problem: str = ""
    variables: Mapping[str, Any] = field(default_factory=dict)
    faxes: tuple[str, ...] = ()
    said: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """A callback as it is kept."""

    number: int
    state: str
    fax_id: str
    event_id: str
    url: str
    dialect: str
    attempts: int
    last_status: int
    last_error: str
    put: datetime
    ended: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class StreamEvent:
    """Something that happened. `id` is its number in the stream, None for progress."""

    id: int | None
    kind: str
    fax_id: str
    body: Mapping[str, Any]


def order(to: str | list[str], **options: Any) -> dict[str, Any]:
    """The JSON of a fax to be sent: what is None is left out, times become RFC 3339, `caller` is called `from`."""
    given = timed({key: value for key, value in options.items() if value is not None})
    return {"to": to} | {"from" if key == "caller" else key: value for key, value in given.items()}


def timed(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values with times as RFC 3339."""
    return {key: rfc3339(value) if isinstance(value, datetime) else value for key, value in values.items()}
