# SPDX-License-Identifier: GPL-2.0-or-later
"""README's walk: every command that it shows after a $ is run as it stands there, in a network of its own; no PBX is needed."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from softfax.cli.main import VERBS, build_parser
from tests.support.absent import absent
from tests.support.background import REPOSITORY
from tests.support.command import environment, softfax_command

README = (REPOSITORY / "README.md").read_text()
COMMANDS = re.findall(r"^    \$ (.*)$", README, re.M)
#: These want the PBX that is named in them; tests against Asterisk run the like. Here they are read alone.
WITH_PBX = [command for command in COMMANDS if "pbx.example" in command or command.startswith("export ")]
LIMIT_S = 300.0

pytestmark = pytest.mark.sip


class Walk:
    """A folder with a copy of samples/, and a network with loopback alone: README's ports are free there."""

    def __init__(self, folder: Path, holder: int) -> None:
        self.folder, self._holder = folder, holder
        self.left = [command for command in COMMANDS if command not in WITH_PBX]
        self._started: list[tuple[subprocess.Popen[str], Path]] = []

    def start(self, words: str) -> tuple[subprocess.Popen[str], Path]:
        """Start the next command of README that has these words in it."""
        command = next(one for one in self.left if words in one)
        self.left.remove(command)
        out = self.folder / f"out-{len(self._started)}.txt"
        program = re.sub(r"(^|\s)(\.venv/bin/)?softfax ", rf"\1{softfax_command()} ", command, count=1)
        with out.open("w") as file:
            process = subprocess.Popen(
                ["nsenter", "-t", str(self._holder), "-n", "sh", "-c", f"exec {program}"],
                cwd=self.folder,
                stdout=file,
                stderr=file,
                text=True,
                env=environment(),
            )
        self._started.append((process, out))
        return process, out

    def said(self, words: str, status: int = 0) -> str:
        """Run the next command that has these words in it, and return its output."""
        process, out = self.start(words)
        assert process.wait(LIMIT_S) == status, out.read_text()
        return out.read_text()

    def stop(self) -> None:
        """End what still runs."""
        for process, _ in self._started:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process, _ in self._started:
            process.wait(60)


def until(out: Path, pattern: str) -> str:
    """Wait until a command has said so."""
    end = time.monotonic() + LIMIT_S
    while not re.search(pattern, out.read_text()):
        assert time.monotonic() < end, f"no {pattern}: {out.read_text()}"
        time.sleep(0.1)
    return out.read_text()


@pytest.fixture
def walk(tmp_path: Path) -> Iterator[Walk]:
    if os.geteuid() != 0:
        absent("a network of its own takes root")
    shutil.copytree(REPOSITORY / "samples", tmp_path / "samples")
    with subprocess.Popen(
        ["unshare", "--net", "sh", "-c", "ip link set lo up && echo ready && exec cat"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "ready\n"
        found = Walk(tmp_path, holder.pid)
        try:
            yield found
        finally:
            found.stop()
            holder.communicate()


def test_the_walk(walk: Walk) -> None:
    _, received = walk.start("softfax receive --listen")
    _, clinic = walk.start("serve --config samples/clinic.toml")
    _, office = walk.start("serve --config samples/office.toml")
    until(received, "listening at")
    sending, sent = walk.start("softfax send sip:fax@127.0.0.1:5062")
    for out in (clinic, office):
        until(out, "the page and the API at")

    assert '"state":"queued"' in walk.said("curl -F to=")
    following, followed = walk.start("softfax jobs --follow")
    until(followed, r"  delivered\n")
    following.send_signal(signal.SIGINT)
    until(clinic, r"received: 2 pages")
    assert re.search(r"received \* +2 ", walk.said("softfax jobs --url"))
    assert re.search(r"delivered +2 +letter.pdf, invoice.pdf", walk.said("softfax jobs"))
    assert "1 of 1 sent (100%)" in walk.said("softfax status")
    assert "0 problems" in walk.said("softfax doctor --config samples/office.toml")
    walk.said("softfax config init")

    assert sending.wait(LIMIT_S) == 0, sent.read_text()
    assert "sent: 1 page" in sent.read_text()
    until(received, r"received: 1 page")
    assert list((walk.folder / "received").glob("*.pdf"))
    assert walk.left == [], "every command of README is run"


def words_of(command: str) -> list[str]:
    return shlex.split(command, comments=True)


@pytest.mark.parametrize(
    "command",
    [
        *(one for one in WITH_PBX if one.startswith("softfax ")),
        *re.findall(r"^\| `(softfax [^`]*)`", README, re.M),
    ],
)
def test_a_command_that_is_only_read_here(command: str) -> None:
    verb, *words = words_of(command)[1:]
    assert verb in VERBS
    build_parser(verb)[0].parse_args([verb, *words])
