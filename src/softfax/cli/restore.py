# SPDX-License-Identifier: GPL-2.0-or-later
"""`softfax restore`: a station's data back from a backup."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from softfax.cli.lines import counted, json_line
from softfax.cli.options import config_path, find_config, new_config_path
from softfax.errors import ExitStatus, UsageError
from softfax.settings_file import write_private

__all__ = ["add_options", "run"]


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the verb."""
    parser.description = (
        "Puts a backup in place of the station's data. Faxes that waited end as uncertain: they may have gone out."
    )
    parser.add_argument("file", metavar="FILE", help="archive that `softfax backup` wrote")
    parser.add_argument(
        "--config", metavar="FILE", help="configuration file (TOML); the one of the backup where there is none"
    )
    parser.add_argument("--force", action="store_true", help="replace data that is there; it is moved aside")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.add_argument("--resend", action="store_true", help="send what waited, even if it arrives twice")


def run(options: argparse.Namespace) -> int:
    """Puts the archive back. Raises SoftfaxError."""
    from softfax.diskspace import keep_private
    from softfax.ops.backup import read_archive, restore
    from softfax.ops.doctor.ports import station_runs
    from softfax.station.config import StationConfig

    keep_private()
    say = partial(print, file=sys.stderr if options.json else sys.stdout)
    archive, saved = read_archive(Path(options.file))
    path = config_path(options.config, os.environ)
    if saved is not None:
        path = path or new_config_path(os.environ)
        for line in _put_config(path, saved, archive.data_dir):
            say(line)
    config = StationConfig.load(find_config(str(path) if path is not None else None))
    if asyncio.run(station_runs(config)):
        raise UsageError("the station is running", "stop it first: systemctl stop softfax")
    done = restore(Path(options.file), config, resend=options.resend, force=options.force)
    say(f"{counted(done.files, 'file')} of {archive.created:%Y-%m-%d %H:%M} UTC put into {config.data.dir}")
    if options.json:
        print(json_line("restore", file=options.file, files=done.files, uncertain=done.uncertain))
    if done.replaced is not None:
        say(f"what was there is in {done.replaced}")
    if done.uncertain:
        say(
            f"{counted(done.uncertain, 'fax')} that waited may have gone out since: see `softfax jobs --state uncertain`"
        )
    return int(ExitStatus.OK)


def _put_config(path: Path, saved: bytes, data_dir: Path) -> Iterator[str]:
    """Put the configuration of a backup in place, unless there is another that was filled in. Yields what was done."""
    from softfax.ops.settings import sample

    there = path.read_bytes() if path.exists() else None
    if there == saved:
        return
    if there is None:
        write_private(path, saved)
        yield f"{path} written from the backup"
    elif there in (sample().encode(), sample(data_dir).encode()):
        # Its owner and mode stay: the station's user reads it.
        path.write_bytes(saved)
        yield f"{path} was the sample: it is that of the backup now"
    else:
        beside = path.with_name(f"{path.name}.from-backup")
        beside.unlink(missing_ok=True)
        write_private(beside, saved)
        yield f"{path} stays; the configuration of the backup differs and is in {beside}"
