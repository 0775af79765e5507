# SPDX-License-Identifier: GPL-2.0-or-later
"""HylaFAX behind modems in software: a T.30 that is not spandsp's, through iaxmodem and Asterisk's IAX.

It lives in a chroot of its own, made once as Asterisk's is. All its processes are in a PID and a mount namespace of their
own, and end with the first of them. One runs at a time: its spool is the chroot's.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import IO

from tests.peer.asterisk import PeerAddress, free_port
from tests.peer.chroot import PeerUnavailableError, cache_folder, debootstrap, locked, remove

__all__ = ["MODEMS", "Hylafax"]

SUITES = ("bookworm", "testing")
PACKAGES = "hylafax-server,iaxmodem"
MODEMS = 4
REFUSES = 3
START_LIMIT_S = 60.0

IAXMODEM = """device /dev/ttyIAX{n}
owner uucp:uucp
mode 660
port {port}
refresh 300
server 127.0.0.1:{peer.iax_port}
peername modem{n}
secret {peer.register_password}
codec ulaw
nodaemon
"""
MODEM = """CountryCode: 1
AreaCode: 800
FAXNumber: +1.800.555.010{n}
LongDistancePrefix: 1
InternationalPrefix: 011
DialStringRules: etc/dialrules
ServerTracing: 1
SessionTracing: 0x44F
RecvFileMode: 0644
LogFileMode: 0644
DeviceMode: 0666
RingsBeforeAnswer: 1
SpeakerVolume: off
LocalIdentifier: "HYLAFAX {n}"
TagLineFormat: ""
MaxRecvPages: 200
ModemType: Class1
ModemResetCmds: "ATH1\\nAT+VCID=1"
ModemReadyCmds: ATH0
Class1AdaptRecvCmd: AT+FAR=1
Class1TMConnectDelay: 400
PagerTTYParity: none
{more}
"""
START = """
mount -t proc proc /proc
mount -t devpts devpts /dev/pts -o newinstance,ptmxmode=0666,mode=0666
ln -sf pts/ptmx /dev/ptmx
cd /var/spool/hylafax
rm -rf FIFO* status/* sendq/* doneq/* docq/* recvq/fax* log/c* /var/lock/LCK* tmp/*
# Of several that register in the same moment Asterisk refuses one, and that tries again after five minutes.
for n in {modems}; do nice -n -10 iaxmodem ttyIAX$n >/tmp/iaxmodem$n.log 2>&1 & sleep 0.7; done
while [ ! -e /dev/ttyIAX{last} ]; do sleep 0.2; done
faxq -D >/tmp/faxq.log 2>&1 &
while [ ! -p FIFO ]; do sleep 0.2; done
hfaxd -d -l 127.0.0.1 -i {port} >/tmp/hfaxd.log 2>&1 &
for n in {modems}; do faxgetty ttyIAX$n >/tmp/faxgetty$n.log 2>&1 & done
wait
"""


def ensure_hylafax() -> Path:
    """Return the chroot, made now if there is none (two minutes). Raises PeerUnavailableError."""
    if os.geteuid() != 0:
        raise PeerUnavailableError("HylaFAX lives in a chroot: run as root")
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    with locked(cache / "hylafax.lock"):
        root, partial = cache / "hylafax", cache / "hylafax.partial"
        if root.exists():
            return root
        for suite in SUITES:
            remove(partial)
            if debootstrap(suite, partial, PACKAGES, cache / "hylafax.log"):
                _prepare(partial)
                partial.rename(root)
                return root
        remove(partial)
        raise PeerUnavailableError(f"HylaFAX could not be installed, see {cache / 'hylafax.log'}")


def _prepare(root: Path) -> None:
    for package in (root / "var/cache/apt/archives").glob("*.deb"):
        package.unlink()
    # The distribution's start script brings them there.
    shutil.copytree(root / "etc/hylafax", root / "var/spool/hylafax/etc", dirs_exist_ok=True)
    subprocess.run(["chroot", root, "chown", "-R", "uucp:uucp", "/var/spool/hylafax"], check=True)


class Hylafax:
    """Starts HylaFAX with modems 0 to 3 at an Asterisk, and stops it: `with Hylafax(peer) as hylafax: …`.

    `modem{n}` of the Asterisk is answered by modem n; `send` calls from one. The odd ones have no error correction, and the last
    refuses a page with a single bad line (RTN).
    """

    def __init__(self, peer: PeerAddress) -> None:
        self.root = ensure_hylafax()
        self.spool = self.root / "var/spool/hylafax"
        self._peer = peer
        self._port = free_port(udp=False)
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None

    def __enter__(self) -> Hylafax:
        # The spool is one for all.
        self._lock = (self.root.parent / "hylafax.running").open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        (self.root / "etc/iaxmodem").mkdir(exist_ok=True)
        for n in range(MODEMS):
            port = free_port(udp=True)
            (self.root / f"etc/iaxmodem/ttyIAX{n}").write_text(IAXMODEM.format(n=n, port=port, peer=self._peer))
            more = "Class1ECMSupport: no" if n % 2 else ""
            if n == REFUSES:
                more += "\nPercentGoodLines: 100"
            (self.spool / f"etc/config.ttyIAX{n}").write_text(MODEM.format(n=n, more=more))
        for old in (self.spool / "status").glob("*"):
            old.unlink()
        script = START.format(modems=" ".join(map(str, range(MODEMS))), last=MODEMS - 1, port=self._port)
        self._process = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "chroot", self.root, "/bin/sh", "-c", script],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        end = time.monotonic() + START_LIMIT_S
        while not all(self.is_idle(n) for n in range(MODEMS)):
            if time.monotonic() > end or self._process.poll() is not None:
                self.stop()
                raise PeerUnavailableError("HylaFAX did not come up")
            time.sleep(0.2)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None
        if self._lock:
            self._lock.close()
            self._lock = None

    def is_idle(self, modem: int) -> bool:
        """Return True if a modem waits for a call."""
        status = self.spool / f"status/ttyIAX{modem}"
        return status.exists() and "Running and idle" in status.read_text(errors="replace")

    def received(self) -> list[Path]:
        """Return what came, as TIFF."""
        return sorted((self.spool / "recvq").glob("fax*.tif"))

    def send(self, modem: int, number: str, file: Path | None, *options: str) -> str:
        """Queue a fax for a modem, without a file one that polls; its job's number. Raises RuntimeError."""
        if file is not None:
            shutil.copy(file, self.root / "tmp" / file.name)
        command = ["chroot", self.root, "/usr/bin/sendfax", "-n", "-h", f"ttyIAX{modem}@localhost:{self._port}"]
        said = subprocess.run(
            [*command, "-t", "1", "-T", "1", *options, "-d", number, *([f"/tmp/{file.name}"] if file else [])],
            capture_output=True,
            text=True,
            check=False,
        )
        job = re.search(r"request id is (\d+)", said.stdout)
        if not job:
            raise RuntimeError(said.stdout + said.stderr)
        return job[1]

    def job(self, number: str) -> dict[str, str]:
        """Return the fields of a job that is over; none before."""
        file = self.spool / f"doneq/q{number}"
        lines = file.read_text(errors="replace").splitlines() if file.exists() else []
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def modem_logs(self) -> str:
        """Return what the modems say of themselves, registrations among it."""
        logs = sorted((self.root / "tmp").glob("iaxmodem*.log"))
        return "\n".join(f"{log.name}: {log.read_text(errors='replace')[-500:]}" for log in logs)

    def log(self) -> str:
        """The sessions' logs, for what went wrong."""
        logs = sorted((self.spool / "log").glob("c*"))
        return "\n".join(log.read_text(errors="replace")[-3000:] for log in logs[-4:])
