# SPDX-License-Identifier: GPL-2.0-or-later
"""The process that runs a station's calls (`softfax.station.worker`), with the station's log."""

from __future__ import annotations

import sys

from softfax.ops import logs
from softfax.station.worker import main

__all__ = ["COMMAND"]

#: What starts it, before the number of its socket.
COMMAND = (sys.executable, "-m", "softfax.ops.worker")

if __name__ == "__main__":
    sys.exit(main(logs.set_up))
