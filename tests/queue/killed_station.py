# SPDX-License-Identifier: GPL-2.0-or-later
"""A station that is killed: forks one each time a line comes on standard input, so that a start costs no imports.

`python -m tests.queue.killed_station FOLDER SOCKET URL`: its far ends count in the process behind SOCKET, the ends of its faxes are told
to URL. Each station submits the same orders, which are taken once, and prints `done` when all faxes have ended.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from functools import partial
from pathlib import Path

from softfax.delivery.targets import CallbackTarget
from softfax.model import FaxState
from softfax.queue.queue import FaxQueue
from softfax.records.model import Document, FaxRequest, RetryRules
from softfax.station import Station
from tests.support.simulated_calls import FarEnds, SimulatedCalls

KINDS = ("ok", "ok", "ok", "ok", "cut1", "cut2", "busy", "notfax", "crash1", "ok")
FAXES = 280
LOT = 40
WAIT = [0.2]
QUEUE = {
    "attempts": 4,
    **{
        f"retry_{cause}_s": WAIT
        for cause in ("busy", "broken", "not_fax", "no_answer", "training", "ours", "unreachable")
    },
}


def orders(folder: Path, url: str) -> list[list[FaxRequest]]:
    """The orders of the hour, in lots."""
    document = Document(path=folder / "letter.txt", name="letter.txt")
    target = CallbackTarget(url=url, dialect="json")

    def one(number: int, kind: str, lot: int) -> FaxRequest:
        # What is told apart by numbers is not told apart by kinds.
        policy = RetryRules(on_uncertain="resend" if number // len(KINDS) % 2 else "report")
        return FaxRequest(
            to=f"sip:{kind}-{lot}-{number}@far.example", documents=(document,), retry=policy,
            callbacks=(target,), priority=number % 10, broadcast_id=f"{lot:024x}",
        )  # fmt: skip

    return [
        [one(n, KINDS[n % len(KINDS)], lot) for n in range(lot * LOT, lot * LOT + LOT)] for lot in range(FAXES // LOT)
    ]


async def station(folder: Path, path: str, url: str) -> None:
    """One life of the station."""
    link = socket.socket(socket.AF_UNIX)
    link.connect(path)
    answers = link.makefile("r")

    def tell(what: str, number: str, page: int) -> int:
        link.sendall(f"{what} {number} {page}\n".encode())
        return int(answers.readline())

    config = {
        "sip": {"max_calls": 12},
        "data": {"dir": folder / "data"},
        "fax": {"resolution": "standard"},
        "queue": QUEUE,
        "callbacks": {"allow_private": True, "retry_first_s": 0.5},
    }
    made = Station(config, calls=partial(SimulatedCalls, far_ends=FarEnds(tell), step_s=0.02))
    queue = FaxQueue(made)
    async with made:
        print("up", flush=True)
        for number, lot in enumerate(orders(folder, url)):
            await queue.submit(lot, key=f"lot-{number}", body_hash="same")
        while True:
            counts = (await queue.counts()).by_state
            waiting = sum(
                counts.get(s, 0) for s in (FaxState.QUEUED, FaxState.PREPARING, FaxState.SENDING, FaxState.WAITING)
            )
            if not waiting and not await asyncio.to_thread(queue.store.untold):
                break
            await asyncio.sleep(0.1)
        assert made.outbox is not None
        while (await asyncio.to_thread(made.outbox.store.counts)).get("waiting"):
            await asyncio.sleep(0.1)
    print("done", flush=True)


def main() -> None:
    """Forks a station for each line; says its pid."""
    folder, path, url = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for _ in sys.stdin:
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            try:
                asyncio.run(station(folder, path, url))
                os._exit(0)
            except BaseException as error:
                print(f"failed {error!r}", flush=True)
                os._exit(1)
        print(f"pid {pid}", flush=True)


if __name__ == "__main__":
    main()
