#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Fetch and build the two libraries that softfax links statically: PJSIP, with the SWIG wrapper of pjsua2, and spandsp.

    tools/native.py NAME... [--sanitize LIST]     builds `pjsip` or `spandsp` if needed, prints the prefix of each

Where the source of each comes from is in tools/sources.py. The result is kept under .build/NAME/KEY, where KEY stands for the
version, the configuration and the steps of the build.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import inspect
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from sources import BUILD, LOG, ROOT, BuildError, Library, run, source, wanted_version

JOBS = f"-j{os.cpu_count() or 1}"

# ---- PJSIP ---------------------------------------------------------------------------------------------------------------


def pjsip_version(tree: Path) -> str:
    """PJSIP's version, as in 2.17 or 2.17.1."""
    found = dict(
        re.findall(r"PJ_VERSION_(MAJOR|MINOR|REV)\s*:=[ \t]*(\d*)", (tree / "version.mak").read_text(errors="replace"))
    )
    return ".".join(p for p in (found.get("MAJOR"), found.get("MINOR"), found.get("REV")) if p)


def find_swig() -> str:
    """The command swig, of 4.3 or later. Where $SWIG_IN_S says that it is being installed, it is waited for as long as that."""
    end = time.monotonic() + float(os.environ.get("SWIG_IN_S", "0"))
    while True:
        swig = shutil.which("swig")
        said = subprocess.run([swig, "-version"], capture_output=True, text=True, check=False).stdout if swig else ""
        found = re.search(r"SWIG Version (\d+)\.(\d+)", said)
        if swig and found and (int(found[1]), int(found[2])) >= (4, 3):
            return swig
        if time.monotonic() >= end:
            raise BuildError("PJSIP's module for Python is made by swig 4.3 or later: pip install swig")
        time.sleep(0.5)


def wrap_pjsua2(tree: Path, prefix: Path, env: dict[str, str]) -> None:
    """Make the module of pjsua2 for Python: lib/pjsua2_wrap.o, for every Python from 3.11 on, and swig/pjsua2.py."""
    swig, include = find_swig(), f"-I{prefix / 'include'}"
    source = prefix / "swig" / "pjsua2_wrap.cpp"
    run("pjsip", "swig", [swig, include, "-c++", "-threads", "-python", "-o", str(source), "pjsua2.i"],
        tree / "pjsip-apps/src/swig")  # fmt: skip
    # Six megabytes of generated code that runs a few times a call: optimising it would double the time of the whole build.
    flags = [
        "-O0", "-g0", "-w", "-fPIC", "-fno-strict-aliasing", "-fvisibility=hidden", "-DPy_LIMITED_API=0x030b0000",
        "-DPJ_AUTOCONF=1", "-DPJ_IS_LITTLE_ENDIAN=1", "-DPJ_IS_BIG_ENDIAN=0", "-DNDEBUG",
    ]  # fmt: skip
    flags += [include, f"-I{sysconfig.get_path('include')}"]
    compiler = env.get("CXX", "c++").split()
    run("pjsip", "module", [*compiler, *flags, "-c", str(source), "-o", str(prefix / "lib/pjsua2_wrap.o")], prefix, env)
    source.unlink()


def build_pjsip(tree: Path, prefix: Path, env: dict[str, str]) -> None:
    """Configure, compile, wrap, and fill the prefix."""
    shutil.copy(SITE_CONFIG, tree / "pjlib/include/pj/config_site.h")
    # Left out of the Debian tarball, and compiled even without sound.
    (tree / "pjmedia/src/pjmedia-audiodev/bdimad_dev.c").touch()
    run("pjsip", "configure", ["./configure", *PJSIP.configure], tree, env)
    for part in ("pjlib", "pjlib-util", "pjnath", "pjmedia", "pjsip"):
        shutil.copytree(tree / part / "include", prefix / "include", dirs_exist_ok=True)
    (prefix / "lib").mkdir()
    (prefix / "swig").mkdir()
    # The module's one source takes as long as all the rest: it is compiled beside it.
    with ThreadPoolExecutor(1) as pool:
        module = pool.submit(wrap_pjsua2, tree, prefix, env)
        run("pjsip", "compile", ["make", "lib", JOBS], tree, env)
        module.result()
    machine = r"-(x86_64|aarch64|arm|i\d86|riscv64|powerpc64le|s390x)[^/]*\.a$"
    for library in tree.glob("*/lib/*.a"):
        shutil.copy(library, prefix / "lib" / re.sub(machine, ".a", library.name))
    shutil.copy(tree / "COPYING", prefix / "COPYING")


