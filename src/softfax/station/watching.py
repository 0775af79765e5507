# SPDX-License-Identifier: GPL-2.0-or-later
"""Reports of the progress of all calls, while they are watched."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from softfax.station import wire
from softfax.station.host import Report
from softfax.station.passing import PlacedFax
from softfax.station.progress import fax_progress, gateway_progress

__all__ = ["ProgressWatch"]

PROGRESS_S = 1.0


class ProgressWatch:
    """Reports the progress of these faxes, about once a second, while it is turned on."""

    def __init__(self, faxes: Mapping[str, PlacedFax], report: Report) -> None:
        self._faxes, self._report = faxes, report
        self._task: asyncio.Task[None] | None = None

    def turn(self, on: bool) -> None:
        """Begin, or end, to report."""
        if on and self._task is None:
            self._task = asyncio.ensure_future(self._run())
        elif not on and self._task is not None:
            self._task.cancel()
            self._task = None

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(PROGRESS_S)
            for fax_id, fax in list(self._faxes.items()):
                under_way = fax.active or fax.gateway
                if under_way is None or fax.ended:
                    continue
                event = fax_progress(fax.active, fax_id) if fax.active else gateway_progress(fax.gateway, fax_id)
                if event is not None:
                    self._report(wire.FaxEvent(fax_id, event, under_way.session.mode))
