# SPDX-License-Identifier: GPL-2.0-or-later
"""`softfax backup` and `softfax restore`: a station's data as one file, and back."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path
from typing import Any

from softfax.cli.options import config_path
from softfax.errors import ExitStatus, UsageError

__all__ = ["DEFAULTS", "add_parser", "add_restore_parser", "run", "run_restore"]

DEFAULTS: dict[str, Any] = {"force": False, "resend": False}


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Adds `backup`."""
    parser = verbs.add_parser(
        "backup",
        help="write a station's data to one file, while it runs",
        description="Writes database, documents, received faxes and configuration to FILE (.tar.gz or .tar).",
    )
    parser.add_argument("file", metavar="FILE", help="archive to write; it has secrets in it")
    parser.add_argument("--config", metavar="FILE", help="the station's configuration file (TOML)")
    return parser


def add_restore_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Adds `restore`."""
    parser = verbs.add_parser(
        "restore",
        help="put a backup back; the station must not run",
        description="Puts a backup in place of the station's data. Faxes that waited end as uncertain: maybe they were sent.",
    )
    parser.add_argument("file", metavar="FILE", help="archive that `softfax backup` wrote")
    parser.add_argument(
        "--config", metavar="FILE", help="configuration file (TOML); the one of the backup where there is none"
    )
    parser.add_argument(
        "--force", action="store_true", default=None, help="also where there is data: it is moved aside"
    )
    parser.add_argument(
        "--resend", action="store_true", default=None, help="send what waited, even if it arrives twice"
    )
    return parser


def run(options: argparse.Namespace) -> int:
    """Writes the archive. Raises SoftfaxError."""
    from softfax.ops.backup import back_up
    from softfax.station.config import StationConfig

    path = config_path(options.config, os.environ)
    config = StationConfig.load(path)
    archive = back_up(config, path, Path(options.file))
    size = Path(options.file).stat().st_size
    print(f"{options.file}: {archive.files} files, {archive.bytes / 1e6:.1f} MB in {size / 1e6:.1f} MB")
    if config.data.url:
        print("the database is elsewhere ([data] url) and not in it: back it up there, as by pg_dump", file=sys.stderr)
    return int(ExitStatus.OK)


def run_restore(options: argparse.Namespace) -> int:
    """Puts the archive back. Raises SoftfaxError."""
    from softfax.ops.backup import read_archive, restore
    from softfax.ops.doctor.ports import station_runs
    from softfax.station.config import StationConfig

    archive, saved = read_archive(Path(options.file))
    path = config_path(options.config, os.environ)
    if (path is None or not path.exists()) and saved is not None:
        path = path or Path(
            "/etc/softfax/softfax.toml" if os.geteuid() == 0 else Path.home() / ".config/softfax/softfax.toml"
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(saved)
        print(f"{path} written from the backup")
    config = StationConfig.load(path)
    if asyncio.run(station_runs(config)):
        raise UsageError("the station runs", "stop it first: systemctl stop softfax")
    done = restore(Path(options.file), config, resend=options.resend, force=options.force)
    print(f"{done.files} files of {archive.created:%Y-%m-%d %H:%M} UTC are in {config.data.dir}")
    if done.replaced is not None:
        print(f"what was there is in {done.replaced}")
    if done.uncertain:
        print(
            f"{done.uncertain} faxes that waited may have been sent since and are uncertain: softfax jobs --state uncertain"
        )
    return int(ExitStatus.OK)
