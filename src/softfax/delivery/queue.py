# SPDX-License-Identifier: GPL-2.0-or-later
"""The rounds' queue, and the outbox of a station as another process sees it: to look, and to queue dead callbacks again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import sqlalchemy as sa
from dbos import DBOSClient

from softfax.delivery.durable import APPLICATION, database_engine, database_error, database_url
from softfax.delivery.store import METADATA, Store
from softfax.errors import LocalError

__all__ = ["QUEUE", "ROUND", "OfflineOutbox", "enqueue_round"]

QUEUE = "softfax-callbacks"
ROUND = "softfax.deliver_round"


def enqueue_round(client: Callable[[], DBOSClient]) -> Callable[[sa.Connection, str, str, str, float], None]:
    """Return a function that enqueues a round within a transaction of a `Store`."""

    def enqueue(connection: sa.Connection, sequence_id: str, round_id: str, target_key: str, delay_s: float) -> None:
        options: dict[str, Any] = {
            "workflow_name": ROUND,
            "queue_name": QUEUE,
            "workflow_id": round_id,
            "queue_partition_key": target_key,
        }
        if delay_s > 0:
            options["delay_seconds"] = delay_s
        client().enqueue_in_transaction(connection, options, sequence_id, round_id)  # type: ignore[arg-type]

    return enqueue


class OfflineOutbox:
    """The callbacks in a station's database, whether it runs or not. Raises LocalError where there is none."""

    def __init__(self, data_dir: Path, url: str = "") -> None:
        url = database_url(data_dir, url)
        self._engine = database_engine(url, pool_size=2, must_exist=True)
        self._client: DBOSClient | None = None
        try:
            tables = sa.inspect(self._engine).get_table_names()
        except sa.exc.SQLAlchemyError as error:
            self._engine.dispose()
            raise database_error(url, error) from None
        if not set(METADATA.tables) <= set(tables):
            self._engine.dispose()
            raise LocalError("there are no callbacks in this database", "start the station once")
        self.store = Store(self._engine, enqueue_round(self._connect))

    def _connect(self) -> DBOSClient:
        if self._client is None:
            self._client = DBOSClient(system_database_engine=self._engine, application_name=APPLICATION)
        return self._client

    def __enter__(self) -> OfflineOutbox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._engine.dispose()
