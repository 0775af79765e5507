# SPDX-License-Identifier: GPL-2.0-or-later
"""Connections to PostgreSQL that wait for no answer for ever: a server that hangs is one that is lost."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

__all__ = ["POSTGRESQL", "give_up_waiting", "wait_long"]

#: A station that is stopped within a transaction holds its locks for no longer than this, and one that lost its server notices.
POSTGRESQL: Mapping[str, Any] = {
    "options": "-c idle_in_transaction_session_timeout=5s -c lock_timeout=4s -c statement_timeout=10s",
    "connect_timeout": 10, "keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3, "tcp_user_timeout": 10_000,
}  # fmt: skip
#: How long an answer may take: longer than the server gives a statement. A server whose processes hang keeps its connections.
ANSWER_S = 15.0
#: Mark of a connection whose transaction may take its time.
LONG = "softfax_long"


def give_up_waiting(engine: sa.Engine) -> None:
    """Have the connections of an engine end, with an OperationalError, where an answer takes longer than `ANSWER_S`."""
    import psycopg

    class AnsweredConnection(psycopg.Connection[Any]):
        """A connection that is closed where it is not answered."""

        def wait(self, gen: Any, *args: Any, **kwargs: Any) -> Any:
            """Wait for what `gen` waits for."""
            return super().wait(self._answered(gen), *args, **kwargs)

        def _answered(self, gen: Any) -> Any:
            """Pass on what `gen` wants to wait for, and whether it is there: it is asked for now and then."""
            limit_s = float("inf") if getattr(self, LONG, False) else ANSWER_S
            until = time.monotonic() + limit_s
            try:
                wanted = next(gen)
                while True:
                    if ready := (yield wanted):
                        until = time.monotonic() + limit_s  # a long answer comes in parts
                    elif time.monotonic() >= until:
                        self.pgconn.finish()
                        raise psycopg.OperationalError(f"the server has not answered for {ANSWER_S:.0f} s")
                    wanted = gen.send(ready)
            except StopIteration as ended:
                return ended.value

    @sa.event.listens_for(engine, "do_connect")
    def connect(_dialect: Any, _record: Any, args: Any, options: Any) -> Any:
        return AnsweredConnection.connect(*args, **options)

    @sa.event.listens_for(engine, "checkin")
    def checkin(connection: Any, _record: Any) -> None:
        if connection is not None:
            setattr(connection, LONG, False)


def wait_long(connection: sa.Connection) -> None:
    """Let the answers to a transaction take their time, until its connection is given back."""
    setattr(connection.connection.driver_connection, LONG, True)
