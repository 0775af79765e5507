# SPDX-License-Identifier: GPL-2.0-or-later
"""The clients that node runs: their packages, exactly those of the lock file beside them, installed by npm once."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
from pathlib import Path

from tests.support.background import REPOSITORY

__all__ = ["CLIENTS", "ClientUnavailableError", "modules"]

CLIENTS = Path(__file__).parent / "clients"
INSTALL_LIMIT_S = 120


class ClientUnavailableError(Exception):
    """node, npm or a package of theirs is not to be had."""


def modules() -> Path:
    """The node_modules folder, for NODE_PATH. Raises ClientUnavailableError."""
    if not shutil.which("node") or not shutil.which("npm"):
        raise ClientUnavailableError("node or npm is missing: apt-get install nodejs npm")
    lock = (CLIENTS / "package-lock.json").read_bytes()
    folder = REPOSITORY / ".build" / "node" / hashlib.sha256(lock).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            for name in ("package.json", "package-lock.json"):
                shutil.copy(CLIENTS / name, folder / name)
            _install(folder)
            (folder / "complete").touch()
    return folder / "node_modules"


def _install(folder: Path) -> None:
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        raise ClientUnavailableError(f"npm did not end within {INSTALL_LIMIT_S} s") from None
    if done.returncode:
        raise ClientUnavailableError(f"npm could not install asterisk-manager:\n{done.stderr[-1500:]}")
