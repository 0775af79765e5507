# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs of SWML documents that were ordered over HTTP. They end with the station; what became of each is kept."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from softfax.asjson import of_json, rfc3339
from softfax.delivery.outbox import Outbox
from softfax.errors import LocalError, SoftfaxError, UsageError
from softfax.model import Direction, Fax, FaxContext, FaxResult, new_fax_id
from softfax.options import options_of
from softfax.queue.taking import context_of
from softfax.records.model import Document, FaxRequest, RetryRules
from softfax.station import FaxCall, FaxOrder
from softfax.swml.document import SwmlDocument
from softfax.swml.runner import SwmlRunner
from softfax.web.problems import Problem
from softfax.web.seam import FaxQueueLike, LoggedEventLike, StationLike
from softfax.web.store import WebStore

__all__ = ["Runs"]

log = logging.getLogger("softfax.web")

RUNS_MAX = 50
LINES_MAX = 200


class _QueuedFax:
    """A fax of a run that the queue sends, by one call."""

    def __init__(self, queue: FaxQueueLike, request: FaxRequest, began: Callable[[str], None]) -> None:
        self._queue, self._began = queue, began
        self._fax: Fax | None = None
        self._cancelled = False
        self._ending: asyncio.Task[None] | None = None
        self.result: asyncio.Task[FaxResult] = asyncio.ensure_future(self._run(request))

    @property
    def context(self) -> FaxContext:
        """Context of the fax, once it has ended."""
        assert self._fax is not None
        return context_of(self._fax, self._fax.to)

    def cancel(self) -> None:
        """End it, also under way."""
        self._cancelled = True
        if self._fax is not None:
            self._ending = asyncio.ensure_future(self._cancel(self._fax.id))

    async def _cancel(self, fax_id: str) -> None:
        with contextlib.suppress(SoftfaxError):
            await self._queue.cancel(fax_id)

    async def _run(self, request: FaxRequest) -> FaxResult:
        ended: dict[str, Mapping[str, Any]] = {}
        changed = asyncio.Event()

        def take(event: LoggedEventLike) -> None:
            if event.event.get("event") == FaxResult.event and "retry_at" not in event.event:
                ended[event.fax_id] = event.event
                changed.set()

        unsubscribe = self._queue.events.subscribe(take)
        try:
            (self._fax,) = await self._queue.submit([request])
            self._began(self._fax.id)
            if self._cancelled:
                await self._cancel(self._fax.id)
            while self._fax.id not in ended:
                ended.clear()
                changed.clear()
                await changed.wait()
            return of_json(FaxResult, ended[self._fax.id])
        finally:
            unsubscribe()


class _Guarded:
    """The station as a stranger's document may use it: URLs alone, since a path would be a file of this machine."""

    def __init__(self, station: StationLike, queue: FaxQueueLike, faxes: list[str]) -> None:
        self._station, self._queue, self._faxes = station, queue, faxes

    @property
    def outbox(self) -> Outbox | None:
        """Callbacks of the station."""
        return self._station.outbox

    def originate(self, order: FaxOrder) -> FaxCall | _QueuedFax:
        """Send a fax by the queue, or call for one. Raises UsageError."""
        for document in order.documents:
            if not re.match(r"https?://", document, re.I):
                raise UsageError("a document has to be an http or https URL", "put it where it can be fetched")
        if order.direction is Direction.SEND:
            documents = tuple(Document(url=url) for url in order.documents)
            once = FaxRequest(
                to=order.destination, documents=documents, retry=RetryRules(attempts=1), callbacks=order.callbacks,
                **options_of(order),
            )  # fmt: skip
            return _QueuedFax(self._queue, once, self._faxes.append)
        # Those to send are the queue's, and so are their calls.
        call = self._station.originate(replace(order, keep=False, on=None))
        self._faxes.append(call.context.fax_id)
        return call

    def release(self, call: FaxCall) -> None:
        """Do nothing: no call is kept."""


