# SPDX-License-Identifier: GPL-2.0-or-later
"""Real calls of a group: three `softfax serve` on one PostgreSQL database send to a fourth by SIP and T.38; one is killed.

    python -m bench.group --real [FAXES]

It prints how the faxes ended, and fails if one is lost, was sent twice without saying so, or came otherwise than it was sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import tempfile
import time
from collections import Counter
from pathlib import Path

from bench.orders import SAMPLES, config, page_of, raster_rows
from softfax.client import AsyncSoftfaxClient
from softfax.client.models import Fax
from tests.support.postgresql import postgresql
from tests.support.served import Served, serving

__all__ = ["run"]

NAMES = ("fax-1", "fax-2", "fax-3")
CALLS = 6
LIMIT_S = 900.0
ENDED = ("delivered", "failed", "expired", "uncertain", "cancelled")


def _station(folder: Path, name: str, url: str) -> str:
    shared = f'url = "{url}"\nstations = "many"\nname = "{name}"\ndocuments = "file://{folder.parent}/documents"'
    return config(folder, CALLS, sip="direct = false", data=shared)


async def _count(client: AsyncSoftfaxClient, *states: str) -> int:
    by_state = (await client.status())["queue"]["by_state"]
    return sum(by_state.get(state, 0) for state in states)


async def _run(stations: list[Served], there: Served, faxes: int) -> bool:
    document, began = SAMPLES / "letter.pdf", time.monotonic()
    async with (
        AsyncSoftfaxClient(stations[0].url, timeout_s=120) as sender,
        AsyncSoftfaxClient(there.url, timeout_s=120) as receiver,
    ):
        sent = await sender.broadcast([f"sip:{5000 + n}@{there.host}" for n in range(faxes)], [document])
        while await _count(sender, *ENDED) < faxes // 3:
            await asyncio.sleep(0.5)
        up = await _count(sender, "sending")
        stations[-1].process.send_signal(signal.SIGKILL)
        killed = time.monotonic()
        print(f"{NAMES[-1]} killed {killed - began:.0f} s after the order, with {up} calls up in the group", flush=True)
        while await _count(sender, *ENDED) < faxes:
            if time.monotonic() > killed + LIMIT_S:
                break
            await asyncio.sleep(0.5)
        print(f"{faxes} faxes ended {time.monotonic() - began:.0f} s after the order", flush=True)
        await asyncio.sleep(2)
        ended = [await sender.get(fax.id) for fax in sent]
        came = [fax async for fax in receiver.list(direction="receive")]
        wanted = await raster_rows(document)
        same = {fax.id: page_of(await receiver.document(fax.id)) == wanted for fax in came if fax.pages}
    return _report(ended, came, same)


def _report(ended: list[Fax], came: list[Fax], same: dict[str, bool]) -> bool:
    """Print the outcome; false where something is wrong."""
    calls = Counter(fax.to for fax in came)
    copies = Counter(fax.to for fax in came if fax.pages)
    lost, twice = [], []
    for fax in ended:
        number = fax.to.removeprefix("sip:").partition("@")[0]
        if fax.state not in ENDED or (fax.state == "delivered" and not copies[number]):
            lost.append(f"{fax.id} {fax.state}")
        resent = any(attempt.resent for attempt in fax.attempts)
        if calls[number] > len(fax.attempts) or (copies[number] > 1 and not resent):
            twice.append(
                f"{fax.id} {fax.state}: {calls[number]} calls, {copies[number]} copies, {len(fax.attempts)} attempts"
            )
    states = Counter(fax.state for fax in ended)
    print("ended: " + ", ".join(f"{count} {state}" for state, count in states.most_common()))
    again = sum(len(fax.attempts) > 1 for fax in ended)
    print(
        f"more than one attempt {again}; calls at the far end {len(came)}, with pages {len(same)}, identical {sum(same.values())}"
    )
    print(f"lost {len(lost)}, dialled twice unsaid {len(twice)}", *lost, *twice, sep="\n")
    return not lost and not twice and all(same.values())


def run(faxes: int) -> int:
    """Run it, and return the exit status."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="softfax-bench-")))
        url = stack.enter_context(postgresql())
        served = []
        for name in ("clinic", *NAMES):
            here = folder / name
            here.mkdir()
            text = config(here, 100, sip="direct = false") if name == "clinic" else _station(here, name, url)
            (here / "softfax.toml").write_text(text)
            served.append(stack.enter_context(serving(here, name)))
        return 0 if asyncio.run(_run(served[1:], served[0], faxes)) else 1
