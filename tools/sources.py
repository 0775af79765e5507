# SPDX-License-Identifier: GPL-2.0-or-later
"""Source of a library that is built here: from the user, upstream, or the distribution.

In this order: a folder or tarball of the user's ($PJPROJECT_SOURCE, $SPANDSP_SOURCE), the upstream release by its SHA-256, or the
distribution's source package, whose signature apt checks; where the mirror's lists have expired, which a replay would look like
too, only the tarball of a known SHA-256 counts. Another version than the one the code was written for is refused, unless
$PJPROJECT_VERSION or $SPANDSP_VERSION names it.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / ".build"
LOG = BUILD / "log"
SOURCE_MAX = 200 << 20


class BuildError(Exception):
    """A source that cannot be had or used, in a line."""


@dataclass(frozen=True)
class Library:
    """A library that is built here, and where its source is to be had."""

    name: str
    title: str
    version: str
    variable: str
    """The user's own source is in $variable_SOURCE, another version is allowed by $variable_VERSION."""
    upstream: str
    upstream_sha256: str
    package: str
    """The source package of Debian and Ubuntu that has it."""
    tarball: str
    """The tarball's name in that package, a pattern."""
    tarball_sha256: str
    released: bool
    """True where releases of the distributions have it; testing and unstable are asked otherwise."""
    marker: str
    """A file at the root of the source."""
    version_of: Callable[[Path], str]
    build: Callable[[Path, Path, dict[str, str]], None]
    configure: list[str]
    flags: str
    cxx_flags: str = ""
    """Those for C++, where they are others."""
    steps: tuple[Callable[..., None], ...] = ()
    """Further functions that build it."""
    depends: tuple[Path, ...] = ()
    """Files of ours that are built in."""


def say(library: str, text: str) -> None:
    """Print a progress line; standard output is for the prefixes."""
    print(f"  {library:<10} {text}", file=sys.stderr, flush=True)


def run(
    library: str, step: str, command: list[str], cwd: Path, env: dict[str, str] | None = None, quiet: bool = False
) -> None:
    """Run a step into its log. Raises BuildError that names the log, and unless quiet shows its end."""
    log = LOG / f"{library}-{step}.log"
    start = time.monotonic()
    with log.open("wb") as out:
        status = subprocess.run(command, cwd=cwd, env=env, stdout=out, stderr=subprocess.STDOUT, check=False).returncode
    if status:
        if not quiet:
            print("\n".join(log.read_text(errors="replace").splitlines()[-12:]), file=sys.stderr)
        raise BuildError(f"{library}: {step} failed, see {log.relative_to(ROOT)}")
    say(library, f"{step} ({time.monotonic() - start:.0f} s)")


# ---- where the source comes from ---------------------------------------------------------------------------------------


def unpack(library: Library, archive: Path, into: Path) -> Path:
    """Unpack a tarball and return the folder in it."""
    with tarfile.open(archive) as tar:
        tar.extractall(into, filter="data") if hasattr(tarfile, "data_filter") else tar.extractall(into)
    folders = [p for p in into.iterdir() if (p / library.marker).is_file()]
    if not folders:
        raise BuildError(f"{archive.name} holds no source of {library.title}")
    return folders[0]


def from_user(library: Library, work: Path) -> Path | None:
    """The source the user points to."""
    variable = f"{library.variable}_SOURCE"
    given = os.environ.get(variable)
    if not given:
        return None
    path = Path(given)
    if path.is_file():
        return unpack(library, path, work)
    if not path.is_dir():
        raise BuildError(f"{variable}={given} is neither a folder nor a file")
    if not (path / library.marker).is_file():
        raise BuildError(f"{variable}={given} holds no source of {library.title} {library.version}")
    return Path(shutil.copytree(path, work / "source", symlinks=True))


def from_upstream(library: Library, work: Path) -> Path | None:
    """The release tarball; None where it cannot be reached. A wrong checksum is an error."""
    try:
        with urllib.request.urlopen(library.upstream, timeout=8) as response:
            data = response.read(SOURCE_MAX)
    except OSError as error:
        say(library.name, f"upstream release not reachable ({getattr(error, 'reason', error)})")
        return None
    if hashlib.sha256(data).hexdigest() != library.upstream_sha256:
        raise BuildError(f"the upstream release of {library.title} has another checksum than expected")
    archive = work / "release.tar.gz"
    archive.write_bytes(data)
    return unpack(library, archive, work)


@dataclass(frozen=True)
class Archive:
    """A distribution's archive of packages, as apt is pointed to it."""

    name: str
    mirror: str
    keyring: Path
    components: str
    suites: tuple[str, ...]
    """Asked one after the other; several in one word are asked together."""


def mirrors() -> list[str]:
    """Every archive this machine's apt is set up with (cloud images may name a list of mirrors instead)."""
    apt = Path("/etc/apt")
    texts = [p.read_text(errors="replace") for p in sorted(apt.glob("sources.list.d/*.sources"))]
    uris = [u for t in texts for line in re.findall(r"^URIs:\s*(.*)$", t, re.M) for u in line.split()]
    texts = [
        p.read_text(errors="replace")
        for p in [apt / "sources.list", *sorted(apt.glob("sources.list.d/*.list"))]
        if p.is_file()
    ]
    return uris + [u for t in texts for u in re.findall(r"^deb\s+(?:\[[^]]*\]\s+)?(\S+)", t, re.M)]


