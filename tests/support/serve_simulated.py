# SPDX-License-Identifier: GPL-2.0-or-later
"""`softfax serve` with simulated far ends, which say on standard output what reaches them, and a database that is soon given up."""

from __future__ import annotations

import sys
from typing import Any

from softfax.cli import serving
from softfax.cli.main import main
from softfax.database import database, postgresql
from tests.support.simulated_calls import FarEnds, SimulatedCalls

STEP_S = 0.15
#: How long the database may take to answer, or to be unlocked.
ANSWER_S = 2

if __name__ == "__main__":

    def _tell(what: str, number: str, page: int) -> None:
        print(f"far end: {what} {number} {page}", flush=True)

    def _host(config: Any, report: Any, command: Any) -> SimulatedCalls:
        return SimulatedCalls(config, report, FarEnds(_tell), STEP_S)

    serving.Workers = _host  # type: ignore[assignment, misc]
    postgresql.ANSWER_S = float(ANSWER_S)
    database.BUSY_TIMEOUT_MS = ANSWER_S * 1000
    # How long a transaction may idle is up to the server here.
    options = "-c lock_timeout=4s -c statement_timeout=10s"
    database.POSTGRESQL = {**postgresql.POSTGRESQL, "connect_timeout": ANSWER_S, "options": options}  # type: ignore[attr-defined]
    sys.exit(main(sys.argv[1:]))