SITE_CONFIG = ROOT / "native" / "pjsip" / "config_site.h"
PJSIP = Library(
    name="pjsip",
    title="PJSIP",
    version="2.17",
    variable="PJPROJECT",
    upstream="https://github.com/pjsip/pjproject/archive/refs/tags/2.17.tar.gz",
    upstream_sha256="065fe06c06788d97c35f563796d59f00ce52fe9558a52d7b490a042a966facce",
    package="asterisk",
    tarball="*orig-Xpjproject.tar.*",
    tarball_sha256="6860c2f7604b4eee75f38151a9ef69774eb3f0c5286fc1d14bc1db2dc5a9e8aa",
    released=False,
    marker="version.mak",
    version_of=pjsip_version,
    build=build_pjsip,
    configure=[
        "--disable-libsrtp", "--disable-sound", "--disable-video", "--disable-speex-aec", "--disable-speex-codec",
        "--disable-ilbc-codec", "--disable-gsm-codec", "--disable-l16-codec", "--disable-g722-codec",
        "--disable-g7221-codec", "--disable-opencore-amr", "--disable-silk", "--disable-opus", "--disable-bcg729",
        "--disable-libyuv", "--disable-libwebrtc", "--disable-sdl", "--disable-ffmpeg", "--disable-v4l2",
        "--disable-openh264", "--disable-vpx", "--disable-upnp", "--disable-resample", "--enable-epoll",
    ],
    # Signalling, a few messages a call: what it computes does not show, and optimising it takes half of the build's time.
    flags="-O1 -fPIC -DNDEBUG",
    cxx_flags="-O0 -fPIC -DNDEBUG",
    steps=(wrap_pjsua2,),
    depends=(SITE_CONFIG,),
)  # fmt: skip

# ---- spandsp -------------------------------------------------------------------------------------------------------------

SPANDSP_CODE = "39b17746c7b07ba6cf642824074816c69afb7e5fbf75b4a1050e51f9f2b196ec"
"""SHA-256 of the code of spandsp 0.0.6: there were pre-releases that call themselves 0.0.6 too."""


def spandsp_code(tree: Path) -> str:
    """The SHA-256 of the code, and of the headers that say how its structures are laid out."""
    digest = hashlib.sha256()
    for path in sorted([*tree.glob("src/*.c"), *tree.glob("src/spandsp/private/*.h")]):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def spandsp_version(tree: Path) -> str:
    """0.0.6 for the release; 0.0.6+DIGEST for what differs from it."""
    text = (tree / "configure.ac").read_text(errors="replace")
    parts = re.findall(r"^SPANDSP_(?:MAJOR|MINOR|MICRO)_VERSION=(\d+)", text, re.M)
    code = spandsp_code(tree)
    return ".".join(parts) + ("" if code == SPANDSP_CODE else f"+{code[:12]}")


def spandsp_states(tree: Path) -> str:
    """A header with the numbers of T.30's states and of the uses of its file, which are private to t30.c."""
    text = (tree / "src/t30.c").read_text(errors="replace")
    lines = []
    for first in ("T30_STATE_ANSWERING", "OPERATION_IN_PROGRESS_NONE"):
        found = re.search(rf"enum\s*\{{\s*({first}\b[^}}]*)\}}", text)
        number = -1
        for item in re.findall(r"(\w+)(?:\s*=\s*(\d+))?\s*(?:,|$)", found.group(1).strip()) if found else ():
            number = int(item[1]) if item[1] else number + 1
            lines.append(f"#define SPANDSP_{item[0]} {number}")
    return "/* Made of spandsp's t30.c. */\n" + "\n".join(lines) + "\n"


def build_spandsp(tree: Path, prefix: Path, env: dict[str, str]) -> None:
    """Configure, compile the library alone, and fill the prefix."""
    # It is older than some machines; what they are called changes nothing in a static library.
    machine = subprocess.run(["cc", "-dumpmachine"], capture_output=True, text=True, check=True).stdout.strip()
    for name in ("config.guess", "config.sub"):
        (tree / "config" / name).write_text(f"#!/bin/sh\necho {machine.replace('-linux', '-unknown-linux', 1)}\n")
    run("spandsp", "configure", ["./configure", *SPANDSP.configure], tree, env)
    # The dates of a folder's files may say that what autoconf and automake have made is out of date.
    tools = [f"{tool}=:" for tool in ("ACLOCAL", "AUTOCONF", "AUTOHEADER", "AUTOMAKE", "MAKEINFO")]
    run("spandsp", "compile", ["make", "-C", "src", JOBS, *tools, "libspandsp.la"], tree, env)
    (prefix / "lib").mkdir(parents=True)
    shutil.copy(tree / "src/.libs/libspandsp.a", prefix / "lib")
    ignore = shutil.ignore_patterns("*.in", "README")
    shutil.copytree(tree / "src/spandsp", prefix / "include/spandsp", ignore=ignore)
    shutil.copy(tree / "src/spandsp.h", prefix / "include")
    (prefix / "include/spandsp_states.h").write_text(spandsp_states(tree))
    shutil.copy(tree / "COPYING", prefix / "COPYING")


