# SPDX-License-Identifier: GPL-2.0-or-later
"""Options of the command line, layered: what is typed wins, then SOFTFAX_* variables, then the configuration file.

Where that is the machine's, /etc/softfax/softfax.toml, the variables in /etc/softfax/environment count as well, after our own:
the station's unit has them, and a verb that root types must not find another database or no password.

The file is TOML. Keys are the long option names with underscores, at the top or in a table named after the verb:

    ident = "+49 30 1234"
    [send]
    proxy = "sip:pbx.example"

An option's attribute `elsewhere` has values that only other verbs know; from the environment, or for all verbs, they are
no mistake. Its own default is in the attribute `otherwise` (`hold_defaults`): None is what was not typed.
"""

from __future__ import annotations

import argparse
import difflib
import math
import os
import stat
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from softfax.cli.environment import read_environment
from softfax.errors import ConfigError
from softfax.options import outside_options
from softfax.settings_file import read_toml

__all__ = [
    "MACHINE_CONFIG",
    "MACHINE_DATA",
    "add_polling_options",
    "add_shared_options",
    "config_path",
    "count",
    "fill_defaults",
    "find_config",
    "hold_defaults",
    "new_config_path",
    "seconds",
    "unknown_keys",
]

#: The configuration and data of a station that runs as a service.
MACHINE_CONFIG = Path("/etc/softfax/softfax.toml")
MACHINE_DATA = Path("/var/lib/softfax")
_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off", ""}


def add_shared_options(parser: argparse.ArgumentParser) -> None:
    """Add `--config` and `--json`."""
    parser.add_argument("--config", metavar="FILE", help="configuration file (TOML)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line on standard output")


def add_polling_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a document that is polled: its number and its password."""
    parser.add_argument(
        "--poll-document", metavar="DIGITS", default="", help="the document that is polled, of several (SEP)"
    )
    parser.add_argument(
        "--poll-password", metavar="DIGITS", default="", help="its password (PWD); better in SOFTFAX_POLL_PASSWORD"
    )


def seconds(text: str) -> float:
    """A positive number of seconds, as an argparse type."""
    value = float(text)
    if not math.isfinite(value) or not 0 < value <= 7 * 24 * 3600:
        raise argparse.ArgumentTypeError("use seconds above 0, at most a week")
    return value


def count(text: str) -> int:
    """A number above 0, as an argparse type."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("use a number above 0")
    return value


def config_path(explicit: str | None, environ: Mapping[str, str]) -> Path | None:
    """The configuration file: `--config`, SOFTFAX_CONFIG, the user's own, the machine's; None where there is none."""
    named = explicit or environ.get("SOFTFAX_CONFIG")
    if named:
        return Path(named)
    for candidate in (_own_config(environ), MACHINE_CONFIG):
        try:
            if stat.S_ISREG(candidate.stat().st_mode):
                return candidate
        except PermissionError:
            # That of the machine is there, for others: reading it says so.
            if candidate == MACHINE_CONFIG:
                return candidate
        except OSError:
            pass
    return None


def everybodys_config(explicit: str | None, environ: Mapping[str, str]) -> Path | None:
    """The configuration file of a verb for every user: that of a station, which only its own may read, is passed over."""
    path = config_path(explicit, environ)
    return None if path == MACHINE_CONFIG and not os.access(path, os.R_OK) else path


def find_config(named: str | None) -> Path | None:
    """The configuration file that counts for a verb; the variables of its service are in our environment from here on."""
    path = config_path(named, os.environ)
    for name, value in _service_environment(path).items():
        os.environ.setdefault(name, value)
    return path


def _service_environment(config: Path | None) -> dict[str, str]:
    """Environment that systemd gives the service with this configuration (EnvironmentFile= of the unit), such as passwords."""
    if config is None or config.absolute() != MACHINE_CONFIG:
        return {}
    return read_environment(MACHINE_CONFIG.with_name("environment"))


def new_config_path(environ: Mapping[str, str]) -> Path:
    """Default path of a new configuration: for root, that of the machine."""
    return MACHINE_CONFIG if os.geteuid() == 0 else _own_config(environ)


