# SPDX-License-Identifier: GPL-2.0-or-later
"""Files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from softfax.diskspace import sync

__all__ = ["PRIVATE", "write_atomically", "written_atomically"]

#: The mode of a received fax: for the station's user alone.
PRIVATE = 0o600


@contextlib.contextmanager
def written_atomically(path: Path, mode: int | None = PRIVATE) -> Iterator[BinaryIO]:
    """A file that is there whole or not at all, also after a power cut. It has exactly `mode`; None leaves it to the umask."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.unlink(missing_ok=True)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666 if mode is None else PRIVATE)
        with os.fdopen(descriptor, "wb") as file:
            if mode is not None:
                os.fchmod(descriptor, mode)
            yield file
            file.flush()
            os.fsync(descriptor)
        part.rename(path)
    finally:
        part.unlink(missing_ok=True)
    sync(path.parent)


def write_atomically(path: Path, data: bytes, mode: int | None = PRIVATE) -> None:
    """Writes a file as `written_atomically` does."""
    with written_atomically(path, mode) as file:
        file.write(data)
