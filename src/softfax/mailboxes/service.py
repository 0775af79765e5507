# SPDX-License-Identifier: GPL-2.0-or-later
"""Takes received faxes to the targets of their mailboxes, again and again until each has its own; nothing is lost on the way.

A delivery is one fax to one target. It is written down with its first round in one transaction, before anything is tried.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from prometheus_client.core import GaugeMetricFamily, Metric

from softfax.delivery import CallbackTarget, RetryPolicy
from softfax.delivery.durable import Durable
from softfax.delivery.rounds import MAILBOXES, Rounds
from softfax.errors import LocalError, SoftfaxError, UsageError
from softfax.mailboxes import targets
from softfax.mailboxes.targets import Item, MailboxError
from softfax.model import FaxResult
from softfax.queue.errors import NoFaxError
from softfax.queue.model import Fax
from softfax.queue.queue import FaxQueue
from softfax.station import Station
from softfax.station.config.mailboxes import ADDRESS, EmailTarget, MailboxConfig

__all__ = ["Mailboxes"]

log = logging.getLogger("softfax.mailboxes")

METADATA = sa.MetaData()
WORKERS = 4
UPKEEP_S = 60.0
START_S = 60.0
KEEP_S = 30 * 24 * 3600.0
POLICY = RetryPolicy(first_s=10.0, longest_s=3600.0, give_up_s=7 * 24 * 3600.0)
DOCUMENT_BYTES_MAX = 700_000
WAITING, DONE, DEAD = "waiting", "done", "dead"
KINDS = ("folder", "email", "webhook", "s3", "printer", "command")

_deliveries = sa.Table(
    "softfax_mailbox_deliveries",
    METADATA,
    sa.Column("id", sa.String(120), primary_key=True),
    sa.Column("fax_id", sa.String(24), nullable=False, index=True),
    sa.Column("mailbox", sa.String(64), nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("place", sa.Integer, nullable=False),
    sa.Column("options", sa.Text, nullable=False),
    sa.Column("state", sa.String(10), nullable=False, index=True),
    sa.Column("round_id", sa.String(160), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("begun", sa.Float, nullable=False),
    sa.Column("ended", sa.Float, nullable=False),
    sa.Column("problem", sa.Text, nullable=False),
)


class Mailboxes:
    """A part of a station beside its queue: `Mailboxes(station, queue)` adds it."""

    def __init__(self, station: Station, queue: FaxQueue, policy: RetryPolicy = POLICY) -> None:
        self.station, self.queue, self._policy = station, queue, policy
        self._rounds = Rounds(MAILBOXES, self._run)
        self._engine: sa.Engine | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._started = threading.Event()
        self._upkeep: asyncio.Task[None] | None = None
        self._stopping = False
        queue.on_received.append(self._received)
        station.add(self)

    # ---- life ---------------------------------------------------------------------------------------------------

    def prepare(self, durable: Durable) -> None:
        """Makes the table, before the durable engine is launched. Blocks, in a thread."""
        durable.prepare(METADATA)
        self._engine = durable.engine
        self._rounds.prepare(durable)

    async def start(self) -> None:
        """Goes on with what waits."""
        self._loop = asyncio.get_running_loop()
        self._started.set()
        await asyncio.to_thread(self._rounds.start, WORKERS)
        self._upkeep = asyncio.ensure_future(self._keep_up())

    async def stop(self) -> None:
        """Begins nothing new."""
        self._stopping = True
        if self._upkeep is not None:
            self._upkeep.cancel()

    async def close(self) -> None:
        """What waits, waits for the next start."""
        self._rounds.stop()

    @property
    def _database(self) -> sa.Engine:
        if self._engine is None:
            raise LocalError("the mailboxes do not run", "enter the station first")
        return self._engine

    async def _keep_up(self) -> None:
        while True:
            try:
                await asyncio.to_thread(self._tidy)
            except Exception:
                log.exception("the upkeep of mailboxes failed")
            await asyncio.sleep(UPKEEP_S)

    def _tidy(self) -> None:
        d = _deliveries.c
        with self._database.connect() as connection:
            waiting = connection.execute(sa.select(d.id, d.round_id).where(d.state == WAITING)).all()
        active = self._rounds.active(row.round_id for row in waiting)
        for row in waiting:
            if row.round_id not in active:
                self._again(row.id, row.round_id, 0.0)
        now = time.time()
        with self._database.begin() as connection:
            connection.execute(_deliveries.delete().where(d.state != WAITING, d.ended < now - KEEP_S))
        self._rounds.forget((datetime.now(UTC) - timedelta(seconds=UPKEEP_S)).isoformat())

    # ---- taking -------------------------------------------------------------------------------------------------

    async def _received(self, fax: Fax, result: FaxResult) -> None:
        """A fax is recorded: whatever its mailbox has gets it, also of a fax that broke off."""
        mailbox = self._mailbox(fax.mailbox)
        if mailbox is None or not any(name.endswith(".pdf") for name in result.documents):
            return
        for kind in KINDS:
            for place in range(len(getattr(mailbox, kind))):
                await asyncio.to_thread(self._put, fax.id, mailbox.name, kind, place, {})

    async def forward(self, fax: Fax, address: str) -> None:
        """Sends a fax by e-mail, once. Raises UsageError for what is no address, NoFaxError where it has no document yet."""
        if not ADDRESS.fullmatch(address):
            raise UsageError(f"not an e-mail address: {address[:80]!r}", "write it as name@host")
        if await self.queue.document(fax.id) is None:
            raise NoFaxError(fax.id)
        place = int(time.time() * 1000) % 1_000_000_000
        await asyncio.to_thread(self._put, fax.id, "", "email", place, {"to": address})

    def _by_kind(self) -> dict[tuple[str, str], int]:
        d = _deliveries.c
        with self._database.connect() as connection:
            query = sa.select(d.kind, d.state, sa.func.count()).group_by(d.kind, d.state)
            return {(str(row[0]), str(row[1])): int(row[2]) for row in connection.execute(query)}

    async def metrics(self) -> Iterable[Metric]:
        """`softfax_mailbox_deliveries{kind,state}`: waiting, done, dead."""
        family = GaugeMetricFamily(
            "softfax_mailbox_deliveries", "Received faxes on the way to targets.", labels=["kind", "state"]
        )
        for (kind, state), count in (await asyncio.to_thread(self._by_kind)).items():
            family.add_metric([kind, state], count)
        return [family]

    def _mailbox(self, name: str) -> MailboxConfig | None:
        return next((m for m in self.station.config.mailbox if m.name == name), None)

    def _put(self, fax_id: str, mailbox: str, kind: str, place: int, options: Mapping[str, Any]) -> None:
        key = f"{fax_id}.{mailbox}.{kind}.{place}"
        round_id = f"{key}.1"
        with self._database.begin() as connection:
            if connection.execute(sa.select(_deliveries.c.id).where(_deliveries.c.id == key)).first() is not None:
                return
            connection.execute(
                _deliveries.insert().values(
                    id=key, fax_id=fax_id, mailbox=mailbox, kind=kind, place=place, options=json.dumps(dict(options)),
                    state=WAITING, round_id=round_id, attempts=0, begun=time.time(), ended=0.0, problem="",
                )
            )  # fmt: skip
            self._rounds.enqueue(connection, key, round_id, 5, 0.0)

    # ---- delivering ---------------------------------------------------------------------------------------------

    def _run(self, key: str, round_id: str) -> str:
        """A round; in a thread of the durable engine."""
        d = _deliveries.c
        with self._database.connect() as connection:
            row = connection.execute(sa.select(_deliveries).where(d.id == key, d.round_id == round_id)).one_or_none()
        if row is None or row.state != WAITING:
            return "not its turn"
        # What was under way when an earlier station ended is taken up before this one has started.
        if not self._started.wait(START_S) or self._stopping:
            self._again(key, round_id, 0.0)
            return "stopping"
        try:
            self._deliver(row)
        except MailboxError as error:
            return self._failed(row, error)
        except Exception as error:
            log.exception("fax %s could not be delivered", row.fax_id)
            return self._failed(row, MailboxError(f"softfax failed ({type(error).__name__})"))
        self._end(key, DONE, row.attempts + 1, "")
        log.info("fax %s was delivered to %s %s", row.fax_id, row.mailbox, row.kind)
        return "delivered"

    def _deliver(self, row: Any) -> None:
        item, config = self._item(row.fax_id), self.station.config
        if row.kind == "email" and row.options != "{}":
            targets.email(EmailTarget(to=json.loads(row.options)["to"]), config.smtp, item)
            return
        mailbox = self._mailbox(row.mailbox)
        configured = getattr(mailbox, row.kind, ()) if mailbox is not None else ()
        if row.place >= len(configured):
            raise MailboxError("the mailbox has no such target any more", "", final=True)
        target = configured[row.place]
        deliver: dict[str, Callable[[Any, Item], None]] = {
            "folder": targets.folder,
            "email": lambda one, fax: targets.email(one, config.smtp, fax),
            "webhook": self._webhook,
            "s3": targets.store,
            "printer": targets.print_out,
            "command": targets.run_program,
        }
        deliver[row.kind](target, item)

    def _item(self, fax_id: str) -> Item:
        """The fax as it is now."""
        assert self._loop is not None
        fax = self.queue.store.get(fax_id)
        path: Path | None = asyncio.run_coroutine_threadsafe(self.queue.document(fax_id), self._loop).result()
        if fax is None or path is None:
            raise MailboxError("the fax is gone", "", final=True)
        tiff = path.with_suffix(".tif")
        return Item(fax=fax.to_json(), pdf=path, tiff=tiff if tiff.is_file() else None)

    def _webhook(self, target: Any, item: Item) -> None:
        """By way of the outbox, which delivers in order, signs, and tries again."""
        if self.station.outbox is None:
            raise MailboxError("callbacks are switched off", "set enabled = true in [callbacks]", final=True)
        body: dict[str, Any] = {"event": "received", "time": datetime.now(UTC).isoformat(), "fax": dict(item.fax)}
        if target.document and item.pdf.stat().st_size <= DOCUMENT_BYTES_MAX:
            body["document"] = base64.b64encode(item.pdf.read_bytes()).decode()
        try:
            put = self.station.outbox.put(
                CallbackTarget(url=target.url, secret=target.secret),
                fax_id=item.facts["fax_id"],
                event_id=f"{item.facts['fax_id']}-received",
                body=json.dumps(body, ensure_ascii=False).encode(),
            )
            put.result(30.0)
        except (SoftfaxError, TimeoutError) as error:
            raise MailboxError(f"the webhook could not be queued ({error})", "") from None

    def _failed(self, row: Any, error: MailboxError) -> str:
        attempts = row.attempts + 1
        wait_s = None if error.final else self._policy.wait_s(attempts, time.time() - row.begun, None)
        where = f"{row.mailbox or 'forwarding'} {row.kind}"
        if wait_s is None:
            log.error("fax %s is given up for %s: %s", row.fax_id, where, error)
            self._end(row.id, DEAD, attempts, str(error))
        else:
            log.warning("fax %s waits for %s: %s; tried again in %.0f s", row.fax_id, where, error, wait_s)
            self._again(row.id, row.round_id, wait_s, attempts, str(error))
        self.queue.store.note(row.fax_id, f"not delivered to {where}: {error.problem}", error.remedy)
        return "failed"

    def _again(self, key: str, round_id: str, wait_s: float, attempts: int | None = None, problem: str = "") -> None:
        stem, _, number = round_id.rpartition(".")
        following = f"{stem}.{int(number) + 1}"
        values: dict[str, Any] = {"round_id": following}
        if attempts is not None:
            values |= {"attempts": attempts, "problem": problem}
        with self._database.begin() as connection:
            d = _deliveries.c
            done = connection.execute(
                _deliveries.update().where(d.id == key, d.round_id == round_id, d.state == WAITING).values(**values)
            )
            if done.rowcount:
                self._rounds.enqueue(connection, key, following, 5, wait_s)

    def _end(self, key: str, state: str, attempts: int, problem: str) -> None:
        with self._database.begin() as connection:
            connection.execute(
                _deliveries.update()
                .where(_deliveries.c.id == key)
                .values(state=state, attempts=attempts, problem=problem, ended=time.time())
            )

    # ---- looking ------------------------------------------------------------------------------------------------

    def counts(self) -> dict[str, int]:
        """How many deliveries wait, are done and were given up. Blocks."""
        with self._database.connect() as connection:
            query = sa.select(_deliveries.c.state, sa.func.count()).group_by(_deliveries.c.state)
            return dict.fromkeys((WAITING, DONE, DEAD), 0) | {
                str(row[0]): int(row[1]) for row in connection.execute(query)
            }
