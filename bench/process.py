# SPDX-License-Identifier: GPL-2.0-or-later
"""Figures of the kernel for a process: CPU time and memory, read the same way for softfax and for Asterisk."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

__all__ = ["MemoryWatch", "cpu_s", "machine_cpu_s", "resident_bytes", "stat_s"]

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def cpu_s(pid: int) -> float:
    """User and system time of all its threads, also of those that ended, in steps of 10 ms."""
    return stat_s(Path(f"/proc/{pid}/stat"))


def stat_s(stat: Path, *, children: bool = False) -> float:
    """Return the CPU time in seconds of a process or thread by its file; with `children` also of those it waited for."""
    fields = stat.read_text().rpartition(")")[2].split()
    return sum(int(ticks) for ticks in fields[11 : 15 if children else 13]) / _TICKS


def machine_cpu_s() -> float:
    """Time all cores together spent not idle."""
    with open("/proc/stat") as file:
        fields = [int(x) for x in file.readline().split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / _TICKS


def resident_bytes(pid: int) -> int:
    """Resident memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE


@dataclass
class MemoryWatch:
    """The highest resident memory of a process while `async with` lasts, above what it had at the beginning."""

    pid: int
    begin: int = 0
    peak: int = 0

    async def __aenter__(self) -> MemoryWatch:
        self.begin = self.peak = resident_bytes(self.pid)
        self._task = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(1)
            self.peak = max(self.peak, resident_bytes(self.pid))
