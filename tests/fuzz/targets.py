# SPDX-License-Identifier: GPL-2.0-or-later
"""The fuzz targets: built, run for some seconds, their corpus kept small."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

__all__ = ["CORPUS", "FOUND", "Result", "build", "minimise", "names", "run"]

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CORPUS = HERE / "corpus"
BUILD = ROOT / ".build" / "fuzz"
#: Inputs that broke something.
FOUND = BUILD / "found"
#: Octets of an input at most, and of a file that is kept.
MOST_OCTETS, MOST_KEPT = 6000, 2048
#: A page of the decoder takes 5 s here alone: AddressSanitizer copies what grows.
_LIMITS = ("-timeout=90", "-rss_limit_mb=1500", f"-max_len={MOST_OCTETS}", "-print_final_stats=1", "-verbosity=1")


@dataclass(frozen=True)
class Result:
    """Result of a target."""

    name: str
    ok: bool
    summary: str
    output: str


def native() -> list[str]:
    """Names of the targets in C."""
    return sorted(path.stem for path in HERE.glob("*.c"))


def names() -> list[str]:
    """Names of all targets."""
    return native() + sorted(path.stem for path in (HERE / "python").glob("[a-z]*.py"))


def build() -> None:
    """Builds the targets in C; does no more than is needed the next time, also where several ask at once."""
    BUILD.mkdir(parents=True, exist_ok=True)
    with (BUILD / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (BUILD / "build.ninja").exists():
            options = ("-DSOFTFAX_ENGINE_ONLY=ON", "-DSOFTFAX_FUZZ=ON", "-DSOFTFAX_WERROR=ON")
            _call(
                "cmake",
                "-S",
                str(ROOT),
                "-B",
                str(BUILD),
                "-G",
                "Ninja",
                f"-DPython_EXECUTABLE={sys.executable}",
                *options,
            )
        _call("cmake", "--build", str(BUILD), "--target", "fuzz_targets")


def _call(*argv: str) -> None:
    # spandsp is built here too, by the compiler that CC names.
    env = os.environ | {"CC": "clang", "CXX": "clang++"}
    # Beside calls in real time, which come first; but not so far behind that it never ends.
    done = subprocess.run(["nice", "-n", "10", *argv], env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(argv)}:\n{(done.stdout + done.stderr)[-3000:]}")


def _environment() -> dict[str, str]:
    # Leaks within spandsp are of sessions that ended in the middle of a frame; ptrace, which finding them needs, is
    # not allowed everywhere.
    return os.environ | {
        "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1",
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }


def _command(name: str, seconds: int, found: Path) -> list[str]:
    seeds = CORPUS / name
    seeds.mkdir(parents=True, exist_ok=True)
    options = [f"-max_total_time={seconds}", f"-artifact_prefix={found}/{name}-", *_LIMITS]
    if seconds < 60:
        options.append("-seed=1")
    if name in native():
        return [str(BUILD / "tests" / "fuzz" / f"fuzz_{name}"), *options, str(BUILD / "corpus" / name), str(seeds)]
    return [sys.executable, "-m", f"tests.fuzz.python.{name}", "--seconds", str(seconds)]


def run(name: str, seconds: int) -> Result:
    """Runs a target for some seconds."""
    FOUND.mkdir(parents=True, exist_ok=True)
    (BUILD / "corpus" / name).mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        ["nice", "-n", "19", *_command(name, seconds, FOUND)], cwd=ROOT, env=_environment(), capture_output=True, text=True, errors="replace",
        check=False,
    )  # fmt: skip
    output = done.stdout + done.stderr
    runs = re.search(r"number_of_executed_units: (\d+)", output)
    covered = re.findall(r"cov: (\d+)", output)
    summary = (
        f"{runs[1]} runs, {covered[-1]} edges" if runs and covered else done.stdout.strip().rpartition("\n")[2][:100]
    )
    return Result(name, done.returncode == 0, summary if done.returncode == 0 else "FAILED", output)


def minimise(name: str) -> None:
    """Keeps of what a target has found the fewest small files that reach all of it."""
    if name not in native():
        return
    with tempfile.TemporaryDirectory() as folder:
        merged = [
            str(BUILD / "tests" / "fuzz" / f"fuzz_{name}"),
            "-merge=1",
            "-use_counters=0",
            f"-max_len={MOST_KEPT}",
            folder,
        ]
        subprocess.run(
            [*merged, str(CORPUS / name), str(BUILD / "corpus" / name)],
            env=_environment(),
            capture_output=True,
            check=True,
        )
        for path in (CORPUS / name).iterdir():
            path.unlink()
        for path in Path(folder).iterdir():
            shutil.copy(path, CORPUS / name / path.name[:12])


if __name__ == "__main__":
    build()
