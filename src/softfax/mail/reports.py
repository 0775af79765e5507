# SPDX-License-Identifier: GPL-2.0-or-later
"""E-mails to those who sent a fax by e-mail: what became of it. Written down with the fax's end, tried again until they are gone.

Who wants one stands in the tags of the fax itself (`tags_of`), so that it is on disk as soon as the fax is. Reports have no
sender (RFC 5321 §4.5.5) and say that nobody wrote them (RFC 3834 §5): nothing answers them, and the gateway takes none.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from prometheus_client.core import GaugeMetricFamily, Metric

from softfax.database.away import is_away
from softfax.database.database import Database
from softfax.database.jobs import job_indexes
from softfax.delivery.policy import RetryPolicy
from softfax.delivery.retried import DEAD, WAITING, RetriedJobs, retried_columns
from softfax.errors import SoftfaxError
from softfax.mail.report import ReportFacts, report
from softfax.mailboxes.targets import MailboxError, send
from softfax.model import TERMINAL, Direction, Fax, FaxResult, FaxState, FaxUpdate
from softfax.queue.ends import held
from softfax.queue.queue import FaxQueue
from softfax.records.model import FaxFilter
from softfax.station import Station

__all__ = ["SOURCE", "MailReports", "tags_of"]

log = logging.getLogger("softfax.mail")

METADATA = sa.MetaData()
WORKERS = 2
#: How far back a start looks for faxes that ended when nobody could write it down.
LOOK_BACK_S = 14 * 24 * 3600.0
POLICY = RetryPolicy(first_s=10.0, longest_s=3600.0, give_up_s=3 * 24 * 3600.0)
#: `spared`: nobody wanted one when the fax ended; so nobody gets it later, when the configuration says otherwise.
SENT, SPARED = "sent", "spared"
SOURCE = ("source", "mail")
FROM, SUBJECT, MESSAGE, RECIPIENT = "mail_from", "mail_subject", "mail_message_id", "mail_to"
TAG_MAX = 500

_reports = sa.Table(
    "softfax_mail_reports",
    METADATA,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("fax_id", sa.String(24), nullable=False, index=True),
    sa.Column("address", sa.String(400), nullable=False),
    *retried_columns(),
)
job_indexes(_reports)


def tags_of(sender: str, recipient: str, subject: str, message_id: str, tag: str) -> dict[str, str]:
    """The tags of a fax that came by e-mail."""
    tags = {SOURCE[0]: SOURCE[1], FROM: sender, RECIPIENT: recipient, SUBJECT: subject, MESSAGE: message_id}
    return {key: value[:TAG_MAX] for key, value in (tags | {"tag": tag}).items() if value}


class MailReports:
    """A part of a station beside its queue: `MailReports(station, queue)` adds it."""

    def __init__(self, station: Station, queue: FaxQueue, policy: RetryPolicy = POLICY) -> None:
        self.station, self.queue = station, queue
        self._jobs = RetriedJobs("reports by e-mail", _reports, policy, self._work)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._catching_up: asyncio.Task[None] | None = None
        station.add(self)

    # ---- life ---------------------------------------------------------------------------------------------------

    def prepare(self, database: Database) -> None:
        """Make the table. Blocks, in a thread."""
        self._jobs.prepare(database)

    async def start(self) -> None:
        """Goes on with what waits, and takes up what ended untold."""
        self._loop = asyncio.get_running_loop()
        self.station.subscribe(self._take)
        await asyncio.to_thread(self._jobs.start, WORKERS)
        self._catching_up = asyncio.ensure_future(self._take_up())

    async def stop(self) -> None:
        """Begins nothing new."""
        if self._catching_up is not None:
            self._catching_up.cancel()
        await asyncio.to_thread(self._jobs.stop)

    async def close(self) -> None:
        """Stop; waiting reports wait for the next start."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=10.0)

    async def _take_up(self) -> None:
        try:
            await self._catch_up()
        except Exception:
            log.exception("the reports that an earlier station left could not be found")

    async def _catch_up(self) -> None:
        since = datetime.now(UTC) - timedelta(seconds=LOOK_BACK_S)
        wanted = FaxFilter(direction=Direction.SEND, states=TERMINAL, tags=dict([SOURCE]), since=since, limit=200)
        while True:
            found = await self.queue.list(wanted)
            for fax in found.faxes:
                await self._ended(fax.id)
            if not found.cursor:
                return
            wanted = replace(wanted, cursor=found.cursor)

    # ---- taking -------------------------------------------------------------------------------------------------

    def _take(self, update: FaxUpdate) -> None:
        """A sink of the station."""
        event, context = update.event, update.context
        if isinstance(event, FaxResult) and event.retry_at is None and SOURCE in context.tags.items():
            task = asyncio.ensure_future(self._ended(context.fax_id))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _ended(self, fax_id: str) -> None:
        """Records a report that is due, once for each end of a fax."""
        try:
            await held(self.queue, f"the report of fax {fax_id}", lambda: self._written_down(fax_id))
        except Exception:
            log.exception("the report of fax %s could not be written down", fax_id)

    async def _written_down(self, fax_id: str) -> None:
        fax = await self.queue.get(fax_id)
        if fax is None or not fax.terminal or FROM not in fax.tags:
            return
        state = WAITING if self._wanted(fax) else SPARED
        try:
            await asyncio.to_thread(self._put, f"{fax_id}.{len(fax.attempts)}", fax_id, fax.tags[FROM], state)
        except sa.exc.IntegrityError:
            log.debug("the report of fax %s was written down by another", fax_id)

    def _wanted(self, fax: Fax) -> bool:
        config = self.station.config.mail
        if config is None or config.report == "never":
            return False
        # What was left out is no good news.
        return config.report == "always" or fax.state is not FaxState.DELIVERED or bool(fax.warnings)

    def _put(self, key: str, fax_id: str, address: str, state: str) -> None:
        self._jobs.put(key, state, fax_id=fax_id, address=address[:400])

    # ---- sending ------------------------------------------------------------------------------------------------

    def _work(self, row: Any) -> None:
        """Try to send a report; in a thread."""
        try:
            self._send(row)
        except MailboxError as error:
            self._failed(row, error)
            return
        except Exception as error:
            if is_away(error):
                raise  # no fault of who gets it
            log.exception("the report of fax %s could not be made", row.fax_id)
            self._failed(row, MailboxError(f"softfax failed ({type(error).__name__})"))
            return
        self._jobs.done(row, SENT)
        log.info("the report of fax %s went to %s", row.fax_id, row.address)

    def _send(self, row: Any) -> None:
        fax, config = self.queue.store.get(row.fax_id), self.station.config
        if fax is None:
            raise MailboxError("the fax is gone", "", final=True)
        page = config.mail.report_page if config.mail is not None else "none"
        assert self._loop is not None
        tiff: Path | None = None
        if page != "none":
            try:
                tiff = asyncio.run_coroutine_threadsafe(self.queue.raster(row.fax_id), self._loop).result(30.0)
            except (SoftfaxError, TimeoutError, OSError) as error:
                log.warning("the report of fax %s has no picture: %s", row.fax_id, error or "it took too long")
        facts = ReportFacts(
            fax=fax,
            recipient=fax.tags.get(RECIPIENT, ""),
            subject=fax.tags.get(SUBJECT, ""),
            message_id=fax.tags.get(MESSAGE, ""),
            hostname=(config.mail.hostname if config.mail is not None else "") or "softfax",
        )
        send(report(facts, row.address, config.smtp.sender, tiff, page), config.smtp, sender="")

    def _failed(self, row: Any, error: MailboxError) -> None:
        wait_s = self._jobs.failed(row, str(error), final=error.final)
        if wait_s is None:
            log.error("the report of fax %s to %s is given up: %s", row.fax_id, row.address, error)
        else:
            log.warning("the report of fax %s waits: %s; tried again in %.0f s", row.fax_id, error, wait_s)

    # ---- looking ------------------------------------------------------------------------------------------------

    def counts(self) -> Mapping[str, int]:
        """Number of reports waiting, sent and given up. Blocks."""
        found = {state: count for (state,), count in self._jobs.counts("state").items() if state != SPARED}
        return dict.fromkeys((WAITING, SENT, DEAD), 0) | found

    async def metrics(self) -> Iterable[Metric]:
        """`softfax_mail_reports{state}`: waiting, sent, dead."""
        family = GaugeMetricFamily("softfax_mail_reports", "Reports to senders of e-mails, by state.", labels=["state"])
        for state, count in (await asyncio.to_thread(self.counts)).items():
            family.add_metric([state], count)
        return [family]
