# SPDX-License-Identifier: GPL-2.0-or-later
"""What a station says, typed. Keys that a newer station has besides are in `raw`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

__all__ = ["ENDED", "Attempt", "Fax", "Page", "StreamEvent", "Upload", "order"]

#: States after which nothing more happens, but for an `uncertain` fax with a `next_attempt`.
ENDED = frozenset({"delivered", "received", "failed", "cancelled", "expired", "uncertain"})

_T = TypeVar("_T")


def _time(value: object) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) and value else None


def _of(kind: type[_T], body: Mapping[str, Any], **own: Any) -> _T:
    """An instance of what a JSON object says; times as datetimes."""
    values: dict[str, Any] = {}
    for one in dataclasses.fields(kind):  # type: ignore[arg-type]
        if one.name in own:
            values[one.name] = own[one.name]
        elif one.name in body:
            value = body[one.name]
            values[one.name] = _time(value) if "datetime" in str(one.type) else value
    return kind(**values)


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One call for a fax."""

    number: int
    started: datetime
    ended: datetime | None = None
    account: str = ""
    destination: str = ""
    first_page: int = 1
    pages: int = 0
    cause: str | None = None
    resent: bool = False
    result: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Fax:
    """A fax as the station keeps it. `attempts` are missing in lists."""

    id: str
    direction: str
    state: str
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
    cause: str | None = None
    resolution: str = ""
    header: str = ""
    ident: str = ""
    remote_station_id: str = ""
    broadcast_id: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    unread: bool = False
    attempts: tuple[Attempt, ...] = ()
    result: Mapping[str, Any] | None = None
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def terminal(self) -> bool:
        """Whether nothing more happens by itself."""
        return self.state in ENDED and not (self.state == "uncertain" and self.next_attempt is not None)

    @property
    def success(self) -> bool:
        """Whether it went through."""
        return self.state in ("delivered", "received")

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Fax:
        """Of the API's JSON."""
        attempts = tuple(_of(Attempt, one) for one in body.get("attempts", ()))
        lists = {name: tuple(body.get(name, ())) for name in ("documents", "bad_pages", "warnings")}
        return _of(cls, body, attempts=attempts, raw=body, **lists)


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
        """Of the API's JSON."""
        pages = tuple(_of(Page, one) for one in body.get("pages", ()))
        return _of(cls, body, pages=pages, warnings=tuple(body.get("warnings", ())))


@dataclass(frozen=True, kw_only=True)
class StreamEvent:
    """Something that happened. `id` is its number in the stream, None for progress."""

    id: int | None
    kind: str
    fax_id: str
    body: Mapping[str, Any]


def order(to: str | list[str], **options: Any) -> dict[str, Any]:
    """The JSON of a fax to be sent: what is None is left out, times become RFC 3339, `caller` is called `from`."""
    out: dict[str, Any] = {"to": to}
    for key, value in options.items():
        if value is not None:
            out["from" if key == "caller" else key] = value.isoformat() if isinstance(value, datetime) else value
    return out
