# SPDX-License-Identifier: GPL-2.0-or-later
"""The tables of older stations are brought up to date, those of newer ones refused; one station works on a database."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from softfax.delivery import store
from softfax.delivery.durable import Durable, database_engine, database_url
from softfax.delivery.schema import VERSION, StationLock, bring_up_to_date, schema_version
from softfax.errors import LocalError
from softfax.queue import tables


def test_a_new_database_and_an_older_one(tmp_path: Path) -> None:
    engine = database_engine(database_url(tmp_path))
    with engine.connect() as connection:
        assert schema_version(connection) == 0
    store.METADATA.create_all(engine)
    names = sorted(store.METADATA.tables)
    with engine.connect() as connection:
        assert schema_version(connection) == 1
    durable = Durable(database_url(tmp_path))
    durable.prepare(tables.METADATA)
    with engine.connect() as connection:
        assert schema_version(connection) == VERSION
        assert set(names) | set(tables.METADATA.tables) <= set(sa.inspect(connection).get_table_names())
    bring_up_to_date(engine)
    durable.close()
    engine.dispose()


def test_a_newer_database_is_left_alone(tmp_path: Path) -> None:
    engine = database_engine(database_url(tmp_path))
    bring_up_to_date(engine)
    with engine.begin() as connection:
        connection.execute(sa.text("INSERT INTO softfax_schema VALUES (99, '9.9', 0)"))
    durable = Durable(database_url(tmp_path))
    with pytest.raises(
        LocalError, match=r"belongs to a newer softfax \(9\.9: tables 99; this is .*\); install that version"
    ):
        durable.prepare(tables.METADATA)
    assert tables.faxes.name not in sa.inspect(engine).get_table_names()
    durable.close()
    engine.dispose()


def test_a_locked_database_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("softfax.delivery.durable.BUSY_TIMEOUT_MS", 50)
    engine = database_engine(database_url(tmp_path))
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE held (x)"))
        connection.execute(sa.text("INSERT INTO held VALUES (1)"))
        durable = Durable(database_url(tmp_path))
        with pytest.raises(LocalError, match=r"is locked by another program; end what has it open"):
            durable.prepare(tables.METADATA)
    durable.close()
    engine.dispose()


def test_one_station_on_a_database(tmp_path: Path) -> None:
    url = database_url(tmp_path)
    engine = database_engine(url)
    first, second = StationLock(url, engine), StationLock(url, engine)
    first.acquire()
    with pytest.raises(LocalError, match=r"another station runs on this database \(process \d+\)"):
        second.acquire(0.0)
    first.release()
    second.acquire(0.0)
    second.release()
    holder = (
        "import sys; from pathlib import Path; from softfax.delivery.durable import *; from softfax.delivery.schema import *;"
        f"url = {url!r}; lock = StationLock(url, database_engine(url)); lock.acquire(); print('held', flush=True);"
        "sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        with pytest.raises(LocalError, match=f"process {child.pid}"):
            first.acquire(0.0)
        child.kill()
        child.wait(10)
        # The lock goes with its process.
        first.acquire()
        first.release()
    engine.dispose()
