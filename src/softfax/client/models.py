# SPDX-License-Identifier: GPL-2.0-or-later
"""Answers of a station, typed. Keys that a newer station adds are in `raw`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from softfax import model
from softfax.model import TERMINAL, Attempt, of_json, rfc3339

__all__ = ["ENDED", "Attempt", "Fax", "Page", "StreamEvent", "Upload", "order", "timed"]

#: States after which nothing more happens by itself.
ENDED = TERMINAL


@dataclass(frozen=True, kw_only=True)
class Fax(model.Fax):
    """A fax as the station keeps it. `attempts` are missing in lists; keys that a newer station has besides are in `raw`."""

    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Fax:
        """Make one from the API's JSON."""
        return of_json(cls, body, raw=body)


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
