# SPDX-License-Identifier: GPL-2.0-or-later
"""One of many stations on a PostgreSQL database, in a process that may be killed: forks one for each line `NAME URL` on standard input.

`python -m tests.queue.group_station FOLDER SOCKET CALLBACKS FAXES LEASE_S STEP_S`: its far ends count in the process behind SOCKET, ends are told
to CALLBACKS. Each station submits the same orders, which are taken once. SIGTERM drains it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from softfax.database import stations
from softfax.delivery.targets import CallbackTarget
from softfax.ops import logs
from softfax.queue.queue import FaxQueue
from softfax.records.model import Document, FaxRequest, RetryRules
from softfax.station import Station, StationConfig, wire
from tests.queue.killed_station import QUEUE
from tests.support.simulated_calls import FarEnds, SimulatedCalls

KINDS = ("ok", "ok", "ok", "ok", "ok", "cut1", "ok", "busy", "ok", "ok")
TRUNKS, TRUNK_CALLS = 3, 6
LOT = 500


def orders(folder: Path, url: str, faxes: int) -> list[list[FaxRequest]]:
    """The orders, in lots. Each number gets three faxes, through different trunks."""
    document = Document(path=folder / "letter.txt", name="letter.txt")
    target = CallbackTarget(url=url, dialect="json", events=("result",))

    def one(n: int) -> FaxRequest:
        retry = RetryRules(on_uncertain="resend" if n % 2 else "report", attempts=20)
        return FaxRequest(
            to=f"{KINDS[n // 3 % len(KINDS)]}-{n // 3}", account=f"trunk{n % TRUNKS}", documents=(document,), retry=retry,
            callbacks=(target,), priority=n % 10, broadcast_id=f"{n // LOT:024x}",
        )  # fmt: skip

    return [[one(n) for n in range(start, min(start + LOT, faxes))] for start in range(0, faxes, LOT)]


def config(folder: Path, name: str, url: str) -> dict[str, Any]:
    """The configuration of a station."""
    accounts = [
        {
            "name": f"trunk{n}", "server": f"sip:trunk{n}.example", "number_format": "dialled", "max_calls": TRUNK_CALLS,
            "rule": [{"match": "busy(.*)", "replace": r"busy+ok\1"}],
        }
        for n in range(TRUNKS)
    ]  # fmt: skip
    return {
        "sip": {"max_calls": 12},
        "account": accounts,
        "data": {"dir": folder / "data", "url": url, "stations": "many", "name": name},
        "fax": {"resolution": "standard"},
        "queue": QUEUE,
        "callbacks": {"allow_private": True, "retry_first_s": 0.5},
        "log": {"to": "stderr", "level": "warning"},
    }


class GroupCalls(SimulatedCalls):
    """Calls that tell their far ends through which account they come, for which fax, and when they end."""

    def __init__(
        self, config: StationConfig, report: Callable[[wire.Message], None], *, link: socket.socket, step_s: float
    ) -> None:
        super().__init__(config, report, FarEnds(self._tell), step_s)
        self._link, self._answers = link, link.makefile("r")
        self._of_number: dict[str, str] = {}

    def _tell(self, what: str, number: str, page: int) -> int:
        self._link.sendall(f"{what} {number} {page} {self._of_number[number]}\n".encode())
        return int(self._answers.readline())

    async def _call(self, order: wire.PlaceCall) -> bool:
        number = order.uri.partition(":")[2].partition("@")[0]
        self._of_number[number] = f"{order.settings.account} {order.fax_id}"
        try:
            return await super()._call(order)
        finally:
            self._tell("end", number, 0)


async def station(folder: Path, path: str, callbacks: str, faxes: int, step_s: float, name: str, url: str) -> None:
    """One life of the station."""
    link = socket.socket(socket.AF_UNIX)
    link.connect(path)
    made = Station(config(folder, name, url), calls=partial(GroupCalls, link=link, step_s=step_s))
    logs.set_up(made.config)
    queue = FaxQueue(made)
    asked = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asked.set)
    async with made:
        for number, lot in enumerate(orders(folder, callbacks, faxes)):
            if await asyncio.to_thread(queue.store.asked, f"lot-{number}", "same") is None:
                await queue.submit(lot, key=f"lot-{number}", body_hash="same")
        print(f"up {name}", flush=True)
        await asked.wait()
        made.drain()
        await made.idle()


def main() -> None:
    """Forks a station for each line, and prints its pid."""
    folder, path, callbacks, faxes = Path(sys.argv[1]), *sys.argv[2:4], int(sys.argv[4])
    lease_s, step_s = map(float, sys.argv[5:7])
    stations.LEASE_S, stations.BEAT_S, stations.MARGIN_S = lease_s, lease_s / 4, lease_s / 10
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        name, url = line.split()
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            try:
                asyncio.run(station(folder, path, callbacks, faxes, step_s, name, url))
                os._exit(0)
            except BaseException as error:
                print(f"failed {name} {error!r}", flush=True)
                os._exit(1)
        print(f"pid {name} {pid}", flush=True)


if __name__ == "__main__":
    main()
