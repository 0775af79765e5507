# SPDX-License-Identifier: GPL-2.0-or-later
"""The limit: the same fax between two spandsp endpoints in memory, without sockets, clock or SIP.

`python -m bench.limit MODE FILE FOLDER REPEATS` prints one JSON object: CPU seconds, simulated seconds, the files.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from softfax.engine.core import Engine, T30Settings
from softfax.engine.gateway import Gateway, LegSettings, run_gateway_line
from softfax.engine.line import LineSettings, run_line

__all__ = ["LINES", "InMemory", "faxes_in_memory"]

LINES = {mode: LineSettings(mode=line) for mode, line in (("t38", "T38"), ("audio", "PCMU"))}  # type: ignore[arg-type]


@dataclass
class InMemory:
    """CPU of all the faxes, their simulated time, and what was received."""

    cpu_s: float = 0.0
    simulated_s: float = 0.0
    files: list[str] = field(default_factory=list)


def faxes_in_memory(
    document: Path, folder: Path, repeats: int, line: LineSettings, onward: LineSettings | None = None
) -> InMemory:
    """Send one fax again and again over a line; with `onward` through a gateway that joins the two."""
    done = InMemory()
    with Engine(shards=1) as engine:
        for n in range(repeats):
            received = folder / f"{n}.tif"
            a = engine.session(T30Settings(caller=True, tx_file=document, ident="SENDER"))
            b = engine.session(T30Settings(caller=False, rx_file=received, ident="RECEIVER"))
            gateway = Gateway(engine, LegSettings(), LegSettings()) if onward else None
            begin = time.process_time()
            if gateway and onward:
                seconds, _ = run_gateway_line(a, gateway, b, line, onward)
            else:
                seconds, _ = run_line(a, b, line)
            done.cpu_s += time.process_time() - begin
            done.simulated_s += seconds
            for one in (gateway, a, b):
                if one:
                    one.close()
            done.files.append(str(received))
    return done


def main() -> None:
    mode, file, folder, repeats = sys.argv[1:]
    print(json.dumps(asdict(faxes_in_memory(Path(file), Path(folder), int(repeats), LINES[mode]))))


if __name__ == "__main__":
    main()
