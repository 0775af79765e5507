#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Fetches PJSIP and builds it as softfax needs it: static libraries and the SWIG wrapper of pjsua2.

    tools/pjsip.py            builds if needed, prints the prefix: include/, lib/, swig/

The source comes, in this order, from $PJPROJECT_SOURCE (a folder or tarball), the upstream release by its SHA-256, or the
Debian source package that carries pjproject, whose signature apt checks; where the mirror's lists have expired, which a replay
would look like too, only the tarball of a known SHA-256 counts. The result is kept under .build/pjsip/KEY, where
KEY stands for the version, the configuration and this script.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / ".build"
LOG = BUILD / "log"
SITE_CONFIG = ROOT / "native" / "pjsip" / "config_site.h"
VERSION = (2, 17)
UPSTREAM = "https://github.com/pjsip/pjproject/archive/refs/tags/2.17.tar.gz"
UPSTREAM_SHA256 = "065fe06c06788d97c35f563796d59f00ce52fe9558a52d7b490a042a966facce"
DEBIAN_SHA256 = "6860c2f7604b4eee75f38151a9ef69774eb3f0c5286fc1d14bc1db2dc5a9e8aa"
SOURCE_MAX = 200 << 20
CONFIGURE = [
    "--disable-libsrtp", "--disable-sound", "--disable-video", "--disable-speex-aec", "--disable-speex-codec",
    "--disable-ilbc-codec", "--disable-gsm-codec", "--disable-l16-codec", "--disable-g722-codec",
    "--disable-g7221-codec", "--disable-opencore-amr", "--disable-silk", "--disable-opus", "--disable-bcg729",
    "--disable-libyuv", "--disable-libwebrtc", "--disable-sdl", "--disable-ffmpeg", "--disable-v4l2",
    "--disable-openh264", "--disable-vpx", "--disable-upnp", "--disable-resample", "--enable-epoll",
]  # fmt: skip


class BuildError(Exception):
    """What went wrong, in a line."""


def say(step: str, text: str) -> None:
    """A progress line; standard output is for the prefix."""
    print(f"  {step:<10} {text}", file=sys.stderr, flush=True)


def run(step: str, command: list[str], cwd: Path, env: dict[str, str] | None = None, quiet: bool = False) -> None:
    """Runs a step into its log. Raises BuildError that names the log, and unless quiet shows its end."""
    log = LOG / f"pjsip-{step}.log"
    start = time.monotonic()
    with log.open("wb") as out:
        status = subprocess.run(command, cwd=cwd, env=env, stdout=out, stderr=subprocess.STDOUT, check=False).returncode
    if status:
        if not quiet:
            print("\n".join(log.read_text(errors="replace").splitlines()[-12:]), file=sys.stderr)
        raise BuildError(f"PJSIP: {step} failed, see {log.relative_to(ROOT)}")
    say("pjsip", f"{step} ({time.monotonic() - start:.0f} s)")


# ---- where the source comes from ---------------------------------------------------------------------------------------


def unpack(archive: Path, into: Path) -> Path:
    """Unpacks a tarball and returns the folder in it."""
    with tarfile.open(archive) as tar:
        tar.extractall(into, filter="data") if hasattr(tarfile, "data_filter") else tar.extractall(into)
    folders = [p for p in into.iterdir() if (p / "version.mak").is_file()]
    if not folders:
        raise BuildError(f"{archive.name} holds no PJSIP source")
    return folders[0]


def from_user(work: Path) -> Path | None:
    """$PJPROJECT_SOURCE."""
    given = os.environ.get("PJPROJECT_SOURCE")
    if not given:
        return None
    path = Path(given)
    if path.is_dir():
        return Path(shutil.copytree(path, work / "pjproject", symlinks=True))
    if path.is_file():
        return unpack(path, work)
    raise BuildError(f"PJPROJECT_SOURCE={given} is neither a folder nor a file")


def from_upstream(work: Path) -> Path | None:
    """The release tarball; None where it cannot be reached. A wrong checksum is an error."""
    try:
        with urllib.request.urlopen(UPSTREAM, timeout=8) as response:
            data = response.read(SOURCE_MAX)
    except OSError as error:
        say("pjsip", f"upstream release not reachable ({getattr(error, 'reason', error)})")
        return None
    if hashlib.sha256(data).hexdigest() != UPSTREAM_SHA256:
        raise BuildError("the upstream release of PJSIP has another checksum than expected")
    archive = work / "pjproject.tar.gz"
    archive.write_bytes(data)
    return unpack(archive, work)


def debian_mirror() -> str | None:
    """The first Debian archive this machine's apt is set up with (cloud images name a list of mirrors instead)."""
    apt = Path("/etc/apt")
    texts = [p.read_text(errors="replace") for p in sorted(apt.glob("sources.list.d/*.sources"))]
    uris = [u for t in texts for line in re.findall(r"^URIs:\s*(.*)$", t, re.M) for u in line.split()]
    texts = [
        p.read_text(errors="replace")
        for p in [apt / "sources.list", *sorted(apt.glob("sources.list.d/*.list"))]
        if p.is_file()
    ]
    uris += [u for t in texts for u in re.findall(r"^deb\s+(?:\[[^]]*\]\s+)?(\S+)", t, re.M)]
    return next((u for u in uris if re.search(r"/debian(\.list)?/?$", u)), None)


