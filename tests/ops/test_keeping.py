# SPDX-License-Identifier: GPL-2.0-or-later
"""Retention and backup of a station with a real queue and database, and simulated far ends."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import sqlite3
import tarfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, cast

import pytest

from softfax.cli.main import main
from softfax.errors import UsageError
from softfax.model import FaxState
from softfax.ops import backup
from softfax.ops.retention import DAY_S, Retention
from tests.queue.test_queue import running

NAME = "20260101T080000Z-+491-0123456789abcdef01234567"


@pytest.fixture
def letter(tmp_path: Path) -> Path:
    path = tmp_path / "letter.txt"
    path.write_text("Page 1\n")
    return path


def later(days: float) -> Callable[[], float]:
    return lambda: time.time() + days * DAY_S


def aged(path: Path, days: float, content: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    os.utime(path, (time.time() - days * DAY_S,) * 2)
    return path


def test_what_is_old_is_erased(tmp_path: Path, letter: Path) -> None:
    async def run() -> None:
        keep = {"faxes_days": 30, "traces_days": 7, "received_days": 60, "events_days": 30}
        async with running(tmp_path, retention=keep) as r:
            fax = await r.send("ok", letter)
            await r.until(fax.id)
            waits = await r.send("ok-later", letter, not_before=datetime.now(UTC) + timedelta(days=400))
            traces, inbox = tmp_path / "data" / "traces", r.station.config.inbox_dir
            old_trace, new_trace = aged(traces / "a.json", 8), aged(traces / "b.json", 6)
            old, own, theirs = (
                aged(inbox / f"{NAME}.pdf", 61),
                aged(inbox / f"{NAME}.tif", 59),
                aged(inbox / "x.pdf", 99),
            )
            swept = await Retention(r.station, r.queue).sweep()
            assert (swept.faxes, swept.traces, swept.received, swept.problems) == (0, 1, 1, [])
            assert not old_trace.exists()
            assert not old.exists()
            assert new_trace.exists()
            assert own.exists()
            assert theirs.exists(), "what is not ours stays"
            assert await r.queue.get(fax.id) is not None
            # Events are written a moment after they happened.
            await asyncio.sleep(0.5)
            folder = next(path for path in r.queue.folder.iterdir())
            swept = await Retention(r.station, r.queue, now=later(31)).sweep()
            assert swept.faxes == 1
            assert await r.queue.get(fax.id) is None
            assert not folder.exists() or folder.name == waits.id
            assert (await r.queue.get(waits.id)) is not None, "a fax that waits is not old"
            assert not [event for event in await r.queue.events.since(0, 1000) if event.fax_id == fax.id]

    asyncio.run(run())


def test_what_takes_too_much_room(tmp_path: Path, letter: Path) -> None:
    async def run() -> None:
        async with running(tmp_path, retention={"max_mb": 2, "faxes_days": 0}) as r:
            faxes = [await r.send(f"ok-{n}", letter) for n in range(3)]
            for fax in faxes:
                await r.until(fax.id)
            ended = sorted([await r.until(fax.id) for fax in faxes], key=lambda fax: fax.ended or fax.created)
            for fax in faxes:
                (r.queue.folder / fax.id).mkdir(exist_ok=True)
                (r.queue.folder / fax.id / "big").write_bytes(b"x" * 500_000)
            trace = aged(tmp_path / "data" / "traces" / "t.pcap", 1, "x" * 1_500_000)
            retention = Retention(r.station, r.queue)
            swept = await retention.sweep()
            assert not trace.exists(), "traces go first"
            assert (swept.faxes, swept.traces) == (0, 1)
            (r.queue.folder / ended[-1].id / "big").write_bytes(b"x" * 3_000_000)
            swept = await retention.sweep()
            assert swept.faxes, "then faxes"
            assert swept.kept_bytes <= 2_000_000
            assert await r.queue.get(ended[0].id) is None

    asyncio.run(run())


def test_one_that_cannot_be_erased_keeps_no_other(
    tmp_path: Path, letter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("softfax.ops.retention.STEP", 2)

    async def run() -> None:
        async with running(tmp_path, retention={"faxes_days": 30}) as r:
            faxes = [await r.send(f"ok-{n}", letter) for n in range(4)]
            ended = sorted([await r.until(fax.id) for fax in faxes], key=lambda fax: fax.ended or fax.created)
            erase = r.queue.erase

            async def erase_others(fax_id: str) -> None:
                if fax_id == ended[0].id:
                    raise PermissionError(errno.EPERM, "Operation not permitted")
                await erase(fax_id)

            monkeypatch.setattr(r.queue, "erase", erase_others)
            swept = await Retention(r.station, r.queue, now=later(31)).sweep()
            assert (swept.faxes, len(swept.problems)) == (3, 1)

    asyncio.run(run())


def test_it_looks_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        monkeypatch.setattr("softfax.ops.retention.FIRST_S", 0.05)
        async with running(tmp_path) as r:
            old = aged(tmp_path / "data" / "traces" / "a.json", 99)
            retention = Retention(r.station, r.queue)
            await retention.start()
            async with asyncio.timeout(10):
                while old.exists():
                    await asyncio.sleep(0.02)
            await retention.stop()

    asyncio.run(run())


def written(folder: Path) -> Path:
    path = folder / "softfax.toml"
    path.write_text(f'[data]\ndir = "{folder}/data"\n[http]\nenabled = false\n[callbacks]\nsecret = "hidden-secret"\n')
    return path


def test_a_backup_of_a_station_that_runs(tmp_path: Path, letter: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, archive = written(tmp_path), tmp_path / "backup.tar.gz"

    async def run() -> tuple[str, str]:
        async with running(tmp_path) as r:
            done = await r.send("ok", letter)
            await r.until(done.id)
            waits = await r.send("ok-later", letter, not_before=datetime.now(UTC) + timedelta(days=1))
            received = aged(r.station.config.inbox_dir / f"{NAME}.pdf", 1, "received")
            busy = asyncio.ensure_future(_write_on(r))
            status = await asyncio.to_thread(main, ["backup", str(archive), "--config", str(file)])
            busy.cancel()
            assert status == 0
            assert received.exists()
            return done.id, waits.id

    done, waits = asyncio.run(run())
    assert archive.stat().st_mode & 0o777 == 0o600, "there are secrets in it"
    assert "files, " in capsys.readouterr().out
    with tarfile.open(archive) as tar:
        names = tar.getnames()
        manifest = json.load(cast(IO[bytes], tar.extractfile("manifest.json")))
    assert manifest["created"].endswith("Z")
    assert names[:2] == ["manifest.json", "softfax.toml"]
    assert f"received/{NAME}.pdf" in names
    assert not [name for name in names if name.endswith(("-wal", "-shm"))]
    assert main(["backup", str(archive), "--config", str(file)]) == 2, "it is not overwritten"

    (tmp_path / "data" / "later.txt").write_text("changed since")
    assert main(["restore", str(archive), "--config", str(file)]) == 2
    assert "is not empty; --force moves it aside" in capsys.readouterr().err
    assert main(["restore", str(archive), "--config", str(file), "--force"]) == 0
    out = capsys.readouterr().out
    assert "1 fax that waited may have gone out since" in out
    assert not (tmp_path / "data" / "later.txt").exists()
    (aside,) = tmp_path.glob("data.before-*")
    assert (aside / "later.txt").exists()
    back = tmp_path / "data" / "received" / f"{NAME}.pdf"
    assert back.read_text() == "received"
    assert abs(time.time() - DAY_S - back.stat().st_mtime) < 600, "retention goes by its time"

    async def again() -> None:
        async with running(tmp_path) as r:
            fax = await r.queue.get(done)
            assert fax is not None
            assert fax.state is FaxState.DELIVERED
            assert await r.queue.document(done) is not None, "with its pages"
            doubtful = await r.queue.get(waits)
            assert doubtful is not None
            assert doubtful.state is FaxState.UNCERTAIN
            assert "restored from the backup of" in doubtful.reason
            retried = await r.queue.retry(waits)
            assert (retried.state, retried.next_attempt) == (FaxState.WAITING, doubtful.not_before), (
                "not before its time"
            )
            assert "ok" not in r.far_ends.calls, "what was delivered is not sent again"

    asyncio.run(again())


async def _write_on(r: object) -> None:
    """Keeps the database busy."""
    queue = r.queue  # type: ignore[attr-defined]
    number = 0
    while True:
        number += 1
        await queue.forbid(f"+49{number}", "x")


def test_a_fresh_machine_gets_its_configuration_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file, archive = written(tmp_path), tmp_path / "b.tar"
    aged(tmp_path / "data" / "faxes" / "a" / "document.pdf", 1)
    empty_database(tmp_path)
    assert main(["backup", str(archive), "--config", str(file)]) == 0
    (tmp_path / "data").rename(tmp_path / "gone")
    file.unlink()
    os.umask(0o022)  # root's
    assert main(["restore", str(archive), "--config", str(file)]) == 0
    restored = [(tmp_path / "data").stat(), *(path.stat() for path in (tmp_path / "data").rglob("*"))]
    assert [oct(one.st_mode) for one in restored if one.st_mode & 0o007] == [], "faxes are for nobody else"
    assert (tmp_path / "data" / "softfax.sqlite").stat().st_mode & 0o777 == 0o600
    assert "softfax.toml written from the backup" in capsys.readouterr().out
    assert file.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "data" / "faxes" / "a" / "document.pdf").exists()
    file.write_text(f'[data]\ndir = "{tmp_path}/elsewhere"\n[http]\nenabled = false\n')
    assert main(["restore", str(archive), "--config", str(file)]) == 2
    assert "its records name files there" in capsys.readouterr().err


def empty_database(folder: Path) -> None:
    sqlite3.connect(folder / "data" / "softfax.sqlite").execute("CREATE TABLE older (x)").connection.close()


def test_leftovers_without_a_database_are_no_backup(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, archive = written(tmp_path), tmp_path / "b.tar.gz"
    aged(tmp_path / "data" / "swml" / "events.log", 1)
    assert main(["backup", str(archive), "--config", str(file)]) == 2
    err = capsys.readouterr().err
    assert f"there is no station's database in {tmp_path}/data, nothing is backed up" in err
    assert f"{file}, as [data] dir" in err
    assert not list(tmp_path.glob("*b.tar.gz*"))


def test_a_restore_keeps_a_configuration_that_was_filled_in(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    file, archive = written(tmp_path), tmp_path / "b.tar"
    saved = file.read_text().replace(f"{tmp_path}/data", f"{tmp_path}/softfax")
    file.write_text(saved)
    (tmp_path / "data").mkdir()
    empty_database(tmp_path)
    (tmp_path / "data").rename(tmp_path / "softfax")
    assert main(["backup", str(archive), "--config", str(file)]) == 0
    (tmp_path / "softfax").rename(tmp_path / "gone")
    file.unlink()
    assert main(["config", "init", str(file)]) == 0
    file.chmod(0o640)
    capsys.readouterr()
    assert main(["restore", str(archive), "--config", str(file)]) == 0
    assert "was the sample" in capsys.readouterr().out
    assert (file.read_text(), file.stat().st_mode & 0o777) == (saved, 0o640)
    file.write_text(f"# filled in\n{saved}")
    assert main(["restore", str(archive), "--config", str(file), "--force"]) == 0
    assert f"{file} stays" in capsys.readouterr().out
    assert file.read_text().startswith("# filled in")
    assert (tmp_path / "softfax.toml.from-backup").read_text() == saved


@pytest.mark.parametrize("damage", ["none", "text", "cut", "other", "evil"])
def test_what_is_no_backup(tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]) -> None:
    file, archive = written(tmp_path), tmp_path / "b.tar"
    aged(tmp_path / "data" / "faxes" / "a" / "big", 1, "x" * 100_000)
    empty_database(tmp_path)
    assert main(["backup", str(archive), "--config", str(file)]) == 0
    data = archive.read_bytes()
    if damage == "none":
        archive.unlink()
    elif damage == "text":
        archive.write_text("no archive")
    elif damage == "cut":
        archive.write_bytes(data[: len(data) // 2])
    elif damage == "other":
        with tarfile.open(archive, "w") as tar:
            tar.add(file, "x.toml")
    else:
        with tarfile.open(archive, "a") as tar:
            info = tarfile.TarInfo("data/../../evil")
            tar.addfile(info)
    capsys.readouterr()
    assert main(["restore", str(archive), "--config", str(file), "--force"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("softfax: ")
    assert err.count("\n") == 1
    assert (tmp_path / "data" / "faxes" / "a" / "big").exists(), "nothing was changed"
    assert not (tmp_path.parent / "evil").exists()
    assert not list(tmp_path.glob("data.before-*"))


def test_the_copy_of_the_database_is_whole(tmp_path: Path) -> None:
    database = tmp_path / "softfax.sqlite"
    with sqlite3.connect(database) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE t (x)")
        connection.executemany("INSERT INTO t VALUES (?)", [(n,) for n in range(1000)])
        connection.commit()
        with backup._copied(database) as copy, sqlite3.connect(copy) as other:
            assert other.execute("SELECT count(*) FROM t").fetchone() == (1000,)
            assert other.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    with pytest.raises(UsageError, match="there is no"):
        backup.read_archive(tmp_path / "none")
