# SPDX-License-Identifier: GPL-2.0-or-later
"""A station's data as one file, made while it runs, and put back.

The database is copied first, by SQLite's own means, as it was at one moment; then the documents, which only come and go whole. In
the archive: manifest.json, softfax.toml, data/softfax.sqlite, data/faxes/…, data/traces/…, received/….
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import os
import shutil
import sqlite3
import tarfile
import tempfile
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from softfax._version import __version__
from softfax.asjson import rfc3339
from softfax.database.database import DATABASE_NAME, Database, database_engine, database_url
from softfax.database.schema import StationLock
from softfax.errors import LocalError, UsageError
from softfax.model import FaxState
from softfax.records import tables
from softfax.records.store import QueueStore
from softfax.station.config import StationConfig

__all__ = ["Archive", "Restored", "back_up", "read_archive", "restore"]

FORMAT = 1
MANIFEST = "manifest.json"
CONFIG = "softfax.toml"
MANIFEST_BYTES_MAX = 1 << 20
#: What is made anew: uploads that were not sent, what SQLite keeps beside a database that is open.
_LEFT_OUT = ("uploads", f"{DATABASE_NAME}-wal", f"{DATABASE_NAME}-shm", f"{DATABASE_NAME}-journal", DATABASE_NAME)


@dataclass(frozen=True)
class Archive:
    """Description of an archive, as stored in it."""

    version: str
    created: datetime
    data_dir: Path
    inbox_dir: Path
    database: bool
    files: int = 0
    bytes: int = 0


@dataclass(frozen=True)
class Restored:
    """Result of a restore. `uncertain` faxes waited when the backup was made, and may have been sent since."""

    archive: Archive
    files: int
    uncertain: int
    replaced: Path | None


# ---- making ------------------------------------------------------------------------------------------------------------


def back_up(config: StationConfig, config_path: Path | None, target: Path) -> Archive:
    """Writes an archive, readable by us alone, whole or not at all. Raises UsageError, LocalError."""
    if target.exists():
        raise UsageError(f"{target} already exists", "name another file")
    _need_data(config, config_path)
    part = target.with_name(f".{target.name}.part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            with tarfile.open(fileobj=file, mode="w:" if target.suffix == ".tar" else "w:gz", **_level(target)) as tar:
                archive = _write(tar, config, config_path)
            file.flush()
            os.fsync(file.fileno())
        part.rename(target)
    except OSError as error:
        raise LocalError(f"{target} cannot be written: {error.strerror or error}", "name another place") from None
    finally:
        part.unlink(missing_ok=True)
    return archive


def _need_data(config: StationConfig, config_path: Path | None) -> None:
    """Raise LocalError where no station has its data: an archive of leftovers would be taken for a backup."""
    folder = config.data.dir
    if (config.data.url and folder.is_dir()) or (folder / DATABASE_NAME).is_file():
        return
    raise LocalError(
        f"there is no station's database in {folder}, nothing is backed up",
        f"write the station's folder in {config_path}, as [data] dir"
        if config_path is not None
        else "name the station's configuration with --config",
    )


def _level(target: Path) -> dict[str, Any]:
    """Pages are compressed already; the database is not."""
    return {} if target.suffix == ".tar" else {"compresslevel": 3}


def _write(tar: tarfile.TarFile, config: StationConfig, config_path: Path | None) -> Archive:
    data, inbox = config.data.dir.absolute(), config.inbox_dir.absolute()
    database = data / DATABASE_NAME
    with_database = database.is_file() and not config.data.url
    archive = Archive(__version__, datetime.now(UTC), data, inbox, with_database)
    manifest = {
        "format": FORMAT,
        "version": archive.version,
        "created": rfc3339(archive.created),
        "data_dir": str(data),
        "inbox_dir": str(inbox),
        "database": with_database,
    }
    _add_bytes(tar, MANIFEST, json.dumps(manifest, indent=1).encode())
    if config_path is not None and config_path.is_file():
        _add_bytes(tar, CONFIG, config_path.read_bytes())
    files = total = 0
    if with_database:
        with _copied(database) as copy:
            tar.add(copy, f"data/{DATABASE_NAME}")
            files, total = 1, copy.stat().st_size
    places = [("data", data, {inbox})]
    if inbox.is_dir():
        places.append(("received", inbox, set()))
    for name, folder, without in places:
        for path in _files(folder, without):
            size = _add_file(tar, path, f"{name}/{path.relative_to(folder)}")
            if size is not None:
                files, total = files + 1, total + size
    return dataclasses.replace(archive, files=files, bytes=total)


@contextlib.contextmanager
def _copied(database: Path) -> Iterator[Path]:
    """A copy of a SQLite database that others write to, as it was at one moment."""
    with tempfile.TemporaryDirectory(prefix=".softfax-backup-", dir=database.parent) as folder:
        copy = Path(folder) / DATABASE_NAME
        try:
            source = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30.0)
            with contextlib.closing(source), contextlib.closing(sqlite3.connect(copy)) as target:
                # All pages in one step: a step that others write between begins again.
                source.backup(target, pages=-1)
                target.execute("PRAGMA journal_mode=DELETE")
        except sqlite3.Error as error:
            raise LocalError(f"the database {database} cannot be copied ({error})", "check the disk") from None
        yield copy


def _files(folder: Path, without: set[Path]) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        here = Path(place)
        folders[:] = sorted(
            name
            for name in folders
            if here / name not in without
            and not name.startswith(".softfax-backup-")
            and not (here == folder and name in _LEFT_OUT)
        )
        for name in sorted(files):
            if not (here == folder and name in _LEFT_OUT):
                yield here / name


def _add_file(tar: tarfile.TarFile, path: Path, name: str) -> int | None:
    """Its size; None for what is gone meanwhile, or is no plain file."""
    try:
        if path.is_symlink() or not path.is_file():
            return None
        file = path.open("rb")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise LocalError(
            f"{path} cannot be read: {error.strerror}", "run it as root, or as the station's user"
        ) from None
    with file:
        info = tar.gettarinfo(arcname=name, fileobj=file)
        # A page being received grows: what is there now is enough.
        content = io.BytesIO(file.read()) if path.name.startswith(".") else file
        info.size = content.getbuffer().nbytes if isinstance(content, io.BytesIO) else info.size
        tar.addfile(info, content)
    return info.size


def _add_bytes(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.mode = len(data), int(time.time()), 0o600
    tar.addfile(info, io.BytesIO(data))


# ---- putting back ------------------------------------------------------------------------------------------------------


def read_archive(path: Path) -> tuple[Archive, bytes | None]:
    """Read an archive's description and configuration. Raises UsageError for a file that is not one of ours."""
    try:
        with tarfile.open(path) as tar:
            first = tar.next()
            if first is None or first.name != MANIFEST or first.size > MANIFEST_BYTES_MAX:
                raise UsageError(f"{path} is not a backup of softfax", "name a file that `softfax backup` wrote")
            manifest = json.loads(_content(tar, first))
            second = tar.next()
            found = _content(tar, second) if second is not None and second.name == CONFIG else None
    except FileNotFoundError:
        raise UsageError(f"there is no {path}", "name a file that `softfax backup` wrote") from None
    except tarfile.ReadError:
        raise UsageError(f"{path} is no backup, or a damaged one", "name a file that `softfax backup` wrote") from None
    except (tarfile.TarError, OSError, ValueError, EOFError, zlib.error) as error:
        raise UsageError(f"{path} cannot be read as a backup ({error})", "it may be damaged: take another") from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise UsageError(
            f"{path} was made by another version of softfax", "restore it with that version, or a newer one"
        )
    try:
        archive = Archive(
            version=str(manifest["version"]),
            created=datetime.fromisoformat(manifest["created"]),
            data_dir=Path(manifest["data_dir"]),
            inbox_dir=Path(manifest["inbox_dir"]),
            database=bool(manifest["database"]),
        )
    except (KeyError, ValueError, TypeError):
        raise UsageError(f"{path} has a damaged manifest", "take another backup") from None
    return archive, found


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    if file is None or member.size > MANIFEST_BYTES_MAX:
        raise ValueError(f"{member.name} is no plain file")
    return file.read()


