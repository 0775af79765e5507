# SPDX-License-Identifier: GPL-2.0-or-later
"""`softfax config`: writes a sample of a station's configuration, says what is wrong with one, shows what is in force."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from softfax.cli.lines import counted, json_line
from softfax.cli.options import MACHINE_CONFIG, MACHINE_DATA, config_path, find_config, new_config_path, unknown_keys
from softfax.errors import ConfigError, ExitStatus
from softfax.settings_file import read_text, read_toml, write_private

if TYPE_CHECKING:
    from softfax.ops.check import ConfigProblem

__all__ = ["add_options", "run"]


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the verb."""
    parser.description = (
        "init writes a sample with every key; check names every mistake with its line; show prints what is in force."
    )
    parser.add_argument("what", metavar="init|check|show", choices=["init", "check", "show"], help="what to do")
    parser.add_argument("file", nargs="?", metavar="FILE", help="configuration file; - with init for standard output")
    parser.add_argument("--config", metavar="FILE", help="the same")
    parser.add_argument("--json", action="store_true", help="JSON on standard output (check, show)")


def run(options: argparse.Namespace) -> int:
    """Returns the exit status: 2 where check found a mistake. Raises SoftfaxError."""
    named = options.file or options.config
    if options.what == "init":
        return _init(named or os.environ.get("SOFTFAX_CONFIG"), options.json)
    path = find_config(named)
    return _check(path, options.json) if options.what == "check" else _show(path, options.json)


def _init(named: str | None, as_json: bool) -> int:
    from softfax.ops.settings import sample

    if named == "-":
        print(sample(), end="")
        return int(ExitStatus.OK)
    path = Path(named) if named else new_config_path(os.environ)
    data_dir = MACHINE_DATA if path.absolute().parent == MACHINE_CONFIG.parent else None
    write_private(path, sample(data_dir).encode())
    named_so = "" if path == config_path(None, os.environ) else f" {path}"
    written = f"{path} written: fill in the lines marked FILL IN, then `softfax config check{named_so}`"
    print(json_line("config", file=str(path)) if as_json else written)
    return int(ExitStatus.OK)


def _check(path: Path | None, as_json: bool) -> int:
    from softfax.ops.check import check_config

    checked = check_config(path)
    if checked.config is not None and path is not None:
        checked.findings += _of_verbs(path)
    name = str(path) if path is not None else "the defaults"
    if as_json:
        found = [
            {"kind": "mistake" if f.mistake else "warning", "line": f.line or None, "key": f.key, "problem": f.problem}
            | {"remedy": f.remedy}
            for f in checked.findings
        ]
        print(json_line("config", file=str(path or ""), ok=not checked.mistaken, findings=found))
    else:
        for finding in sorted(checked.findings, key=lambda one: one.line):
            print(finding.text(name))
        warnings = f", {counted(len(checked.findings), 'warning')}" if checked.findings else ""
        if not checked.mistaken:
            print(f"{name} {'is' if path is not None else 'are'} right{warnings}")
        if path is None:
            print("there is no configuration file; `softfax config init` writes one", file=sys.stderr)
    return int(ExitStatus.USAGE if checked.mistaken else ExitStatus.OK)


def _of_verbs(path: Path) -> list[ConfigProblem]:
    """Mistakes in the tables of the other verbs, which may share the file."""
    from softfax.cli.main import VERBS, build_parser
    from softfax.ops.check import ConfigProblem
    from softfax.ops.toml_lines import key_lines, line_of

    lines = key_lines(read_text(path))
    file = read_toml(path)
    return [
        ConfigProblem(True, line_of(lines, (verb, key)), f"{verb}.{key}", f"there is no key {verb}.{key}", remedy)
        for verb in VERBS
        if isinstance(file.get(verb), dict)
        for key, remedy in unknown_keys(build_parser(verb)[1][verb], file[verb])
    ]


def _show(path: Path | None, as_json: bool) -> int:
    from softfax.ops.check import check_config
    from softfax.ops.settings import shown, toml

    checked = check_config(path)
    if checked.config is None:
        first = checked.findings[0]
        raise ConfigError(first.text(str(path) if path is not None else "the configuration"))
    values = shown(checked.config)
    if as_json:
        print(json_line("config", **values))
    else:
        print(f"# {path or 'no file: the defaults'}\n{toml(values)}", end="")
    return int(ExitStatus.OK)
