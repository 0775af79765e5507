# SPDX-License-Identifier: GPL-2.0-or-later
"""`softfax cancel`: ends faxes of a running station."""

from __future__ import annotations

import argparse
import sys

from softfax.cli.jobs import add_station_options, found, station_of
from softfax.cli.lines import json_line
from softfax.errors import ExitStatus, UsageError

__all__ = ["add_options", "run"]


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the verb."""
    parser.description = "Ends faxes that wait or are under way (DCN, BYE). The token comes from SOFTFAX_TOKEN."
    parser.add_argument("ids", nargs="+", metavar="ID", help="ids of faxes; the first digits will do")
    add_station_options(parser)


def run(options: argparse.Namespace) -> int:
    """Returns the exit status: 1 where one of them could not be cancelled. Raises SoftfaxError."""
    from softfax.client import ConflictError, NotFoundError

    status = ExitStatus.OK
    with station_of(options) as station:
        for fax_id in options.ids:
            try:
                fax = station.cancel(found(station, fax_id).id)
            except (ConflictError, NotFoundError, UsageError) as error:
                print(f"softfax: {error}", file=sys.stderr)
                status = max(status, ExitStatus.USAGE if isinstance(error, UsageError) else ExitStatus.FAX_FAILED)
                continue
            if options.json:
                print(json_line("job", **fax.raw))
            else:
                print(f"{fax.id}  {fax.state if fax.terminal else 'is being cancelled'}")
    return int(status)
