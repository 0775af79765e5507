# SPDX-License-Identifier: GPL-2.0-or-later
"""Options of the command line, layered: what is typed wins, then SOFTFAX_* variables, then the configuration file.

The file is TOML. Keys are the long option names with underscores, at the top or in a table named after the verb:

    ident = "+49 30 1234"
    [send]
    proxy = "sip:pbx.example"
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from softfax.errors import ConfigError
from softfax.settings_file import read_toml

__all__ = ["config_path", "fill_defaults"]

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off", ""}


def config_path(explicit: str | None, environ: Mapping[str, str]) -> Path | None:
    """The configuration file: `--config`, SOFTFAX_CONFIG, the user's own, the machine's; None where there is none."""
    named = explicit or environ.get("SOFTFAX_CONFIG")
    if named:
        return Path(named)
    home = Path(environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    for candidate in (home / "softfax" / "softfax.toml", Path("/etc/softfax/softfax.toml")):
        if candidate.is_file():
            return candidate
    return None


def _convert(name: str, action: argparse.Action, value: Any, origin: str) -> Any:
    if isinstance(action, (argparse._StoreTrueAction, argparse._StoreFalseAction)):
        if isinstance(value, bool):
            return value
        if str(value).lower() in _TRUE | _FALSE:
            return str(value).lower() in _TRUE
        raise ConfigError(f"{origin}: {name} is yes or no, not {value!r}")
    convert = action.type if callable(action.type) else str
    try:
        result = convert(str(value))
    except (argparse.ArgumentTypeError, ValueError) as error:
        raise ConfigError(f"{origin}: {name} cannot be {value!r}", str(error)) from None
    if action.choices is not None and result not in action.choices:
        raise ConfigError(f"{origin}: {name} cannot be {value!r}", "use " + ", ".join(map(str, action.choices)))
    return result


def fill_defaults(
    parser: argparse.ArgumentParser,
    options: argparse.Namespace,
    defaults: Mapping[str, Any],
    environ: Mapping[str, str] = os.environ,
) -> dict[str, Any]:
    """Fills options that were not given (None) from the environment, the file, then `defaults`. Returns the file."""
    path = config_path(getattr(options, "config", None), environ)
    file = read_toml(path) if path is not None else {}
    table = file.get(options.verb, {})
    if not isinstance(table, dict):
        raise ConfigError(f"{path}: [{options.verb}] is not a table")
    for action in parser._actions:
        name = action.dest
        if not action.option_strings or name in ("help", "config") or getattr(options, name, None) is not None:
            continue
        variable = f"SOFTFAX_{name.upper()}"
        if variable in environ:
            value = _convert(name, action, environ[variable], variable)
        elif name in table or (name in file and not isinstance(file[name], dict)):
            value = _convert(name, action, table.get(name, file.get(name)), str(path))
        else:
            value = defaults.get(name)
        setattr(options, name, value)
    return file
