# SPDX-License-Identifier: GPL-2.0-or-later
"""`softfax stations`: the stations that work on a database together; also while none of them answers."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from softfax.asjson import rfc3339
from softfax.cli.lines import clock, json_line
from softfax.cli.options import add_shared_options, find_config
from softfax.errors import ExitStatus, UsageError

if TYPE_CHECKING:
    from softfax.database.stations import StationView

__all__ = ["add_options", "run"]

_COLUMNS = ("station", "", "since", "version", "configuration", "faxes", "at")


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the verb."""
    parser.description = (
        "Lists the stations on the database of the configuration. `forget NAME` frees the channel slots counted for calls"
        " of a station that will not come back, and ends what it was receiving."
    )
    parser.add_argument(
        "what", metavar="list|forget", nargs="?", default="list", choices=["list", "forget"], help="what to do (list)"
    )
    parser.add_argument("name", nargs="?", default="", metavar="NAME", help="the station to forget")
    add_shared_options(parser)


def run(options: argparse.Namespace) -> int:
    """Returns the exit status: 1 where a station is gone, or has another configuration. Raises SoftfaxError."""
    if (options.what == "forget") != bool(options.name):
        raise UsageError("which station is to be forgotten?", "`softfax stations` lists them")
    from softfax.database.offline import offline_database
    from softfax.database.stations import views
    from softfax.records import tables
    from softfax.records.store import QueueStore
    from softfax.station.config import StationConfig

    config = StationConfig.load(find_config(options.config))
    with offline_database(config.data.dir, config.data.url) as engine:
        if options.what == "forget":
            slots, faxes = QueueStore(engine).forget_station(options.name)
            if not slots + faxes:
                raise UsageError(
                    f"nothing is counted for a station {options.name}", "`softfax stations` lists those that run"
                )
            print(f"{options.name} is forgotten; slots freed: {slots}, faxes ended: {faxes}", file=sys.stderr)
            return int(ExitStatus.OK)
        with engine.connect() as connection:
            found = views(connection, tables.faxes)
    if options.json:
        for one in found:
            print(json_line("station", **_fields(one)))
    else:
        _show(found)
    well = len({one.config_digest for one in found}) <= 1 and not any(one.lapsed_s for one in found)
    return int(ExitStatus.OK if well else ExitStatus.FAX_FAILED)


def _fields(one: StationView) -> dict[str, Any]:
    return {
        "name": one.name, "number": one.number, "state": _state(one), "started": rfc3339(one.started),
        "version": one.version, "config_digest": one.config_digest, "faxes": one.calls, "url": one.url,
    }  # fmt: skip


def _state(one: StationView) -> str:
    if one.lapsed_s is None:
        return "alone"
    if one.lapsed_s:
        return "gone"
    return "draining" if one.draining else "running"


def _show(found: list[StationView]) -> None:
    from rich.table import Table
    from rich.text import Text

    from softfax.cli.tables import show_table

    if not found:
        print("no station works on this database", file=sys.stderr)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in _COLUMNS:
        table.add_column(name, no_wrap=True)
    for one in found:
        state = Text(_state(one), {"running": "green", "alone": "green", "draining": "yellow"}.get(_state(one), "red"))
        digest = Text(one.config_digest, "" if one.config_digest == found[0].config_digest else "yellow")
        table.add_row(one.name, state, clock(one.started), one.version, digest, str(one.calls), one.url)
    show_table(table)
