# SPDX-License-Identifier: GPL-2.0-or-later
"""Polling by DTC, with a document that is chosen (SEP) and its password (PWD); subaddress and sender's identity (SUB, SID)."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from softfax.documents.tiff import read_pages
from softfax.engine.abi import DisVerdict, EventType
from softfax.engine.core import Engine, EngineEvent, EngineSession, T30Settings, completion_text
from softfax.engine.line import LineSettings, run_line
from softfax.errors import NativeError, UsageError
from softfax.fax.feed import page_format
from tests.native.pages import write_pages
from tests.native.test_line import fax
from tests.native.test_unpaced import DIRECT


def poll(tmp_path: Path, line: LineSettings, asks: dict[str, Any], wants: dict[str, Any]) -> tuple[str, str, int]:
    """Return how polling ended for who polls and for who has the document; the pages that came whole."""
    sent, received = tmp_path / "sent.tif", tmp_path / "received.tif"
    write_pages(sent, 2)
    with Engine(shards=1) as engine:
        poller = engine.session(T30Settings(caller=True, rx_file=received, **asks))
        polled = engine.session(T30Settings(caller=False, tx_file=sent, **wants))
        _, completed = run_line(poller, polled, line)
        events = [e for e in engine.events() if e.type is EventType.COMPLETE]
        ids = poller.id, polled.id
    assert completed
    ends = [completion_text(next(e.code for e in events if e.session == one)) for one in ids]
    got = [dots for _, dots in read_pages(received)] if received.exists() else []
    same = [np.array_equal(a, b) for a, (_, b) in zip(got, read_pages(sent), strict=False)]
    return ends[0], ends[1], sum(same)


@pytest.mark.parametrize("line", [LineSettings(), LineSettings(mode="PCMU"), LineSettings(udptl=DIRECT)])
def test_a_document_is_polled(tmp_path: Path, line: LineSettings) -> None:
    assert poll(tmp_path, line, {}, {}) == ("OK", "OK", 2)


@pytest.mark.parametrize(
    ("asks", "pages"),
    [
        ({"selective": "17", "password": "4711"}, 2),
        ({"selective": "18", "password": "4711"}, 0),
        ({"selective": "17", "password": "1234"}, 0),
        ({"selective": "17"}, 0),
        ({}, 0),
    ],
)
def test_it_is_had_by_its_number_and_password_alone(tmp_path: Path, asks: dict[str, Any], pages: int) -> None:
    poller, polled, got = poll(tmp_path, LineSettings(), asks, {"selective": "17", "password": "4711"})

    assert got == pages
    assert (poller == "OK") is (polled == "OK") is bool(pages)


def test_where_there_is_nothing_to_poll_it_ends_at_once(tmp_path: Path) -> None:
    with Engine(shards=1) as engine:
        poller = engine.session(T30Settings(caller=True, rx_file=tmp_path / "a.tif"))
        other = engine.session(T30Settings(caller=False, rx_file=tmp_path / "b.tif"))
        seconds, _ = run_line(poller, other, LineSettings(mode="T38"))
        codes = {e.session: e.code for e in engine.events() if e.type is EventType.COMPLETE}
        code = codes[poller.id]
    assert code == 10  # nothing to poll
    assert seconds < 10


def said(event: EngineEvent) -> list[bytes]:
    return event.data.split(b"\0")[:2]


@pytest.mark.parametrize("mode", ["T38", "PCMU"])
def test_subaddress_and_sender_arrive(tmp_path: Path, mode: str) -> None:
    made = fax(tmp_path, LineSettings(mode=mode), sender={"subaddress": "42#7", "sender_id": "815"})

    assert made.identical
    assert said(made.last(made.receiver, EventType.NEGOTIATED)) == [b"42#7", b"815"]
    plain = fax(tmp_path, LineSettings(mode=mode))
    assert said(plain.last(plain.receiver, EventType.NEGOTIATED)) == [b"", b""]


PRICES, TIMES, SECRET, OPEN = ("17", ""), ("18", ""), ("18", "99"), ("", "")


@pytest.mark.parametrize("mode", ["T38", "PCMU"])
@pytest.mark.parametrize(
    ("out", "asks", "got"),
    [
        ([PRICES, TIMES], ("17", ""), 0),
        ([PRICES, TIMES], ("18", ""), 1),
        ([PRICES, SECRET, TIMES], ("18", "99"), 1),
        ([PRICES, SECRET, TIMES], ("18", ""), 2),
        ([OPEN, TIMES], ("18", ""), 1),
        ([OPEN, TIMES], ("19", ""), 0),
        ([PRICES, OPEN], ("", ""), 1),
        ([PRICES, TIMES], ("", ""), None),
        ([PRICES, SECRET], ("18", "98"), None),
    ],
)
def test_of_several_documents_the_far_end_has_the_one_it_names(
    tmp_path: Path, mode: str, out: list[tuple[str, str]], asks: tuple[str, str], got: int | None
) -> None:
    files = [tmp_path / f"{number}.tif" for number in range(len(out))]
    for number, file in enumerate(files):
        write_pages(file, number + 1)
    received = tmp_path / "received.tif"
    with Engine(shards=1) as engine:
        poller = engine.session(T30Settings(caller=True, rx_file=received, selective=asks[0], password=asks[1]))
        polled = engine.session(T30Settings(caller=False, tx_file=files[0]))
        polled.polled(out)
        chosen = threading.Thread(target=bring, args=(engine, polled, files), daemon=True)
        chosen.start()
        run_line(poller, polled, LineSettings(mode=mode, pace_us=200))
        engine.close()
        chosen.join()
    pages = [dots for _, dots in read_pages(received)] if received.exists() else []
    assert len(pages) == (0 if got is None else got + 1)


@pytest.mark.parametrize("mode", ["T38", "PCMU"])
@pytest.mark.parametrize("late_s", [0.05, 0.1, 0.5])
def test_a_document_that_comes_late_is_not_another(tmp_path: Path, mode: str, late_s: float) -> None:
    """Three seconds of silence are 0.03 s here: the poller asks again, by DTC or by DIS, and at last hangs up."""
    files = [tmp_path / "first.tif", tmp_path / "second.tif"]
    write_pages(files[0], 1, rows=300)
    write_pages(files[1], 1, rows=400)
    received = tmp_path / "received.tif"
    with Engine(shards=1) as engine:
        poller = engine.session(T30Settings(caller=True, rx_file=received, selective=TIMES[0]))
        polled = engine.session(T30Settings(caller=False, tx_file=files[0]))
        polled.polled([PRICES, TIMES])
        chosen = threading.Thread(target=bring, args=(engine, polled, files, late_s), daemon=True)
        chosen.start()
        run_line(poller, polled, LineSettings(mode=mode, pace_us=200))
        engine.close()
        chosen.join()
    pages = [len(dots) for _, dots in read_pages(received)] if received.exists() else []
    assert pages in ([400], [])


def test_as_many_documents_are_out_at_a_number_as_a_station_puts_out(tmp_path: Path) -> None:
    """1000 of its configuration, and 1000 by orders."""
    sent = tmp_path / "sent.tif"
    write_pages(sent, 1)
    with Engine(shards=1) as engine:
        poller = engine.session(T30Settings(caller=True, rx_file=tmp_path / "received.tif", selective="1999"))
        polled = engine.session(T30Settings(caller=False, tx_file=sent))
        polled.polled([(str(number), "") for number in range(2000)])
        run_line(poller, polled, LineSettings())
        asked = [e.values[1] for e in engine.events() if e.session == polled.id and e.code == DisVerdict.OTHER]
    assert asked
    assert set(asked) == {1999}


def bring(engine: Engine, polled: EngineSession, files: list[Path], late_s: float = 0.0) -> None:
    """Put the document that was named in place of the one that is there, as a station does."""
    asked = False
    while not asked:
        try:
            for event in engine.events():
                if event.session == polled.id and event.type is EventType.DIS and event.code == DisVerdict.OTHER:
                    time.sleep(late_s)
                    pages = [page_format(page) for page, _ in read_pages(files[event.values[1]])]
                    polled.document(pages, more=False, path=files[event.values[1]], polled=event.values[1])
                    asked = True
            time.sleep(0.001)
        except (NativeError, UsageError):
            return  # the call is over
