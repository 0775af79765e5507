# SPDX-License-Identifier: GPL-2.0-or-later
"""`softfax polled`: documents that far ends fetch from a running station: those that are out, another, one no more."""

from __future__ import annotations

import argparse
import os
import re
import sys
from typing import TYPE_CHECKING, Any

from softfax.asjson import rfc3339
from softfax.cli.jobs import add_station_options, moment, station_of
from softfax.cli.lines import clock, json_line
from softfax.cli.options import add_polling_options
from softfax.errors import ExitStatus, UsageError

if TYPE_CHECKING:
    from softfax.client import Polled, SoftfaxClient

__all__ = ["add_options", "run"]


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the verb."""
    parser.description = (
        "Lists the documents that far ends may fetch from a running station by calling (polling), puts files out at a number, "
        "or takes some back. The token comes from SOFTFAX_TOKEN."
    )
    parser.add_argument(
        "what", nargs="?", choices=["list", "put", "take-back"], default="list", help="what to do (list)"
    )
    parser.add_argument("which", nargs="*", metavar="FILE|NAME", help="files to put out; names or ids to take back")
    parser.add_argument(
        "--number", action="append", metavar="N", help="number at which it is fetched; may come several times"
    )
    parser.add_argument("--name", metavar="NAME", default="", help="what lists call it (the name of the first file)")
    parser.add_argument("--caller", action="append", metavar="N", help="number that may fetch it; everybody without")
    parser.add_argument("--until", metavar="WHEN", default="", help="when it ends: a time, or in 2h, 3d, 1w (never)")
    add_polling_options(parser)
    add_station_options(parser)


def run(options: argparse.Namespace) -> int:
    """Returns the exit status. Raises SoftfaxError."""
    with station_of(options) as station:
        if options.what == "put":
            _show(_put(station, options), options.json)
        elif options.what == "take-back":
            _take_back(station, options.which)
        else:
            found = station.polled()
            for one in found:
                _show(one, options.json)
            if not found and not options.json:
                print("no document is out for polling", file=sys.stderr)
    return int(ExitStatus.OK)


def _put(station: SoftfaxClient, options: argparse.Namespace) -> Polled:
    if not options.which or not options.number:
        raise UsageError("put what out, at which number?", "softfax polled put FILE --number N")
    name = options.name or re.sub(r"[^A-Za-z0-9_.-]+", "-", os.path.basename(options.which[0]))[:40]
    more: dict[str, Any] = {"until": moment(options.until, "--until", ahead=True)} if options.until else {}
    return station.put_out(
        name, options.number, options.which, callers=options.caller or (), poll_document=options.poll_document,
        poll_password=options.poll_password, **more,
    )  # fmt: skip


def _take_back(station: SoftfaxClient, which: list[str]) -> None:
    if not which:
        raise UsageError("take back which?", "name them; `softfax polled` lists them")
    found = station.polled()
    for word in which:
        one = next((one for one in found if word in (one.id, one.name)), None)
        if one is None:
            raise UsageError(f"nothing called {word} is out", "`softfax polled` lists what is")
        if not one.id:
            raise UsageError(f"{word} is put out by the configuration", "take its [[polled]] out there, and reload")
        station.take_back(one.id)


def _show(one: Polled, as_json: bool) -> None:
    if as_json:
        times = {name: rfc3339(when) if (when := getattr(one, name)) is not None else None
                 for name in ("created", "until", "last_fetched")}  # fmt: skip
        print(json_line("polled", **vars(one) | times))
        return
    state = "out" if one.out else "over"
    until = f" until {clock(one.until)}" if one.until is not None and one.out else ""
    named = f"  document {one.poll_document}" if one.poll_document else ""
    often = {0: "never fetched", 1: "fetched once"}.get(one.fetched, f"fetched {one.fetched} times")
    last = f", {'at' if one.fetched == 1 else 'last at'} {clock(one.last_fetched)}" if one.last_fetched else ""
    print(
        f"{one.name}  {state}{until}  at {', '.join(one.numbers)}{named}{'  with a password' if one.has_password else ''}  "
        f"{', '.join(one.documents)}  {often}{last}"
    )