def from_debian(work: Path) -> Path | None:
    """The Debian source package that carries pjproject, from testing or unstable; apt verifies it."""
    mirror = debian_mirror()
    keyring = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
    if mirror is None or not keyring.is_file() or shutil.which("apt-get") is None:
        return None
    for folder in ("parts", "lists/partial", "cache/archives/partial", "out"):
        (work / folder).mkdir(parents=True)
    (work / "parts" / "source.sources").write_text(
        f"Types: deb-src\nURIs: {mirror}\nSuites: testing unstable\nComponents: main\nSigned-By: {keyring}\n"
    )
    options = [
        "-o", "Dir::Etc::SourceList=/dev/null", "-o", f"Dir::Etc::SourceParts={work}/parts",
        "-o", f"Dir::State::Lists={work}/lists", "-o", f"Dir::Cache={work}/cache", "-o", "APT::Sandbox::User=root",
    ]  # fmt: skip
    expired = False
    try:
        run("lists", ["apt-get", *options, "update", "-q"], work, quiet=True)
    except BuildError:
        # A mirror that stands still, or a clock that is wrong: signatures hold, dates do not.
        say("pjsip", "the mirror's lists have expired or cannot be read, trying without their dates")
        options += ["-o", "Acquire::Check-Valid-Until=false", "-o", "Acquire::Check-Date=false"]
        expired = True
        run("lists", ["apt-get", *options, "update", "-q"], work)
    run("download", ["apt-get", *options, "source", "--download-only", "asterisk"], work / "out")
    found = sorted((work / "out").glob("*orig-Xpjproject.tar.*"))
    if not found:
        return None
    if expired and hashlib.sha256(found[-1].read_bytes()).hexdigest() != DEBIAN_SHA256:
        raise BuildError(f"{found[-1].name} from lists that have expired is not the one known")
    return unpack(found[-1], work)


def source(work: Path) -> Path:
    """The unpacked source, new enough. Raises BuildError with what to do."""
    problems = []
    for origin in (from_user, from_upstream, from_debian):
        folder = work / origin.__name__
        folder.mkdir()
        try:
            found = origin(folder)
        except BuildError as error:
            if origin is from_user:
                raise
            problems.append(str(error))
            continue
        if found is not None:
            version = tuple(
                int(v)
                for v in re.findall(r"PJ_VERSION_M(?:AJOR|INOR)\s*:=\s*(\d+)", (found / "version.mak").read_text())
            )
            if version >= VERSION:
                say("pjsip", f"source {'.'.join(map(str, version))} ({origin.__name__.replace('_', ' ')})")
                return found
            problems.append(f"{origin.__name__}: too old ({version})")
    raise BuildError(
        "no source of PJSIP 2.17 could be had: "
        + ("; ".join(problems) or "nothing is reachable")
        + "; download pjproject 2.17 and set PJPROJECT_SOURCE to the tarball or folder"
    )


# ---- building ------------------------------------------------------------------------------------------------------------


def build(tree: Path, prefix: Path) -> None:
    """Configures, compiles, wraps, and fills the prefix."""
    shutil.copy(SITE_CONFIG, tree / "pjlib/include/pj/config_site.h")
    # Left out of the Debian tarball, and compiled even without sound.
    (tree / "pjmedia/src/pjmedia-audiodev/bdimad_dev.c").touch()
    env = {**os.environ, "CFLAGS": "-O2 -fPIC -DNDEBUG", "CXXFLAGS": "-O2 -fPIC -DNDEBUG"}
    run("configure", ["./configure", *CONFIGURE], tree, env)
    run("depend", ["make", "dep"], tree, env)
    run("compile", ["make", "lib", f"-j{os.cpu_count() or 1}"], tree, env)
    (prefix / "lib").mkdir(parents=True)
    (prefix / "swig").mkdir()
    for library in tree.glob("*/lib/*.a"):
        shutil.copy(
            library,
            prefix
            / "lib"
            / re.sub(r"-(x86_64|aarch64|arm|i\d86|riscv64|powerpc64le|s390x)[^/]*\.a$", ".a", library.name),
        )
    for part in ("pjlib", "pjlib-util", "pjnath", "pjmedia", "pjsip"):
        shutil.copytree(tree / part / "include", prefix / "include", dirs_exist_ok=True)
    shutil.copy(tree / "COPYING", prefix / "COPYING")
    includes = [f"-I{prefix / 'include'}"]
    swig = tree / "pjsip-apps/src/swig"
    run(
        "swig",
        ["swig", *includes, "-c++", "-threads", "-python", "-o", str(prefix / "swig/pjsua2_wrap.cpp"), "pjsua2.i"],
        swig,
    )


def key() -> str:
    """What the built libraries depend on."""
    digest = hashlib.sha256()
    for path in (SITE_CONFIG, Path(__file__)):
        digest.update(path.read_bytes())
    digest.update(os.environ.get("PJPROJECT_SOURCE", "").encode())
    return f"{'.'.join(map(str, VERSION))}-{digest.hexdigest()[:12]}"


def main() -> int:
    """Builds what is missing; prints the prefix."""
    prefix = BUILD / "pjsip" / key()
    LOG.mkdir(parents=True, exist_ok=True)
    if not (prefix / ".complete").exists():
        shutil.rmtree(prefix, ignore_errors=True)
        try:
            with tempfile.TemporaryDirectory(prefix="pjsip-", dir=BUILD) as work:
                build(source(Path(work)), prefix)
        except BuildError as error:
            print(f"softfax: {error}", file=sys.stderr)
            return 1
        (prefix / ".complete").touch()
    print(prefix)
    return 0


if __name__ == "__main__":
    sys.exit(main())
