# SPDX-License-Identifier: GPL-2.0-or-later
"""`softfax serve` whose database goes away, hangs, is locked or full, while faxes are sent, told, ordered and looked at: it says so
in lines, goes on once the database is back, and each fax is called as often as is written down, and told once.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.support.background import REPOSITORY
from tests.support.command import environment
from tests.support.postgresql import postgresql
from tests.support.receiver import Receiver, receiver
from tests.support.serve_simulated import ANSWER_S
from tests.support.served import CONFIG, Served, until

MORE = """
[queue]
attempts = 4
retry_busy_s = [0.3]
retry_broken_s = [0.3]
retry_ours_s = [0.3]
[retention]
min_free_mb = 0
"""
KINDS = ("ok", "cut1", "busy+ok", "ok", "crash1")
LOOKED_AT = ("/v1/faxes", "/v1/status", "/metrics", "/readyz", "/v1/contacts", "/v1/deliveries")
ENDED = ("delivered", "failed", "uncertain", "cancelled", "expired")
#: What the log may have: a time and a level, or what the station says of a fax.
LINE = re.compile(
    r"\d{4}-\d\d-\d\dT[\d:.]+Z [A-Z]+ [\w.]+: |softfax: |listening at |the page and the API at |finishing |far end: |\d+ to "
)


class Away:
    """A station that runs, and is ordered faxes and looked at all the time."""

    def __init__(self, served: Served, seen: Receiver) -> None:
        self.served, self._seen = served, seen
        self.statuses = Counter[int]()
        self._faxes: list[dict[str, Any]] = []
        self._over = threading.Event()
        self._threads = [threading.Thread(target=work) for work in (self._order, self._look, self._look)]
        for thread in self._threads:
            thread.start()

    def _ask(self, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        request = urllib.request.Request(self.served.url.rstrip("/") + path, body, headers or {})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read()
        self.statuses[status] += 1
        return status, json.loads(text) if text.startswith(b"{") else text

    def _order(self) -> None:
        """Order a fax each half second, asking again for what was not taken."""
        number = 0
        while not self._over.wait(0.5):
            to = f"sip:{KINDS[number % len(KINDS)]}-{number}@far.example"
            fields = [("to", to), ("callback", self._seen.url), ("file", "One\fTwo")]
            form = "".join(
                f'--xyz\r\nContent-Disposition: form-data; name="{name}"{"; filename=a.txt" if name == "file" else ""}\r\n\r\n{value}\r\n'
                for name, value in fields
            )
            kind = {"Content-Type": "multipart/form-data; boundary=xyz", "Idempotency-Key": f"fax-{number}"}
            status, answer = self._ask("/v1/faxes", f"{form}--xyz--\r\n".encode(), kind)
            assert status in (202, 503, 507), answer
            if status == 202:
                self._faxes.append(answer)
                number += 1

    def _look(self) -> None:
        while not self._over.is_set():
            for path in LOOKED_AT:
                self._ask(path)
                self._over.wait(0.1)

    def says(self, what: str, limit_s: float = 30.0) -> None:
        """Wait until the log has it."""
        self.served.wait(what, limit_s)

    def stop(self) -> None:
        """Order no more."""
        self._over.set()
        for thread in self._threads:
            thread.join(90)

    def all_is_well(self) -> None:
        """All faxes end, once; what was called is what is written down; and the log has lines."""
        self.stop()
        ended: dict[str, Any] = {}

        def all_ended() -> bool:
            for fax in self._faxes:
                status, now = self._ask(f"/v1/faxes/{fax['id']}")
                if status == 200 and now["state"] in ENDED:
                    ended[fax["id"]] = now
            return len(ended) == len(self._faxes)

        def told() -> Counter[str]:
            """The ends that were told, by fax; the same may come twice."""
            ends = {}
            for one in list(self._seen.requests):
                body = json.loads(one.body)
                if body["event"] == "result" and "retry_at" not in body:
                    ends[one.headers["softfax-event-id"]] = one.headers["softfax-fax-id"]
            return Counter(ends.values())

        assert len(self._faxes) >= len(KINDS)
        until(all_ended, 90)
        until(lambda: set(told()) == set(ended), 60)
        assert set(told().values()) == {1}
        wanted = {"crash1": "uncertain"}
        calls = Counter(re.findall(r"^far end: call (\S+)", "".join(self.served.said), re.M))
        for fax in ended.values():
            number = fax["to"].partition("@")[0].removeprefix("sip:")
            assert fax["state"] == wanted.get(number.partition("-")[0], "delivered"), fax
            # None was called without being written down before, and what only may have been called is no success.
            assert calls[number] == sum(one["cause"] != "ours" for one in fax["attempts"]), fax
        self.stops_and_has_said_lines()
        assert self.statuses[500] == 0

    def stops_and_has_said_lines(self) -> None:
        """A signal ends it, and its log has neither a traceback nor the text of a statement."""
        self.stop()
        assert self.served.ends(signal.SIGTERM) == 0
        said = list(self.served.said)
        assert not [line for line in said if "Traceback" in line or "[SQL" in line or "sqlalche.me" in line]
        assert not [line for line in said if not LINE.match(line)]


@contextlib.contextmanager
def away(folder: Path, url: str = "", more: str = "") -> Iterator[Away]:
    """A station on a database."""
    folder.mkdir(exist_ok=True)
    config = folder / "softfax.toml"
    text = CONFIG.format(folder=folder, name="one") + MORE
    config.write_text(text.replace("[data]", f'[data]\nurl = "{url}"{more}') if url else text)
    command = [sys.executable, "-m", "tests.support.serve_simulated", "serve", "--config", str(config)]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=REPOSITORY, env=environment())
    try:
        with receiver() as seen:
            one = Away(Served(process, config), seen)
            try:
                yield one
            finally:
                one.stop()
    finally:
        process.kill()
        process.wait(10)


def _processes(url: str) -> tuple[int, list[int]]:
    """The server's first process, and those of its sessions."""
    with psycopg.connect(url) as connection:
        query = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid != pg_backend_pid()"
        sessions = [pid for (pid,) in connection.execute(query).fetchall()]
        status = Path(f"/proc/{connection.info.backend_pid}/status").read_text()
    return int(re.search(r"^PPid:\s+(\d+)", status, re.M)[1]), sessions  # type: ignore[index]


