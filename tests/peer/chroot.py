# SPDX-License-Identifier: GPL-2.0-or-later
"""Origin of Asterisk: a Debian release that has it, debootstrapped once into a cache outside the repository.

Asterisk 16 is in bullseye; where the mirror has no bullseye any more, the Asterisk of testing or unstable (22) does.
The mirror is the one this machine's apt is set up with; debootstrap checks the archive's signature.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "NEWER_SUITES",
    "SUITES",
    "Chroot",
    "PeerUnavailableError",
    "cache_folder",
    "debootstrap",
    "ensure_chroot",
    "locked",
    "mirror",
    "remove",
]

NEWER_SUITES = ("testing", "unstable")
SUITES = ("bullseye", *NEWER_SUITES)
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


class PeerUnavailableError(RuntimeError):
    """Asterisk cannot be had on this machine; the text says why and what to do."""


@dataclass(frozen=True)
class Chroot:
    """A complete Debian system with Asterisk in it."""

    root: Path
    modules: str
    """The folder of Asterisk's modules, as seen from inside."""
    version: str
    """Asterisk's version, as in 16.28.0."""

    @property
    def major(self) -> str:
        return self.version.split(".")[0]


def cache_folder() -> Path:
    """SOFTFAX_PEERS, else softfax/peers in XDG_CACHE_HOME, which root has in /var/cache."""
    if own := os.environ.get("SOFTFAX_PEERS"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or "/var/cache") / "softfax" / "peers"


def ensure_chroot(suites: Sequence[str] = SUITES) -> Chroot:
    """The chroot of the first of these releases that has Asterisk, made now if there is none (a minute); several processes may ask at once.

    Raises PeerUnavailableError without root, debootstrap or a mirror.
    """
    if os.geteuid() != 0:
        raise PeerUnavailableError("the Asterisk peer lives in a chroot: run as root")
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    with locked(cache / "lock"):
        for suite in suites:
            if chroot := _inspect(cache / suite):
                return chroot
        return _make(cache, suites)


def _make(cache: Path, suites: Sequence[str]) -> Chroot:
    if not shutil.which("debootstrap"):
        raise PeerUnavailableError(
            "debootstrap is missing, and the Asterisk peer is made by it: apt-get install debootstrap"
        )
    source = mirror()
    log = cache / "setup.log"
    log.unlink(missing_ok=True)
    for suite in suites:
        # A folder takes its final name only when it is complete: whatever else is there is a leftover.
        partial = cache / f"{suite}.partial"
        remove(partial)
        remove(cache / suite)
        if not debootstrap(suite, partial, "asterisk,asterisk-modules", log):
            remove(partial)
            continue
        for package in (partial / "var/cache/apt/archives").glob("*.deb"):
            package.unlink()
        partial.rename(cache / suite)
        if chroot := _inspect(cache / suite):
            return chroot
    raise PeerUnavailableError(f"no Debian release with Asterisk could be installed from {source}, see {log}")


def remove(root: Path) -> None:
    """Delete a system, and the mounts in it."""
    if root.exists():
        # A debootstrap that was killed leaves its mounts behind.
        for mount in ("proc", "sys"):
            subprocess.run(["umount", str(root / mount)], capture_output=True, check=False)
        shutil.rmtree(root)


def debootstrap(suite: str, target: Path, include: str, log: Path) -> bool:
    """Make a minimal system of a release, with the packages in `include`; False where that failed, and the log says why."""
    command = ["debootstrap", "--variant=minbase", f"--include={include}"]
    if KEYRING.exists():
        command.append(f"--keyring={KEYRING}")
    environment = dict(os.environ, LC_ALL="C")
    if proxy := _apt_setting("Acquire::http::Proxy"):
        environment.setdefault("http_proxy", proxy)
    with log.open("a") as out:
        done = subprocess.run(
            [*command, suite, str(target), mirror()], stdout=out, stderr=out, env=environment, check=False
        )
    return done.returncode == 0


def _inspect(root: Path) -> Chroot | None:
    """The chroot at `root` if Asterisk and its fax module are there."""
    module = next(iter(root.glob("usr/lib/**/res_fax_spandsp.so")), None)
    if not module or not (root / "usr/sbin/asterisk").exists():
        return None
    said = subprocess.run(
        ["chroot", str(root), "/usr/sbin/asterisk", "-V"], capture_output=True, text=True, check=False
    )
    version = re.search(r"Asterisk (\d+[\d.]*)", said.stdout)
    return Chroot(root, f"/{module.parent.relative_to(root)}", version.group(1)) if version else None


def mirror() -> str:
    """Return the first mirror of the main archive in apt's sources."""
    done = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(ORIGIN) $(LABEL)", "Created-By: Packages"],
        capture_output=True,
        text=True,
        check=False,
    )
    for line in done.stdout.splitlines():
        uri, _, who = line.partition(" ")
        if who == "Debian Debian":
            return uri
    for uri in _mirrors_in_files():
        return uri
    raise PeerUnavailableError("apt on this machine has no Debian mirror, and the Asterisk peer is installed from one")


def _mirrors_in_files() -> Iterator[str]:
    """Return the mirrors in apt's files, for a machine where apt-get update has never run."""
    folder = Path("/etc/apt")
    for path in [folder / "sources.list", *sorted(folder.glob("sources.list.d/*"))]:
        if path.suffix not in (".list", ".sources") or not path.is_file():
            continue
        for line in path.read_text(errors="replace").splitlines():
            found = re.match(r"(?:URIs:|deb\s+(?:\[[^]]*\])?)\s*(\S+/debian/?)(?:\s|$)", line)
            if found:
                yield found.group(1)


def _apt_setting(name: str) -> str:
    said = subprocess.run(["apt-config", "shell", "VALUE", name], capture_output=True, text=True, check=False).stdout
    found = re.search(r"VALUE='([^']*)'", said)
    return found.group(1) if found else ""


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file, which other processes wait for."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