class Runs:
    """Begins runs, and knows those under way."""

    def __init__(self, station: StationLike, queue: FaxQueueLike, store: WebStore) -> None:
        self._station, self._queue, self._store = station, queue, store
        self._runs: dict[str, tuple[dict[str, Any], SwmlRunner, asyncio.Task[None]]] = {}
        self._turn = asyncio.Lock()

    async def start(self) -> None:
        """End the runs that an earlier station left."""
        await asyncio.to_thread(self._store.interrupt_runs)

    async def stop(self) -> None:
        """Ends those under way."""
        for _, runner, _ in self._runs.values():
            runner.cancel()
        if tasks := [task for _, _, task in self._runs.values()]:
            _, pending = await asyncio.wait(tasks, timeout=5.0)
            for task in pending:
                task.cancel()

    async def begin(self, document: SwmlDocument, to: str, key: str = "", digest: str = "") -> dict[str, Any]:
        """Begins one; it is noted under `key` before anything is called. Raises UsageError, DoNotFaxError, LocalError."""
        async with self._turn:
            if len(self._runs) >= RUNS_MAX:
                raise LocalError(f"{RUNS_MAX} SWML documents run already", "wait until some have ended")
            self._station.rules.routes(to)
            return await self._begin(document, to, key, digest)

    async def _begin(self, document: SwmlDocument, to: str, key: str, digest: str) -> dict[str, Any]:
        faxes: list[str] = []
        said: list[str] = []
        run: dict[str, Any] = {
            "id": new_fax_id(), "state": "running", "to": to, "started": _now(), "ended": None, "problem": "",
            "variables": {}, "faxes": faxes, "said": said,
        }  # fmt: skip
        runner = SwmlRunner(
            _Guarded(self._station, self._queue, faxes),
            document,
            to,
            order=FaxOrder(destination=to, direction=Direction.SEND),
            allow_private=self._station.config.fax.allow_private_documents,
            link="/v1/faxes/{id}/document.pdf",
            say=lambda line: said.append(_text(line)) if len(said) < LINES_MAX else None,
        )
        await asyncio.to_thread(self._store.put_run, run["id"], "running", run, key, digest)
        self._runs[run["id"]] = (run, runner, asyncio.ensure_future(self._run(run, runner)))
        return dict(run)

    async def _run(self, run: dict[str, Any], runner: SwmlRunner) -> None:
        try:
            await runner.run()
            run["state"] = "cancelled" if run["state"] == "cancelling" else "ended"
        except SoftfaxError as error:
            run["state"], run["problem"] = "failed", _text(str(error))
        except asyncio.CancelledError:
            run["state"] = "interrupted"
        except Exception as error:
            log.exception("a run of SWML failed")
            run["state"], run["problem"] = "failed", f"{type(error).__name__}"
        run["variables"], run["ended"] = _plain(runner.machine.vars), _now()
        try:
            await asyncio.shield(asyncio.to_thread(self._store.put_run, run["id"], run["state"], run))
        finally:
            # Not before: until then the record says that it runs.
            self._runs.pop(run["id"], None)

    async def get(self, run_id: str) -> dict[str, Any] | None:
        """State of a run."""
        if run_id in self._runs:
            run, runner, _ = self._runs[run_id]
            state = "running" if run["state"] == "cancelling" else run["state"]
            return run | {"variables": _plain(runner.machine.vars), "state": state}
        return await asyncio.to_thread(self._store.run, run_id)

    async def list(self, limit: int) -> list[dict[str, Any]]:
        """States of the runs, the newest first."""
        ids = await asyncio.to_thread(self._store.run_ids, limit)
        return [run for run_id in ids if (run := await self.get(run_id)) is not None]

    async def cancel(self, run_id: str) -> dict[str, Any] | None:
        """Ends a run; None where there is none. Raises Problem where it has ended."""
        if run_id in self._runs and self._runs[run_id][0]["ended"] is None:
            run, runner, _ = self._runs[run_id]
            run["state"] = "cancelling"
            runner.cancel()
            return await self.get(run_id)
        if (found := await self.get(run_id)) is not None:
            raise Problem(409, "The run has ended", f"It is {found['state']}.", kind="ended")
        return None


def _plain(values: Any) -> Any:
    if isinstance(values, dict):
        return {_text(str(key)): _plain(value) for key, value in values.items()}
    if isinstance(values, (list, tuple)):
        return [_plain(value) for value in values]
    if isinstance(values, float) and not math.isfinite(values):
        return None  # JSON has no such number
    return values if values is None or isinstance(values, (bool, int, float)) else _text(str(values))


def _text(text: str) -> str:
    """Without lone surrogates, which neither the database nor JSON can take."""
    return text.encode("utf-8", "replace").decode()


def _now() -> str:
    return rfc3339(datetime.now(UTC))
