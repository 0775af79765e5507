# SPDX-License-Identifier: GPL-2.0-or-later
"""The database of a station as another process sees it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from softfax.database.database import database_engine, database_error, database_url
from softfax.database.schema import VERSION, schema_version
from softfax.errors import LocalError

__all__ = ["database_as_it_is", "offline_database"]


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