def _until(seconds: float, work: Callable[[psycopg.Connection[Any]], object], url: str) -> None:
    """Do something again and again."""
    end = time.monotonic() + seconds
    with psycopg.connect(url, autocommit=True) as connection:
        while time.monotonic() < end:
            work(connection)
            time.sleep(0.1)


@pytest.mark.parametrize("more", ["", '\nstations = "many"\nname = "one"'], ids=["alone", "one of many"])
def test_postgresql_ends_sessions_hangs_and_starts_again(tmp_path: Path, more: str) -> None:
    with postgresql() as url, away(tmp_path / "station", url, more) as station:
        ended = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE pid != pg_backend_pid() AND backend_type = 'client backend'"
        )
        _until(5.0, lambda connection: connection.execute(ended), url)
        station.says("terminating connection due to administrator command")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET idle_in_transaction_session_timeout = '1ms'")
            connection.execute("SELECT pg_reload_conf()")
            station.says("terminating connection due to idle-in-transaction timeout")
            time.sleep(2.0)
            connection.execute("ALTER SYSTEM RESET idle_in_transaction_session_timeout")
            connection.execute("SELECT pg_reload_conf()")
        server, sessions = _processes(url)
        halted = [server, *sessions]
        for pid in halted:
            os.kill(pid, signal.SIGSTOP)
        try:
            station.says("the server has not answered for|connection timeout expired")
            time.sleep(2 * ANSWER_S)
        finally:
            for pid in halted:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
        time.sleep(1.0)
        # One that crashes takes the others with it, and the server starts again.
        os.kill(_processes(url)[1][0], signal.SIGKILL)
        time.sleep(2.0)
        station.all_is_well()


def test_a_station_stops_while_its_database_is_away(tmp_path: Path) -> None:
    with postgresql() as url, away(tmp_path / "station", url) as station:
        station.says("far end: page")
        os.kill(_processes(url)[0], signal.SIGQUIT)
        station.says("what happens to faxes cannot be written and is held")
        station.stops_and_has_said_lines()


def test_sqlite_is_locked_by_another_program_and_cannot_be_written(tmp_path: Path) -> None:
    with away(tmp_path / "station") as station:
        time.sleep(2.0)
        file = tmp_path / "station" / "data" / "softfax.sqlite"
        with contextlib.closing(sqlite3.connect(file, timeout=60, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            station.says("database is locked")
            time.sleep(2 * ANSWER_S)
            other.execute("ROLLBACK")
        time.sleep(1.0)
        limits = resource.prlimit(station.served.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(station.served.process.pid, resource.RLIMIT_FSIZE, (1, limits[1]))
        station.says(r"disk I/O error|database or disk is full")
        time.sleep(3.0)
        resource.prlimit(station.served.process.pid, resource.RLIMIT_FSIZE, limits)
        time.sleep(2.0)
        station.all_is_well()
