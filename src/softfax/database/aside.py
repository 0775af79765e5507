# SPDX-License-Identifier: GPL-2.0-or-later
"""Rows that cannot be read are set aside: taken out of their table, kept as they are in one of their own, and named.

Reading goes on without them. The code that finds one gives notice, in any transaction; it is moved in one of its own.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from softfax.errors import in_short
from softfax.outside import clean

__all__ = ["METADATA", "Aside", "SetAside", "set_aside"]

log = logging.getLogger("softfax.database")

METADATA = sa.MetaData()
_Row = tuple[sa.Table, Mapping[str, Any]]
SHOWN_MAX = 100
PROBLEM_MAX = 300

_aside = sa.Table(
    "softfax_set_aside",
    METADATA,
    sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("of", sa.String(64), nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("problem", sa.Text, nullable=False),
    sa.Column("since", sa.Float, nullable=False),
    sa.Column("content", sa.Text, nullable=False),
)


@dataclass(frozen=True, kw_only=True)
class SetAside:
    """A row that is set aside: of which table, its key, what is wrong with it, since when."""

    table: str
    key: str
    problem: str
    since: datetime


class Aside:
    """The rows set aside of one database. From any thread."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        #: By table and key: what it is, and its rows.
        self._noticed: dict[tuple[str, str], tuple[SetAside, tuple[_Row, ...]]] = {}

    def notice(self, table: sa.Table, key: Mapping[str, Any], error: Exception, also: Iterable[_Row] = ()) -> None:
        """The row of `table` with this key cannot be read, nor used those of `also`, which belong to it."""
        shown = " ".join(str(value)[:60] for value in key.values())
        problem = f"{type(error).__name__}: {error}"
        view = SetAside(
            table=table.name, key=clean(shown), problem=clean(problem)[:PROBLEM_MAX], since=datetime.now(UTC)
        )
        with self._lock:
            if (table.name, shown) in self._noticed:
                return
            self._noticed[table.name, shown] = view, ((table, key), *also)
        log.error("the record %s in %s cannot be read and is set aside (%s)", view.key, view.table, view.problem)

    def move(self) -> None:
        """Moves what was noticed. Blocks."""
        with self._lock:
            noticed = list(self._noticed.items())
        for name, (view, rows) in noticed:
            try:
                with self._engine.begin() as connection:
                    for table, key in rows:
                        self._move(connection, table, key, view)
            except sa.exc.SQLAlchemyError as error:
                log.error("the record %s stays where it is: %s", view.key, in_short(error))
                continue
            with self._lock:
                self._noticed.pop(name, None)

    @staticmethod
    def _move(connection: sa.Connection, table: sa.Table, key: Mapping[str, Any], view: SetAside) -> None:
        # Untyped, so that nothing is read into it but what is there.
        whole = sa.select(*(sa.type_coerce(column, sa.types.NullType()) for column in table.columns))
        where = [sa.type_coerce(table.c[name], sa.types.NullType()) == value for name, value in key.items()]
        for row in connection.execute(whole.where(*where)).mappings().all():
            content = json.dumps(dict(row), ensure_ascii=False, default=repr)
            connection.execute(
                _aside.insert().values(
                    of=table.name, key=view.key, problem=view.problem, since=view.since.timestamp(), content=content
                )
            )
        connection.execute(table.delete().where(*where))

    def views(self) -> list[SetAside]:
        """The newest of them. Blocks."""
        with self._lock:
            noticed = [view for view, _ in self._noticed.values()]
        with self._engine.connect() as connection:
            return [*noticed, *set_aside(connection)][:SHOWN_MAX]

    def mentioned(self, names: Iterable[str]) -> set[str]:
        """Return those of these names, such as folders, that a row set aside mentions: their files are kept. Blocks."""
        with self._engine.connect() as connection:
            contents = list(connection.execute(sa.select(_aside.c.content)).scalars())
        with self._lock:
            contents += [repr(rows) for _, rows in self._noticed.values()]
        return {name for name in names if any(name in content for content in contents)}


def set_aside(connection: sa.Connection) -> list[SetAside]:
    """Rows set aside in a database, the newest first. Empty where it has no table for them yet."""
    if not sa.inspect(connection).has_table(_aside.name):
        return []
    query = sa.select(_aside).order_by(_aside.c.number.desc()).limit(SHOWN_MAX)
    return [
        SetAside(table=row.of, key=row.key, problem=row.problem, since=datetime.fromtimestamp(row.since, UTC))
        for row in connection.execute(query)
    ]
