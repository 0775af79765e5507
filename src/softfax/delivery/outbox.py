# SPDX-License-Identifier: GPL-2.0-or-later
"""Callbacks that arrive: written to disk, then posted in order per fax and target, again and again until it works.

`Outbox.put` only hands over; a thread writes what has gathered in one transaction. Each sequence (the callbacks of one fax to one
target) is a job: what waits is posted in order until nothing does, or until the first that fails, with which the job is due
again later. Jobs of different faxes run side by side.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import sqlalchemy as sa

from softfax.database.away import until_written
from softfax.database.database import Database
from softfax.database.jobs import Job, Pool
from softfax.delivery import store as states
from softfax.delivery.policy import DeliveryOutcome, PostResult, RetryPolicy, judge, sign
from softfax.delivery.post import Poster
from softfax.delivery.store import METADATA, Callback, Store, StoredCallback
from softfax.delivery.targets import CallbackTarget
from softfax.errors import LocalError, UsageError, in_short

__all__ = ["Outbox", "OutboxSettings"]

log = logging.getLogger("softfax.delivery")

BODY_BYTES_MAX = 1 << 20
EVENT_ID_MAX = 120
WRITE_BATCH = 500
POST_BATCH = 50
CALLBACKS = "callbacks"

#: A receiver that answers so gets nothing for so long (RFC 9110 §15.5.11).
GONE, GONE_S = 410, 3600.0


@dataclass(frozen=True, kw_only=True)
class OutboxSettings:
    """Settings for delivering callbacks: `workers` sequences at once, `workers_per_target` of them to one target. `secret` signs
    the requests to targets without one of their own.

    `keep_delivered_s` is how long an event id is remembered once delivered, `keep_dead_s` how long a dead one can be replayed.
    """

    retry: RetryPolicy = field(default_factory=RetryPolicy)
    timeout_s: float = 10.0
    allow_private: bool = False
    workers: int = 16
    workers_per_target: int = 8
    secret: str = field(default="", repr=False)
    waiting_max: int = 100_000
    keep_delivered_s: float = 7 * 24 * 3600.0
    keep_dead_s: float = 90 * 24 * 3600.0


class Outbox:
    """The callbacks of a station. Those that an earlier process left are delivered first.

    `known` are configured targets: their passwords and secrets are taken from there, not stored.
    """

    def __init__(
        self, database: Database, settings: OutboxSettings | None = None, *, known: Iterable[CallbackTarget] = ()
    ) -> None:
        self.settings = settings or OutboxSettings()
        self._database = database
        self._known = {target.key: target for target in known}
        self.store = Store(database.engine, database.aside)
        self._waiting: deque[tuple[Callback, Future[bool]]] = deque()
        #: How many were ever put, and written.
        self._put = self._written = 0
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        #: Attempts that failed, since the start.
        self.failures = 0
        #: Targets that answered 410, and until when they are left alone.
        self._gone: dict[str, float] = {}
        self._posters: set[Poster] = set()
        self._thread: threading.Thread | None = None

    def reload(self, settings: OutboxSettings, known: Iterable[CallbackTarget]) -> None:
        """Other settings, from the next job on; the number of workers stays."""
        self.settings = settings
        self._gone.clear()
        self._known = {**self._known, **{target.key: target for target in known}}

    def prepare(self) -> None:
        """Make the tables. Blocks for a moment."""
        self._database.prepare(METADATA)
        self._database.clock.subscribers.append(self.store.clock_set)

    def start(self) -> None:
        """Begin to deliver. Blocks for a moment."""
        workers, each = self.settings.workers, self.settings.workers_per_target
        self._database.jobs.start(Pool(CALLBACKS, self.store.jobs, self._deliver, self.upkeep, workers, each))
        self._thread = threading.Thread(target=self._write_loop, name="softfax-outbox", daemon=True)
        self._thread.start()

    async def close(self) -> None:
        """Writes what was put, ends what is being posted, stops. What is not delivered waits for the next start."""
        await asyncio.to_thread(self.stop)

    def stop(self) -> None:
        """Do the blocking part of `close`."""
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()
        for poster in list(self._posters):
            poster.abort()
        if self._thread is not None:
            self._thread.join(timeout=30.0)
        # Jobs end by themselves now, each having noted where it stands.
        self._database.jobs.stop(CALLBACKS, self.settings.timeout_s)

    # ---- putting ------------------------------------------------------------------------------------------------

    def put(self, target: CallbackTarget, **said: Any) -> Future[bool]:
        """Queues a callback, of what `made` takes, and returns at once. The future is done when it is on disk: true, or false if
        it was before.

        From then on it will be tried, whatever happens to this process. Callbacks of one fax to one target are delivered in the
        order in which they were put. Raises UsageError for one that is too large, LocalError when far too many wait for the disk.
        """
        callback = self.made(target, **said)
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

    @staticmethod
    def made(
        target: CallbackTarget,
        *,
        fax_id: str,
        event_id: str,
        body: bytes,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
        path_suffix: str = "",
    ) -> Callback:
        """A callback to be written by `put`, or by `write`. Raises UsageError for one that is too large."""
        if len(body) > BODY_BYTES_MAX:
            raise UsageError(f"a callback of {len(body)} bytes is too large", f"send at most {BODY_BYTES_MAX}")
        if not 0 < len(event_id) <= EVENT_ID_MAX or not 0 < len(fax_id) <= 60 or not (event_id + fax_id).isprintable():
            raise UsageError("a callback needs a fax id and an event id", f"use 1 to {EVENT_ID_MAX} characters")
        if len(path_suffix) > EVENT_ID_MAX:
            raise UsageError("the end of a callback's path is too long", f"use at most {EVENT_ID_MAX} characters")
        all_headers = {"Content-Type": content_type, **(headers or {})}
        return Callback(
            target=target,
            fax_id=fax_id,
            event_id=event_id,
            body=body,
            headers=tuple(all_headers.items()),
            path_suffix=path_suffix,
        )

    def write(self, connection: sa.Connection, callbacks: Sequence[Callback]) -> None:
        """Write callbacks in the transaction of what they tell of. Once it has committed, `wake` has them delivered."""
        self.store.write(connection, callbacks, frozenset(self._known))

    def wake(self) -> None:
        """Look for what is to be delivered. From any thread."""
        self._database.jobs.wake(CALLBACKS)

    async def flush(self, limit_s: float = 30.0) -> bool:
        """Waits until what was put before is on disk; false where that takes too long."""
        end, put = time.monotonic() + limit_s, self._put
        while self._written < put:
            if time.monotonic() >= end:
                return False
            await asyncio.sleep(0.01)
        return True

    async def delivered(self, fax_id: str, limit_s: float) -> bool:
        """Waits until the callbacks of a fax have been delivered or given up; false where that takes too long."""
        end = time.monotonic() + limit_s
        await self.flush(limit_s)
        while await asyncio.to_thread(self.store.waits, fax_id):
            if time.monotonic() >= end:
                return False
            await asyncio.sleep(0.1)
        return True

    def _write_loop(self) -> None:
        """Writes what was put, whatever gathered meanwhile in one transaction. A disk that fails is tried until it works."""
        while True:
            with self._changed:
                while not self._waiting and not self._stopping.is_set():
                    self._changed.wait()
                if not self._waiting:
                    return
                batch = [self._waiting[i] for i in range(min(len(self._waiting), WRITE_BATCH))]
            try:
                news = self.store.put([callback for callback, _ in batch], frozenset(self._known))
            except Exception as error:
                log.error("callbacks cannot be written: %s", in_short(error))
                if self._stopping.wait(1.0):
                    for _, done in batch:
                        done.set_exception(LocalError("the callback could not be written"))
                    return
                continue
            self.wake()
            with self._changed:
                for _ in batch:
                    self._waiting.popleft()
                self._written += len(batch)
            for (_, done), new in zip(batch, news, strict=True):
                done.set_result(new)

    # ---- delivering -----------------------------------------------------------------------------------------------

    def _deliver(self, job: Job) -> None:
        """Post the waiting callbacks of a sequence."""
        poster = Poster(self.settings.allow_private, self.settings.timeout_s)
        self._posters.add(poster)
        try:
            while callbacks := self.store.waiting(job, POST_BATCH):
                for callback in callbacks:
                    # Who takes this station over posts it once more.
                    lapsed = self._database.stations.left_s() <= 0
                    stopping = lapsed or self._stopping.is_set()
                    attempt = self._attempt(poster, callback) if not stopping else PostResult()
                    if (lapsed or self._stopping.is_set()) and not attempt.status:
                        # Broken off by us: no failed attempt.
                        self.store.jobs.release(job, time.time())
                        return
                    if not self._settle(callback, attempt, job):
                        return
        finally:
            self._posters.discard(poster)
            poster.close()

    def _attempt(self, poster: Poster, callback: StoredCallback) -> PostResult:
        target = callback.target
        known = self._known.get(target.key, target).at(callback.path_suffix)
        headers = dict(callback.headers)
        headers["Softfax-Event-Id"] = callback.event_id
        headers["Softfax-Fax-Id"] = callback.fax_id
        secret = known.secret or self.settings.secret
        if secret:
            headers["Softfax-Signature"] = sign(secret, callback.body, int(time.time()))
        if time.monotonic() < self._gone.get(target.key, 0.0):
            return PostResult(status=GONE, error="the receiver has said that it is gone (410)")
        return poster.post(known, callback.body, headers)

    def _settle(self, callback: StoredCallback, attempt: PostResult, job: Job) -> bool:
        """Note the outcome; false if the callback stays first and its sequence waits."""
        attempts = callback.attempts + 1
        verdict = judge(attempt)
        if attempt.status == GONE and time.monotonic() >= self._gone.get(callback.target.key, 0.0):
            self._gone[callback.target.key] = time.monotonic() + GONE_S
            url = callback.target.url.partition("?")[0]
            log.error("%s says that it is gone (410): nothing is sent there for an hour, or until a reload", url)
        self.failures += verdict is not DeliveryOutcome.DELIVERED
        if verdict is DeliveryOutcome.DELIVERED:
            self._noted(partial(self.store.ended, callback.number, states.DELIVERED, attempts, attempt.status, ""))
            return True
        if verdict is DeliveryOutcome.RETRY:
            age_s = time.time() - callback.retried_from
            wait_s = self.settings.retry.wait_s(attempts, age_s, attempt.retry_after_s)
            if wait_s is not None:
                failed = partial(self.store.failed, job, callback.number, attempts, attempt.status, attempt.error)
                self._noted(partial(failed, max(wait_s, 0.05)))
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
        self._noted(partial(self.store.ended, callback.number, states.DEAD, attempts, attempt.status, attempt.error))
        return True

    def _noted(self, write: Callable[[], None]) -> None:
        """Note what became of a post: it is not posted again because the database was away."""
        until_written("what became of a callback", write, self._stopping)

    def upkeep(self) -> None:
        """Forget what is long over, and set aside what cannot be read."""
        self._database.aside.move()
        now = time.time()
        self.store.forget(now - self.settings.keep_delivered_s, now - self.settings.keep_dead_s)

    # ---- people -----------------------------------------------------------------------------------------------------

    def replay(self, number: int) -> bool:
        """Queues a dead callback once more; false if there is no such. It may then arrive after later ones of its fax."""
        self._gone.clear()
        replayed = self.store.replay(number)
        self.wake()
        return replayed
