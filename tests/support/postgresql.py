# SPDX-License-Identifier: GPL-2.0-or-later
"""A PostgreSQL server of Debian's, with a database of our own."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg

from tests.support.absent import absent
from tests.support.background import REPOSITORY
from tests.support.debian import unpacked

__all__ = ["postgresql"]


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


@contextmanager
def postgresql(*settings: str) -> Iterator[str]:
    """The URL of a database, its server with more `settings`; skips the test where there is no server."""
    try:
        programs, as_user = _programs(), _as_user()
    except (OSError, LookupError, ValueError, StopIteration, subprocess.CalledProcessError):
        absent("there is no PostgreSQL for this machine")
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
        initdb: list[Any] = [programs / "initdb", "-D", data, "-A", "trust", "-U", "softfax", "--no-sync"]
        try:
            subprocess.run(initdb, check=True, **quiet)
        except subprocess.CalledProcessError:
            absent("PostgreSQL cannot be set up here")
        command: list[Any] = [programs / "postgres", "-D", data, "-p", str(port), "-k", name]
        for setting in ("listen_addresses=127.0.0.1", *settings):
            command += ["-c", setting]
        command.append("-F")
        with subprocess.Popen(command, **quiet) as server:
            try:
                url = f"postgresql://softfax@127.0.0.1:{port}/postgres"
                _wait_until_open(url)
                yield url
            finally:
                server.send_signal(signal.SIGINT)  # clients that are left do not hold it up


def _wait_until_open(url: str) -> None:
    """Wait until it lets clients in: it listens a moment before it does."""
    end = time.monotonic() + 60
    while True:
        try:
            psycopg.connect(url, connect_timeout=5).close()
        except psycopg.OperationalError:
            assert time.monotonic() < end, "PostgreSQL did not start"
            time.sleep(0.05)
        else:
            return
