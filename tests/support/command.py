# SPDX-License-Identifier: GPL-2.0-or-later
"""The command `softfax` as users run it: its JSON lines, what it says to people, its exit status."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.support.background import REPOSITORY

__all__ = ["SoftfaxProcess", "environment", "softfax_command"]

JsonObject = dict[str, Any]


def softfax_command() -> str:
    """The command of the virtual environment the tests run in, else that of the repository."""
    beside = Path(sys.executable).parent / "softfax"
    return str(beside if beside.exists() else REPOSITORY / ".venv" / "bin" / "softfax")


def environment() -> dict[str, str]:
    """This process's environment without anything that configures softfax, nor the user's configuration file.

    SOFTFAX_ENGINE stays, so that another build of the engine can be put to these tests.
    """
    kept = {
        key: value for key, value in os.environ.items() if key == "SOFTFAX_ENGINE" or not key.startswith("SOFTFAX_")
    }
    return {**kept, "XDG_CONFIG_HOME": os.devnull, "NO_COLOR": "1"}


class SoftfaxProcess:
    """A running `softfax … --json`; `events` grows as its lines come."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.events: list[JsonObject] = []
        self.noise: list[str] = []
        """Lines of standard output that are no JSON objects: there must be none."""
        self.stderr = ""
        self.started = time.monotonic()
        self.seconds = 0.0
        self.process = process
        self._changed = asyncio.Condition()
        self._readers = [asyncio.create_task(self._read_out()), asyncio.create_task(self._read_err())]

    @classmethod
    async def start(cls, *arguments: str, cwd: Path, variables: dict[str, str] | None = None) -> SoftfaxProcess:
        """Starts `softfax arguments --json`."""
        process = await asyncio.create_subprocess_exec(
            softfax_command(),
            *arguments,
            "--json",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=cwd,
            env={**environment(), **(variables or {})},
        )
        return cls(process)

    @property
    def results(self) -> list[JsonObject]:
        return [event for event in self.events if event.get("event") == "result"]

    async def wait_stderr(self, pattern: str, limit_s: float) -> re.Match[str] | None:
        """Waits until standard error has `pattern`; None if it ended or the limit passed without."""
        found: list[re.Match[str]] = []

        def look() -> bool:
            if match := re.search(pattern, self.stderr):
                found.append(match)
            return bool(found) or self.process.returncode is not None

        await self._wait_until(look, limit_s)
        return found[0] if found else None

    async def wait_event(self, limit_s: float, **fields: object) -> JsonObject | None:
        """Waits for an event with these fields; None if it ended or the limit passed without."""

        def matching() -> list[JsonObject]:
            return [e for e in self.events if all(e.get(key) == value for key, value in fields.items())]

        await self._wait_until(lambda: bool(matching()) or self.process.returncode is not None, limit_s)
        return matching()[0] if matching() else None

    async def listening_port(self, limit_s: float = 30) -> int:
        """The SIP port it answers at, once it does; 0 if it never does."""
        found = await self.wait_stderr(r"sip:[\d.]+:(\d+)", limit_s)
        return int(found.group(1)) if found else 0

    async def wait(self, limit_s: float) -> int | None:
        """Its exit status; None, and it is killed, if it has not ended by then."""
        try:
            status: int | None = await asyncio.wait_for(self.process.wait(), limit_s)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()
            status = None
        await asyncio.gather(*self._readers)
        self.seconds = time.monotonic() - self.started
        return status

    def interrupt(self) -> None:
        """SIGINT, as Ctrl-C does."""
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGINT)

    async def _wait_until(self, true: Any, limit_s: float) -> None:
        async def wait() -> None:
            async with self._changed:
                await self._changed.wait_for(true)

        with suppress(TimeoutError):
            await asyncio.wait_for(wait(), limit_s)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _read_out(self) -> None:
        assert self.process.stdout
        async for line in self.process.stdout:
            try:
                value = json.loads(line)
            except ValueError:
                value = None
            if isinstance(value, dict):
                self.events.append(value)
            else:
                self.noise.append(line.decode(errors="replace"))
            await self._notify()

    async def _read_err(self) -> None:
        assert self.process.stderr
        while data := await self.process.stderr.read(65536):
            self.stderr += data.decode(errors="replace")
            await self._notify()
        await self.process.wait()
        await self._notify()
