# SPDX-License-Identifier: GPL-2.0-or-later
"""`softfax convert` again and again, without loading it each time: a process that has loaded it forks for each conversion.

What is measured is a conversion's own, and that of the process that opens the document.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from tests.support.background import REPOSITORY
from tests.support.command import environment

__all__ = ["Converted", "Converter"]


@dataclass(frozen=True)
class Converted:
    """Result of a conversion."""

    status: int
    stderr: str
    stdout: str
    seconds: float
    cpu_s: float
    memory_mb: int
    left: list[str]
    """What is left in the folder of temporary files."""


class Converter:
    """The process that forks; it ends with its standard input."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.converting"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY, env=environment(),
        )  # fmt: skip

    def run(self, folder: Path, *words: str, limit_s: float) -> Converted:
        """`softfax convert WORDS` in `folder`, with temporary files in a folder of its own; ended at the limit."""
        assert self._process.stdin
        assert self._process.stdout
        temporary = folder / "temporary"
        temporary.mkdir()
        began = time.monotonic()
        order = {"folder": str(folder), "words": words, "temporary": str(temporary), "limit_s": limit_s}
        print(json.dumps(order), file=self._process.stdin, flush=True)
        status, cpu_s, memory_mb = json.loads(self._process.stdout.readline())
        return Converted(
            status,
            (folder / "stderr").read_bytes().decode(errors="backslashreplace"),
            (folder / "stdout").read_text(),
            time.monotonic() - began,
            cpu_s,
            memory_mb,
            sorted(os.listdir(temporary)),
        )

    def close(self) -> None:
        """End it."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(60)


def _convert(order: dict[str, str | list[str]]) -> int:
    """The conversion itself, in the fork."""
    from softfax.cli.main import main

    os.chdir(str(order["folder"]))
    os.environ["TMPDIR"] = str(order["temporary"])
    for number, name, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, "stdout", os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        (2, "stderr", os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
    ):
        file = os.open(name, flags, 0o600)
        os.dup2(file, number)
        os.close(file)
    return main(["convert", *order["words"]])


def _serve() -> int:
    for name in ("softfax.cli.main", "softfax.cli.convert", "softfax.documents.convert", "softfax.documents.begin"):
        importlib.import_module(name)
    while line := sys.stdin.readline():
        order = json.loads(line)
        pid = os.fork()
        if not pid:
            return _convert(order)
        watchdog = threading.Timer(order["limit_s"], os.kill, (pid, signal.SIGTERM))
        watchdog.start()
        # Of the process and of those it waited for.
        _, status, usage = os.wait4(pid, 0)
        watchdog.cancel()
        watchdog.join()
        result = (os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime, usage.ru_maxrss >> 10)
        print(json.dumps(result), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(_serve())
