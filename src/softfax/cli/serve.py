# SPDX-License-Identifier: GPL-2.0-or-later
"""`softfax serve`: the station. Answers calls, takes orders over the manager interface, tells of faxes by callbacks."""

from __future__ import annotations

import argparse
import asyncio

from softfax.cli.options import add_shared_options, find_config
from softfax.cli.report import Reporter
from softfax.diskspace import keep_private

__all__ = ["add_options", "run"]


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the verb."""
    parser.description = "Runs a station: answers calls, sends what is ordered, tells of it by AMI and callbacks."
    add_shared_options(parser)


def run(options: argparse.Namespace) -> int:
    """Serve until a signal stops it. Raises SoftfaxError where it cannot start."""
    # Only this verb waits for the station's machinery to load.
    from softfax.cli.serving import Serving
    from softfax.ops.check import load_config

    keep_private()
    path = find_config(options.config)
    serving = Serving(lambda: load_config(path), Reporter(json_lines=options.json))
    return asyncio.run(serving.run())
