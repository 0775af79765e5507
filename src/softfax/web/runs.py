# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs of SWML documents that were ordered over HTTP. They end with the station; what became of each is kept."""

from __future__ import annotations

import asyncio
import logging
import re
from datetime import UTC, datetime
from typing import Any

from softfax.errors import LocalError, SoftfaxError, UsageError
from softfax.model import Direction, new_fax_id, rfc3339
from softfax.station import FaxCall, FaxOrder
from softfax.swml.document import SwmlDocument
from softfax.swml.runner import SwmlRunner
from softfax.web.problems import Problem
from softfax.web.seam import StationLike
from softfax.web.store import WebStore

__all__ = ["Runs"]

log = logging.getLogger("softfax.web")

RUNS_MAX = 50
LINES_MAX = 200


class _Guarded:
    """The station as a stranger's document may use it: URLs alone, since a path would be a file of this machine."""

    def __init__(self, station: StationLike, faxes: list[str]) -> None:
        self._station, self._faxes = station, faxes

    def originate(self, order: FaxOrder) -> FaxCall:
        """Place a fax as the station does. Raises UsageError."""
        for document in order.documents:
            if not re.match(r"https?://", document, re.I):
                raise UsageError("a document has to be an http or https URL", "put it where it can be fetched")
        call = self._station.originate(order)
        self._faxes.append(call.context.fax_id)
        return call


class Runs:
    """Begins runs, and knows those under way."""

    def __init__(self, station: StationLike, store: WebStore) -> None:
        self._station, self._store = station, store
        self._runs: dict[str, tuple[dict[str, Any], SwmlRunner, asyncio.Task[None]]] = {}

    async def start(self) -> None:
        """End the runs that an earlier station left."""
        await asyncio.to_thread(self._store.interrupt_runs)

    async def stop(self) -> None:
        """Ends those under way."""
        tasks = []
        for _, runner, task in list(self._runs.values()):
            runner.cancel()
            tasks.append(task)
        if tasks:
            _, pending = await asyncio.wait(tasks, timeout=5.0)
            for task in pending:
                task.cancel()

    async def begin(self, document: SwmlDocument, to: str, key: str = "", digest: str = "") -> dict[str, Any]:
        """Begins one; it is noted under `key` before anything is called. Raises UsageError, DoNotFaxError, LocalError."""
        if len(self._runs) >= RUNS_MAX:
            raise LocalError(f"{RUNS_MAX} SWML documents run already", "wait until some have ended")
        self._station.rules.routes(to)
        faxes: list[str] = []
        said: list[str] = []
        run: dict[str, Any] = {
            "id": new_fax_id(), "state": "running", "to": to, "started": _now(), "ended": None, "problem": "",
            "variables": {}, "faxes": faxes, "said": said,
        }  # fmt: skip
        config = self._station.config
        runner = SwmlRunner(
            _Guarded(self._station, faxes),  # type: ignore[arg-type]
            document,
            to,
            order=FaxOrder(destination=to, direction=Direction.SEND),
            allow_private=config.fax.allow_private_documents,
            say=lambda line: said.append(_text(line)) if len(said) < LINES_MAX else None,
        )
        await asyncio.to_thread(self._store.put_run, str(run["id"]), "running", run, key, digest)
        task = asyncio.ensure_future(self._run(run, runner))
        self._runs[str(run["id"])] = (run, runner, task)
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
        self._runs.pop(run["id"], None)
        await asyncio.shield(asyncio.to_thread(self._store.put_run, run["id"], run["state"], run))

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
        if run_id in self._runs:
            run, runner, _ = self._runs[run_id]
            run["state"] = "cancelling"
            runner.cancel()
        elif (found := await self.get(run_id)) is not None:
            raise Problem(409, "The run has ended", f"It is {found['state']}.", kind="ended")
        return await self.get(run_id)


def _plain(values: Any) -> Any:
    if isinstance(values, dict):
        return {_text(str(key)): _plain(value) for key, value in values.items()}
    if isinstance(values, (list, tuple)):
        return [_plain(value) for value in values]
    return values if values is None or isinstance(values, (bool, int, float)) else _text(str(values))


def _text(text: str) -> str:
    """Without lone surrogates, which neither the database nor JSON can take."""
    return text.encode("utf-8", "replace").decode()


def _now() -> str:
    return rfc3339(datetime.now(UTC))
