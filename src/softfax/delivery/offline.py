# SPDX-License-Identifier: GPL-2.0-or-later
"""The callbacks of a station as another process sees them: to look, and to queue dead ones again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from softfax.delivery.database import database_engine, database_error, database_url
from softfax.delivery.schema import VERSION, schema_version
from softfax.delivery.store import METADATA, Store
from softfax.errors import LocalError

__all__ = ["offline_callbacks"]


@contextmanager
def offline_callbacks(data_dir: Path, url: str = "") -> Iterator[Store]:
    """The callbacks in a station's database, whether it runs or not. Raises LocalError where there are none."""
    url = database_url(data_dir, url)
    engine = database_engine(url, pool_size=2, must_exist=True)
    try:
        with engine.connect() as connection:
            there = set(sa.inspect(connection).get_table_names())
            if schema_version(connection) != VERSION or not METADATA.tables.keys() <= there:
                raise LocalError("there are no callbacks of this version in this database", "start the station once")
        yield Store(engine)
    except sa.exc.SQLAlchemyError as error:
        raise database_error(url, error) from None
    finally:
        engine.dispose()
