# SPDX-License-Identifier: GPL-2.0-or-later
"""The limit: the same fax between two spandsp endpoints in memory, without sockets, clock or SIP.

`python -m bench.limit MODE FILE FOLDER REPEATS` prints one JSON object: CPU seconds, simulated seconds, the files.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from softfax.engine.core import Engine, T30Settings
from softfax.engine.line import LineSettings, run_line

LINES = {"t38": "T38", "audio": "PCMU"}


def main() -> None:
    mode, file, folder, repeats = sys.argv[1:]
    cpu_s = simulated_s = 0.0
    files = []
    with Engine(shards=1) as engine:
        for n in range(int(repeats)):
            received = Path(folder) / f"{n}.tif"
            a = engine.session(T30Settings(caller=True, tx_file=Path(file), ident="SENDER"))
            b = engine.session(T30Settings(caller=False, rx_file=received, ident="RECEIVER"))
            begin = time.process_time()
            seconds, _ = run_line(a, b, LineSettings(mode=LINES[mode]))
            cpu_s += time.process_time() - begin
            simulated_s += seconds
            a.close()
            b.close()
            files.append(str(received))
    print(json.dumps({"cpu_s": cpu_s, "simulated_s": simulated_s, "files": files}))


if __name__ == "__main__":
    main()
