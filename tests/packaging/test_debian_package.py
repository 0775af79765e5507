# SPDX-License-Identifier: GPL-2.0-or-later
"""The Debian package on a bare Debian: a station faxes, is backed up, purged and restored, and all of it is there again."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.peer.chroot import PeerUnavailableError
from tests.support.absent import absent
from tests.support.background import REPOSITORY, run_folder
from tests.support.bare_debian import BareDebian, bare_debian, build_package
from tests.support.served import until

UNIT = (REPOSITORY / "deploy" / "systemd" / "softfax.service").read_text()
CONFIG = "/etc/softfax/softfax.toml"


@contextlib.contextmanager
def station(bare: BareDebian) -> Iterator[None]:
    """The station as its unit runs it: its user, its environment, its command."""
    environ = dict(pair.split("=") for line in re.findall(r"^Environment=(.*)", UNIT, re.M) for pair in line.split())
    (command,) = re.findall(r"^ExecStart=(.*)", UNIT, re.M)
    log = bare.root / "serve.log"
    with log.open("w") as out:
        serve = subprocess.Popen(
            bare.command(*command.split(), user="softfax", **environ), stdout=out, stderr=out, umask=0o027
        )
        try:
            until(lambda: serve.poll() is not None or "the page and the API at" in log.read_text(), 120)
            assert serve.poll() is None, log.read_text()
            yield
        finally:
            serve.send_signal(signal.SIGTERM)
            serve.wait(60)


def softfax(bare: BareDebian, *words: str, check: bool = True) -> list[dict[str, Any]]:
    """The JSON lines of a command that root types."""
    said = bare.run("softfax", *words, "--json", check=check)
    return [json.loads(line) for line in said.splitlines() if line.startswith("{")]


def foreign(folder: Path, uid: int) -> list[str]:
    """Return what is not the user's in a folder."""
    return [str(path) for path in (folder, *folder.rglob("*")) if path.lstat().st_uid != uid]


@pytest.fixture
def bare() -> Iterator[BareDebian]:
    try:
        with tempfile.TemporaryDirectory(dir=run_folder()) as folder, bare_debian(Path(folder)) as system:
            build_package(system, Path(folder)).rename(system.root / "softfax.deb")
            yield system
    except PeerUnavailableError as error:
        absent(str(error))


def test_what_was_backed_up_is_there_again(bare: BareDebian) -> None:
    root = bare.root
    assert "Error" not in bare.run("dpkg", "--install", "/softfax.deb")
    links = re.findall(r"]\(((?!https)[A-Za-z][^)#]*)", (root / "usr/share/doc/softfax/README.md").read_text())
    assert len(links) > 20
    assert [one for one in links if not (root / "usr/share/doc/softfax" / one).is_file()] == []
    config = root / CONFIG[1:]
    assert re.search(r'^dir = "/var/lib/softfax"', config.read_text(), re.M), (
        "root and the station's user find the same folder"
    )
    filled_in = (
        config.read_text().replace("sip:pbx.example", "sip:127.0.0.1").replace("register = true ", "register = false")
    )
    config.write_text(filled_in)
    (root / "letter.txt").write_text("Page 1\n")

    refused = bare.run("softfax", "backup", "/root/none.tar", check=False)
    assert "there is no station's database in /var/lib/softfax" in refused, "before it ever ran"

    for verb in ("doctor", "serve"):
        assert "run this as root, or as the station's user" in bare.run("softfax", verb, user="www-data", check=False)

    with station(bare):
        assert bare.run("softfax", "jobs", user="www-data").strip() == "no faxes", "anybody on the machine may ask"
        sent = softfax(bare, "send", "sip:fax@127.0.0.1:5060", "/letter.txt", "--resolution", "standard")
        assert sent[-1]["success"] is True, sent[-1]
        (job,) = softfax(bare, "jobs")
        document = bare.run("sh", "-c", "sha256sum /var/lib/softfax/received/*.pdf")
        assert softfax(bare, "deliveries", "list") == []
        (found,) = softfax(bare, "doctor", check=False)
        texts = [one["text"] for one in found["findings"]]
        assert any("left at /var/lib/softfax/received" in text for text in texts), texts
        assert any("softfax serve, pid" in text for text in texts), texts
        (backup,) = softfax(bare, "backup", "/root/b.tar")
        assert backup["files"] > 1

    assert "warning" not in bare.run("dpkg", "--purge", "softfax")
    for folder in ("etc/softfax", "var/lib/softfax", "var/log/softfax", "usr/lib/softfax"):
        assert not (root / folder).exists(), "purged"

    bare.run("dpkg", "--install", "/softfax.deb")
    assert "was the sample" in bare.run("softfax", "restore", "/root/b.tar")
    assert config.read_text() == filled_in
    user = (root / "var/lib/softfax").stat().st_uid
    assert user != 0
    assert foreign(root / "var/lib/softfax", user) == []
    with station(bare):
        (again,) = softfax(bare, "jobs")
        assert {key: again[key] for key in ("id", "state", "pages")} == {
            key: job[key] for key in ("id", "state", "pages")
        }
        assert bare.run("sh", "-c", "sha256sum /var/lib/softfax/received/*.pdf") == document
        assert foreign(root / "var/lib/softfax", user) == []
