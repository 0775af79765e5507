# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs of Debian packages for tests, without installing them: nothing of the machine's is started or changed."""

from __future__ import annotations

import fcntl
import subprocess
from pathlib import Path

from tests.support.background import REPOSITORY

__all__ = ["unpacked"]


def unpacked(package: str) -> Path:
    """The folder a package is unpacked into; downloaded once, apt checks the signature. Raises CalledProcessError."""
    folder = REPOSITORY / ".build" / "debian" / package
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        root = folder / "root"
        if not root.is_dir():
            for old in folder.glob("*.deb"):
                old.unlink()
            subprocess.run(["apt-get", "download", "-q", package], cwd=folder, check=True, capture_output=True)
            (archive,) = folder.glob("*.deb")
            subprocess.run(["dpkg-deb", "-x", archive, folder / "new"], check=True)
            (folder / "new").rename(root)
    return root
