# SPDX-License-Identifier: GPL-2.0-or-later
"""Thousands of callbacks survive that their process is killed (SIGKILL) at any moment: none is lost, each fax's order is kept."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

from tests.support.receiver import Request, receiver

FAXES, EVENTS, KILLS = 200, 5_000, 12


def test_thousands_of_callbacks_survive_kill_9(tmp_path: Path) -> None:
    chance = random.Random(20)
    refused = 0

    def answer(request: Request) -> tuple[int, dict[str, str]]:
        nonlocal refused
        # However quick the machine is, no process has delivered all before the last kill.
        if chance.random() < 0.005 or (kills < KILLS and len(delivered) > EVENTS * (kills + 1) / (KILLS + 1)):
            refused += 1
            return 503, {"X-Refused": "yes"}
        delivered.append((request.headers["softfax-fax-id"], int(request.headers["softfax-event-id"][5:])))
        return 204, {}

    delivered: list[tuple[str, int]] = []
    kills = 0
    accepted = tmp_path / "accepted"
    began = time.monotonic()
    with receiver(answer) as there:
        command = [sys.executable, "-m", "tests.station.putter", str(tmp_path / "data"), f"{there.url}/hook"]
        command += [str(FAXES), str(EVENTS), str(accepted)]
        while True:
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
                # Some are killed while they start, some while they put, some while they recover and deliver.
                limit = chance.uniform(0.3, 2.5) if kills < KILLS else 400.0
                try:
                    out, err = process.communicate(timeout=limit)
                except subprocess.TimeoutExpired:
                    assert kills < KILLS, "not delivered in time"
                    process.send_signal(signal.SIGKILL)
                    process.communicate()
                    kills += 1
                    continue
            assert process.returncode == 0, err
            assert out == "delivered\n"
            break
    assert kills >= KILLS / 2
    assert [int(line) for line in accepted.read_text().split()] == list(range(EVENTS))
    firsts: dict[str, list[int]] = defaultdict(list)
    for fax, number in delivered:
        assert fax == f"fax{number % FAXES}"
        if number not in firsts[fax]:
            firsts[fax].append(number)
    assert sum(map(len, firsts.values())) == EVENTS
    for numbers in firsts.values():
        assert numbers == sorted(numbers)
    twice = len(delivered) - EVENTS
    # What was answered just before a kill comes again, and nothing else: at most one for each round under way.
    assert twice <= kills * 16
    print(f"{kills} kills, {refused} refused, {twice} twice, {time.monotonic() - began:.1f} s")
