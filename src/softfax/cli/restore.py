# SPDX-License-Identifier: GPL-2.0-or-later
"""`softfax restore`: a station's data back from a backup."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

from softfax.cli.lines import json_line
from softfax.cli.options import config_path
from softfax.errors import ExitStatus, UsageError

__all__ = ["DEFAULTS", "add_options", "run"]

DEFAULTS: dict[str, Any] = {"json": False, "force": False, "resend": False}


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the verb."""
    parser.description = (
        "Puts a backup in place of the station's data. Faxes that waited end as uncertain: they may have gone out."
    )
    parser.add_argument("file", metavar="FILE", help="archive that `softfax backup` wrote")
    parser.add_argument(
        "--config", metavar="FILE", help="configuration file (TOML); the one of the backup where there is none"
    )
    parser.add_argument(
        "--force", action="store_true", default=None, help="replace data that is there; it is moved aside"
    )
    parser.add_argument("--json", action="store_true", default=None, help="one JSON object on standard output")
    parser.add_argument(
        "--resend", action="store_true", default=None, help="send what waited, even if it arrives twice"
    )


def run(options: argparse.Namespace) -> int:
    """Puts the archive back. Raises SoftfaxError."""
    from softfax.ops.backup import read_archive, restore
    from softfax.ops.doctor.ports import station_runs
    from softfax.station.config import StationConfig

    say = partial(print, file=sys.stderr if options.json else sys.stdout)
    archive, saved = read_archive(Path(options.file))
    path = config_path(options.config, os.environ)
    if (path is None or not path.exists()) and saved is not None:
        path = path or Path(
            "/etc/softfax/softfax.toml" if os.geteuid() == 0 else Path.home() / ".config/softfax/softfax.toml"
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(saved)
        say(f"{path} written from the backup")
    config = StationConfig.load(path)
    if asyncio.run(station_runs(config)):
        raise UsageError("the station is running", "stop it first: systemctl stop softfax")
    done = restore(Path(options.file), config, resend=options.resend, force=options.force)
    files = "1 file" if done.files == 1 else f"{done.files} files"
    say(f"{files} of {archive.created:%Y-%m-%d %H:%M} UTC put into {config.data.dir}")
    if options.json:
        print(json_line("restore", file=options.file, files=done.files, uncertain=done.uncertain))
    if done.replaced is not None:
        say(f"what was there is in {done.replaced}")
    if done.uncertain:
        say(f"{done.uncertain} faxes that waited may have gone out since: see `softfax jobs --state uncertain`")
    return int(ExitStatus.OK)
