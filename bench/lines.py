# SPDX-License-Identifier: GPL-2.0-or-later
"""Faxes over bad lines in memory, counted by cell: `python -m bench.lines [CELL...] [--faxes N]`.

Each fax has three pages and a seed of its own. Printed are those delivered (the sender's last page confirmed), those whose pages
arrived dot for dot, those whose receiver reports success, and what must never be: a page confirmed that differs under error
correction, a complete fax reported as failed by both sides, a wait without end.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from softfax.documents.tiff import read_pages
from softfax.engine import Engine, EventType, LineSettings, T30Settings, UdptlSettings, run_line
from tests.native.pages import write_pages

PAGES = 3
#: Simulated time at which a call has waited too long.
LIMIT_S = 1800.0
#: Packets are lost by number: about as many a second as the medium sends.
AUDIO, T38 = 50, 30


def _t38(redundancy: int = 3, **line: float) -> LineSettings:
    return LineSettings(mode="T38", limit_s=LIMIT_S, udptl=UdptlSettings(redundancy=redundancy), **line)  # type: ignore[arg-type]


def _audio(**line: float) -> LineSettings:
    return LineSettings(mode="PCMU", limit_s=LIMIT_S, **line)  # type: ignore[arg-type]


def _outage(line: LineSettings, seed: int) -> LineSettings:
    """All packets of two seconds, at a moment by seed."""
    begin = 5.0 + seed * 4.7 % 60
    return _replace(line, loss=1.0, loss_from_s=begin, loss_until_s=begin + 2.0)


def _replace(line: LineSettings, **changes: float) -> LineSettings:
    return LineSettings(**{**{name: getattr(line, name) for name in LineSettings.__dataclass_fields__}, **changes})


CELLS: dict[str, LineSettings] = {
    "t38-1%": _t38(loss=0.01),
    "t38-20%": _t38(loss=0.2),
    "t38-30%": _t38(loss=0.3),
    "t38-burst-200ms": _t38(loss=0.03 / (0.2 * T38), burst_s=0.2),
    "t38-burst-1s": _t38(loss=0.03 / T38, burst_s=1.0),
    "t38-outage-2s": _t38(),
    "t38-plain-5%": _t38(redundancy=0, loss=0.05),
    "t38-plain-jitter": _t38(redundancy=0, jitter_ms=120, delay_ms=20),
    "audio-0.1%": _audio(loss=0.001),
    "audio-0.5%": _audio(loss=0.005),
    "audio-1%": _audio(loss=0.01),
    "audio-2%": _audio(loss=0.02),
    "audio-burst-1%": _audio(loss=0.01 / (0.1 * AUDIO), burst_s=0.1),
    "audio-outage-2s": _audio(),
}


@dataclass(frozen=True)
class Fax:
    """What became of a fax."""

    delivered: bool
    identical: bool
    received: bool
    ended: bool
    codes: tuple[int, int]
    seconds: float


def fax(cell: str, seed: int) -> Fax:
    """One fax over the line of a cell."""
    line = _replace(CELLS[cell], seed=seed)
    if "outage" in cell:
        line = _outage(line, seed)
    with tempfile.TemporaryDirectory() as folder, Engine(shards=1) as engine:
        sent, got = Path(folder) / "sent.tif", Path(folder) / "got.tif"
        write_pages(sent, PAGES, rows=1100, density=0.1)
        a = engine.session(T30Settings(caller=True, tx_file=sent, ident="SENDER"))
        b = engine.session(T30Settings(caller=False, rx_file=got, ident="RECEIVER"))
        seconds, ended = run_line(a, b, line)
        events = {s.id: [] for s in (a, b)}  # type: ignore[var-annotated]
        for event in engine.events():
            events[event.session].append(event)
        a.close()
        b.close()
        ends = [[e for e in events[s.id] if e.type is EventType.COMPLETE] for s in (a, b)]
        codes = tuple(e[-1].code if e else -1 for e in ends)
        want = [dots for _, dots in read_pages(sent)]
        had = [dots for _, dots in read_pages(got)] if got.exists() else []
    same = len(had) == PAGES and all(np.array_equal(x, y) for x, y in zip(want, had, strict=True))
    pages = ends[0][-1].values[0] if ends[0] else 0
    return Fax(codes[0] == 0 or pages == PAGES, same, codes[1] == 0, ended, (codes[0], codes[1]), seconds)


def main() -> int:
    """Prints a line for each cell."""
    parser = argparse.ArgumentParser(prog="python -m bench.lines")
    parser.add_argument("cells", nargs="*", help=", ".join(CELLS))
    parser.add_argument("--faxes", type=int, default=20, help="for each cell")
    args = parser.parse_args()
    wrong = 0
    print(f"{'cell':<18} {'delivered':>9} {'identical':>9} {'receiver':>9} {'never':>6}  codes of those that failed")
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for cell in args.cells or CELLS:
            faxes = list(pool.map(fax, [cell] * args.faxes, range(1, args.faxes + 1)))
            never = sum(
                (f.delivered and not f.identical) or (f.identical and not f.received) or not f.ended for f in faxes
            )
            codes = " ".join(f"{f.codes[0]}/{f.codes[1]}" for f in faxes if not (f.delivered and f.received))
            print(
                f"{cell:<18} {sum(f.delivered for f in faxes):>9} {sum(f.identical for f in faxes):>9}"
                f" {sum(f.received for f in faxes):>9} {never:>6}  {codes}",
                flush=True,
            )
            wrong += never
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
