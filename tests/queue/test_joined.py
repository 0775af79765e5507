# SPDX-License-Identifier: GPL-2.0-or-later
"""Faxes to one number that go in one call, with simulated far ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from softfax.model import Cause, Fax, FaxState
from softfax.options import ModePolicy
from softfax.queue.claims import FaxClaims
from tests.queue.test_queue import QUICK, Running, letter, request, running

__all__ = ["letter"]

JOINED = {**QUICK, "joined_faxes": 5}


def with_faxes(
    folder: Path,
    number: str,
    letter: Path,
    work: Callable[[Running, list[Fax]], Awaitable[None]],
    *each: dict[str, Any],
    **queue: Any,
) -> None:
    """Order faxes to one number at once, and do something about them; `each` has what is special of one."""

    async def run() -> None:
        async with running(folder, queue={**JOINED, **queue}) as r:
            requests = [request(number, letter, **special) for special in (each or ({}, {}, {}))]
            await work(r, await r.queue.submit(requests))

    asyncio.run(run())


async def all_delivered(r: Running, faxes: list[Fax]) -> list[Fax]:
    ended = [await r.until(fax.id) for fax in faxes]
    assert [fax.state for fax in ended] == [FaxState.DELIVERED] * len(faxes)
    return ended


def causes(fax: Fax) -> list[Cause | None]:
    return [attempt.cause for attempt in fax.attempts]


def test_faxes_that_are_due_together_go_in_one_call(tmp_path: Path, letter: Path) -> None:
    async def work(r: Running, faxes: list[Fax]) -> None:
        ended = await all_delivered(r, faxes)
        await r.all_told()
        assert r.far_ends.calls == ["ok"]
        assert [page for _, page in r.far_ends.pages] == [1, 2, 3] * 3
        assert {attempt.joined for fax in ended for attempt in fax.attempts} == {faxes[0].id}
        for fax in ended:
            (result,) = r.results(fax.id)
            assert (result.success, result.pages, result.pages_total) == (True, 3, 3)
            assert [state for state in r.states(fax.id) if state != "queued"] == ["preparing", "sending", "delivered"]

    with_faxes(tmp_path, "ok", letter, work)


@pytest.mark.parametrize(
    ("queue", "calls"), [({"joined_faxes": 1}, 3), ({"joined_faxes": 2}, 2), ({"joined_pages": 6}, 2)]
)
def test_limits(tmp_path: Path, letter: Path, queue: dict[str, Any], calls: int) -> None:
    async def work(r: Running, faxes: list[Fax]) -> None:
        await all_delivered(r, faxes)
        assert len(r.far_ends.calls) == calls

    with_faxes(tmp_path, "ok", letter, work, **queue)


@pytest.mark.parametrize(
    "special",
    [
        {"ident": "OTHER"},
        {"subaddress": "7"},
        {"sender_id": "1"},
        {"ecm": False},
        {"max_rate_bps": 9600},
        {"mode": ModePolicy.AUDIO},
    ],
)
def test_what_is_said_once_in_a_call_has_to_be_the_same(tmp_path: Path, letter: Path, special: dict[str, Any]) -> None:
    async def work(r: Running, faxes: list[Fax]) -> None:
        first, other, third = await all_delivered(r, faxes)
        assert len(r.far_ends.calls) == 2
        assert [fax.attempts[0].joined for fax in (first, other, third)] == [first.id, "", first.id]

    with_faxes(tmp_path, "ok", letter, work, {}, special, {})


@pytest.mark.parametrize(
    ("kind", "cause"), [("busy+ok", Cause.BUSY), ("train+ok", Cause.TRAINING), ("cut2+ok", Cause.BROKEN)]
)
def test_those_that_are_not_reached_go_with_the_next_call(
    tmp_path: Path, letter: Path, kind: str, cause: Cause
) -> None:
    async def work(r: Running, faxes: list[Fax]) -> None:
        ended = await all_delivered(r, faxes)
        assert causes(ended[0]) == [cause, None]
        assert [causes(fax)[0] for fax in ended[1:]] == [Cause.NOT_REACHED] * 2
        assert len(r.far_ends.pages) == 9, "no page is sent twice"

    with_faxes(tmp_path, kind, letter, work)


def test_those_that_are_not_reached_stay_together_on_a_machine_that_is_slow(
    tmp_path: Path, letter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end of one is written while it is looked for what is due, and the end of the one before it was before that."""
    told = FaxClaims._room

    async def late(self: FaxClaims) -> Any:
        room = await told(self)
        await asyncio.sleep(0.3)
        return room

    async def work(r: Running, faxes: list[Fax]) -> None:
        await r.until(faxes[0].id, FaxState.SENDING)
        await r.until(faxes[3].id, FaxState.PREPARING)
        await r.queue.cancel(faxes[0].id)
        r.far_ends.release.set()
        ended = await all_delivered(r, faxes[1:])
        assert len(r.far_ends.calls) == 2
        assert [causes(fax) for fax in ended] == [[Cause.NOT_REACHED, None]] * 3

    monkeypatch.setattr(FaxClaims, "_room", late)
    with_faxes(tmp_path, "held", letter, work, {}, {}, {}, {})


