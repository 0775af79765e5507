#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Build softfax in this folder: the virtual environment, PJSIP and spandsp, and the native libraries.

    tools/build.py            what running needs
    tools/build.py --dev      and what tests and linters need

Whatever does not wait for something else is done at the same time. On a terminal one line says what is going on. What is there
already, and up to date, is left alone. Logs are in .build/log.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / ".build"
LOG = BUILD / "log"
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
NATIVE = ROOT / "src" / "softfax" / "_native"
TERMINAL = sys.stderr.isatty()
#: What an optional package is missing for does not load.
LOAD_ALL = """
import contextlib, importlib, pkgutil, softfax
for module in pkgutil.walk_packages(softfax.__path__, "softfax."):
    with contextlib.suppress(Exception):
        importlib.import_module(module.name)
"""


class BuildError(Exception):
    """A build that failed, in a line; the end of the log was shown."""


@dataclass
class Step:
    """A running command, with its output in a log."""

    name: str
    command: list[str]
    quiet: bool = False
    """Says nothing when it is done."""
    environment: dict[str, str] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)
    process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return LOG / f"{self.name}.log"

    def start(self) -> Step:
        """Start it in a process group of its own, so that what it starts can be stopped with it."""
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", **self.environment}
        environment["PATH"] = f"{VENV / 'bin'}:{os.environ.get('PATH', '')}"
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                self.command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT, env=environment, start_new_session=True
            )
        return self

    def last_line(self) -> str:
        """The last line of its log."""
        with self.log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 400))
            lines = [line.strip() for line in file.read().decode(errors="replace").splitlines() if line.strip()]
        return " ".join(lines[-1].split()).removeprefix(f"{self.name} ") if lines else "…"

    def stop(self) -> None:
        """Stop it and what it started."""
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait()


def show(text: str, stream: IO[str] = sys.stderr) -> None:
    """Show the moving line on a terminal, in place of the one before."""
    if TERMINAL:
        width = shutil.get_terminal_size().columns
        stream.write(f"\r\033[K{text[: width - 1]}")
        stream.flush()


def say(text: str) -> None:
    """Print a line that stays."""
    show("")
    print(text, file=sys.stderr, flush=True)


def wait_for(*steps: Step) -> None:
    """Wait until all of them are done. Raises BuildError at the first that fails; the others are stopped."""
    running = list(steps)
    try:
        while running:
            for step in list(running):
                assert step.process
                status = step.process.poll()
                if status is None:
                    continue
                running.remove(step)
                if status:
                    show("")
                    print("\n".join(step.log.read_text(errors="replace").splitlines()[-20:]), file=sys.stderr)
                    raise BuildError(f"{step.name} failed, see {step.log.relative_to(ROOT)}")
                if not step.quiet:
                    say(f"  {step.name:<10} {time.monotonic() - step.started:.0f} s")
            share = max(20, (shutil.get_terminal_size().columns - 2) // max(1, len(running)) - 16)
            show("  " + " · ".join(f"{s.name} {s.last_line()[:share]}" for s in running))
            time.sleep(0.1)
    finally:
        for step in running:
            step.stop()
        show("")


# ---- the parts -----------------------------------------------------------------------------------------------------------


def requirements(dev: bool) -> tuple[Path, str]:
    """The list of Python packages, and what .venv/.complete says when they are installed."""
    files = [
        ROOT / "requirements.txt",
        ROOT / "tools" / "develop.py",
        *([ROOT / "requirements-dev.txt"] if dev else []),
    ]
    digest = hashlib.sha256(b"".join(p.read_bytes() for p in files)).hexdigest()[:16]
    return files[-1] if dev else files[0], f"{'dev' if dev else 'run'} {digest}\n"


def pip(name: str, *arguments: str, quiet: bool = False) -> Step:
    """Start pip in the virtual environment."""
    command = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "install", "--progress-bar", "off"]
    return Step(name, [*command, *arguments], quiet=quiet).start()


def native(name: str, **environment: str) -> Step:
    """Start the build of PJSIP or spandsp; says nothing where it is there already."""
    there = subprocess.run(
        [sys.executable, "tools/native.py", "--there", name], cwd=ROOT, stdout=subprocess.DEVNULL, check=False
    )
    command = [sys.executable, "tools/native.py", name]
    return Step(name, command, quiet=there.returncode == 0, environment=environment).start()


def prepare(dev: bool) -> None:
    """The virtual environment, PJSIP and spandsp."""
    mark = VENV / ".complete"
    said = mark.read_text() if mark.is_file() else None
    # What was made for development stays so.
    listed, complete = requirements(dev or said == "" or (said or "").startswith("dev"))
    # PJSIP's module for Python is made by swig, once pip has installed it.
    steps = [native("pjsip", SWIG_IN_S="600"), native("spandsp")]
    try:
        if said != complete:
            if not PYTHON.is_file():
                wait_for(Step("venv", [sys.executable, "-m", "venv", str(VENV)], quiet=True).start())
            swig = next(r for r in (ROOT / "requirements.txt").read_text().splitlines() if r.startswith("swig=="))
            wait_for(pip("venv", swig, quiet=True))
            # What is imported is compiled below; the rest need not be.
            steps.append(pip("venv", "--no-compile", "-r", str(listed)))
        wait_for(*steps)
    finally:
        for step in steps:
            step.stop()
    if said != complete:
        subprocess.run([PYTHON, "tools/develop.py"], cwd=ROOT, check=True)
        mark.write_text(complete)


def compile_libraries() -> None:
    """Configure at first, compile what has changed, and put the libraries where Python finds them."""
    tree = BUILD / "cmake"
    if not (tree / "build.ninja").is_file():
        flags = ["-G", "Ninja", "-DSOFTFAX_WERROR=ON", f"-DPython_EXECUTABLE={PYTHON}"]
        if shutil.which("ccache"):
            flags += [f"-DCMAKE_{language}_COMPILER_LAUNCHER=ccache" for language in ("C", "CXX")]
        wait_for(Step("configure", ["cmake", "-S", str(ROOT), "-B", str(tree), *flags], quiet=True).start())
    step = Step("compile", ["cmake", "--build", str(tree)], quiet=True).start()
    wait_for(step)
    if "no work to do" in step.last_line() and (NATIVE / "pjsua2.py").is_file():
        return
    wait_for(Step("install", ["cmake", "--install", str(tree), "--prefix", str(ROOT / "src")], quiet=True).start())
    say(f"  {step.name:<10} {time.monotonic() - step.started:.0f} s")


def compile_modules() -> None:
    """Leave the bytecode of what softfax loads, in packages too. In a shell that keeps Python from writing it
    (PYTHONDONTWRITEBYTECODE, as in many containers) all of it was compiled at each start, for longer than ten pages take.
    """
    mark = BUILD / "bytecode"
    newest = max(path.stat().st_mtime for path in [VENV / ".complete", *(ROOT / "src").rglob("*.py")])
    if not mark.is_file() or mark.stat().st_mtime < newest:
        command = [str(PYTHON), "-c", LOAD_ALL]
        wait_for(Step("bytecode", command, quiet=True, environment={"PYTHONDONTWRITEBYTECODE": ""}).start())
        mark.touch()


def main() -> int:
    """Build what is missing."""
    parser = argparse.ArgumentParser(description="Build softfax in this folder.")
    parser.add_argument("--dev", action="store_true", help="with what tests and linters need")
    options = parser.parse_args()
    LOG.mkdir(parents=True, exist_ok=True)
    try:
        prepare(options.dev)
        compile_libraries()
        compile_modules()
    except BuildError as error:
        print(f"softfax: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