SPANDSP = Library(
    name="spandsp",
    title="spandsp",
    version="0.0.6",
    variable="SPANDSP",
    upstream="https://www.soft-switch.org/downloads/spandsp/spandsp-0.0.6.tar.gz",
    upstream_sha256="cc053ac67e8ac4bb992f258fd94f275a7872df959f6a87763965feabfdcc9465",
    package="spandsp",
    tarball="spandsp_*.orig.tar.*",
    tarball_sha256="3dcdc611b8a119f1f26540d05e6279c4c1e5cd576271f6d45df431359fc190f9",
    released=True,
    marker="src/spandsp.h.in",
    version_of=spandsp_version,
    build=build_spandsp,
    configure=["-q", "--disable-shared", "--enable-static", "--with-pic", "--disable-dependency-tracking"],
    # Its modems count on signed numbers that wrap: without -fwrapv, gcc makes V.17's short training fail at many phases.
    flags="-std=gnu11 -O2 -fPIC -fwrapv -w",
)

LIBRARIES = {library.name: library for library in (PJSIP, SPANDSP)}

# ---- building ------------------------------------------------------------------------------------------------------------


def environment(library: Library, sanitize: str) -> dict[str, str]:
    """The environment of a build: the library's flags, and ccache where it is there."""
    more = f" -g -fno-omit-frame-pointer -fsanitize={sanitize}" if sanitize else ""
    env = {**os.environ, "CFLAGS": library.flags + more, "CXXFLAGS": (library.cxx_flags or library.flags) + more}
    if sanitize:
        # The programs that configure runs, and those that make tables, clean up nothing.
        env["ASAN_OPTIONS"] = "detect_leaks=0"
    if shutil.which("ccache"):
        env.setdefault("CC", "ccache cc")
        env.setdefault("CXX", "ccache c++")
    return env


def key(library: Library, sanitize: str = "") -> str:
    """Return a key of all that the built library depends on."""
    digest = hashlib.sha256()
    for part in (library.build, *library.steps):
        digest.update(inspect.getsource(part).encode())
    digest.update(repr((library.configure, library.flags, library.cxx_flags, sanitize)).encode())
    for path in library.depends:
        digest.update(path.read_bytes())
    digest.update(os.environ.get(f"{library.variable}_SOURCE", "").encode())
    return f"{wanted_version(library)}-{digest.hexdigest()[:12]}"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """One builder of a library at a time."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def provide(library: Library, sanitize: str = "") -> Path:
    """The prefix of a library, built now if it is not there. Raises BuildError."""
    prefix = BUILD / library.name / key(library, sanitize)
    if (prefix / ".complete").exists():
        return prefix
    prefix.parent.mkdir(parents=True, exist_ok=True)
    with locked(prefix.parent / "lock"):
        if not (prefix / ".complete").exists():
            # Always the same folder, so that ccache knows it again.
            work = BUILD / "work" / library.name
            shutil.rmtree(prefix, ignore_errors=True)
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir(parents=True)
            library.build(source(library, work), prefix, environment(library, sanitize))
            (prefix / ".complete").touch()
            shutil.rmtree(work, ignore_errors=True)
    return prefix


def main(arguments: list[str] | None = None) -> int:
    """Build what is missing; print the prefixes."""
    parser = argparse.ArgumentParser(description="Build the libraries that softfax links statically.")
    parser.add_argument("names", nargs="+", choices=LIBRARIES, metavar="NAME", help=" or ".join(LIBRARIES))
    parser.add_argument("--sanitize", default="", metavar="LIST", help="sanitizers to build with, such as address")
    parser.add_argument("--there", action="store_true", help="build nothing, fail if something is to be built")
    options = parser.parse_args(arguments)
    if options.there:
        prefixes = [BUILD / name / key(LIBRARIES[name], options.sanitize) for name in options.names]
        return 0 if all((prefix / ".complete").exists() for prefix in prefixes) else 1
    LOG.mkdir(parents=True, exist_ok=True)
    failed = False
    with ThreadPoolExecutor() as pool:
        futures = [pool.submit(provide, LIBRARIES[name], options.sanitize) for name in options.names]
        for future in futures:
            try:
                print(future.result())
            except BuildError as error:
                print(f"softfax: {error}", file=sys.stderr)
                failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
