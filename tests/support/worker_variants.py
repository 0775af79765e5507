# SPDX-License-Identifier: GPL-2.0-or-later
"""Processes for calls that are not as they should be: `python -m tests.support.worker_variants unguarded|hostile FD`."""

from __future__ import annotations

import functools
import sys

from softfax.engine import Fault, T30Settings
from softfax.fax import runtime
from softfax.station import worker

#: Without the guard before spandsp; and one that sends the frame the guard is there for.
VARIANTS = {"unguarded": {"guard": False}, "hostile": {"fault": Fault.SHORT_FCD}}

if __name__ == "__main__":
    runtime.T30Settings = functools.partial(T30Settings, **VARIANTS[sys.argv.pop(1)])  # type: ignore[misc,assignment]
    sys.exit(worker.main())
