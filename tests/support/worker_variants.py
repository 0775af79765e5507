# SPDX-License-Identifier: GPL-2.0-or-later
"""Processes for calls that are not as they should be: `python -m tests.support.worker_variants unguarded|hostile FD`."""

from __future__ import annotations

import sys
from typing import Any

from softfax.engine.core import Engine, EngineSession
from softfax.fax import runtime
from softfax.station import worker
from tests.support import engine_testing
from tests.support.engine_testing import Fault, misbehave

#: Without the guard before spandsp; and one that sends the frame the guard is there for.
VARIANTS = {"unguarded": Fault.UNGUARDED, "hostile": Fault.SHORT_FCD}


class FaultyEngine(Engine):
    """An engine whose sessions all misbehave."""

    fault = Fault.NONE

    def session(self, *arguments: Any, **named: Any) -> EngineSession:
        made = super().session(*arguments, **named)
        misbehave(made, self.fault)
        return made


if __name__ == "__main__":
    engine_testing.load()
    FaultyEngine.fault = VARIANTS[sys.argv.pop(1)]
    runtime.Engine = FaultyEngine  # type: ignore[misc]
    sys.exit(worker.main())
