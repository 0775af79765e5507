# SPDX-License-Identifier: GPL-2.0-or-later
"""A bare Debian of this machine's release in a chroot with a network of its own, and softfax's package for it.

The bare system is made once and kept beside the Asterisk peer; each user gets a copy. The package is made of what was built for
the tests: no wheel, nothing fetched.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement

import softfax
from tests.peer.chroot import PeerUnavailableError, cache_folder, debootstrap, locked, remove
from tests.support.background import REPOSITORY

__all__ = ["BareDebian", "bare_debian", "build_package"]

#: Of Debian's own Python, and the libraries of C that a wheel would bring.
_PACKAGES = {"python3", "adduser"}


class BareDebian:
    """A running chroot: `run` runs a command in it, as root or as another user."""

    def __init__(self, root: Path, pid: int) -> None:
        self.root, self._pid = root, pid

    def command(self, *words: str, user: str = "", **environ: str) -> list[str]:
        """Return the command that runs `words` in there, with an environment of a login and `environ` alone."""
        as_user = ["setpriv", "--reuid", user, "--regid", user, "--init-groups"] if user else []
        known = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": "/root"} | environ
        return [
            *("nsenter", "-t", str(self._pid), "-m", "-n", "-r", "chroot", str(self.root), *as_user, "env", "-i"),
            *(f"{name}={value}" for name, value in known.items()),
            *words,
        ]

    def run(self, *words: str, user: str = "", check: bool = True, **environ: str) -> str:
        """Return a command's text on both its outputs. Raises AssertionError where it fails, unless `check` is False."""
        done = subprocess.run(
            self.command(*words, user=user, **environ),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=300,
        )
        assert not check or done.returncode == 0, f"{' '.join(words)}: {done.returncode}\n{done.stdout}"
        return done.stdout


@contextlib.contextmanager
def bare_debian(folder: Path) -> Iterator[BareDebian]:
    """A fresh bare system in `folder`, gone with the block. Raises PeerUnavailableError where none can be had."""
    root = folder / "bare"
    subprocess.run(["cp", "-a", "--reflink=auto", _ensure_system(), root], check=True)
    script = f"mount -t proc proc {root}/proc && mount --rbind /dev {root}/dev && ip link set lo up && echo ready && exec cat"
    # Mounts and network go with the process.
    with subprocess.Popen(
        ["unshare", "--mount", "--net", "sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "ready\n"
            yield BareDebian(root, holder.pid)
        finally:
            holder.communicate()
    shutil.rmtree(root)


def _ensure_system() -> Path:
    if os.geteuid() != 0 or not shutil.which("debootstrap"):
        raise PeerUnavailableError("a bare Debian takes root and debootstrap: apt-get install debootstrap")
    release = platform.freedesktop_os_release()
    if release.get("ID") != "debian" or "VERSION_CODENAME" not in release:
        raise PeerUnavailableError("this machine is no Debian release")
    suite, packages = release["VERSION_CODENAME"], ",".join(sorted(_PACKAGES | _library_packages()))
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    system = cache / f"bare-{suite}-{hashlib.sha256(packages.encode()).hexdigest()[:8]}"
    with locked(cache / "bare.lock"):
        if not system.is_dir():
            partial = system.with_suffix(".partial")
            remove(partial)
            if not debootstrap(suite, partial, packages, cache / "bare.log"):
                remove(partial)
                raise PeerUnavailableError(f"no bare {suite} could be made, see {cache / 'bare.log'}")
            for package in (partial / "var/cache/apt/archives").glob("*.deb"):
                package.unlink()
            partial.rename(system)
    return system


def _library_packages() -> set[str]:
    """The packages with the libraries that our own are linked to."""
    ours = Path(next(iter(softfax.__path__))) / "_native"
    said = subprocess.run(["ldd", *map(str, ours.glob("*.so"))], capture_output=True, text=True, check=True).stdout
    # dpkg may know a library by the name before /usr was merged.
    found = {form for name in re.findall(r"=> (/\S+)", said) for form in (name, os.path.realpath(name))}
    owners = subprocess.run(["dpkg-query", "-S", *sorted(found)], capture_output=True, text=True, check=False).stdout
    return {line.partition(":")[0] for line in owners.splitlines()}


def build_package(bare: BareDebian, folder: Path) -> Path:
    """The package, by deploy/debian/build.sh. Raises PeerUnavailableError where the modules are not for the Python in there."""
    version = "{}.{}".format(*sys.version_info)
    if not (bare.root / f"usr/bin/python{version}").exists():
        raise PeerUnavailableError(f"these tests run with Python {version}, the bare Debian has another")
    modules, package = folder / "modules", folder / "softfax.deb"
    _copy_modules(modules)
    environment = dict(
        os.environ,
        MODULES=str(modules),
        PYTHON_VERSION=version,
        COMPRESSION="none",
        OUT=str(package),
        PY=sys.executable,
    )
    # With the umask of a careful administrator, whose package has to be as any other.
    build = ["deploy/debian/build.sh"]
    subprocess.run(build, cwd=REPOSITORY, env=environment, umask=0o077, check=True, stdout=subprocess.DEVNULL)
    shutil.rmtree(modules)
    return package


def _copy_modules(target: Path) -> None:
    """softfax as it was built, and what it needs as it is installed here."""
    skipped = shutil.ignore_patterns("__pycache__")
    for place in softfax.__path__:
        shutil.copytree(place, target / "softfax", ignore=skipped, dirs_exist_ok=True)
    extras = subprocess.run(
        [sys.executable, "deploy/debian/extras.py"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout.split()
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *extras]
    done: set[tuple[str, frozenset[str]]] = set()
    while wanted:
        requirement = Requirement(wanted.pop())
        if (key := (requirement.name, frozenset(requirement.extras))) in done:
            continue
        distribution = importlib.metadata.distribution(requirement.name)
        if requirement.name not in {name for name, _ in done}:
            _copy_files(distribution, target)
        done.add(key)
        for text in distribution.requires or ():
            marker = Requirement(text).marker
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *requirement.extras)):
                wanted.append(text)


def _copy_files(distribution: importlib.metadata.Distribution, target: Path) -> None:
    for file in distribution.files or ():
        if ".." not in file.parts and "__pycache__" not in file.parts:
            (target / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(str(distribution.locate_file(file)), target / file)
