# SPDX-License-Identifier: GPL-2.0-or-later
"""Takes received faxes to the targets of their mailboxes, again and again until each has its own; nothing is lost on the way.

A delivery is one fax to one target: a job that is written down before anything is tried.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from prometheus_client.core import GaugeMetricFamily, Metric

from softfax.asjson import rfc3339
from softfax.database.away import is_away
from softfax.database.database import Database
from softfax.database.jobs import job_indexes
from softfax.delivery.policy import RetryPolicy
from softfax.delivery.retried import DEAD, WAITING, RetriedJobs, retried_columns
from softfax.delivery.targets import CallbackTarget
from softfax.errors import SoftfaxError, UsageError
from softfax.mailboxes import targets
from softfax.mailboxes.targets import Item, MailboxError
from softfax.model import Fax, FaxResult
from softfax.queue.queue import FaxQueue
from softfax.records.errors import NoFaxError
from softfax.station import Station
from softfax.station.config.mailboxes import ADDRESS, EmailTarget, MailboxConfig

__all__ = ["Mailboxes"]

log = logging.getLogger("softfax.mailboxes")

METADATA = sa.MetaData()
#: Deliveries at a time, and those to one target: a program or server that takes long holds up its own.
WORKERS, WORKERS_EACH = 12, 3
POLICY = RetryPolicy(first_s=10.0, longest_s=3600.0, give_up_s=7 * 24 * 3600.0)
DOCUMENT_BYTES_MAX = 700_000
DONE = "done"
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
    *retried_columns(),
)
job_indexes(_deliveries)
_d = _deliveries.c
#: A delivery's target, beside the fax.
_TARGET = _d.mailbox + "." + _d.kind + "." + sa.cast(_d.place, sa.String)


class Mailboxes:
    """A part of a station beside its queue: `Mailboxes(station, queue)` adds it."""

    def __init__(self, station: Station, queue: FaxQueue, policy: RetryPolicy = POLICY) -> None:
        self.station, self.queue = station, queue
        self._jobs = RetriedJobs("mailbox deliveries", _deliveries, policy, self._work, _TARGET)
        self._loop: asyncio.AbstractEventLoop | None = None
        queue.on_received.append(self._received)
        station.add(self)

    # ---- life ---------------------------------------------------------------------------------------------------

    def prepare(self, database: Database) -> None:
        """Make the table. Blocks, in a thread."""
        self._jobs.prepare(database)

    async def start(self) -> None:
        """Goes on with what waits."""
        self._loop = asyncio.get_running_loop()
        await asyncio.to_thread(self._jobs.start, WORKERS, WORKERS_EACH)

    async def stop(self) -> None:
        """Begins nothing new."""
        await asyncio.to_thread(self._jobs.stop)

    async def close(self) -> None:
        """End: waiting deliveries wait for the next start."""

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

    async def metrics(self) -> Iterable[Metric]:
        """`softfax_mailbox_deliveries{kind,state}`: waiting, done, dead."""
        family = GaugeMetricFamily(
            "softfax_mailbox_deliveries", "Received faxes on the way to targets.", labels=["kind", "state"]
        )
        for (kind, state), count in (await asyncio.to_thread(self._jobs.counts, "kind", "state")).items():
            family.add_metric([kind, state], count)
        return [family]

    def _mailbox(self, name: str) -> MailboxConfig | None:
        return next((m for m in self.station.config.mailbox if m.name == name), None)

    def _put(self, fax_id: str, mailbox: str, kind: str, place: int, options: Mapping[str, Any]) -> None:
        key = f"{fax_id}.{mailbox}.{kind}.{place}"
        self._jobs.put(key, fax_id=fax_id, mailbox=mailbox, kind=kind, place=place, options=json.dumps(dict(options)))

    # ---- delivering ---------------------------------------------------------------------------------------------

    def _work(self, row: Any) -> None:
        """Try a delivery; in a thread."""
        try:
            self._deliver(row)
        except MailboxError as error:
            self._failed(row, error)
            return
        except Exception as error:
            if is_away(error):
                raise  # no fault of the place that it goes to
            log.exception("fax %s could not be delivered", row.fax_id)
            self._failed(row, MailboxError(f"softfax failed ({type(error).__name__})"))
            return
        self._jobs.done(row, DONE)
        log.info("fax %s was delivered to %s", row.fax_id, _name(row))

    def _deliver(self, row: Any) -> None:
        item, config = self._item(row.fax_id), self.station.config
        if row.kind == "email" and row.options != "{}":
            targets.email(EmailTarget(to=json.loads(row.options)["to"]), config.smtp, item, row.id)
            return
        mailbox = self._mailbox(row.mailbox)
        configured = getattr(mailbox, row.kind, ()) if mailbox is not None else ()
        if row.place >= len(configured):
            raise MailboxError("the mailbox has no such target any more", "", final=True)
        target = configured[row.place]
        deliver: dict[str, Callable[[Any, Item], None]] = {
            "folder": targets.folder,
            "email": lambda one, fax: targets.email(one, config.smtp, fax, row.id),
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
        """Deliver by way of the outbox, which keeps the order, signs, and retries."""
        if self.station.outbox is None:
            raise MailboxError("callbacks are switched off", "set enabled = true in [callbacks]", final=True)
        body: dict[str, Any] = {"event": "received", "time": rfc3339(datetime.now(UTC)), "fax_id": item.facts["fax_id"],
                                "fax": dict(item.fax)}  # fmt: skip
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

    def _failed(self, row: Any, error: MailboxError) -> None:
        wait_s = self._jobs.failed(row, str(error), final=error.final)
        where = _name(row)
        if wait_s is None:
            log.error("fax %s is given up for %s: %s", row.fax_id, where, error)
        else:
            log.warning("fax %s waits for %s: %s; tried again in %.0f s", row.fax_id, where, error, wait_s)
        self.queue.store.note(row.fax_id, f"not delivered to {where}: {error.problem}", error.remedy)

    # ---- looking ------------------------------------------------------------------------------------------------

    def counts(self) -> dict[str, int]:
        """Number of deliveries waiting, done and given up. Blocks."""
        found = {state: count for (state,), count in self._jobs.counts("state").items()}
        return dict.fromkeys((WAITING, DONE, DEAD), 0) | found


def _name(row: Any) -> str:
    """Name of a target for people: its mailbox and kind, and a number after the first."""
    if not row.mailbox:
        return f"forwarding {row.kind}"
    return f"{row.mailbox} {row.kind}" + (f" {row.place + 1}" if row.place else "")
