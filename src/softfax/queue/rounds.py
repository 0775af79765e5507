# SPDX-License-Identifier: GPL-2.0-or-later
"""The queue's rounds in the durable engine: one workflow for each attempt of a fax, delayed until it is due."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

import sqlalchemy as sa
from dbos import DBOS, DBOSClient

from softfax.delivery.durable import Durable
from softfax.errors import LocalError

__all__ = ["QUEUE", "ROUND", "Rounds"]

log = logging.getLogger("softfax.queue")

QUEUE = "softfax-faxes"
ROUND = "softfax.fax_round"
POLL_S = 0.25
_ACTIVE = ["PENDING", "ENQUEUED", "DELAYED"]
_ENDED = ["SUCCESS", "ERROR", "CANCELLED"]

#: Does a round in this process; set by the queue, one in a process as the durable engine is.
_work: Callable[[str, str], str] | None = None


@DBOS.workflow(name=ROUND, max_recovery_attempts=None)
def _round(fax_id: str, round_id: str) -> str:
    """One round. The tables hold the truth, so that running it again after a crash finds what the crash left."""
    if _work is None:
        raise LocalError("faxes are not sent by this process")
    return _work(fax_id, round_id)


class Rounds:
    """Enqueues rounds, and tells which are still to come."""

    def __init__(self, work: Callable[[str, str], str]) -> None:
        self._work_of = work
        self._durable: Durable | None = None

    def prepare(self, durable: Durable) -> None:
        """Before the durable engine is launched. Raises LocalError where there is a queue in this process already."""
        global _work
        if _work is not None:
            raise LocalError("a queue runs in this process already", "close it first")
        _work, self._durable = self._work_of, durable

    def start(self, workers: int) -> None:
        """Begins to take rounds, so many at a time."""
        DBOS.register_queue(QUEUE, worker_concurrency=workers, polling_interval_sec=POLL_S, on_conflict="always_update")

    def stop(self) -> None:
        """Takes no more rounds in this process."""
        global _work
        if _work is self._work_of:
            _work = None

    @property
    def _client(self) -> DBOSClient:
        assert self._durable is not None
        return self._durable.client

    def enqueue(self, connection: sa.Connection, fax_id: str, round_id: str, priority: int, delay_s: float) -> None:
        """An `Enqueue` of the store. The engine's priorities are 1 (first) and up."""
        options: dict[str, Any] = {
            "workflow_name": ROUND,
            "queue_name": QUEUE,
            "workflow_id": round_id,
            "priority": 10 - priority,
        }
        if delay_s > 0:
            options["delay_seconds"] = delay_s
        self._client.enqueue_in_transaction(connection, options, fax_id, round_id)  # type: ignore[arg-type]

    def active(self, round_ids: Iterable[str]) -> set[str]:
        """Those that are still to come or run."""
        ids = list(round_ids)
        found: set[str] = set()
        for start in range(0, len(ids), 500):
            some = self._client.list_workflows(
                workflow_ids=ids[start : start + 500], status=_ACTIVE, load_input=False, load_output=False
            )
            found |= {status.workflow_id for status in some}
        return found

    def forget(self, before: str) -> None:
        """Forgets rounds that ended before then (RFC 3339)."""
        while True:
            ended = self._client.list_workflows(
                name=ROUND, status=_ENDED, completed_before=before, limit=500, load_input=False, load_output=False
            )
            if not ended:
                return
            self._client.delete_workflows([status.workflow_id for status in ended])
