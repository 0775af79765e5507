# SPDX-License-Identifier: GPL-2.0-or-later
"""Make files that are the same for several versions of Python one file, by hard links: same.py FOLDER."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

first: dict[tuple[str, int, bytes], Path] = {}
for path in sorted(Path(sys.argv[1]).rglob("*")):
    if path.is_symlink() or not path.is_file():
        continue
    data = path.read_bytes()
    kept = first.setdefault((path.name, path.stat().st_mode, hashlib.sha256(data).digest()), path)
    if kept is not path:
        path.unlink()
        os.link(kept, path)
