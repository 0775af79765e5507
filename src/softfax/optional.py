# SPDX-License-Identifier: GPL-2.0-or-later
"""Libraries that only some features need, and how to install them beside softfax, wherever that came from."""

from __future__ import annotations

import importlib.util
import sys

__all__ = ["install_remedy", "is_installed"]


def is_installed(module: str) -> bool:
    """Return whether a library is there, without importing it."""
    return importlib.util.find_spec(module) is not None


def install_remedy(distribution: str) -> str:
    """Return the command that installs a library for the Python that softfax runs in."""
    return f"install it: {sys.executable} -m pip install {distribution}"
