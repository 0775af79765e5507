# SPDX-License-Identifier: GPL-2.0-or-later
"""Faxes while the machine is at its limit: they wait, say why, and go out when there is room; none is an attempt."""

from __future__ import annotations

import asyncio
from pathlib import Path
from unittest.mock import patch

from softfax.model import Cause, FaxState
from softfax.station.calls import NO_ROOM
from tests.queue.test_queue import LIMIT_S, running


def test_faxes_wait_for_room_and_are_no_attempts(tmp_path: Path) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_text("One page.\n")

    async def run() -> None:
        async with running(tmp_path) as r:
            with (
                patch.object(r.station, "room", lambda account="": 0),
                patch("softfax.queue.claims.NOTED_AFTER_S", 2.0),
            ):
                faxes = [await r.send(f"ok-{n}", letter) for n in range(6)]
                await asyncio.sleep(0.5)
                just_ordered = await r.until(faxes[0].id, FaxState.QUEUED)
                assert just_ordered.reason == "", "calls that begin one after another are no machine at its limit"
                async with asyncio.timeout(LIMIT_S):
                    while (await r.until(faxes[0].id, FaxState.QUEUED)).cause is not Cause.OURS:
                        await asyncio.sleep(0.05)
                waiting = await r.until(faxes[0].id, FaxState.QUEUED)
                assert (waiting.reason, waiting.attempts) == (NO_ROOM, ())
            for told in r.station.on_room:
                told()
            ended = [await r.until(fax.id) for fax in faxes]
            assert [(f.state, f.cause, f.reason, len(f.attempts)) for f in ended] == [
                (FaxState.DELIVERED, None, "", 1)
            ] * len(faxes)

    asyncio.run(run())