def restore(path: Path, config: StationConfig, *, resend: bool = False, force: bool = False) -> Restored:
    """Puts an archive's data in place of the station's, which must not run; what was there is moved aside.

    Faxes that waited when the backup was made may have been sent since: they end as uncertain, unless `resend`. Raises
    UsageError where the folders are not those of the backup (or, without `force`, not empty), LocalError.
    """
    archive, _ = read_archive(path)
    data, inbox = config.data.dir.absolute(), config.inbox_dir.absolute()
    if (archive.data_dir, archive.inbox_dir) != (data, inbox):
        raise UsageError(
            f"the backup comes from {archive.data_dir} and {archive.inbox_dir}, and its records name files there",
            "write these folders in [data] dir and [inbox] dir",
        )
    if data.is_dir() and not config.data.url:
        _stopped(database_url(data))
    filled = data.is_dir() and any(data.iterdir())
    if filled and not force:
        raise UsageError(f"{data} is not empty", "--force moves it aside first")
    replaced = None
    try:
        data.parent.mkdir(parents=True, exist_ok=True)
        there = data.stat() if data.is_dir() else None
        with tempfile.TemporaryDirectory(prefix=".softfax-restore-", dir=data.parent) as work:
            files = _extract(path, Path(work))
            if filled:
                replaced = data.with_name(f"{data.name}.before-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
                data.rename(replaced)
            elif there is not None:
                data.rmdir()
            (Path(work) / "data").rename(data)
            if there is not None:
                data.chmod(there.st_mode & 0o7777)
                _belongs(data, there)
            _received(Path(work) / "received", inbox)
    except (tarfile.TarError, EOFError, ValueError, OverflowError, zlib.error) as error:
        raise UsageError(f"{path} is damaged ({error})", "take another backup; nothing was changed") from None
    except OSError as error:
        raise LocalError(f"the backup cannot be put back: {error}", "check room and rights") from None
    uncertain = 0 if resend or not archive.database else _doubt(config, archive)
    if there is not None:
        # The database's own files, where root opened it.
        _belongs(data, there)
    return Restored(archive, files, uncertain, replaced)


def _stopped(url: str) -> None:
    """Raises LocalError while a station runs on a database."""
    if not Path(url.removeprefix("sqlite:///")).exists():
        return
    engine = database_engine(url)
    lock = StationLock(url, engine)
    try:
        lock.acquire(0.0)
    finally:
        lock.release()
        engine.dispose()


def _extract(path: Path, work: Path) -> int:
    """Write the regular files of an archive below `work`, and return how many. Raises TarError for a name that leads out."""
    (work / "data").mkdir()
    (work / "data").chmod(0o750)
    count = 0
    with tarfile.open(path) as tar:
        for member in tar:
            if member.isreg() and member.name.startswith(("data/", "received/")):
                _extract_file(tar, member, work)
                count += 1
    return count


def _extract_file(tar: tarfile.TarFile, member: tarfile.TarInfo, work: Path) -> None:
    """Write one file. By hand, as the tarfile of Debian 12's Python (3.11.2) has no filters yet."""
    parts = PurePosixPath(member.name).parts
    source = tar.extractfile(member)
    if ".." in parts or source is None:
        raise tarfile.ReadError(f"{member.name!r} leads out of it")
    target = work.joinpath(*parts)
    target.parent.mkdir(parents=True, exist_ok=True)
    with source, target.open("wb") as file:
        shutil.copyfileobj(source, file, 1 << 20)
        os.fchmod(file.fileno(), member.mode & 0o750 | 0o600)
    # Retention goes by it.
    os.utime(target, (member.mtime, member.mtime))


def _belongs(folder: Path, to: os.stat_result) -> None:
    """Give a folder and all in it to the owner and group in `to`; root alone can."""
    if os.geteuid() == 0:
        for place, folders, files in os.walk(folder):
            for name in (place, *(os.path.join(place, one) for one in (*folders, *files))):
                os.chown(name, to.st_uid, to.st_gid, follow_symlinks=False)


def _received(source: Path, inbox: Path) -> None:
    """Move received files back to the inbox, as its owner's; what is there stays."""
    if not source.is_dir():
        return
    above = next(folder for folder in (inbox, *inbox.parents) if folder.is_dir())
    owner = above.stat()
    _belongs(source, owner)
    if above != inbox:
        inbox.mkdir(parents=True)
        if os.geteuid() == 0:
            for folder in (inbox, *inbox.parents):
                if folder == above:
                    break
                os.chown(folder, owner.st_uid, owner.st_gid)
    for path in sorted(source.rglob("*")):
        target = inbox / path.relative_to(source)
        if path.is_dir():
            if not target.exists():
                target.mkdir()
                shutil.copystat(path, target)
                _belongs(target, owner)
        elif not target.exists():
            shutil.move(path, target)


def _doubt(config: StationConfig, archive: Archive) -> int:
    """Faxes that waited end as uncertain: nobody knows here what was sent after the backup."""
    database = Database(database_url(config.data.dir))
    try:
        # A backup of an older version has older tables, or none.
        database.prepare(tables.METADATA)
        store = QueueStore(database.engine, database.aside)
        count = 0
        for kept in store.waiting():
            fax = dataclasses.replace(
                kept.fax,
                state=FaxState.UNCERTAIN,
                next_attempt=None,
                ended=datetime.now(UTC),
                reason=f"restored from the backup of {archive.created:%Y-%m-%d %H:%M} UTC: it may have been sent since",
                remedy="ask the receiver; send it again if it did not arrive",
            )
            count += store.settle(fax)
        return count
    finally:
        database.close()
