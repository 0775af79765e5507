# SPDX-License-Identifier: GPL-2.0-or-later
"""Things that a whole test session has one of, however many xdist workers it runs on: processes started by the first
worker that asks, stopped by the session's main process at its end (or by themselves, once that process is gone).
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["REPOSITORY", "begin_session", "owner", "run_folder", "start_once", "stop_all", "wait_for"]

REPOSITORY = Path(__file__).resolve().parents[2]
_RUNS = REPOSITORY / ".build" / "tests"
STOP_LIMIT_S = 20.0


def begin_session() -> None:
    """Make the folder of this test run, in the main process, before any worker; those of earlier runs go."""
    _RUNS.mkdir(parents=True, exist_ok=True)
    for old in _RUNS.iterdir():
        if old.name.isdigit() and not Path(f"/proc/{old.name}").exists():
            shutil.rmtree(old, ignore_errors=True)
    folder = _RUNS / str(os.getpid())
    shutil.rmtree(folder, ignore_errors=True)
    os.environ["SOFTFAX_TEST_OWNER"] = str(os.getpid())


def owner() -> int:
    """The pid of the test session's main process."""
    return int(os.environ["SOFTFAX_TEST_OWNER"])


def run_folder() -> Path:
    """This test run's folder: logs and whatever was sent and received, kept until the next run."""
    folder = _RUNS / str(owner())
    folder.mkdir(exist_ok=True)
    return folder


def start_once(name: str, module: str, arguments: Callable[[], Sequence[str]]) -> int:
    """Starts `python -m module arguments` unless some worker already has; returns its pid. Its output is NAME.log."""
    folder = run_folder()
    pid_file = folder / f"{name}.pid"
    with _locked(folder / "lock"):
        if pid_file.exists():
            return int(pid_file.read_text())
        with (folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                # Calls in real time come before what is merely to be done; who may not say so runs as the rest.
                ["nice", "-n", "-5", sys.executable, "-m", module, *arguments()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=REPOSITORY,
                start_new_session=True,
            )
        pid_file.write_text(str(process.pid))
        return process.pid


def wait_for(name: str, path: Path, limit_s: float) -> bool:
    """Waits until the background process `name` has written `path`; False if it ended without, or at the limit."""
    pid = int((run_folder() / f"{name}.pid").read_text())
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        # Looked at in this order, a process that writes and then ends is not taken for one that ends without.
        alive = _alive(pid)
        if path.exists():
            return True
        if not alive:
            return False
        time.sleep(0.1)
    return False


def stop_all() -> None:
    """End all background processes of this session by SIGTERM and wait for them; in the main process, at the end."""
    pids = [int(file.read_text()) for file in run_folder().glob("*.pid")]
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    end = time.monotonic() + STOP_LIMIT_S
    while any(_alive(pid) for pid in pids) and time.monotonic() < end:
        time.sleep(0.1)
    with suppress(OSError):
        run_folder().rmdir()


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
