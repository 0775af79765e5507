# SPDX-License-Identifier: GPL-2.0-or-later
"""The outbox on PostgreSQL: the same code as on SQLite, with a PostgreSQL server of Debian's."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from softfax.delivery import CallbackTarget, Outbox, OutboxSettings, RetryPolicy
from softfax.delivery.durable import Durable, database_url
from softfax.delivery.queue import OfflineOutbox
from softfax.errors import LocalError
from tests.support.background import REPOSITORY
from tests.support.debian import unpacked
from tests.support.receiver import Request, receiver


def _programs() -> Path:
    """The folder of the server's programs: the machine's, else those of a package that is not installed for it."""
    if installed := sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres")):
        return installed[-1].parent
    known = subprocess.run(["apt-cache", "pkgnames", "postgresql-"], capture_output=True, text=True, check=True).stdout
    newest = max(filter(None, re.findall(r"^postgresql-(\d+)$", known, re.M)), key=int)
    return next(unpacked(f"postgresql-{newest}").glob("usr/lib/postgresql/*/bin"))


def _as_user() -> dict[str, Any]:
    """The server refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            found = pwd.getpwnam(name)
            return {"user": found.pw_uid, "group": found.pw_gid, "extra_groups": []}
    raise LookupError("no user for the server")


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    """The URL of a database of our own."""
    try:
        programs, as_user = _programs(), _as_user()
    except (OSError, LookupError, ValueError, StopIteration, subprocess.CalledProcessError):
        if os.environ.get("CI") == "true":
            pytest.fail("there is no PostgreSQL for this machine", pytrace=False)
        pytest.skip("there is no PostgreSQL for this machine")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="softfax-pg-") as name:
        folder = Path(name)
        if REPOSITORY in programs.parents:
            # That user may not look into the folder of whoever runs the tests; the programs find the rest beside them.
            shutil.copytree(programs.parents[3], folder / "usr", symlinks=True)
            programs = folder / programs.relative_to(programs.parents[4])
        if as_user:
            os.chown(folder, as_user["user"], as_user["group"])
        data = str(folder / "data")
        quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": name, **as_user}
        initdb = [programs / "initdb", "-D", data, "-A", "trust", "-U", "softfax", "--no-sync"]
        try:
            subprocess.run(initdb, check=True, **quiet)
        except subprocess.CalledProcessError:
            pytest.skip("PostgreSQL cannot be set up here")
        command = [programs / "postgres", "-D", data, "-p", str(port), "-k", name]
        command += ["-c", "listen_addresses=127.0.0.1", "-F"]
        with subprocess.Popen(command, **quiet) as server:
            try:
                _wait_until_open(port)
                yield f"postgresql://softfax@127.0.0.1:{port}/postgres"
            finally:
                server.terminate()


def _wait_until_open(port: int) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail("PostgreSQL did not start")


def _open(url: str, folder: Path) -> Outbox:
    policy = RetryPolicy(first_s=0.05, longest_s=0.1)
    settings = OutboxSettings(retry=policy, allow_private=True, poll_s=0.05)
    for _ in range(40):
        outbox = Outbox(Durable(database_url(folder, url)), settings)
        try:
            outbox.begin()
        except LocalError:
            # It listens a moment before it lets anybody in.
            time.sleep(0.1)
            continue
        return outbox
    pytest.fail("PostgreSQL lets nobody in")


def test_order_retries_dead_letters_and_restart(postgresql: str, tmp_path: Path) -> None:
    def answer(request: Request) -> tuple[int, dict[str, str]]:
        event = request.headers["softfax-event-id"]
        if not whole and event == "e7":
            return 410, {}
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
        outbox = _open(postgresql, tmp_path)
        for n in range(300):
            future = outbox.put(target, fax_id=f"fax{n % 10}", event_id=f"e{n}", body=b"{}")
        assert future.result(20)
        outbox.stop()
        outbox = _open(postgresql, tmp_path)
        try:
            end = time.monotonic() + 30
            while outbox.store.counts() != {"waiting": 0, "delivered": 299, "dead": 1}:
                assert time.monotonic() < end, outbox.store.counts()
                time.sleep(0.05)
            assert all(numbers == sorted(numbers) for numbers in done.values())
            assert not outbox.put(target, fax_id="fax1", event_id="e1", body=b"{}").result(10)
            whole = True
            with OfflineOutbox(tmp_path, postgresql) as offline:
                (dead,) = offline.store.list("dead")
                assert offline.store.replay(dead.number)
            while outbox.store.counts()["delivered"] < 300:
                assert time.monotonic() < end
                time.sleep(0.05)
        finally:
            outbox.stop()
    assert done["fax7"][-1] == 7
