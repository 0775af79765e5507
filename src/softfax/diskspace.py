# SPDX-License-Identifier: GPL-2.0-or-later
"""Folders for the station's user alone, and what of them is on the disk for certain, or gone; room on the disk, and the floor
below which no fax is taken.

Half a fax on a full disk is worth less than a busy tone.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import time
from collections.abc import Callable, Sequence
from pathlib import Path

__all__ = [
    "DiskFloor",
    "existing",
    "free_bytes",
    "is_full",
    "keep_private",
    "make_private",
    "shred",
    "sync",
    "sync_files",
    "users_umask",
]

#: How long what was seen holds; a call takes longer than that to fill a disk.
REMEMBERED_S = 2.0
#: How much is overwritten at a time.
CHUNK = 1 << 20


PRIVATE_FOLDER = 0o700
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
#: "disk_full" of PostgreSQL.
_FULL_SQLSTATE = "53100"


def is_full(error: BaseException | None) -> bool:
    """Return True if an error, of files or of a database, means that a disk is full."""
    seen = 0
    while error is not None and seen < 10:
        said = getattr(error, "orig", None) or error
        if isinstance(said, OSError) and said.errno in _FULL:
            return True
        if getattr(said, "sqlite_errorname", "") == "SQLITE_FULL" or getattr(said, "sqlstate", "") == _FULL_SQLSTATE:
            return True
        error, seen = error.__cause__ or error.__context__, seen + 1
    return False


_users_umask = -1


def keep_private() -> None:
    """Whatever this process and those it starts write from here on is for its user alone."""
    global _users_umask
    before = os.umask(0o077)
    if _users_umask < 0:
        _users_umask = before


def users_umask() -> int:
    """The umask as the process was started with, for programs of the user's own; -1 where it is still in force."""
    return _users_umask


def make_private(folder: Path, mode: int = PRIVATE_FOLDER) -> None:
    """Makes a folder with exactly this mode, and those above it for their user alone, whatever the umask; one that is there keeps
    its own. Raises OSError.
    """
    for missing in reversed([place for place in (folder, *folder.parents) if not place.exists()]):
        try:
            missing.mkdir(PRIVATE_FOLDER)
        except FileExistsError:
            continue
        missing.chmod(mode if missing == folder else PRIVATE_FOLDER)
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "not a folder", str(folder))


def sync(path: Path) -> None:
    """Bring a file, or the names in a folder, to disk before it returns."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_files(folder: Path) -> None:
    """Bring the files of a folder, with their names and its own, to disk before it returns."""
    for path in (*(path for path in folder.iterdir() if path.is_file()), folder, folder.parent):
        sync(path)


def shred(path: Path) -> None:
    """Overwrites a file, or all files of a folder, before they are removed. What is not there is no error.

    A file that has another name is only unlinked: a document is one file for its upload and every fax that it was sent with.
    """
    if path.is_symlink() or not path.exists():
        path.unlink(missing_ok=True)
        return
    if path.is_dir():
        for inner in path.iterdir():
            shred(inner)
        path.rmdir()
        return
    # Under a name that nobody knows, so that no fax is made of it meanwhile; sweeping finds it, should we be killed.
    path = path.rename(path.with_name(f".{secrets.token_hex(12)}{path.suffix}"))
    try:
        file = path.open("r+b", buffering=0)
    except PermissionError:
        if path.stat().st_nlink == 1:
            raise
        path.unlink()
        return
    with file:
        # One after the other: of its last two names, shredded at once, the later one has it overwritten.
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(file, fcntl.LOCK_EX)
        status = os.fstat(file.fileno())
        if status.st_nlink == 1:
            for at in range(0, status.st_size, CHUNK):
                file.write(b"\0" * min(CHUNK, status.st_size - at))
            os.fsync(file.fileno())
        path.unlink()


def existing(folder: Path) -> Path:
    """A folder, or where it is to be made the nearest above it that is there."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder


def free_bytes(folder: Path) -> int | None:
    """Room for this user where a folder is, or will be made; None where it is unknown."""
    try:
        room = os.statvfs(existing(folder))
    except OSError:
        return None
    return room.f_bavail * room.f_frsize


class DiskFloor:
    """Check for room for another fax in each of `folders`, before a call is answered or an order accepted."""

    def __init__(
        self,
        folders: Sequence[Path],
        min_free_mb: int,
        *,
        free: Callable[[Path], int | None] = free_bytes,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folders = tuple(folders)
        self._floor = min_free_mb << 20
        self._free = free
        self._now = now
        self._seen: tuple[float, str] | None = None

    def problem(self) -> str:
        """A line about a disk that is too full, or cannot be written to; empty where all is well, or unknown."""
        if self._seen is None or self._now() - self._seen[0] > REMEMBERED_S:
            self._seen = (self._now(), self._look())
        return self._seen[1]

    def _look(self) -> str:
        for folder in self._folders:
            if folder.is_dir() and not os.access(folder, os.W_OK | os.X_OK):
                return f"nothing can be written to {folder}"
            free = self._free(folder) if self._floor else None
            if free is not None and free < self._floor:
                return f"the disk is full: {free >> 20} MB are left at {folder}, {self._floor >> 20} MB are wanted"
        return ""
