# SPDX-License-Identifier: GPL-2.0-or-later
"""Station and queue as the web uses them: `softfax.station.Station` and `softfax.queue.queue.FaxQueue`, or stand-ins."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, Unpack

from softfax.database.aside import Aside
from softfax.delivery.outbox import Outbox
from softfax.model import Fax, FaxUpdate
from softfax.queue.elsewhere import GroupCall
from softfax.queue.polled import PolledDocuments
from softfax.queue.taking import Times
from softfax.records.memory import NumberMemories
from softfax.records.model import FaxFilter, FaxList, FaxRequest, QueueCounts
from softfax.station import FaxCall, FaxOrder, StationConfig
from softfax.station.links import DocumentLinks
from softfax.station.rules import Rules
from softfax.station.views import RegistrationView, WorkerView

__all__ = ["EventLogLike", "FaxQueueLike", "LoggedEventLike", "MetricsLike", "StationLike"]


class StationLike(Protocol):
    """The station as the web uses it."""

    @property
    def config(self) -> StationConfig: ...

    @property
    def rules(self) -> Rules: ...

    @property
    def on_reload(self) -> list[Callable[[StationConfig], None]]: ...

    def originate(self, order: FaxOrder) -> FaxCall: ...

    def calls(self) -> list[FaxCall]: ...

    def watch_progress(self, sink: Callable[[FaxUpdate], None]) -> Callable[[], None]: ...

    async def preview(self, fax_id: str) -> bytes | None: ...

    @property
    def trace_folder(self) -> Path: ...

    def registrations(self) -> list[RegistrationView]: ...

    def workers(self) -> list[WorkerView]: ...

    @property
    def outbox(self) -> Outbox | None: ...

    @property
    def links(self) -> DocumentLinks: ...


class LoggedEventLike(Protocol):
    """An event with its number. `event` is its JSON, with `fax_id`."""

    @property
    def id(self) -> int: ...

    @property
    def fax_id(self) -> str: ...

    @property
    def event(self) -> Mapping[str, Any]: ...


class EventLogLike(Protocol):
    """Every event of every fax, numbered."""

    @property
    def last_id(self) -> int: ...

    def subscribe(self, sink: Callable[[Any], None]) -> Callable[[], None]: ...

    async def since(self, last_id: int, limit: int, fax_id: str = "") -> Sequence[LoggedEventLike]: ...


class ElsewhereLike(Protocol):
    """Calls of the other stations of a group."""

    def calls(self) -> Sequence[GroupCall]: ...


class FaxQueueLike(Protocol):
    """The queue as the web uses it."""

    @property
    def memory(self) -> NumberMemories: ...

    @property
    def polled(self) -> PolledDocuments: ...

    @property
    def folder(self) -> Path: ...

    @property
    def elsewhere(self) -> ElsewhereLike: ...

    @property
    def events(self) -> EventLogLike: ...

    @property
    def aside(self) -> Aside: ...

    async def submit(self, requests: Sequence[FaxRequest], *, key: str = "", body_hash: str = "") -> list[Fax]: ...

    async def asked(self, key: str, body_hash: str) -> Sequence[Fax] | None: ...

    async def get(self, fax_id: str) -> Fax | None: ...

    async def list(self, wanted: FaxFilter, /) -> FaxList: ...

    async def counts(self) -> QueueCounts: ...

    async def cancel(self, fax_id: str) -> Fax: ...

    async def retry(self, fax_id: str) -> Fax: ...

    async def update(
        self,
        fax_id: str,
        *,
        unread: bool | None = None,
        tags: Mapping[str, str] | None = None,
        mailbox: str | None = None,
        **times: Unpack[Times],
    ) -> Fax: ...

    async def erase(self, fax_id: str) -> None: ...

    async def document(self, fax_id: str) -> Path | None: ...

    async def raster(self, fax_id: str) -> Path | None: ...

    async def forbid(self, number: str, reason: str = "") -> str: ...

    async def allow(self, number: str) -> bool: ...


class MetricsLike(Protocol):
    """Source of `/metrics` (`softfax.ops.metrics.Metrics`)."""

    async def text(self) -> bytes: ...
