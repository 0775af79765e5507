# SPDX-License-Identifier: GPL-2.0-or-later
"""A configuration file, as plain values."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from softfax.errors import ConfigError

__all__ = ["read_toml"]

BYTES_MAX = 1 << 20


def read_toml(path: Path) -> dict[str, Any]:
    """What a TOML file says. Raises ConfigError with the line of the mistake."""
    try:
        with path.open("rb") as file:
            data = file.read(BYTES_MAX + 1)
        if len(data) > BYTES_MAX:
            raise ConfigError(f"{path} is too large for a configuration file")
        return tomllib.loads(data.decode())
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}", "name another file with --config") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}", "correct that line") from None
