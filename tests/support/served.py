# SPDX-License-Identifier: GPL-2.0-or-later
"""`softfax serve` in a process of its own, with a configuration for tests: any ports, everything in one folder."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support.background import REPOSITORY
from tests.support.command import environment, softfax_command

__all__ = ["CONFIG", "Served", "get", "serving", "status", "until"]

CONFIG = """
[sip]
listen = "127.0.0.1:0"
[http]
listen = "127.0.0.1:0"
[data]
dir = "{folder}/data"
[inbox]
dir = "{folder}/received"
[fax]
ident = "{name}"
resolution = "standard"
[callbacks]
allow_private = true
"""


class Served:
    """A running `softfax serve`."""

    def __init__(self, process: subprocess.Popen[str], config: Path) -> None:
        self.process, self.config = process, config
        self.said: list[str] = []
        self._threads = [
            threading.Thread(target=self._read, args=(stream,), daemon=True)
            for stream in (process.stdout, process.stderr)
        ]
        for thread in self._threads:
            thread.start()
        self.sip = self.wait(r"listening at (sip:\S+)")[1]
        self.url = self.wait(r"the page and the API at (\S+)")[1]

    def _read(self, stream: Any) -> None:
        for line in stream:
            self.said.append(line)

    def wait(self, pattern: str, limit_s: float = 90.0) -> re.Match[str]:
        """Wait until its output has `pattern`; return the match."""
        until = time.monotonic() + limit_s
        while time.monotonic() < until:
            over = self.process.poll() is not None and not any(thread.is_alive() for thread in self._threads)
            if found := re.search(pattern, "".join(self.said)):
                return found
            if over:
                break
            time.sleep(0.05)
        raise AssertionError(f"no {pattern}: {''.join(self.said)}")

    @property
    def host(self) -> str:
        """Address at which SIP is listened for."""
        return self.sip.removeprefix("sip:")

    def ends(self, number: int = signal.SIGTERM, limit_s: float = 90.0) -> int:
        """Sends a signal; the exit status."""
        self.process.send_signal(number)
        return self.process.wait(limit_s)


@contextlib.contextmanager
def serving(folder: Path, name: str, extra: str = "", variant: str = "") -> Iterator[Served]:
    """Runs one for as long as the block lasts, with the configuration that is there, if there is one.

    `variant` says what its processes for calls are like (`tests.support.worker_variants`).
    """
    folder.mkdir(exist_ok=True)
    config = folder / "softfax.toml"
    if not config.exists():
        config.write_text(CONFIG.format(folder=folder, name=name) + extra)
    command = [sys.executable, "-m", "tests.support.serve_variants", variant] if variant else [softfax_command()]
    process = subprocess.Popen(
        [*command, "serve", "--config", str(config)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder,
        env=environment() | {"PYTHONPATH": str(REPOSITORY)} if variant else environment(),
    )  # fmt: skip
    try:
        yield Served(process, config)
    finally:
        process.kill()
        process.wait(10)


def get(url: str) -> str:
    """Return the answer of a URL."""
    with urllib.request.urlopen(url, timeout=60) as answer:
        return str(answer.read().decode())


def status(url: str) -> int:
    """The status that a URL answers with."""
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def until(condition: Any, limit_s: float = 60.0) -> None:
    """Waits until it is true. Raises AssertionError."""
    until = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < until, "it takes too long"
        time.sleep(0.05)
