# SPDX-License-Identifier: GPL-2.0-or-later
"""A process that is kept ready to open documents: it has loaded what that takes, opens none itself, and forks one for each job.

Starting Python and loading the libraries takes longer than drawing a letter. A station keeps one such process; a command that
draws one document starts `softfax.documents.worker` by itself.

The protocol: a message with three descriptors, the job's standard input, its standard output, and a pipe into which come the
process's number, and at its end its status as `Popen.returncode` has it.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO

__all__ = ["ForkServer", "WorkerProcess", "environment"]

DESCRIPTORS = 3
#: A job whose process does not begin within this time gets one that is started anew.
BEGIN_S = 30.0
KILLED = -int(signal.SIGKILL)


def environment() -> dict[str, str]:
    """The environment of a process that opens documents: it finds this package, and its libraries start no threads."""
    package = str(Path(__file__).resolve().parent.parent.parent)
    paths = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": paths, "OPENBLAS_NUM_THREADS": "1"}


class WorkerProcess:
    """A job's process that was forked: of `subprocess.Popen` what a job needs."""

    def __init__(self, stdin: IO[bytes], stdout: IO[bytes], status: IO[bytes], pid: int) -> None:
        self.stdin: IO[bytes] | None = stdin
        self.stdout: IO[bytes] | None = stdout
        self.pid = pid
        self.returncode: int | None = None
        self._status = status
        self._waiting = threading.Lock()
        try:
            self._pidfd: int | None = os.pidfd_open(pid)
        except OSError:
            self._pidfd = None  # it has ended already

    def poll(self) -> int | None:
        """Its status where it has ended."""
        return self.returncode

    def kill(self) -> None:
        """Kill it, where it still runs."""
        with self._waiting, contextlib.suppress(ProcessLookupError):
            if self._pidfd is not None:
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def wait(self) -> int:
        """Wait for its end and return its status. Where the process that forked it is gone, it counts as killed."""
        line = self._status.readline()
        with self._waiting:
            if self.returncode is None:
                self.returncode = int(line) if line else KILLED
                self._status.close()
                if self._pidfd is not None:
                    os.close(self._pidfd)
                self._pidfd = None
        return self.returncode


class ForkServer:
    """The process that is kept ready, as long as `with` lasts. One that has died is started anew with the next job."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._closed = False

    def __enter__(self) -> ForkServer:
        self._start()
        return self

    def __exit__(self, *exc: object) -> None:
        """End it; processes that it has forked go on."""
        with self._lock:
            self._closed = True
            self._close()

    @property
    def pid(self) -> int | None:
        """The number of the process, where it runs."""
        return self._process.pid if self._process is not None else None

    def _start(self) -> None:
        """Start it, if it does not run; it loads its libraries while others go on."""
        with self._lock:
            if self._closed or (self._process is not None and self._process.poll() is None):
                return
            self._close()
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "softfax.documents.forkserver", str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    env=environment(),
                )
            self._control = ours

    def fork(self) -> WorkerProcess | None:
        """A new process for one job; None where there is none to be had."""
        self._start()
        pipes = [os.pipe(), os.pipe(), os.pipe()]
        (stdin, our_stdin), (our_stdout, stdout), (our_status, status) = pipes
        ours: tuple[IO[bytes], IO[bytes], IO[bytes]] = (
            os.fdopen(our_stdin, "wb"),
            os.fdopen(our_stdout, "rb"),
            os.fdopen(our_status, "rb"),
        )
        # Where the message does not go out, the pipe of the status ends once our copies of its other end are closed.
        with self._lock, contextlib.suppress(OSError):
            if self._control is not None:
                socket.send_fds(self._control, [b"job"], [stdin, stdout, status])
        for descriptor in (stdin, stdout, status):
            os.close(descriptor)
        pid = _begun(ours[2])
        if pid is not None:
            return WorkerProcess(*ours, pid)
        for file in ours:
            file.close()
        return None

    def _close(self) -> None:
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process = self._control = None


def _begun(status: IO[bytes]) -> int | None:
    """The number of the process that was forked, None where none came."""
    with selectors.DefaultSelector() as selector:
        selector.register(status, selectors.EVENT_READ)
        if not selector.select(BEGIN_S):
            return None
    line = status.readline()
    return int(line) if line else None


# ---- in the process that is kept ready -------------------------------------------------------------------------------------


class _ForkingProcess:
    """Forks a process for each message, and says how each has ended."""

    def __init__(self, control: socket.socket) -> None:
        self.control = control
        self.running: dict[int, int] = {}

    def serve(self) -> None:
        """Serve until the owner is gone."""
        woken, wake = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(woken, False)
        signal.set_wakeup_fd(wake)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        with selectors.DefaultSelector() as selector:
            selector.register(self.control, selectors.EVENT_READ)
            selector.register(woken, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fileobj is self.control:
                        if not self.take():
                            return
                    else:
                        with contextlib.suppress(BlockingIOError):
                            os.read(woken, 4096)
                self.reap()

    def take(self) -> bool:
        """Take one message; False at the end of them."""
        message, descriptors, _, _ = socket.recv_fds(self.control, 16, DESCRIPTORS)
        if not message:
            return False
        if len(descriptors) == DESCRIPTORS:
            self.fork(*descriptors)
        return True

    def fork(self, stdin: int, stdout: int, status: int) -> None:
        """Fork the process of a job."""
        pid = os.fork()
        if not pid:
            _work(stdin, stdout)
        os.close(stdin)
        os.close(stdout)
        self.running[pid] = status
        _tell(status, pid)

    def reap(self) -> None:
        """Report the status of the processes that have ended."""
        while self.running:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            descriptor = self.running.pop(pid)
            _tell(descriptor, os.waitstatus_to_exitcode(status))
            os.close(descriptor)


def _tell(descriptor: int, number: int) -> None:
    with contextlib.suppress(BrokenPipeError):
        os.write(descriptor, b"%d\n" % number)


def _work(stdin: int, stdout: int) -> None:
    """Be the process of one job; does not return."""
    from softfax.documents import worker

    status = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.dup2(stdin, 0)
        os.dup2(stdout, 1)
        os.closerange(3, min(os.sysconf("SC_OPEN_MAX"), 1 << 16))
        worker.main()
        status = 0
    finally:
        os._exit(status)


def main() -> None:
    """Load what opening a document takes, and wait for jobs on the socket whose descriptor is the argument."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from softfax.documents import cover, header, image, markup, pdf, raster, tiff, worker  # noqa: F401

    with socket.socket(fileno=int(sys.argv[1])) as control:
        _ForkingProcess(control).serve()


if __name__ == "__main__":
    main()
