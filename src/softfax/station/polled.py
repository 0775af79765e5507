# SPDX-License-Identifier: GPL-2.0-or-later
"""Documents that far ends may fetch (T.30 polling): those of `[[polled]]`, and those that were put out while the station runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from softfax.asjson import rfc3339
from softfax.fax.settings import Polling
from softfax.options import Resolution, Scan
from softfax.station.config import PolledConfig

__all__ = ["PolledDocument", "of_config"]


@dataclass(frozen=True, kw_only=True)
class PolledDocument:
    """Documents that far ends fetch together by calling one of `numbers`; `callers` may, all where there are none.

    `documents` are their names as people see them, `sources` their files. One that was put out by an order has an `id`, and its
    pages made before (`raster`), drawn at `resolution` with `scan`; `password` opens encrypted sources.
    """

    name: str
    numbers: tuple[str, ...]
    documents: tuple[str, ...]
    sources: tuple[str, ...] = ()
    callers: tuple[str, ...] = ()
    poll_document: str = ""
    poll_password: str = field(default="", repr=False)
    until: datetime | None = None
    id: str = ""
    created: datetime | None = None
    raster: Path | None = None
    pages_total: int | None = None
    resolution: Resolution | None = None
    scan: Scan | None = None
    password: str = field(default="", repr=False)

    def is_out(self, now: datetime) -> bool:
        """Return True while it may be fetched."""
        return self.until is None or now < self.until

    @property
    def polling(self) -> Polling:
        """Number and password that the far end has to name (SEP, PWD)."""
        return Polling(document=self.poll_document, password=self.poll_password)

    def to_json(self, now: datetime) -> dict[str, Any]:
        """Its facts as the API tells them, without the password."""
        return {
            "id": self.id,
            "name": self.name,
            "numbers": list(self.numbers),
            "callers": list(self.callers),
            "documents": list(self.documents),
            "pages_total": self.pages_total,
            "poll_document": self.poll_document,
            "has_password": bool(self.poll_password),
            "created": rfc3339(self.created) if self.created is not None else None,
            "until": rfc3339(self.until) if self.until is not None else None,
            "out": self.is_out(now),
        }


def of_config(tables: Sequence[PolledConfig]) -> tuple[PolledDocument, ...]:
    """Return the documents of `[[polled]]`."""
    return tuple(
        PolledDocument(
            name=one.name,
            numbers=one.numbers,
            documents=tuple(path.name for path in one.documents),
            sources=tuple(map(str, one.documents)),
            callers=one.callers,
            poll_document=one.poll_document,
            poll_password=one.poll_password,
            until=one.until,
        )
        for one in tables
    )
