# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs of SWML: how many at a time, and what is said of one that has just ended."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from softfax.errors import LocalError
from softfax.swml.document import load
from softfax.swml.runner import SwmlRunner
from softfax.web.problems import Problem
from tests.unit.web.fakes import Site, site

DOCUMENT = load("sections: {main: [{set: {a: 1}}]}")
TO = "sip:1@far.example"


def test_as_many_run_as_may_also_of_those_that_are_ordered_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("softfax.web.runs.RUNS_MAX", 2)

    async def run(made: Site) -> None:
        over = asyncio.Event()

        async def wait(runner: SwmlRunner) -> None:
            await over.wait()

        monkeypatch.setattr(SwmlRunner, "run", wait)
        runs = made.web.swml
        found = await asyncio.gather(*(runs.begin(DOCUMENT, TO) for _ in range(5)), return_exceptions=True)
        assert sum(isinstance(one, LocalError) for one in found) == 3
        over.set()
        await runs.stop()

    _at_a_site(tmp_path, run)


def test_one_that_has_ended_is_not_said_to_run_while_its_end_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run(made: Site) -> None:
        put, go = made.web.store.put_run, threading.Event()

        def slow(run_id: str, state: str, *more: Any) -> None:
            if state != "running":
                go.wait(10)
            put(run_id, state, *more)

        monkeypatch.setattr(made.web.store, "put_run", slow)
        runs = made.web.swml
        begun = await runs.begin(DOCUMENT, TO)
        try:
            for _ in range(20):
                await asyncio.sleep(0.01)
                found = await runs.get(begun["id"])
            assert found is not None
            assert (found["state"], found["variables"]) == ("ended", {"a": 1})
            with pytest.raises(Problem, match="It is ended"):
                await runs.cancel(begun["id"])
        finally:
            go.set()
            await runs.stop()
        assert await runs.get(begun["id"]) == found

    _at_a_site(tmp_path, run)


def _at_a_site(tmp_path: Path, work: Any) -> None:
    steps = site(tmp_path)
    asyncio.run(work(next(steps)))
    next(steps, None)
