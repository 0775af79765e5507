# SPDX-License-Identifier: GPL-2.0-or-later
"""E-mails to those who sent a fax by e-mail: what became of it. Written down with the fax's end, tried again until they are gone.

Who wants one stands in the tags of the fax itself (`tags_of`), so that it is on disk as soon as the fax is. Reports have no
sender (RFC 5321 §4.5.5) and say that nobody wrote them (RFC 3834 §5): nothing answers them, and the gateway takes none.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from prometheus_client.core import GaugeMetricFamily, Metric

from softfax.delivery import RetryPolicy
from softfax.delivery.durable import Durable
from softfax.delivery.rounds import MAIL, Rounds
from softfax.errors import LocalError, SoftfaxError
from softfax.mail.report import ReportFacts, report
from softfax.mailboxes.targets import MailboxError, send
from softfax.model import Direction, FaxResult, FaxUpdate
from softfax.queue.model import TERMINAL, Fax, FaxFilter, FaxState
from softfax.queue.queue import FaxQueue
from softfax.station import Station

__all__ = ["SOURCE", "MailReports", "tags_of"]

log = logging.getLogger("softfax.mail")

METADATA = sa.MetaData()
WORKERS = 2
UPKEEP_S = 60.0
START_S = 60.0
KEEP_S = 30 * 24 * 3600.0
#: How far back a start looks for faxes that ended when nobody could write it down.
LOOK_BACK_S = 14 * 24 * 3600.0
POLICY = RetryPolicy(first_s=10.0, longest_s=3600.0, give_up_s=3 * 24 * 3600.0)
#: `spared`: nobody wanted one when the fax ended; so nobody gets it later, when the configuration says otherwise.
WAITING, SENT, DEAD, SPARED = "waiting", "sent", "dead", "spared"
SOURCE = ("source", "mail")
FROM, SUBJECT, MESSAGE, RECIPIENT = "mail_from", "mail_subject", "mail_message_id", "mail_to"
TAG_MAX = 500

_reports = sa.Table(
    "softfax_mail_reports",
    METADATA,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("fax_id", sa.String(24), nullable=False, index=True),
    sa.Column("address", sa.String(400), nullable=False),
    sa.Column("state", sa.String(10), nullable=False, index=True),
    sa.Column("round_id", sa.String(60), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("begun", sa.Float, nullable=False),
    sa.Column("ended", sa.Float, nullable=False),
    sa.Column("problem", sa.Text, nullable=False),
)


def tags_of(sender: str, recipient: str, subject: str, message_id: str, tag: str) -> dict[str, str]:
    """The tags of a fax that came by e-mail."""
    tags = {SOURCE[0]: SOURCE[1], FROM: sender, RECIPIENT: recipient, SUBJECT: subject, MESSAGE: message_id}
    return {key: value[:TAG_MAX] for key, value in (tags | {"tag": tag}).items() if value}


class MailReports:
    """A part of a station beside its queue: `MailReports(station, queue)` adds it."""

    def __init__(self, station: Station, queue: FaxQueue, policy: RetryPolicy = POLICY) -> None:
        self.station, self.queue, self._policy = station, queue, policy
        self._rounds = Rounds(MAIL, self._run)
        self._engine: sa.Engine | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._started = threading.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._upkeep: asyncio.Task[None] | None = None
        self._stopping = False
        station.add(self)

    # ---- life ---------------------------------------------------------------------------------------------------

    def prepare(self, durable: Durable) -> None:
        """Makes the table, before the durable engine is launched. Blocks, in a thread."""
        durable.prepare(METADATA)
        self._engine = durable.engine
        self._rounds.prepare(durable)

    async def start(self) -> None:
        """Goes on with what waits, and takes up what ended untold."""
        self._loop = asyncio.get_running_loop()
        self.station.subscribe(self._take)
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
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=10.0)
        self._rounds.stop()

    @property
    def _database(self) -> sa.Engine:
        if self._engine is None:
            raise LocalError("e-mail does not run", "enter the station first")
        return self._engine

    async def _keep_up(self) -> None:
        try:
            await self._catch_up()
        except Exception:
            log.exception("the reports that an earlier station left could not be found")
        while True:
            try:
                await asyncio.to_thread(self._tidy)
            except Exception:
                log.exception("the upkeep of e-mail failed")
            await asyncio.sleep(UPKEEP_S)

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

    def _tidy(self) -> None:
        r = _reports.c
        with self._database.connect() as connection:
            waiting = connection.execute(sa.select(r.id, r.round_id).where(r.state == WAITING)).all()
        active = self._rounds.active(row.round_id for row in waiting)
        for row in waiting:
            if row.round_id not in active:
                self._again(row.id, row.round_id, 0.0)
        with self._database.begin() as connection:
            connection.execute(_reports.delete().where(r.state != WAITING, r.ended < time.time() - KEEP_S))
        self._rounds.forget((datetime.now(UTC) - timedelta(seconds=UPKEEP_S)).isoformat())

    # ---- taking -------------------------------------------------------------------------------------------------

    def _take(self, update: FaxUpdate) -> None:
        """A sink of the station."""
        event, context = update.event, update.context
        if isinstance(event, FaxResult) and event.retry_at is None and SOURCE in context.tags.items():
            task = asyncio.ensure_future(self._ended(context.fax_id))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _ended(self, fax_id: str) -> None:
        """Writes down that somebody is to be told, once for each time a fax ends."""
        try:
            fax = await self.queue.get(fax_id)
            if fax is not None and fax.terminal and FROM in fax.tags:
                state = WAITING if self._wanted(fax) else SPARED
                await asyncio.to_thread(self._put, f"{fax_id}.{len(fax.attempts)}", fax_id, fax.tags[FROM], state)
        except sa.exc.IntegrityError:
            log.debug("the report of fax %s was written down by another", fax_id)
        except Exception:
            log.exception("the report of fax %s could not be written down", fax_id)

    def _wanted(self, fax: Fax) -> bool:
        config = self.station.config.mail
        if config is None or config.report == "never":
            return False
        return config.report == "always" or fax.state is not FaxState.DELIVERED

    def _put(self, key: str, fax_id: str, address: str, state: str) -> None:
        round_id = f"{key}.mail.1"
        with self._database.begin() as connection:
            if connection.execute(sa.select(_reports.c.id).where(_reports.c.id == key)).first() is not None:
                return
            connection.execute(
                _reports.insert().values(
                    id=key, fax_id=fax_id, address=address[:400], state=state, round_id=round_id, attempts=0,
                    begun=time.time(), ended=time.time() if state == SPARED else 0.0, problem="",
                )
            )  # fmt: skip
            if state == WAITING:
                self._rounds.enqueue(connection, key, round_id, 5, 0.0)

    # ---- sending ------------------------------------------------------------------------------------------------

    def _run(self, key: str, round_id: str) -> str:
        """A round; in a thread of the durable engine."""
        r = _reports.c
        with self._database.connect() as connection:
            row = connection.execute(sa.select(_reports).where(r.id == key, r.round_id == round_id)).one_or_none()
        if row is None or row.state != WAITING:
            return "not its turn"
        # What was under way when an earlier station ended is taken up before this one has started.
        if not self._started.wait(START_S) or self._stopping:
            self._again(key, round_id, 0.0)
            return "stopping"
        try:
            self._send(row)
        except MailboxError as error:
            return self._failed(row, error)
        except Exception as error:
            log.exception("the report of fax %s could not be made", row.fax_id)
            return self._failed(row, MailboxError(f"softfax failed ({type(error).__name__})"))
        self._end(key, SENT, row.attempts + 1, "")
        log.info("the report of fax %s went to %s", row.fax_id, row.address)
        return "sent"

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

    def _failed(self, row: Any, error: MailboxError) -> str:
        attempts = row.attempts + 1
        wait_s = None if error.final else self._policy.wait_s(attempts, time.time() - row.begun, None)
        if wait_s is None:
            log.error("the report of fax %s to %s is given up: %s", row.fax_id, row.address, error)
            self._end(row.id, DEAD, attempts, str(error))
        else:
            log.warning("the report of fax %s waits: %s; tried again in %.0f s", row.fax_id, error, wait_s)
            self._again(row.id, row.round_id, wait_s, attempts, str(error))
        return "failed"

    def _again(self, key: str, round_id: str, wait_s: float, attempts: int | None = None, problem: str = "") -> None:
        stem, _, number = round_id.rpartition(".")
        following = f"{stem}.{int(number) + 1}"
        values: dict[str, Any] = {"round_id": following}
        if attempts is not None:
            values |= {"attempts": attempts, "problem": problem}
        with self._database.begin() as connection:
            r = _reports.c
            done = connection.execute(
                _reports.update().where(r.id == key, r.round_id == round_id, r.state == WAITING).values(**values)
            )
            if done.rowcount:
                self._rounds.enqueue(connection, key, following, 5, wait_s)

    def _end(self, key: str, state: str, attempts: int, problem: str) -> None:
        with self._database.begin() as connection:
            connection.execute(
                _reports.update()
                .where(_reports.c.id == key)
                .values(state=state, attempts=attempts, problem=problem, ended=time.time())
            )

    # ---- looking ------------------------------------------------------------------------------------------------

    def counts(self) -> Mapping[str, int]:
        """How many reports wait, are sent and were given up. Blocks."""
        with self._database.connect() as connection:
            query = sa.select(_reports.c.state, sa.func.count()).group_by(_reports.c.state)
            found = {str(row[0]): int(row[1]) for row in connection.execute(query) if row[0] != SPARED}
        return dict.fromkeys((WAITING, SENT, DEAD), 0) | found

    async def metrics(self) -> Iterable[Metric]:
        """`softfax_mail_reports{state}`: waiting, sent, dead."""
        family = GaugeMetricFamily("softfax_mail_reports", "Reports to senders of e-mails, by state.", labels=["state"])
        for state, count in (await asyncio.to_thread(self.counts)).items():
            family.add_metric([state], count)
        return [family]