def test_a_turn_that_does_not_come_is_no_try(tmp_path: Path, letter: Path) -> None:
    async def work(r: Running, faxes: list[Fax]) -> None:
        ended = [await r.until(fax.id) for fax in faxes]
        assert [fax.state for fax in ended] == [FaxState.FAILED] * 3
        for fax in ended:
            assert causes(fax).count(Cause.BUSY) == 3
        # Each has been the first of a call three times.
        assert len(r.far_ends.calls) == 9

    with_faxes(tmp_path, "busy", letter, work)


def test_a_crash_leaves_those_whose_turn_had_not_come_as_not_sent(tmp_path: Path, letter: Path) -> None:
    async def work(r: Running, faxes: list[Fax]) -> None:
        first = await r.until(faxes[0].id)
        assert (first.state, first.pages) == (FaxState.UNCERTAIN, 1)
        ended = await all_delivered(r, faxes[1:])
        assert all(Cause.CRASH not in causes(fax) for fax in ended)
        assert len(r.far_ends.pages) == 1 + 6

    with_faxes(tmp_path, "crash1+ok", letter, work)


@pytest.mark.parametrize("which", [0, 1, 2])
def test_one_that_is_cancelled_is_not_sent_and_the_others_are(tmp_path: Path, letter: Path, which: int) -> None:
    async def work(r: Running, faxes: list[Fax]) -> None:
        await r.until(faxes[0].id, FaxState.SENDING)
        await r.until(faxes[2].id, FaxState.PREPARING)
        await r.queue.cancel(faxes[which].id)
        r.far_ends.release.set()
        assert (await r.until(faxes[which].id)).state is FaxState.CANCELLED
        others = await all_delivered(r, [fax for fax in faxes if fax is not faxes[which]])
        assert len(r.far_ends.calls) == (2 if which == 0 else 1)
        assert len(r.far_ends.pages) == 6
        assert all(len(fax.attempts) == (2 if which == 0 else 1) for fax in others)

    with_faxes(tmp_path, "held", letter, work)


def test_a_far_end_that_takes_one_fax_a_call_is_called_for_each(tmp_path: Path, letter: Path) -> None:
    async def work(r: Running, faxes: list[Fax]) -> None:
        ended = await all_delivered(r, faxes)
        assert causes(ended[0]) == [None]
        assert len(r.far_ends.calls) == 3
        assert (await asyncio.to_thread(r.queue.memory.of, ended[0].to)).joined_failed
        later = await r.queue.submit([request("alone", letter), request("alone", letter)])
        assert all(len(fax.attempts) == 1 for fax in await all_delivered(r, later)), "it is known now"

    with_faxes(tmp_path, "alone", letter, work)


@pytest.mark.parametrize(("joined", "configured", "calls"), [("on", 1, 1), ("off", 5, 3)])
def test_what_people_want_for_a_number_comes_before_the_configuration(
    tmp_path: Path, letter: Path, joined: str, configured: int, calls: int
) -> None:
    async def run() -> None:
        async with running(tmp_path, queue={**QUICK, "joined_faxes": configured}) as r:
            requests = [request("ok", letter) for _ in range(3)]
            await asyncio.to_thread(r.queue.memory.prefer, requests[0].to, "", 0, joined)
            await all_delivered(r, await r.queue.submit(requests))
            assert len(r.far_ends.calls) == calls

    asyncio.run(run())