def debian_mirror() -> str | None:
    """The first Debian archive this machine's apt is set up with."""
    return next((u for u in mirrors() if re.search(r"/debian(\.list)?/?$", u)), None)


def ubuntu_mirror() -> str | None:
    """The first Ubuntu archive this machine's apt is set up with; ports has arm64."""
    return next((u for u in mirrors() if re.search(r"/ubuntu(-ports)?/?$", u)), None)


def codename() -> str:
    """The name of this machine's release, as in bookworm; empty where it has none."""
    try:
        text = Path("/etc/os-release").read_text()
    except OSError:
        return ""
    found = re.search(r"^VERSION_CODENAME=\"?(\w+)", text, re.M)
    return found.group(1) if found else ""


def archives(library: Library) -> list[Archive]:
    """The archives to ask, this machine's own first. An Ubuntu with Debian's keys may ask Debian as well."""
    keys = Path("/usr/share/keyrings")
    debian, ubuntu = debian_mirror(), ubuntu_mirror()
    own = (codename(),) if library.released and codename() else ()
    found = []
    if ubuntu:
        found.append(Archive("Ubuntu", ubuntu, keys / "ubuntu-archive-keyring.gpg", "main universe", (*own, "devel")))
        own = ()
    if debian or ubuntu:
        mirror = debian or "http://deb.debian.org/debian"
        suites = (*own, "testing unstable")
        found.append(Archive("Debian", mirror, keys / "debian-archive-keyring.gpg", "main", suites))
    return [a for a in found if a.keyring.is_file()]


def download(library: Library, archive: Archive, suites: str, work: Path) -> Path | None:
    """The source tarball from an archive, verified by apt or by its SHA-256; None where the suites have none."""
    for folder in ("parts", "lists/partial", "cache/archives/partial", "out"):
        (work / folder).mkdir(parents=True)
    (work / "parts" / "source.sources").write_text(
        f"Types: deb-src\nURIs: {archive.mirror}\nSuites: {suites}\nComponents: {archive.components}\n"
        f"Signed-By: {archive.keyring}\n"
    )
    options = [
        "-o", "Dir::Etc::SourceList=/dev/null", "-o", f"Dir::Etc::SourceParts={work}/parts",
        "-o", f"Dir::State::Lists={work}/lists", "-o", f"Dir::Cache={work}/cache", "-o", "APT::Sandbox::User=root",
    ]  # fmt: skip
    expired = False
    try:
        run(library.name, "lists", ["apt-get", *options, "update", "-q"], work, quiet=True)
    except BuildError:
        # A mirror that stands still, or a clock that is wrong: signatures hold, dates do not.
        say(library.name, "the mirror's lists have expired or cannot be read, trying without their dates")
        options += ["-o", "Acquire::Check-Valid-Until=false", "-o", "Acquire::Check-Date=false"]
        expired = True
        run(library.name, "lists", ["apt-get", *options, "update", "-q"], work)
    get = ["apt-get", *options, "source", "--download-only", "--tar-only", library.package]
    try:
        run(library.name, "download", get, work / "out", quiet=True)
    except BuildError:
        return None
    found = sorted((work / "out").glob(library.tarball))
    if not found:
        return None
    if expired and hashlib.sha256(found[-1].read_bytes()).hexdigest() != library.tarball_sha256:
        raise BuildError(f"{found[-1].name} from lists that have expired is not the one known")
    return found[-1]


def from_distribution(library: Library, work: Path) -> Path | None:
    """The source package of Debian or Ubuntu; apt verifies it."""
    if shutil.which("apt-get") is None:
        return None
    problems = []
    for number, (archive, suites) in enumerate((a, s) for a in archives(library) for s in a.suites):
        try:
            tarball = download(library, archive, suites, work / str(number))
            if tarball is not None:
                found = unpack(library, tarball, work / str(number))
                check_version(library, found)
                return found
        except BuildError as error:
            problems.append(f"{archive.name} ({suites}): {error}")
    if problems:
        raise BuildError("; ".join(problems))
    return None


def wanted_version(library: Library) -> str:
    """The version to build: the pinned one, or the one asked for by name."""
    return os.environ.get(f"{library.variable}_VERSION") or library.version


def check_version(library: Library, tree: Path) -> str:
    """The version of a source. Raises BuildError unless it is the one wanted."""
    version, wanted = library.version_of(tree), wanted_version(library)
    if version != wanted:
        raise BuildError(
            f"this is {library.title} {version}, wanted is {wanted} "
            f"(to build with it all the same, set {library.variable}_VERSION={version})"
        )
    return version


def source(library: Library, work: Path) -> Path:
    """The unpacked source, of the version wanted. Raises BuildError with what to do."""
    problems = []
    for origin in (from_user, from_upstream, from_distribution):
        place = origin.__name__.replace("_", " ")
        folder = work / origin.__name__
        folder.mkdir()
        try:
            found = origin(library, folder)
            if found is not None:
                version = check_version(library, found)
                say(library.name, f"source {version} ({place})")
                return found
        except BuildError as error:
            if origin is from_user:
                raise BuildError(f"{library.variable}_SOURCE: {error}") from None
            problems.append(f"{place}: {error}")
    wanted = wanted_version(library)
    raise BuildError(
        f"no source of {library.title} {wanted} could be had: "
        + ("; ".join(problems) or "nothing is reachable")
        + f"; download {library.title} {wanted} and set {library.variable}_SOURCE to the tarball or folder"
    )