def _own_config(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "softfax" / "softfax.toml"


def _convert(name: str, action: argparse.Action, value: Any, origin: str) -> Any:
    if isinstance(action, argparse._StoreConstAction):
        if str(value).lower() not in _TRUE | _FALSE:
            raise ConfigError(f"{origin}: {name} is yes or no, not {value!r}", "write true or false")
        return action.const if str(value).lower() in _TRUE else action.otherwise  # type: ignore[attr-defined]
    if isinstance(action, argparse._AppendAction):
        # May be typed several times: a list in the file, with commas in a variable.
        given = value if isinstance(value, list) else str(value).split(",")
        return [_convert_one(name, action, one.strip() if isinstance(one, str) else one, origin) for one in given]
    return _convert_one(name, action, value, origin)


def _convert_one(name: str, action: argparse.Action, value: Any, origin: str) -> Any:
    convert = action.type if callable(action.type) else str
    try:
        result = convert(str(value))
    except argparse.ArgumentTypeError as error:
        raise ConfigError(f"{origin}: {name} cannot be {value!r}", str(error)) from None
    except ValueError:
        raise ConfigError(f"{origin}: {name} cannot be {value!r}", "write a number") from None
    if action.choices is not None and result not in action.choices:
        raise ConfigError(f"{origin}: {name} cannot be {value!r}", "use " + ", ".join(map(str, action.choices)))
    return result


def _names(action: argparse.Action) -> list[str]:
    """Name of an option in the file and, in capitals, in the environment."""
    long = [option[2:].replace("-", "_") for option in action.option_strings if option.startswith("--")]
    # Two options that share a destination, as --sent and --received, go by their own names alone.
    return long if isinstance(action, argparse._StoreConstAction) else list(dict.fromkeys([*long, action.dest]))


def _options_of(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return [a for a in parser._actions if a.option_strings and a.dest not in ("help", "config")]


def _known(parser: argparse.ArgumentParser) -> set[str]:
    """Names of all options of a verb."""
    return {name for action in _options_of(parser) for name in _names(action)}


def hold_defaults(parser: argparse.ArgumentParser) -> None:
    """Take the defaults of a verb's options out of its parser; `fill_defaults` puts them in last."""
    for action in _options_of(parser):
        action.otherwise, action.default = action.default, None  # type: ignore[attr-defined]


def _plain_keys(table: Mapping[str, Any]) -> dict[str, Any]:
    """Keys as options are typed are taken too: max-rate for max_rate."""
    return {key.replace("-", "_"): value for key, value in table.items()}


def _is_table(value: Any) -> bool:
    """Return True for a table of the file, or several of one name."""
    return isinstance(value, dict) or (isinstance(value, list) and all(isinstance(one, dict) for one in value))


def _check_keys(path: Path, verb: str, parser: argparse.ArgumentParser, file: Mapping[str, Any], table: Any) -> None:
    """Raises ConfigError for a key that no option has: in the verb's own table, or at the top."""
    if not isinstance(table, dict):
        raise ConfigError(f"{path}: [{verb}] is not a table", f"write [{verb}] on a line of its own")
    for key, remedy in unknown_keys(parser, table):
        raise ConfigError(f"{path}: there is no key {verb}.{key}", remedy)
    known = _known(parser)
    top = {key.replace("-", "_") for key, value in file.items() if not _is_table(value)}
    if top <= known:
        return
    # Other verbs are loaded only where one of their keys is there.
    from softfax.cli.main import VERBS, build_parser

    everybody = known.union(*(_known(build_parser(other)[1][other]) for other in VERBS))
    for key in sorted(top - everybody):
        raise ConfigError(f"{path}: there is no key {key}", _nearest(key, everybody))


def unknown_keys(parser: argparse.ArgumentParser, table: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The keys in a verb's table that are none of its options, each with what to write instead."""
    known = _known(parser)
    return [(key, _nearest(key, known)) for key in table if key.replace("-", "_") not in known]


def _nearest(key: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(key, sorted(known), n=1)
    return f"did you mean {near[0]}?" if near else "keys are the long options, with underscores"


def _of_station(verb: str, file: Mapping[str, Any]) -> dict[str, Any]:
    """Values for calls and faxes from a station's tables (`softfax serve`), for the verbs that make calls."""
    fax = file.get("fax")
    if verb not in ("send", "receive", "swml") or not isinstance(fax, dict):
        return {}
    known = {
        option.name: option
        for option in outside_options().values()
        if option.default is not None and option.name in fax
    }
    return {option.flag: not fax[name] if option.is_on else fax[name] for name, option in known.items()}


def fill_defaults(
    parser: argparse.ArgumentParser,
    options: argparse.Namespace,
    environ: Mapping[str, str] = os.environ,
    *,
    layered: bool = True,
) -> None:
    """Fill options that were not given (None): where they are `layered` from the environment, then the file, then their defaults.

    Of the file the verb's own table counts first, then keys at the top, then what a station's tables say.
    Raises ConfigError for values that no option takes, and for keys that none has.
    """
    if not layered:
        for action in _options_of(parser):
            if getattr(options, action.dest) is None:
                setattr(options, action.dest, action.otherwise)  # type: ignore[attr-defined]
        return
    path = everybodys_config(getattr(options, "config", None), environ)
    environ = {**_service_environment(path), **environ}
    file = read_toml(path) if path is not None else {}
    table = file.get(options.verb, {})
    if isinstance(table, list):
        table = {}  # [[gateway]] is a station's
    if path is not None and options.verb != "serve":
        _check_keys(path, options.verb, parser, file, table)
    top = {key: value for key, value in file.items() if not _is_table(value)}
    layers = [(name, _plain_keys(layer)) for name, layer in (("own", table), ("top", top))]
    layers.append(("station", _of_station(options.verb, file)))
    for action in _options_of(parser):
        if getattr(options, action.dest) is None:
            setattr(options, action.dest, _value(action, layers, environ, path))
    if hasattr(options, "proxy") and not hasattr(options, "register"):
        register = environ.get("SOFTFAX_REGISTER") or _plain_keys(top).get("register")
        options.registrar = {"server": str(register)} if register else _first_account(file)


def _first_account(file: Mapping[str, Any]) -> dict[str, str]:
    """Server, user and password of a station's first account: numbers are called there where nothing else is said."""
    accounts = file.get("account")
    first = accounts[0] if isinstance(accounts, list) and accounts else None
    if not isinstance(first, dict):
        return {}
    said = {
        "server": first.get("server"),
        "user": first.get("auth_user") or first.get("user"),
        "password": first.get("password"),
    }
    return {key: value for key, value in said.items() if isinstance(value, str) and value}


def _value(
    action: argparse.Action,
    layers: Sequence[tuple[str, Mapping[str, Any]]],
    environ: Mapping[str, str],
    path: Path | None,
) -> Any:
    """Value of an option that was not typed: from the environment, the file, or its default."""
    elsewhere = getattr(action, "elsewhere", ())
    for name in _names(action):
        variable = f"SOFTFAX_{name.upper()}"
        if variable in environ and environ[variable] not in elsewhere:
            return _convert(name, action, environ[variable], variable)
    for layer, values in layers:
        for name in _names(action):
            if name in values and (layer == "own" or values[name] not in elsewhere):
                return _convert(name, action, values[name], str(path))
    return action.otherwise  # type: ignore[attr-defined]
