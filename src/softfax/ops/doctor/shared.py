# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks of what stations share: what a failover of the database would lose, and the store of documents."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import sqlalchemy as sa

from softfax.database.offline import database_as_it_is, offline_database
from softfax.database.stations import StationView, views
from softfax.errors import LocalError, SoftfaxError
from softfax.filestore import FileStore
from softfax.ops.doctor.findings import CheckArea, Finding, failed, ok, warning
from softfax.records import tables
from softfax.station.config import StationConfig

__all__ = ["group_findings", "loss_findings", "of_group", "replica_findings", "store_findings"]

_LOST = "a fax that was dialled in them is called again without a word of it"


def replica_findings(config: StationConfig) -> Iterator[Finding]:
    """Losses of PostgreSQL after it has confirmed: by a crash, or by a standby that takes over."""
    if not config.data.url.startswith("postgres"):
        return
    try:
        with database_as_it_is(config.data.dir, config.data.url) as engine, engine.connect() as connection:
            commit, names, fsync = (
                str(connection.execute(sa.text(f"show {name}")).scalar())
                for name in ("synchronous_commit", "synchronous_standby_names", "fsync")
            )
            # Of others' connections, a user without pg_read_all_stats sees that they are there, and no state.
            standbys = connection.execute(sa.text("select sync_state from pg_stat_replication")).scalars().all()
    except SoftfaxError as error:
        yield failed(CheckArea.RECORDS, error.problem, error.remedy)
        return
    yield loss_findings(commit, names, fsync, standbys)


def loss_findings(commit: str, names: str, fsync: str, standbys: Sequence[str | None]) -> Finding:
    """Return what follows from the settings of a server and the states of its standbys."""
    area, count = CheckArea.RECORDS, f"{len(standbys)} standby{'s' if len(standbys) != 1 else ''}"
    if fsync == "off" or commit == "off":
        name = "fsync" if fsync == "off" else "synchronous_commit"
        return warning(
            area,
            f"PostgreSQL has {name} = off: a crash of its machine loses the last moments, and {_LOST}",
            f"set {name} = on in its configuration, or for softfax's user",
        )
    if not standbys and not names:
        return ok(area, "PostgreSQL confirms what is on its disk; it has no standby")
    asynchronous = not names or all(state == "async" for state in standbys)
    if asynchronous or commit == "local":
        return warning(
            area,
            f"PostgreSQL waits for none of its {count}: a failover loses the last moments, and {_LOST}",
            "set synchronous_standby_names = 'ANY 1 (*)' and synchronous_commit = on, with two standbys or more",
        )
    return ok(area, f"PostgreSQL confirms what a standby has too ({count}, {names})")


def group_findings(config: StationConfig) -> Iterator[Finding]:
    """The stations that work on the database together."""
    if config.data.stations != "many":
        return
    with offline_database(config.data.dir, config.data.url) as engine, engine.connect() as connection:
        yield from of_group(views(connection, tables.faxes), config.digest)
    if not FileStore(config.data.documents).shared:
        folder = f"{config.data.dir} has to be a folder that all stations reach"
        yield warning(
            CheckArea.RECORDS, f"{folder}: documents of faxes are in it", "or name a store in [data] documents"
        )


def of_group(found: Sequence[StationView], digest: str) -> Iterator[Finding]:
    """Findings about the stations that are there, for one whose configuration has this digest."""
    others = sorted(one.name for one in found if one.config_digest != digest)
    gone = sorted(one.name for one in found if one.lapsed_s)
    if others:
        text = f"{', '.join(others)} {'have' if len(others) > 1 else 'has'} another configuration than this"
        yield warning(CheckArea.RECORDS, text, "give all stations the same, and reload or restart them")
    if gone:
        yield warning(CheckArea.RECORDS, f"gone: {', '.join(gone)}", "see `softfax stations`")
    if not others and not gone:
        yield ok(
            CheckArea.RECORDS,
            f"{len(found)} station{'s' if len(found) != 1 else ''} on the database, of one configuration",
        )


def store_findings(config: StationConfig) -> Iterator[Finding]:
    """Write, read and delete a file in the store of documents."""
    store = FileStore(config.data.documents)
    if not store.shared:
        return
    key, begun = f"doctor/{time.time_ns():x}", time.monotonic()
    with tempfile.TemporaryDirectory(prefix="softfax-doctor-") as folder:
        first, second = Path(folder) / "first", Path(folder) / "second"
        first.write_bytes(b"first")
        second.write_bytes(b"second")
        try:
            store.put(first, key)
            store.put(second, key)
            store.delete([key])
        except LocalError as error:
            yield failed(CheckArea.DISK, error.problem, _remedy(error))
            return
        if second.read_bytes() != b"first":
            yield failed(
                CheckArea.DISK,
                f"the store {store.url} lets a file be written over",
                "use one with conditional writes (If-None-Match)",
            )
            return
    yield ok(CheckArea.DISK, f"documents: {store.url} takes, gives and deletes, {time.monotonic() - begun:.2f} s")


def _remedy(error: LocalError) -> str:
    if "not installed" in error.problem:
        return error.remedy
    return "check [data] documents and the credentials in the environment (AWS_ACCESS_KEY_ID, AWS_ENDPOINT, …)"
