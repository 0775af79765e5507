# SPDX-License-Identifier: GPL-2.0-or-later
"""A station and a queue that keep everything in memory, and the application over them."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import sqlalchemy as sa

from softfax.database.aside import Aside
from softfax.database.database import database_engine
from softfax.delivery.outbox import Outbox
from softfax.errors import DoNotFaxError, UsageError
from softfax.model import TERMINAL, Direction, Fax, FaxState, FaxUpdate, new_fax_id
from softfax.records import tables
from softfax.records.errors import EndedError, IdempotencyError, NoFaxError
from softfax.records.memory import NumberMemories
from softfax.records.model import FaxFilter, FaxList, FaxRequest, QueueCounts
from softfax.station import FaxCall, FaxOrder, StationConfig
from softfax.station.links import DocumentLinks
from softfax.station.polled import PolledDocument
from softfax.station.rules import Rules
from softfax.station.views import RegistrationView, WorkerView
from softfax.web.app import create_app, create_web, guarded
from softfax.web.state import Web
from softfax.web.store import METADATA, WebStore
from tests.support.described import check_async

SECRET = "a-secret-of-the-tests"
READER = "a-reader-of-the-tests"
TOKENS = [
    {"name": "tests", "secret": SECRET, "scopes": ["admin"]},
    {"name": "reader", "secret": READER, "scopes": ["read"]},
]


@dataclass(frozen=True)
class Logged:
    id: int
    fax_id: str
    event: dict[str, Any]


class FakeLog:
    """Numbers events and keeps them all."""

    def __init__(self) -> None:
        self.last_id = 100
        self.kept: list[Logged] = []
        self.sinks: dict[int, Callable[[Any], None]] = {}

    def add(self, fax_id: str, event: dict[str, Any]) -> Logged:
        self.last_id += 1
        logged = Logged(self.last_id, fax_id, {**event, "fax_id": fax_id})
        self.kept.append(logged)
        for sink in list(self.sinks.values()):
            sink(logged)
        return logged

    def subscribe(self, sink: Callable[[Any], None]) -> Callable[[], None]:
        key = id(sink) + len(self.sinks)
        self.sinks[key] = sink
        return lambda: self.sinks.pop(key, None) and None

    async def since(self, last_id: int, limit: int = 1000, fax_id: str = "") -> list[Logged]:
        await asyncio.sleep(0)
        found = [one for one in self.kept if one.id > last_id and fax_id in ("", one.fax_id)][:limit]
        await asyncio.sleep(0)
        return found


class FakeStation:
    """A station, as far as the web asks."""

    def __init__(self, config: StationConfig) -> None:
        self.config = config
        self.rules = Rules(lambda: self.config)
        self.on_reload: list[Callable[[StationConfig], None]] = []
        self.running: list[FaxCall] = []
        self.pictures: dict[str, bytes] = {}
        self.watchers: list[Callable[[FaxUpdate], None]] = []
        self.views: list[RegistrationView] = []
        self.processes: list[WorkerView] = []
        self.ordered: list[FaxOrder] = []
        self.outbox: Outbox | None = None
        self.links = DocumentLinks(lambda: self.config)

    def originate(self, order: FaxOrder) -> FaxCall:
        self.ordered.append(order)
        raise UsageError("nobody is called in this test")

    def calls(self) -> list[FaxCall]:
        return self.running

    def watch_progress(self, sink: Callable[[FaxUpdate], None]) -> Callable[[], None]:
        self.watchers.append(sink)
        return lambda: self.watchers.remove(sink)

    @property
    def trace_folder(self) -> Path:
        return Path("/nonexistent")

    async def preview(self, fax_id: str) -> bytes | None:
        return self.pictures.get(fax_id)

    def registrations(self) -> list[RegistrationView]:
        return self.views

    def workers(self) -> list[WorkerView]:
        return self.processes


def a_fax(**values: Any) -> Fax:
    now = datetime.now(UTC)
    base: dict[str, Any] = {
        "id": new_fax_id(), "direction": Direction.SEND, "state": FaxState.QUEUED, "created": now, "updated": now,
        "to": "+49301234567",
    }  # fmt: skip
    return Fax(**{**base, **values})


def _without_records() -> sa.Engine:
    return sa.create_engine("sqlite://", poolclass=sa.pool.StaticPool, connect_args={"check_same_thread": False})


def _empty_memory() -> NumberMemories:
    engine = _without_records()
    tables.METADATA.create_all(engine)
    return NumberMemories(lambda: engine, str.strip)


class FakePolled:
    """Documents put out for polling, in a dictionary."""

    def __init__(self) -> None:
        self.out: dict[str, PolledDocument] = {}
        self.keys: dict[str, tuple[str, str]] = {}

    def all(self) -> list[PolledDocument]:
        return list(self.out.values())

    def get(self, polled_id: str) -> PolledDocument | None:
        return self.out.get(polled_id)

    async def asked(self, key: str, body_hash: str) -> PolledDocument | None:
        known, polled_id = self.keys.get(key, ("", ""))
        if known not in ("", body_hash):
            raise IdempotencyError("this idempotency key was used for another request", "use another")
        return self.out.get(polled_id)

    async def put(self, wanted: PolledDocument, request: FaxRequest, *, key: str, body_hash: str) -> PolledDocument:
        assert request.folder is not None
        names = tuple(d.name or d.url for d in request.documents)
        made = dataclasses.replace(wanted, id=request.folder.name, documents=names, created=datetime.now(UTC))
        self.out[made.id] = made
        if key:
            self.keys[key] = body_hash, made.id
        return made

    async def take_back(self, polled_id: str) -> bool:
        return self.out.pop(polled_id, None) is not None

    async def fetched(self, one: PolledDocument) -> tuple[int, None]:
        return 0, None


@dataclass
class FakeQueue:
    """Faxes in a dictionary."""

    folder: Path
    events: FakeLog = field(default_factory=FakeLog)
    faxes: dict[str, Fax] = field(default_factory=dict)
    requests: list[FaxRequest] = field(default_factory=list)
    keys: dict[str, tuple[str, list[str]]] = field(default_factory=dict)
    numbers: dict[str, tuple[str, float]] = field(default_factory=dict)
    tiffs: dict[str, Path] = field(default_factory=dict)
    pdfs: dict[str, Path] = field(default_factory=dict)
    hold: asyncio.Event | None = None
    aside: Aside = field(default_factory=lambda: Aside(_without_records()))
    memory: NumberMemories = field(default_factory=lambda: _empty_memory())
    elsewhere: Any = field(default_factory=lambda: SimpleNamespace(calls=list))
    polled: FakePolled = field(default_factory=lambda: FakePolled())

    def add(self, fax: Fax) -> Fax:
        self.faxes[fax.id] = fax
        return fax

    def _known(self, fax_id: str) -> Fax:
        if fax_id not in self.faxes:
            raise NoFaxError(fax_id)
        return self.faxes[fax_id]

    async def submit(self, requests: Sequence[FaxRequest], *, key: str = "", body_hash: str = "") -> list[Fax]:
        if self.hold is not None:
            await self.hold.wait()
        if key in self.keys and key:
            known, ids = self.keys[key]
            if known != body_hash:
                raise IdempotencyError("this idempotency key was used for another request", "use another")
            return [self.faxes[i] for i in ids]
        for request in requests:
            if request.to in self.numbers:
                raise DoNotFaxError(request.to)
            if not any(ch.isdigit() for ch in request.to) and ":" not in request.to:
                raise UsageError(f"{request.to[:40]!r} is not a number", "write digits")
        self.requests += requests
        made = [
            self.add(
                a_fax(
                    to=r.to, documents=tuple(d.name or d.url for d in r.documents), tags=dict(r.tags),
                    broadcast_id=r.broadcast_id, priority=r.priority,
                )
            )
            for r in requests
        ]  # fmt: skip
        self.keys[key] = (body_hash, [fax.id for fax in made])
        return made

    async def asked(self, key: str, body_hash: str) -> list[Fax] | None:
        if key not in self.keys:
            return None
        known, ids = self.keys[key]
        if known != body_hash:
            raise IdempotencyError("this idempotency key was used for another request", "use another")
        return [self.faxes[i] for i in ids if i in self.faxes]

    async def get(self, fax_id: str) -> Fax | None:
        return self.faxes.get(fax_id)

    async def list(self, wanted: FaxFilter, /) -> FaxList:
        found = sorted(self.faxes.values(), key=lambda fax: fax.created, reverse=True)
        found = [fax for fax in found if fits(fax, wanted)]
        begin = int(wanted.cursor or 0)
        rest = found[begin : begin + wanted.limit]
        cursor = str(begin + wanted.limit) if len(found) > begin + wanted.limit else ""
        return FaxList([dataclasses.replace(fax, attempts=()) for fax in rest], cursor)

    async def counts(self) -> QueueCounts:
        return QueueCounts(by_state={FaxState.QUEUED: len(self.faxes)}, due=0, oldest_s=0.0)

    async def cancel(self, fax_id: str) -> Fax:
        fax = self._known(fax_id)
        if fax.state in TERMINAL:
            raise EndedError(f"fax {fax_id} has ended ({fax.state})", "")
        return self.add(dataclasses.replace(fax, state=FaxState.CANCELLED, ended=datetime.now(UTC)))

    async def retry(self, fax_id: str) -> Fax:
        fax = self._known(fax_id)
        if fax.state not in TERMINAL or fax.state is FaxState.DELIVERED:
            raise EndedError(f"fax {fax_id} is {fax.state}", "only faxes that were not delivered are sent once more")
        return self.add(dataclasses.replace(fax, state=FaxState.WAITING))

    async def update(
        self,
        fax_id: str,
        *,
        unread: bool | None = None,
        tags: Mapping[str, str] | None = None,
        mailbox: str | None = None,
        **times: Any,
    ) -> Fax:
        given = {"unread": unread, "tags": tags, "mailbox": mailbox, **times}
        return self.add(dataclasses.replace(self._known(fax_id), **{k: v for k, v in given.items() if v is not None}))

    async def erase(self, fax_id: str) -> None:
        if self._known(fax_id).state not in TERMINAL:
            raise EndedError(f"fax {fax_id} has not ended", "cancel it first")
        del self.faxes[fax_id]

    async def document(self, fax_id: str) -> Path | None:
        self._known(fax_id)
        return self.pdfs.get(fax_id)

    async def raster(self, fax_id: str) -> Path | None:
        self._known(fax_id)
        return self.tiffs.get(fax_id)

    async def forbid(self, number: str, reason: str = "") -> str:
        self.numbers[number] = (reason, 1.0)
        return number

    async def allow(self, number: str) -> bool:
        return self.numbers.pop(number, None) is not None


def fits(fax: Fax, wanted: FaxFilter) -> bool:
    return (
        (wanted.direction is None or fax.direction is wanted.direction)
        and (not wanted.states or fax.state in wanted.states)
        and all(fax.tags.get(key) == value for key, value in wanted.tags.items())
        and wanted.text.lower() in f"{fax.to} {' '.join(fax.documents)}".lower()
        and wanted.broadcast_id in ("", fax.broadcast_id)
        and (wanted.unread is None or fax.unread is wanted.unread)
        and (wanted.since is None or fax.created >= wanted.since)
        and (wanted.until is None or fax.created < wanted.until)
    )


@dataclass
class Site:
    """The application over fakes."""

    station: FakeStation
    queue: FakeQueue
    web: Web
    app: Any
    engine: sa.Engine
    #: What is configured, so that a test may change a part.
    table: dict[str, Any]

    def client(self, token: str = SECRET, *, peer: str = "127.0.0.1", **more: Any) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        transport = httpx.ASGITransport(self.app, client=(peer, 40000), raise_app_exceptions=True)
        return httpx.AsyncClient(
            transport=transport,
            base_url=more.pop("base_url", "http://127.0.0.1:8038"),
            headers=headers,
            event_hooks={"response": [check_async]},
            **more,
        )


def site(folder: Path, http: Mapping[str, Any] | None = None, **config: Any) -> Iterator[Site]:
    """A generator, for a fixture."""
    table = {"data": {"dir": folder}, "http": {"token": TOKENS, **(http or {})}, **config}
    station = FakeStation(StationConfig.checked(table, "the test"))
    queue = FakeQueue(folder / "faxes", numbers=station.rules.do_not_fax)
    queue.folder.mkdir(parents=True)
    engine = database_engine(f"sqlite:///{folder / 'test.sqlite'}")
    METADATA.create_all(engine)
    tables.METADATA.create_all(engine)
    web = create_web(station, queue, WebStore(engine))
    try:
        yield Site(station, queue, web, guarded(create_app(web)), engine, table)
    finally:
        engine.dispose()
