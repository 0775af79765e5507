# SPDX-License-Identifier: GPL-2.0-or-later
"""Upkeep of the queue: lost rounds, rounds that are over, old keys, unused folders."""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from softfax.queue import pages
from softfax.queue.turns import next_round

if TYPE_CHECKING:
    from softfax.queue.queue import FaxQueue

__all__ = ["Upkeep"]

log = logging.getLogger("softfax.queue")

KEYS_KEPT_S = 24 * 3600.0
EVERY_S = 60.0
#: All rounds and all folders are looked at seldom: there may be very many.
WHOLE_EVERY_S = 6 * 3600.0
LOOSE_FOLDER_S = 24 * 3600.0


class Upkeep:
    """Lives on the station's loop, works in threads."""

    def __init__(self, queue: FaxQueue) -> None:
        self._queue = queue
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins."""
        self._task = asyncio.ensure_future(self._keep_up())

    def stop(self) -> None:
        """Ends."""
        if self._task is not None:
            self._task.cancel()

    async def _keep_up(self) -> None:
        whole_at = 0.0
        while True:
            whole = time.monotonic() >= whole_at
            if whole:
                whole_at = time.monotonic() + WHOLE_EVERY_S
            try:
                await asyncio.to_thread(self.tidy, whole)
            except Exception:
                log.exception("the upkeep of the queue failed")
            self._queue.slots.freed()
            await asyncio.sleep(EVERY_S)

    def tidy(self, whole: bool) -> None:
        """One turn of it; `whole` looks at everything. Blocks."""
        queue, now = self._queue, datetime.now(UTC)
        queue.aside.move()
        self.adopt(queue.store.turns.rounds() if whole else queue.store.turns.rounds(queue.rounds.failed()))
        queue.store.upkeep(now.timestamp() - KEYS_KEPT_S)
        queue.rounds.forget(now.timestamp() - EVERY_S)
        if whole:
            self._shred_loose(now.timestamp())

    def adopt(self, rounds: list[tuple[str, str]]) -> None:
        """A fax whose round the durable engine lost, or could not finish, gets another. Blocks."""
        queue = self._queue
        active = queue.rounds.active(round_id for _, round_id in rounds)
        for fax_id, round_id in rounds:
            if round_id in active:
                continue
            if not isinstance(fax_id, str) or not isinstance(round_id, str):
                continue  # read as a fax it is set aside
            try:
                self._adopt(fax_id, round_id)
            except Exception:
                log.exception("fax %s has lost its round and cannot be taken up", fax_id)

    def _adopt(self, fax_id: str, round_id: str) -> None:
        queue = self._queue
        kept = queue.store.take(fax_id, round_id)
        if kept is not None and queue.store.settle(
            kept.fax, round_id=next_round(round_id), from_round=round_id, keep_cancelled=True
        ):
            log.warning("fax %s had lost its round and is taken up again", fax_id)

    def _shred_loose(self, now: float) -> None:
        """Folders of orders that were never taken, as a crash leaves them."""
        queue = self._queue
        old = {f.name: f for f in queue.folder.iterdir() if now - f.lstat().st_mtime > LOOSE_FOLDER_S}
        for name in old.keys() - queue.store.used(old.keys()) - queue.aside.mentioned(old):
            try:
                pages.shred(old[name])
            except OSError as error:
                log.warning("%s cannot be removed: %s", old[name], error.strerror)
