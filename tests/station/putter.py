# SPDX-License-Identifier: GPL-2.0-or-later
"""A process that puts callbacks into an outbox and notes those that were accepted; made to be killed at any moment.

    python -m tests.station.putter DATA_DIR URL FAXES EVENTS ACCEPTED_FILE

Event `n` is of fax `n % FAXES`. It goes on after the last one noted, and ends when every callback is delivered.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from softfax.database.database import Database, database_url
from softfax.delivery.outbox import OutboxSettings
from softfax.delivery.policy import RetryPolicy
from softfax.delivery.targets import CallbackTarget
from tests.support.outbox import OwnOutbox

BATCH = 250


async def main(data_dir: Path, url: str, faxes: int, events: int, accepted: Path) -> None:
    """Puts and delivers."""
    target = CallbackTarget(url=url, secret="a secret")
    policy = RetryPolicy(first_s=0.1, longest_s=0.5, give_up_s=600.0)
    outbox = OwnOutbox(Database(database_url(data_dir)), OutboxSettings(retry=policy, allow_private=True))
    await asyncio.to_thread(outbox.begin)
    lines = accepted.read_text().splitlines(keepends=True) if accepted.exists() else []
    # A line cut short by a kill counts for nothing: its event is put again, and known by its id.
    whole = [line for line in lines if line.endswith("\n")]
    accepted.write_text("".join(whole))
    with accepted.open("a") as notes:
        for start in range(len(whole), events, BATCH):
            numbers = range(start, min(start + BATCH, events))
            futures = [
                outbox.put(target, fax_id=f"fax{n % faxes}", event_id=f"event{n}", body=b'{"number":%d}' % n)
                for n in numbers
            ]
            for number, future in zip(numbers, futures, strict=True):
                await asyncio.wrap_future(future)
                notes.write(f"{number}\n")
                notes.flush()
            await asyncio.sleep(0.1)
    while (await asyncio.to_thread(outbox.store.counts))["waiting"]:
        await asyncio.sleep(0.1)
    await outbox.close()
    print("delivered", flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), Path(sys.argv[5])))
