# SPDX-License-Identifier: GPL-2.0-or-later
"""`softfax backup`: a station's data as one file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from softfax.cli.lines import counted, json_line
from softfax.cli.options import add_shared_options, find_config
from softfax.errors import ExitStatus

__all__ = ["add_options", "run"]


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the verb."""
    parser.description = "Writes database, documents, received faxes and configuration to FILE (.tar.gz or .tar)."
    parser.add_argument("file", metavar="FILE", help="archive to write; it will have secrets in it")
    add_shared_options(parser)


def run(options: argparse.Namespace) -> int:
    """Writes the archive. Raises SoftfaxError."""
    from softfax.diskspace import keep_private
    from softfax.ops.backup import back_up
    from softfax.station.config import StationConfig

    keep_private()
    path = find_config(options.config)
    config = StationConfig.load(path)
    archive = back_up(config, path, Path(options.file))
    size = Path(options.file).stat().st_size
    written = f"{options.file}: {counted(archive.files, 'file')}, {archive.bytes / 1e6:.1f} MB in {size / 1e6:.1f} MB"
    print(json_line("backup", file=options.file, files=archive.files, bytes=size) if options.json else written)
    if config.data.url:
        print("the database is elsewhere ([data] url) and not in it: back it up there, as by pg_dump", file=sys.stderr)
    return int(ExitStatus.OK)
