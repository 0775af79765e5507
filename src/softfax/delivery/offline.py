# SPDX-License-Identifier: GPL-2.0-or-later
"""The database of a station as another process sees it: to look, and to queue dead callbacks again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from softfax.delivery.database import database_engine, database_error, database_url
from softfax.delivery.schema import VERSION, schema_version
from softfax.delivery.store import METADATA, Store
from softfax.errors import LocalError

__all__ = ["database_as_it_is", "offline_callbacks", "offline_database"]


@contextmanager
def database_as_it_is(data_dir: Path, url: str = "") -> Iterator[sa.Engine]:
    """A station's database, of whatever version, whether the station runs or not. Raises LocalError where it cannot be used."""
    url = database_url(data_dir, url)
    engine = database_engine(url, pool_size=2, must_exist=True)
    try:
        yield engine
    except sa.exc.SQLAlchemyError as error:
        raise database_error(url, error) from None
    finally:
        engine.dispose()


@contextmanager
def offline_database(data_dir: Path, url: str = "", *, of: str = "stations") -> Iterator[sa.Engine]:
    """A station's database of this version. Raises LocalError where it has none of what is looked for."""
    with database_as_it_is(data_dir, url) as engine:
        with engine.connect() as connection:
            if schema_version(connection) != VERSION:
                raise LocalError(f"there are no {of} of this version in this database", "start the station once")
        yield engine


@contextmanager
def offline_callbacks(data_dir: Path, url: str = "") -> Iterator[Store]:
    """The callbacks in a station's database. Raises LocalError where there are none."""
    with offline_database(data_dir, url, of="callbacks") as engine:
        if not METADATA.tables.keys() <= set(sa.inspect(engine).get_table_names()):
            raise LocalError("there are no callbacks in this database", "start the station once")
        yield Store(engine)
