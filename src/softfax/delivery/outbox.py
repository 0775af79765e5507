# SPDX-License-Identifier: GPL-2.0-or-later
"""Callbacks that arrive: written to disk, then posted in order per fax and target, again and again until it works.

`Outbox.put` only hands over; a thread writes what has gathered in one transaction. Each sequence (the callbacks of one fax to one
target) is worked on by one DBOS workflow at a time, a round: it posts what waits, in order, and ends when nothing does, or with
the first that fails, having enqueued the next round for later. Rounds of different faxes run side by side.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

from dbos import DBOS

from softfax.delivery import store as states
from softfax.delivery.durable import Durable, database_url
from softfax.delivery.policy import DeliveryOutcome, PostResult, RetryPolicy, judge, sign
from softfax.delivery.post import Poster
from softfax.delivery.queue import QUEUE, ROUND, enqueue_round
from softfax.delivery.store import METADATA, Callback, Store, StoredCallback
from softfax.delivery.targets import CallbackTarget
from softfax.errors import LocalError, UsageError

__all__ = ["Outbox", "OutboxSettings"]

log = logging.getLogger("softfax.delivery")

BODY_BYTES_MAX = 1 << 20
EVENT_ID_MAX = 120
WRITE_BATCH = 500
ROUND_BATCH = 50
UPKEEP_S = 60.0
FAILED_ROUND_WAIT_S = 5.0
_ACTIVE = ["PENDING", "ENQUEUED", "DELAYED"]
_ENDED = ["SUCCESS", "ERROR", "CANCELLED"]


@dataclass(frozen=True, kw_only=True)
class OutboxSettings:
    """Settings for delivering callbacks: `workers` rounds at once, `workers_per_target` of them to one target.

    `keep_delivered_s` is how long an event id is remembered once delivered, `keep_dead_s` how long a dead one can be replayed.
    """

    retry: RetryPolicy = field(default_factory=RetryPolicy)
    timeout_s: float = 10.0
    allow_private: bool = False
    workers: int = 16
    workers_per_target: int = 8
    poll_s: float = 0.25
    waiting_max: int = 100_000
    keep_delivered_s: float = 7 * 24 * 3600.0
    keep_dead_s: float = 90 * 24 * 3600.0


#: The outbox whose rounds DBOS runs in this process; DBOS itself is one per process.
_current: Outbox | None = None


@DBOS.workflow(name=ROUND, max_recovery_attempts=None)
def _deliver_round(sequence_id: str, round_id: str) -> str:
    """One round. The tables hold the truth, so that running it again after a crash goes on where it was."""
    outbox = _current
    if outbox is None:
        raise LocalError("callbacks are not delivered by this process")
    return outbox._round(sequence_id, round_id)


class Outbox:
    """The callbacks of a station. `open` starts delivering what an earlier process left."""

    def __init__(
        self,
        durable: Durable,
        settings: OutboxSettings | None = None,
        *,
        known: Iterable[CallbackTarget] = (),
    ) -> None:
        self.settings = settings or OutboxSettings()
        self._durable = durable
        self._own_durable = False
        self._known = {target.key: target for target in known}
        self.store = Store(durable.engine, enqueue_round(lambda: durable.client), durable.aside)
        self._waiting: deque[tuple[Callback, Future[bool]]] = deque()
        #: How many were ever put, and written.
        self._put = self._written = 0
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        #: Attempts that failed, since the start.
        self.failures = 0
        self._posters: set[Poster] = set()
        self._threads: list[threading.Thread] = []

    def reload(self, settings: OutboxSettings, known: Iterable[CallbackTarget]) -> None:
        """Other settings, from the next round on; the number of workers stays."""
        self.settings = settings
        self._known = {**self._known, **{target.key: target for target in known}}

    @classmethod
    async def open(
        cls,
        data_dir: Path,
        settings: OutboxSettings | None = None,
        *,
        url: str = "",
        known: Iterable[CallbackTarget] = (),
        name: str = "softfax",
    ) -> Outbox:
        """Opens the database in `data_dir`, or at `url`, and goes on with what it holds. Raises LocalError.

        `known` are configured targets: their passwords and secrets are taken from there, not stored.
        `name` tells stations on one PostgreSQL database apart.
        """
        outbox = cls(Durable(database_url(data_dir, url), executor=name), settings, known=known)
        await asyncio.to_thread(outbox.begin)
        return outbox

    def begin(self) -> None:
        """Prepares, launches the durable engine, which is its own, and starts. Blocks for a moment."""
        self.prepare()
        self._own_durable = True
        try:
            self._durable.launch()
            self.start()
        except BaseException:
            self.stop()
            raise

    def prepare(self) -> None:
        """Makes the tables; before the durable engine is launched. Blocks for a moment."""
        global _current
        if _current is not None:
            raise LocalError("an outbox is open in this process already", "close it first")
        self._durable.prepare(METADATA)
        self._durable.clock.subscribers.append(self.store.clock_set)
        _current = self

    def start(self) -> None:
        """Begins to deliver; the durable engine is launched. Blocks for a moment."""
        global _current
        try:
            queue = DBOS.register_queue(
                QUEUE,
                worker_concurrency=self.settings.workers,
                partition_worker_concurrency=min(self.settings.workers_per_target, self.settings.workers),
                polling_interval_sec=self.settings.poll_s,
                on_conflict="always_update",
            )
            self._durable.pace.add(queue, self.settings.poll_s)
            self.upkeep()
        except BaseException:
            _current = None
            raise
        for work in (self._write_loop, self._upkeep_loop):
            thread = threading.Thread(target=work, name=f"softfax-outbox-{work.__name__}", daemon=True)
            thread.start()
            self._threads.append(thread)

    async def close(self) -> None:
        """Writes what was put, ends what is being posted, stops. What is not delivered waits for the next start."""
        await asyncio.to_thread(self.stop)

    def stop(self) -> None:
        """Do the blocking part of `close`."""
        global _current
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()
        for poster in list(self._posters):
            poster.abort()
        for thread in self._threads:
            thread.join(timeout=30.0)
        self._threads.clear()
        # Rounds end by themselves now, each having noted where it stands.
        end = time.monotonic() + self.settings.timeout_s
        while self._posters and time.monotonic() < end:
            time.sleep(0.02)
        if self._own_durable:
            self._durable.close()
        if _current is self:
            _current = None

    # ---- putting ------------------------------------------------------------------------------------------------

    def put(
        self,
        target: CallbackTarget,
        *,
        fax_id: str,
        event_id: str,
        body: bytes,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
        path_suffix: str = "",
    ) -> Future[bool]:
        """Queues a callback and returns at once. The future is done when it is on disk: true, or false if it was before.

        From then on it will be tried, whatever happens to this process. Callbacks of one fax to one target are delivered in the
        order in which they were put. Raises UsageError for one that is too large, LocalError when far too many wait for the disk.
        """
        if len(body) > BODY_BYTES_MAX:
            raise UsageError(f"a callback of {len(body)} bytes is too large", f"send at most {BODY_BYTES_MAX}")
        if not 0 < len(event_id) <= EVENT_ID_MAX or not 0 < len(fax_id) <= 60 or not (event_id + fax_id).isprintable():
            raise UsageError("a callback needs a fax id and an event id", f"use 1 to {EVENT_ID_MAX} characters")
        if len(path_suffix) > EVENT_ID_MAX:
            raise UsageError("the end of a callback's path is too long", f"use at most {EVENT_ID_MAX} characters")
        all_headers = {"Content-Type": content_type, **(headers or {})}
        callback = Callback(
            target=target,
            fax_id=fax_id,
            event_id=event_id,
            body=body,
            headers=tuple(all_headers.items()),
            path_suffix=path_suffix,
        )
        done: Future[bool] = Future()
        with self._changed:
            if self._stopping.is_set():
                raise LocalError("callbacks are not taken any more", "the station is stopping")
            if len(self._waiting) >= self.settings.waiting_max:
                raise LocalError("too many callbacks wait to be written", "check the disk of [data] dir")
            self._waiting.append((callback, done))
            self._put += 1
            self._changed.notify()
        return done

    async def flush(self, limit_s: float = 30.0) -> bool:
        """Waits until what was put before is on disk; false where that takes too long."""
        end, put = time.monotonic() + limit_s, self._put
        while self._written < put:
            if time.monotonic() >= end:
                return False
            await asyncio.sleep(0.01)
        return True

    def _write_loop(self) -> None:
        """Writes what was put, whatever gathered meanwhile in one transaction. A disk that fails is tried until it works."""
        hide = frozenset(self._known)
        while True:
            with self._changed:
                while not self._waiting and not self._stopping.is_set():
                    self._changed.wait()
                if not self._waiting:
                    return
                batch = [self._waiting[i] for i in range(min(len(self._waiting), WRITE_BATCH))]
            try:
                self._durable.pace.busy()
                news = self.store.put([callback for callback, _ in batch], hide)
            except Exception as error:
                log.error("callbacks cannot be written: %s", str(error).splitlines()[0])
                if self._stopping.wait(1.0):
                    for _, done in batch:
                        done.set_exception(LocalError("the callback could not be written"))
                    return
                continue
            with self._changed:
                for _ in batch:
                    self._waiting.popleft()
                self._written += len(batch)
            for (_, done), new in zip(batch, news, strict=True):
                done.set_result(new)

    # ---- delivering -----------------------------------------------------------------------------------------------

    def _round(self, sequence_id: str, round_id: str) -> str:
        """Post the waiting callbacks. Returns a summary for the workflow's record."""
        poster = Poster(self.settings.allow_private, self.settings.timeout_s)
        self._posters.add(poster)
        delivered = 0
        try:
            while callbacks := self.store.waiting(sequence_id, round_id, ROUND_BATCH):
                for callback in callbacks:
                    if self._stopping.is_set():
                        self.store.postpone(sequence_id, round_id, 0.0)
                        return f"stopped after {delivered}"
                    attempt = self._attempt(poster, callback)
                    if self._stopping.is_set() and not attempt.status:
                        # Broken off by us: no failed attempt.
                        self.store.postpone(sequence_id, round_id, 0.0)
                        return f"stopped after {delivered}"
                    if not self._settle(callback, attempt, round_id):
                        return f"postponed after {delivered}"
                    delivered += 1
            return f"done after {delivered}"
        except Exception:
            # A workflow that failed is never run again; its successor is.
            log.exception("a round of callbacks failed and is repeated")
            self.store.postpone(sequence_id, round_id, FAILED_ROUND_WAIT_S)
            return f"failed after {delivered}"
        finally:
            self._durable.pace.busy()
            self._posters.discard(poster)
            poster.close()

    def _attempt(self, poster: Poster, callback: StoredCallback) -> PostResult:
        target = callback.target
        known = self._known.get(target.key, target).at(callback.path_suffix)
        headers = dict(callback.headers)
        headers["Softfax-Event-Id"] = callback.event_id
        headers["Softfax-Fax-Id"] = callback.fax_id
        if known.secret:
            headers["Softfax-Signature"] = sign(known.secret, callback.body, int(time.time()))
        return poster.post(known, callback.body, headers)

    def _settle(self, callback: StoredCallback, attempt: PostResult, round_id: str) -> bool:
        """Notes the outcome; false if the callback stays first in line for a later round."""
        attempts = callback.attempts + 1
        verdict = judge(attempt)
        self.failures += verdict is not DeliveryOutcome.DELIVERED
        if verdict is DeliveryOutcome.DELIVERED:
            self.store.ended(callback.number, states.DELIVERED, attempts, attempt.status, "")
            return True
        if verdict is DeliveryOutcome.RETRY:
            age_s = time.time() - callback.retried_from
            wait_s = self.settings.retry.wait_s(attempts, age_s, attempt.retry_after_s)
            if wait_s is not None:
                failed = (callback.number, attempts, attempt.status, attempt.error)
                self.store.postpone(callback.sequence_id, round_id, max(wait_s, 0.05), failed)
                return False
        log.error(
            "callback %d of fax %s to %s is given up after %d attempts: %s; `softfax deliveries replay %d` tries it again",
            callback.number,
            callback.fax_id,
            callback.target.url.partition("?")[0],
            attempts,
            attempt.error,
            callback.number,
        )
        self.store.ended(callback.number, states.DEAD, attempts, attempt.status, attempt.error)
        return True

    # ---- upkeep ---------------------------------------------------------------------------------------------------

    def _upkeep_loop(self) -> None:
        while not self._stopping.wait(UPKEEP_S):
            try:
                self.upkeep()
            except Exception:
                log.exception("the upkeep of callbacks failed")

    def upkeep(self) -> None:
        """Takes up sequences that nobody works on, and forgets what is long over."""
        adopted = self.store.adopt(self._active_rounds)
        self._durable.aside.move()
        if adopted:
            log.warning("%d sequences of callbacks had lost their workflow and are taken up again", adopted)
        now = time.time()
        self.store.forget(now - self.settings.keep_delivered_s, now - self.settings.keep_dead_s)
        self._durable.forget(_ENDED, ROUND, now - UPKEEP_S)

    def _active_rounds(self, round_ids: Iterable[str]) -> set[str]:
        ids = list(round_ids)
        if not ids:
            return set()
        return set(self._durable.workflows(_ACTIVE, ids=ids))

    # ---- people -----------------------------------------------------------------------------------------------------

    def dead(self) -> list[StoredCallback]:
        """The callbacks that were given up, the oldest first."""
        return self.store.list(states.DEAD)

    def replay(self, number: int) -> bool:
        """Queues a dead callback once more; false if there is no such. It may then arrive after later ones of its fax."""
        return self.store.replay(number)
