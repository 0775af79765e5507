# SPDX-License-Identifier: GPL-2.0-or-later
"""The doctor says what a failover of the database would lose, and whether the store of documents can be used."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from softfax.database.stations import StationView
from softfax.ops.doctor.findings import Status
from softfax.ops.doctor.shared import loss_findings, of_group, replica_findings, store_findings
from softfax.station.config import StationConfig
from tests.support.postgresql import postgresql


@pytest.mark.parametrize(
    ("commit", "names", "fsync", "standbys", "status", "said"),
    [
        ("on", "", "on", [], Status.OK, "no standby"),
        ("off", "", "on", [], Status.WARNING, "synchronous_commit = off"),
        ("on", "", "off", [], Status.WARNING, "fsync = off"),
        ("on", "", "on", ["async"], Status.WARNING, "none of its 1 standby:"),
        ("on", "", "on", [None, None], Status.WARNING, "none of its 2 standbys"),
        ("local", "ANY 1 (*)", "on", ["quorum"], Status.WARNING, "none of its"),
        ("on", "db2", "on", ["async"], Status.WARNING, "none of its"),
        ("on", "ANY 1 (*)", "on", ["quorum", "quorum"], Status.OK, "a standby has too (2 standbys, ANY 1 (*))"),
        ("remote_apply", "db2", "on", [None], Status.OK, "a standby has too"),
    ],
)
def test_what_a_failover_loses(
    commit: str, names: str, fsync: str, standbys: list[str | None], status: Status, said: str
) -> None:
    found = loss_findings(commit, names, fsync, standbys)
    assert (found.status, said in found.text) == (status, True), found
    assert bool(found.remedy) == (status is Status.WARNING)


def test_a_real_server_and_a_station_without(tmp_path: Path) -> None:
    assert not list(replica_findings(StationConfig.checked({"data": {"dir": tmp_path}}, "x")))
    with postgresql() as url:
        (found,) = replica_findings(StationConfig.checked({"data": {"dir": tmp_path, "url": url}}, "x"))
        assert (found.status, "fsync = off" in found.text) == (Status.WARNING, True), "the tests' server has none"
    (found,) = replica_findings(StationConfig.checked({"data": {"dir": tmp_path, "url": url}}, "x"))
    assert (found.status, "cannot be used" in found.text) == (Status.FAILED, True)


def test_the_store(tmp_path: Path) -> None:
    def of(url: str) -> StationConfig:
        return StationConfig.checked({"data": {"dir": tmp_path, "documents": url}}, "x")

    assert not list(store_findings(of("")))
    (found,) = store_findings(of(f"file://{tmp_path}/store"))
    assert (found.status, found.text.startswith("documents: file://")) == (Status.OK, True)
    assert not [path for path in (tmp_path / "store").rglob("*") if path.is_file()]
    (tmp_path / "file").write_text("")
    (found,) = store_findings(of(f"file://{tmp_path}/file"))
    assert (found.status, "cannot be used" in found.text) == (Status.FAILED, True)


def test_stations_of_a_group() -> None:
    def station(name: str, digest: str, lapsed_s: float = 0.0) -> StationView:
        return StationView(
            name=name, number=0, started=datetime(2026, 11, 29, tzinfo=UTC), version="0.1.0", config_digest=digest,
            draining=False, url="", lapsed_s=lapsed_s, calls=0,
        )  # fmt: skip

    (well,) = of_group([station("one", "a"), station("two", "a")], "a")
    assert (well.status, well.text) == (Status.OK, "2 stations on the database, of one configuration")
    other, gone = of_group([station("one", "a"), station("two", "b"), station("three", "a", 3.0)], "a")
    assert (other.text, gone.text) == ("two has another configuration than this", "gone: three")
