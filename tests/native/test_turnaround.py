# SPDX-License-Identifier: GPL-2.0-or-later
"""Turnaround polling: a caller sends, and in the same call fetches what the far end has put out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from softfax.documents.tiff import read_pages
from softfax.engine.abi import EventType
from softfax.engine.core import Engine, EngineEvent, T30Settings
from softfax.engine.line import LineSettings, run_line
from tests.native.pages import write_pages
from tests.native.test_unpaced import DIRECT

LINES = [LineSettings(), LineSettings(mode="PCMU"), LineSettings(udptl=DIRECT)]
NOTHING_TO_POLL = 10


@dataclass
class Turned:
    """The outcome of a call: how each side ended, the pages that the caller had confirmed before the turn and after it, and
    how many pages arrived as they were, there and back."""

    caller: list[EngineEvent]
    answerer: list[EngineEvent]
    there: int
    back: int

    def end(self, side: list[EngineEvent]) -> int:
        return next(e.code for e in side if e.type is EventType.COMPLETE)

    def confirmed(self, side: list[EngineEvent]) -> tuple[int, int]:
        turn = next((n for n, e in enumerate(side) if e.type is EventType.TURNED), len(side))
        pages = [n for n, e in enumerate(side) if e.type is EventType.PAGE and e.values[7]]
        return sum(n < turn for n in pages), sum(n > turn for n in pages)


def same(sent: Path, received: Path) -> int:
    got = [dots for _, dots in read_pages(received)] if received.exists() else []
    return sum(np.array_equal(a, b) for a, (_, b) in zip(got, read_pages(sent), strict=False))


def call(
    tmp_path: Path,
    line: LineSettings,
    *,
    ecm: bool = True,
    caller: Any = None,
    answerer: Any = None,
    sends: bool = True,
    fetches: bool = True,
    out: bool = True,
) -> Turned:
    """A caller that `sends` two pages and `fetches`; an answerer that receives, and has three pages `out`."""
    sent, fetched, received, put_out = (tmp_path / f"{name}.tif" for name in ("sent", "fetched", "received", "out"))
    write_pages(sent, 2)
    write_pages(put_out, 3, rows=400)
    with Engine(shards=1) as engine:
        a = engine.session(
            T30Settings(
                caller=True,
                ecm=ecm,
                tx_file=sent if sends else None,
                rx_file=fetched if fetches else None,
                **(caller or {}),
            )
        )
        b = engine.session(
            T30Settings(caller=False, ecm=ecm, tx_file=put_out if out else None, rx_file=received, **(answerer or {}))
        )
        run_line(a, b, line)
        events = list(engine.events())
        ids = a.id, b.id
        a.close()
        b.close()
    there, back = ([e for e in events if e.session == one] for one in ids)
    return Turned(there, back, same(sent, received), same(put_out, fetched))


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("ecm", [True, False])
def test_a_fax_goes_there_and_another_comes_back(tmp_path: Path, line: LineSettings, ecm: bool) -> None:
    done = call(tmp_path, line, ecm=ecm)

    assert (done.there, done.back) == (2, 3)
    assert done.end(done.caller) == done.end(done.answerer) == 0
    assert done.confirmed(done.caller) == done.confirmed(done.answerer) == (2, 3)


@pytest.mark.parametrize("line", LINES)
def test_where_nothing_is_out_the_fax_is_sent_as_ever(tmp_path: Path, line: LineSettings) -> None:
    done = call(tmp_path, line, out=False)

    assert (done.there, done.back) == (2, 0)
    assert done.end(done.caller) == done.end(done.answerer) == 0
    assert done.confirmed(done.caller) == (2, 0)
    assert not [e for e in (*done.caller, *done.answerer) if e.type is EventType.TURNED]


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("ecm", [True, False])
def test_who_has_something_out_receives_a_fax_too(tmp_path: Path, line: LineSettings, ecm: bool) -> None:
    done = call(tmp_path, line, ecm=ecm, fetches=False)

    assert (done.there, done.end(done.caller), done.end(done.answerer)) == (2, 0, 0)
    assert not [e for e in done.answerer if e.type is EventType.TURNED]


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("ecm", [True, False])
def test_who_receives_is_polled_alone(tmp_path: Path, line: LineSettings, ecm: bool) -> None:
    done = call(tmp_path, line, ecm=ecm, sends=False)

    assert (done.back, done.end(done.caller), done.end(done.answerer)) == (3, 0, 0)
    assert done.confirmed(done.answerer) == (0, 3)


@pytest.mark.parametrize("mode", ["T38", "PCMU"])
@pytest.mark.parametrize(
    ("asks", "back"),
    [({"selective": "17", "password": "4711"}, 3), ({"selective": "17", "password": "1"}, 0), ({}, 0)],
)
def test_a_wrong_password_takes_nothing_from_what_was_sent(
    tmp_path: Path, mode: str, asks: dict[str, str], back: int
) -> None:
    done = call(tmp_path, LineSettings(mode=mode), caller=asks, answerer={"selective": "17", "password": "4711"})

    assert (done.there, done.back) == (2, back)
    assert (done.end(done.caller) == 0) is (done.end(done.answerer) == 0) is bool(back)
    assert done.confirmed(done.caller) == done.confirmed(done.answerer) == (2, back)


@pytest.mark.parametrize("mode", ["T38", "PCMU"])
def test_a_call_that_breaks_after_the_turn_leaves_what_was_sent(tmp_path: Path, mode: str) -> None:
    whole = call(tmp_path, LineSettings(mode=mode))
    turned_s = next(e.time_s for e in whole.caller if e.type is EventType.TURNED)
    ended_s = next(e.time_s for e in whole.caller if e.type is EventType.COMPLETE)

    done = call(tmp_path, LineSettings(mode=mode, limit_s=(turned_s + ended_s) / 2))

    assert done.there == 2
    assert done.back < 3
    assert done.confirmed(done.caller)[0] == done.confirmed(done.answerer)[0] == 2
    assert 0 not in (done.end(done.caller), done.end(done.answerer))


@pytest.mark.parametrize("seed", range(1, 5))
def test_a_bad_network_costs_time_alone(tmp_path: Path, seed: int) -> None:
    done = call(tmp_path, LineSettings(loss=0.02, jitter_ms=60, seed=seed))

    assert (done.there, done.back) == (2, 3)
    assert done.end(done.caller) == done.end(done.answerer) == 0
