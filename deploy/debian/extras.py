# SPDX-License-Identifier: GPL-2.0-or-later
"""Prints what the package brings besides the wheel's own needs: the optional dependencies of a station."""

from __future__ import annotations

import tomllib
from pathlib import Path

WANTED = ("documents", "mail", "s3")

project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
extras = project.get("optional-dependencies", {})
print(*(one for name in WANTED for one in extras.get(name, ())))
