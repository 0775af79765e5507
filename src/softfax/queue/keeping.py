# SPDX-License-Identifier: GPL-2.0-or-later
"""Files of the queue's faxes: the folder that has them, and those that go, erased or of orders never taken. All of it blocks."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING

from softfax.diskspace import make_private, shred
from softfax.errors import LocalError
from softfax.filestore import StoreError, received_key
from softfax.model import Direction
from softfax.records.memory import MEMORY_KEPT_S
from softfax.records.reading import StoredFax

if TYPE_CHECKING:
    from softfax.queue.queue import FaxQueue

__all__ = ["check_new", "erase", "prepare", "tidy"]

log = logging.getLogger("softfax.queue")

KEYS_KEPT_S = LOOSE_FOLDER_S = 24 * 3600.0


def prepare(queue: FaxQueue) -> None:
    """Make the folder of documents, and open the store. Raises LocalError."""
    try:
        make_private(queue.folder)
    except OSError as error:
        raise LocalError(
            f"documents cannot be kept in {queue.folder} ({error.strerror})",
            "check [data] dir, its rights and its disk",
        ) from None
    try:
        queue.files.open()
    except StoreError as error:
        log.error("%s: faxes that come are kept here until it can", error)


def check_new(folder: Path) -> None:
    """A database without tables beside documents of faxes has lost its records: to begin anew would be to lose the faxes too,
    as documents that no fax uses are removed. Raises LocalError.
    """
    left = [one for one in folder.iterdir() if one.is_dir() and not one.is_symlink() and any(one.iterdir())]
    if left:
        faxes = f"{len(left)} faxes" if len(left) > 1 else "a fax"
        raise LocalError(
            f"the database is empty, though there are documents of {faxes} in {folder}",
            "put a backup back (softfax restore); to begin anew, move that folder away",
        )


def erase(queue: FaxQueue, kept: StoredFax) -> None:
    """Forget a fax, and overwrite its documents."""
    result = kept.fax.result if kept.fax.direction is Direction.RECEIVE else None
    files = [Path(name).with_suffix(s) for name in (result.documents if result else ()) for s in (".pdf", ".tif")]
    # Of a fax that was sent, they are found again by their folder where the store does not answer.
    queue.files.delete(received_key(path) for path in files)
    queue.store.erase(kept.fax.id)
    folder = kept.request.folder if kept.request is not None else None
    if folder is not None and not queue.store.uses(folder.name):
        shred(folder)
        queue.files.drop(folder.name)
    for path in files:
        shred(path)
    for trace in queue.station.trace_folder.glob(f"{kept.fax.id}-*"):
        shred(trace)


def tidy(queue: FaxQueue, whole: bool) -> None:
    """Set aside what cannot be read, forget old keys; of the `whole`, remove folders of orders never taken."""
    now = time.time()
    queue.aside.move()
    queue.store.upkeep(now - KEYS_KEPT_S)
    if not whole:
        return
    queue.memory.forget_before(now - MEMORY_KEPT_S)
    try:
        old = {f.name for f in queue.folder.iterdir() if now - f.lstat().st_mtime > LOOSE_FOLDER_S}
        old |= queue.files.folders(now - LOOSE_FOLDER_S)
        for name in old - queue.store.used(old) - queue.aside.mentioned(old):
            shred(queue.folder / name)
            queue.files.drop(name)
    except (OSError, StoreError) as error:
        log.warning("documents of orders that were never taken cannot be removed: %s", error)
