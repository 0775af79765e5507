# SPDX-License-Identifier: GPL-2.0-or-later
"""Faxes over the line of a cell, one for each seed, and what became of them together."""

from __future__ import annotations

import os
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from softfax.documents.tiff import TiffWriter, read_pages
from softfax.engine.abi import EventType
from softfax.engine.core import Engine, EngineEvent, T30Settings, completion_text
from softfax.engine.line import run_line
from softfax.impair.cells import Cell

__all__ = ["CellResult", "LineFax", "draw_pages", "fax_over", "figure_of_merit", "run_cells"]

PAGES = 3
ROWS, WIDTH = 1100, 1728


@dataclass(frozen=True)
class LineFax:
    """Outcome of one fax. `delivered`: its last page was confirmed; `identical`: all came dot for dot; `received`: the
    receiver reports success; `wrong`: something that must never be.
    """

    seed: int
    delivered: bool
    identical: bool
    received: bool
    wrong: str
    pages: int
    pages_total: int
    seconds: float
    rate_bps: int
    sender: str
    receiver: str


@dataclass(frozen=True)
class CellResult:
    """Outcome of the faxes of a cell."""

    cell: Cell
    faxes: Sequence[LineFax]
    merit: float

    @property
    def seconds(self) -> float:
        """Median duration of a call."""
        return statistics.median(fax.seconds for fax in self.faxes)

    def count(self, name: str) -> int:
        """Number of faxes that were `delivered`, `identical`, `received`, or `wrong`."""
        return sum(bool(getattr(fax, name)) for fax in self.faxes)


def figure_of_merit(faxes: Sequence[LineFax], clean_s: float) -> float:
    """A figure of merit from 0 to 100 by the idea of ITU-T E.458: what a user got of what was asked for.

    A fax counts by how much of it was confirmed and by its speed, `clean_s` being what it takes on a perfect line; by nothing
    where a page was confirmed that differs from what was sent.
    """
    marks = [
        0.0 if fax.wrong else fax.pages / fax.pages_total * min(1.0, clean_s / fax.seconds) if fax.seconds else 0.0
        for fax in faxes
    ]
    return 100 * statistics.mean(marks) if marks else 0.0


def draw_pages(path: Path, count: int = PAGES) -> None:
    """A fax TIFF of pages with ruled lines, a frame and a grey block, each page different."""
    chance = np.random.default_rng(7)
    with TiffWriter(path) as writer:
        for number in range(count):
            white = np.ones((ROWS, WIDTH), dtype=bool)
            white[20 + 10 * number :: 47, 100:1600] = False
            white[10:-10, 90 + number : 94 + number] = False
            block = white[100:300, 400:900]
            block &= chance.random(block.shape) > 0.1
            writer.add(Image.fromarray(white), 204, 196)


def fax_over(cell: Cell, seed: int, document: Path, ecm: bool = True) -> LineFax:
    """One fax over the line of a cell. Blocks; simulated time costs a hundredth of itself."""
    with tempfile.TemporaryDirectory(prefix="softfax-impair-") as folder, Engine(shards=1) as engine:
        got = Path(folder) / "received.tif"
        sender = engine.session(T30Settings(caller=True, tx_file=document, ident="SENDER", ecm=ecm))
        receiver = engine.session(T30Settings(caller=False, rx_file=got, ident="RECEIVER"))
        seconds, ended = run_line(sender, receiver, cell.of(seed))
        events = list(engine.events())
        sender.close()
        receiver.close()
        out, back = (_complete(events, session.id) for session in (sender, receiver))
        same = [np.array_equal(x, y) for x, y in zip(_dots(document), _dots(got), strict=False)]
        total, came = sum(1 for _ in _dots(document)), sum(1 for _ in _dots(got))
    confirmed, code = (out.values[0], out.code) if out else (0, -1)
    delivered = code == 0 or confirmed == total
    identical = came == total and all(same)
    received = back is not None and back.code == 0
    differs = ecm and (came < confirmed or not all(same[:confirmed]))
    wrong = (
        "a confirmed page differs" if differs
        else "a call without end" if not ended
        else "a complete fax reported as failed" if identical and not received
        else ""
    )  # fmt: skip
    return LineFax(
        seed, delivered, identical, received, wrong, confirmed, total, seconds, out.values[2] if out else 0,
        completion_text(code) if out else "no end", completion_text(back.code) if back else "no end",
    )  # fmt: skip


def _complete(events: Sequence[EngineEvent], session: int) -> EngineEvent | None:
    found = [e for e in events if e.type is EventType.COMPLETE and e.session == session]
    return found[-1] if found else None


def _dots(path: Path) -> Iterator[npt.NDArray[np.bool_]]:
    if path.exists() and path.stat().st_size > 8:
        for _, dots in read_pages(path):
            yield dots


def run_cells(
    cells: Sequence[Cell], faxes: int, document: Path, *, ecm: bool = True, first_seed: int = 1
) -> Iterator[CellResult]:
    """Each cell's result as it is there; its faxes run on all processors."""
    clean_s: dict[str, float] = {}
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for cell in cells:
            mode = cell.line.mode
            if mode not in clean_s:
                clean_s[mode] = fax_over(Cell("clean", "", type(cell.line)(mode=mode)), 1, document, ecm).seconds
            seeds = range(first_seed, first_seed + faxes)
            done = list(pool.map(fax_over, repeat(cell), seeds, repeat(document), repeat(ecm)))
            yield CellResult(cell, done, figure_of_merit(done, clean_s[mode]))
