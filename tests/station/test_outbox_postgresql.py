# SPDX-License-Identifier: GPL-2.0-or-later
"""The outbox on PostgreSQL: the same code as on SQLite, with a PostgreSQL server of Debian's."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from softfax.database.database import Database, database_url
from softfax.delivery.outbox import OutboxSettings
from softfax.delivery.policy import RetryPolicy
from softfax.delivery.store import offline_callbacks
from softfax.delivery.targets import CallbackTarget
from tests.support.outbox import OwnOutbox
from tests.support.postgresql import postgresql
from tests.support.receiver import Request, receiver


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    with postgresql() as url:
        yield url


def _open(url: str, folder: Path) -> OwnOutbox:
    policy = RetryPolicy(first_s=0.05, longest_s=0.1)
    outbox = OwnOutbox(Database(database_url(folder, url)), OutboxSettings(retry=policy, allow_private=True))
    outbox.begin()
    return outbox


def test_order_retries_dead_letters_and_restart(database: str, tmp_path: Path) -> None:
    def answer(request: Request) -> tuple[int, dict[str, str]]:
        event = request.headers["softfax-event-id"]
        if not whole and event == "e7":
            return 404, {}
        if int(event[1:]) % 31 == 3 and event not in failed:
            failed.add(event)
            return 503, {}
        done[request.headers["softfax-fax-id"]].append(int(event[1:]))
        return 200, {}

    whole = False
    failed: set[str] = set()
    done: dict[str, list[int]] = defaultdict(list)
    with receiver(answer) as there:
        target = CallbackTarget(url=there.url)
        outbox = _open(database, tmp_path)
        for n in range(300):
            future = outbox.put(target, fax_id=f"fax{n % 10}", event_id=f"e{n}", body=b"{}")
        assert future.result(20)
        outbox.stop()
        outbox = _open(database, tmp_path)
        try:
            end = time.monotonic() + 30
            while outbox.store.counts() != {"waiting": 0, "delivered": 299, "dead": 1}:
                assert time.monotonic() < end, outbox.store.counts()
                time.sleep(0.05)
            assert all(numbers == sorted(numbers) for numbers in done.values())
            assert not outbox.put(target, fax_id="fax1", event_id="e1", body=b"{}").result(10)
            whole = True
            with offline_callbacks(tmp_path, database) as store:
                (dead,) = store.list("dead")
                assert store.replay(dead.number)
            while outbox.store.counts()["delivered"] < 300:
                assert time.monotonic() < end
                time.sleep(0.05)
        finally:
            outbox.stop()
    assert done["fax7"][-1] == 7
