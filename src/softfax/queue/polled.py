# SPDX-License-Identifier: GPL-2.0-or-later
"""Documents put out for polling by orders: kept until they are taken back, known to all stations of a database."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from softfax.database.stations import notify
from softfax.diskspace import shred, sync_files
from softfax.documents.types import RasterSettings
from softfax.errors import UsageError
from softfax.filestore import StoreError
from softfax.model import Direction, Fax, FaxState
from softfax.options import options_of
from softfax.queue import pages
from softfax.records import rows, tables
from softfax.records.errors import IdempotencyError
from softfax.records.model import FaxFilter, FaxRequest
from softfax.station.polled import PolledDocument, of_config

if TYPE_CHECKING:
    from softfax.queue.queue import FaxQueue

__all__ = ["POLLED", "POLLED_MAX", "PolledDocuments", "TakenBackError"]

log = logging.getLogger("softfax.queue")

#: Message to all stations: what is out for polling has changed.
POLLED = "polled"
#: Documents that are out at a time.
POLLED_MAX = 1000
#: What of a document is kept as JSON; the request has the rest.
_FIELDS = ("numbers", "callers", "poll_document", "poll_password", "documents", "pages_total")


class TakenBackError(IdempotencyError):
    """Documents that an earlier request put out were taken back."""


class PolledDocuments:
    """A part of the queue: what is out for polling besides `[[polled]]`. A document's id is the name of its folder."""

    def __init__(self, queue: FaxQueue) -> None:
        self._queue = queue
        self._putting = asyncio.Lock()

    # ---- as the station knows them ----------------------------------------------------------------------------------

    def load(self) -> None:
        """Tell the station what is out. Blocks."""
        self._queue.station.put_out(self._read())

    async def look(self) -> None:
        """Tell the station what is out, once the files are here. What cannot be had now is looked for at the next look."""
        found = await asyncio.to_thread(self._read)
        try:
            for one in found:
                await asyncio.to_thread(self._queue.files.bring, self._queue.folder / one.id)
        except StoreError as error:
            log.warning("documents for polling cannot be fetched: %s", error)
        self._queue.station.put_out(await asyncio.to_thread(self._read))

    def _read(self) -> list[PolledDocument]:
        with self._queue.database.engine.connect() as connection:
            return self._rows(connection)

    def _rows(self, connection: sa.Connection) -> list[PolledDocument]:
        found = connection.execute(sa.select(tables.polled).order_by(tables.polled.c.created)).all()
        out = []
        for row in found:
            try:
                out.append(self._of_row(row))
            except Exception as error:
                self._queue.aside.notice(tables.polled, {"id": row.id}, error)
        return out

    def _of_row(self, row: Any) -> PolledDocument:
        data, request = json.loads(row.data), rows.request_of(row.request, self._queue.folder)
        if request is None or request.folder is None:
            raise ValueError("it has no documents")
        made = pages.made(request, request.folder)
        kept: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in data.items() if name in _FIELDS
        }
        return PolledDocument(
            id=row.id,
            name=row.name,
            created=rows.when_of(row.created),
            until=rows.when_of(row.until),
            sources=made.documents if made is not None else (),
            raster=made.tiff if made is not None else None,
            password=next((one.password for one in request.documents if one.password), ""),
            resolution=request.resolution,
            scan=request.scan,
            **kept,
        )

    # ---- putting out, taking back -----------------------------------------------------------------------------------

    async def put(
        self, wanted: PolledDocument, request: FaxRequest, *, key: str = "", body_hash: str = ""
    ) -> PolledDocument:
        """Make the pages of a request's documents and put them out, on disk when this returns; `asked` knows it by its key then.
        Raises UsageError, DocumentError, StoreError.
        """
        queue, folder = self._queue, request.folder
        assert folder is not None
        self._check(wanted, self.all())
        kept = await asyncio.to_thread(pages.keep_documents, request.documents, folder)
        drawn = queue.filled(request)
        request = dataclasses.replace(request, documents=kept, **options_of(drawn, RasterSettings))
        made = await queue.make(request)
        await asyncio.to_thread(sync_files, folder)
        new = dataclasses.replace(
            wanted, id=folder.name, created=datetime.now(UTC), pages_total=made.pages,
            documents=tuple(one.name or one.url for one in kept),
        )  # fmt: skip
        async with self._putting:
            await asyncio.to_thread(self._insert, new, request, key, body_hash)
            await self.look()
        return self.get(new.id) or new

    def _check(self, wanted: PolledDocument, others: Sequence[PolledDocument]) -> None:
        """Raises UsageError for what cannot be put out beside what is."""
        if any(one.name == wanted.name for one in others):
            raise UsageError(
                f"something called {wanted.name} is out already", "give it another name, or take that back"
            )
        if len(others) >= POLLED_MAX:
            raise UsageError(f"{len(others)} documents are out for polling", "take some back first")
        now = datetime.now(UTC)
        same = [one for one in others if one.is_out(now) and set(one.numbers) & set(wanted.numbers)
                and one.polling == wanted.polling and set(one.callers) == set(wanted.callers)]  # fmt: skip
        if same:
            raise UsageError(
                f"{same[0].name} is out at this number with the same poll_document and poll_password",
                "give it a poll_document of its own, by which the far end chooses (SEP)",
            )

    def _insert(self, new: PolledDocument, request: FaxRequest, key: str, body_hash: str) -> None:
        data = json.dumps({name: getattr(new, name) for name in _FIELDS}, ensure_ascii=False)
        row = {"id": new.id, "name": new.name, "created": rows.stamp(new.created), "until": rows.stamp(new.until),
               "data": data, "request": rows.request_text(request)}  # fmt: skip
        try:
            with self._queue.database.engine.begin() as connection:
                # Beside what this station and others have put out while the pages were made.
                if connection.dialect.name != "sqlite":
                    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext("softfax polled"))))
                self._check(new, (*of_config(self._queue.station.config.polled), *self._rows(connection)))
                if key:
                    kept = {"key": key, "hash": body_hash, "fax_ids": json.dumps([new.id]), "created": time.time()}
                    connection.execute(tables.keys.insert().values(**kept))
                connection.execute(tables.polled.insert().values(**row))
                notify(connection, POLLED)
        except sa.exc.IntegrityError:
            raise UsageError(f"something called {new.name} is out already", "give it another name") from None

    async def asked(self, key: str, body_hash: str) -> PolledDocument | None:
        """Documents that an earlier request with this key put out, if there was one. Raises IdempotencyError, TakenBackError."""
        ids = await asyncio.to_thread(self._queue.store.asked, key, body_hash) if key else None
        if ids is None:
            return None
        found = self.get(ids[0]) if ids else None
        if found is None:
            raise TakenBackError("what this key put out was taken back", "use another key")
        return found

    async def take_back(self, polled_id: str) -> bool:
        """Put a document out no more, and overwrite it; false where there is none. A call that is fetching it goes on."""
        if not await asyncio.to_thread(self._delete, polled_id):
            return False
        await self.look()
        await asyncio.to_thread(shred, self._queue.folder / polled_id)
        await asyncio.to_thread(self._queue.files.drop, polled_id)
        return True

    def _delete(self, polled_id: str) -> bool:
        with self._queue.database.engine.begin() as connection:
            gone = connection.execute(tables.polled.delete().where(tables.polled.c.id == polled_id)).rowcount
            notify(connection, POLLED)
        return bool(gone)

    async def take_back_old(self, before: float) -> int:
        """Take back what has not been out since a time; how many."""
        ended = [one for one in self.all() if one.id and one.until is not None and one.until.timestamp() < before]
        return sum([await self.take_back(one.id) for one in ended])

    # ---- looking ------------------------------------------------------------------------------------------------------

    def all(self) -> Sequence[PolledDocument]:
        """Documents that are out, or were until their end, those of the configuration first."""
        return self._queue.station.polled()

    def get(self, polled_id: str) -> PolledDocument | None:
        """One that was put out by an order."""
        return next((one for one in self.all() if polled_id and one.id == polled_id), None)

    async def fetched(self, one: PolledDocument) -> tuple[int, Fax | None]:
        """Number of times that it was fetched, by the records that are kept, and the last of them."""
        found = await self._queue.list(
            FaxFilter(
                direction=Direction.SEND, states=frozenset({FaxState.DELIVERED}), tags={"polled": one.name},
                since=one.created, limit=1,
            )
        )  # fmt: skip
        return found.total or 0, found.faxes[0] if found.faxes else None
