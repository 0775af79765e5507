# SPDX-License-Identifier: GPL-2.0-or-later
"""A full disk is known as such, whatever wrote; folders and copies have their modes whatever the umask."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from softfax.diskspace import is_full, make_private, shred
from softfax.documents import worker
from softfax.errors import ConfigError, DiskFullError, DocumentInterruptedError
from softfax.mailboxes.targets import Item, folder
from softfax.station.config import StationConfig
from softfax.station.config.mailboxes import FolderTarget
from softfax.web.problems import problem_of


@pytest.fixture(params=[0o000, 0o022, 0o277])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def full_database(folder: Path) -> BaseException:
    """Return the error that SQLAlchemy raises where SQLite finds no room."""
    engine = sa.create_engine(f"sqlite:///{folder / 'x.sqlite'}")
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 2")
        connection.exec_driver_sql("CREATE TABLE a (x TEXT)")
        with pytest.raises(sa.exc.OperationalError) as raised:
            connection.exec_driver_sql("INSERT INTO a VALUES (?)", ("x" * 20_000,))
    engine.dispose()
    return raised.value


def test_every_way_to_say_that_the_disk_is_full(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    chained = RuntimeError("x")
    chained.__cause__ = OSError(28, "No space left on device")
    for error in (full_database(tmp_path), OSError(28, "x"), OSError(122, "x"), chained):
        assert is_full(error)
        problem = problem_of(error)  # type: ignore[arg-type]
        assert (problem.status_code, problem.body["type"]) == (507, "urn:softfax:problem:disk-full")
    assert problem_of(DiskFullError("full")).status_code == 507
    # So is what the process that makes pages says of it; its document is not to blame, nor for its being killed.
    assert problem_of(worker._problem(OSError(28, "No space left on device"))).status_code == 507
    assert isinstance(worker._problem(OSError(5, "Input/output error")), DocumentInterruptedError)
    assert problem_of(DocumentInterruptedError("killed")).status_code == 503
    assert not is_full(OSError(13, "Permission denied"))
    assert not [record for record in caplog.records if record.exc_info]


def test_a_database_that_takes_nothing_is_503_without_a_traceback(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(sqlite3.connect(tmp_path / "x.sqlite")) as database, database:
        database.execute("CREATE TABLE a (x TEXT)")
    engine = sa.create_engine("sqlite:///file:" + str(tmp_path / "x.sqlite") + "?mode=ro&uri=true")
    with engine.connect() as connection, pytest.raises(sa.exc.OperationalError) as raised:
        connection.exec_driver_sql("INSERT INTO a VALUES ('x')")
    engine.dispose()

    assert problem_of(raised.value).status_code == 503
    assert not [record for record in caplog.records if record.exc_info]


def test_folders_are_for_their_user_alone(tmp_path: Path, umask: int) -> None:
    make_private(tmp_path / "a" / "b")
    make_private(tmp_path / "a" / "b", 0o755)

    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700, "one that is there keeps its mode"
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="not a folder"):
        make_private(tmp_path / "file")


@pytest.mark.parametrize(
    ("options", "file", "place"),
    [({}, 0o600, 0o700), ({"mode": "0640", "dir_mode": "0750"}, 0o640, 0o750), ({"mode": "644"}, 0o644, 0o700)],
)
def test_copies_in_folders_of_mailboxes(
    tmp_path: Path, umask: int, options: dict[str, Any], file: int, place: int
) -> None:
    (tmp_path / "x.pdf").write_bytes(b"%PDF")
    os.chmod(tmp_path / "x.pdf", 0o600)
    target = FolderTarget(dir=tmp_path / "box", **options)
    facts = dict.fromkeys(("id", "caller", "caller_name", "to", "remote_station_id", "mailbox", "pages", "state"), "")
    for _ in range(2):
        folder(target, Item(fax={**facts, "created": "2026-01-01T00:00:00Z"}, pdf=tmp_path / "x.pdf"))

    assert (tmp_path / "box").stat().st_mode & 0o777 == place
    assert (tmp_path / "box" / "x.pdf").stat().st_mode & 0o777 == file


@pytest.mark.parametrize("mode", ["0666", "0777", "rw", "1777", "8"])
def test_a_mode_that_lets_others_write_is_a_mistake(mode: str) -> None:
    with pytest.raises(ConfigError):
        StationConfig.checked({"mailbox": [{"name": "a", "folder": [{"dir": "/x", "mode": mode}]}]}, "x")


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("can't start new thread"), OSError(12, "Cannot allocate memory")]
)
def test_too_little_memory_is_503_without_a_traceback(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    problem = problem_of(error)

    assert problem.status_code == 503
    assert "memory" in problem.body["detail"]
    assert not [record for record in caplog.records if record.exc_info]


def test_a_file_is_overwritten_with_its_last_name(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    first, second, third = tmp_path / "one" / "letter.pdf", tmp_path / "letter.pdf", tmp_path / "kept.pdf"
    first.write_bytes(b"Dear Ada")
    second.hardlink_to(first)
    shred(tmp_path / "one")
    assert (first.exists(), second.read_bytes()) == (False, b"Dear Ada")
    with second.open("rb") as still:
        shred(second)
        assert (second.exists(), still.read()) == (False, bytes(8))
    shred(third)


def test_of_a_files_last_two_names_removed_at_once_one_has_it_overwritten(tmp_path: Path) -> None:
    first, second = tmp_path / "one.pdf", tmp_path / "two.pdf"
    switched = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(2) as both:
            for _ in range(300):
                first.write_bytes(b"Dear Ada")
                second.hardlink_to(first)
                with first.open("rb") as still:
                    list(both.map(shred, (first, second)))
                    assert still.read() == bytes(8)
                assert not list(tmp_path.iterdir())
    finally:
        sys.setswitchinterval(switched)


def test_a_file_is_not_taken_for_another_fax_while_it_is_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document, taken = tmp_path / "upload" / "letter.pdf", tmp_path / "taken.pdf"
    document.parent.mkdir()
    document.write_bytes(b"Dear Ada")

    def on_the_disk(_: int) -> None:
        with suppress(FileNotFoundError):
            taken.hardlink_to(document)

    monkeypatch.setattr(os, "fsync", on_the_disk)
    shred(document.parent)
    assert (document.parent.exists(), taken.exists()) == (False, False)
