# SPDX-License-Identifier: GPL-2.0-or-later
"""Rounds in the durable engine: one workflow for each turn of a piece of work, delayed until it is due.

What is to be done stands in tables of their owner; a round only says that it is time to look. So an owner enqueues a round in the
transaction that changes his tables, and running one again after a crash finds what the crash left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import sqlalchemy as sa
from dbos import DBOS, DBOSClient

from softfax.delivery.durable import Durable
from softfax.errors import LocalError

__all__ = ["FAXES", "MAIL", "MAILBOXES", "Rounds"]

FAXES, MAILBOXES, MAIL = "softfax-faxes", "softfax-mailboxes", "softfax-mail"
POLL_S = 0.25
_ACTIVE = ["PENDING", "ENQUEUED", "DELAYED"]
_FAILED = ["ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"]
_ENDED = ["SUCCESS", *_FAILED]

Work = Callable[[str, str], str]
#: Who does the rounds of each kind in this process; one, as there is one durable engine.
_workers: dict[str, Work] = {}


def _name(kind: str) -> str:
    return f"{kind}.round"


def _register(kind: str) -> None:
    @DBOS.workflow(name=_name(kind), max_recovery_attempts=None)
    def run(subject: str, round_id: str) -> str:
        worker = _workers.get(kind)
        if worker is None:
            raise LocalError(f"{kind} are not worked on by this process")
        return worker(subject, round_id)


for _kind in (FAXES, MAILBOXES, MAIL):
    _register(_kind)


class Rounds:
    """Enqueues rounds of one kind, which `work(subject, round_id)` does in a thread of the durable engine."""

    def __init__(self, kind: str, work: Work) -> None:
        self.kind, self._work = kind, work
        self._durable: Durable | None = None

    def prepare(self, durable: Durable) -> None:
        """Register before the durable engine is launched. Raises LocalError if this kind is registered already."""
        if self.kind in _workers:
            raise LocalError(f"{self.kind} are worked on in this process already", "close that first")
        _workers[self.kind], self._durable = self._work, durable

    def start(self, workers: int, each: int | None = None) -> None:
        """Begins to take rounds, so many at a time, or from now on; `each` of one `partition`, where rounds name one."""
        assert self._durable is not None
        queue = DBOS.register_queue(
            self.kind,
            worker_concurrency=workers,
            partition_worker_concurrency=each,
            polling_interval_sec=POLL_S,
            on_conflict="always_update",
        )
        self._durable.pace.add(queue, POLL_S)

    def stop(self) -> None:
        """Takes no more rounds in this process."""
        if _workers.get(self.kind) == self._work:
            del _workers[self.kind]

    @property
    def _client(self) -> DBOSClient:
        assert self._durable is not None
        return self._durable.client

    def enqueue(
        self,
        connection: sa.Connection,
        subject: str,
        round_id: str,
        priority: int,
        delay_s: float,
        partition: str = "",
    ) -> None:
        """Enqueues a round in the transaction given. `priority` is 0 (last) to 10; the engine's are 1 (first) and up."""
        options: dict[str, Any] = {
            "workflow_name": _name(self.kind),
            "queue_name": self.kind,
            "workflow_id": round_id,
            "priority": 11 - priority,
        }
        if delay_s > 0:
            options["delay_seconds"] = delay_s
        if partition:
            options["queue_partition_key"] = partition
        assert self._durable is not None
        self._durable.pace.busy()
        self._client.enqueue_in_transaction(connection, options, subject, round_id)  # type: ignore[arg-type]

    def active(self, round_ids: Iterable[str]) -> set[str]:
        """Rounds that are pending or running."""
        assert self._durable is not None
        ids = list(round_ids)
        found: set[str] = set()
        for start in range(0, len(ids), 500):
            found |= set(self._durable.workflows(_ACTIVE, ids=ids[start : start + 500]))
        return found

    def failed(self) -> list[str]:
        """Rounds that ended without being done, as when the database failed."""
        assert self._durable is not None
        return self._durable.workflows(_FAILED, name=_name(self.kind))

    def forget(self, before_s: float) -> None:
        """Forgets rounds that ended before then."""
        assert self._durable is not None
        self._durable.forget(_ENDED, _name(self.kind), before_s)
