# SPDX-License-Identifier: GPL-2.0-or-later
"""`softfax gateway`: passes the calls of one PBX or trunk on to another, with the fax between T.38 and G.711."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path

from softfax.cli.common import DEFAULT_LISTEN, add_call_options, interruptible, sip_table
from softfax.cli.options import count, seconds
from softfax.cli.report import Reporter
from softfax.errors import ExitStatus
from softfax.model import Direction, FaxResult, FaxUpdate
from softfax.sip.listening import shown
from softfax.sip.types import CALLS_PER_PROCESS, split_uri
from softfax.station import Station, StationConfig

__all__ = ["add_options", "run"]


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the verb."""
    parser.usage = "%(prog)s [options] FROM TO"
    parser.description = (
        "Passes calls that come from FROM on to TO, both SIP URIs of a PBX, an ATA or a trunk, and carries their"
        " faxes between T.38 and G.711. A station does it by rules: [[gateway]]."
    )
    parser.add_argument("server", metavar="FROM", help="where calls come from, like sip:10.0.0.2")
    parser.add_argument("onward", metavar="TO", help="where they go, like sip:10.0.0.3:5080")
    add_call_options(parser)
    parser.add_argument("--number", metavar="NUMBER", default="", help="call this number instead of the one called")
    parser.add_argument("--count", metavar="N", type=count, help="end after N calls (never)")
    parser.add_argument("--timeout", metavar="S", type=seconds, default=60.0, help="how long TO may ring (60)")


def run(options: argparse.Namespace) -> int:
    """Passes calls on until told to end. Raises SoftfaxError where it cannot even begin."""
    for uri in (options.server, options.onward):
        split_uri(uri)
    with tempfile.TemporaryDirectory(prefix="softfax-", ignore_cleanup_errors=True) as folder:
        return asyncio.run(_pass_on(options, _config(options, Path(folder))))


def _config(options: argparse.Namespace, folder: Path) -> StationConfig:
    """The station that does it; `--user` and `--password` are for TO."""
    # Each that passes is two.
    sip = {**sip_table(options, options.listen or [DEFAULT_LISTEN]), "max_calls": CALLS_PER_PROCESS}
    onward = {"name": "to", "server": options.onward, "user": options.user or "", "password": options.password or ""}
    rule = {"name": "gateway", "from": ["from"], "accounts": ["to"], "to": options.number}
    return StationConfig.checked(
        {
            "sip": sip,
            "account": [{"name": "from", "server": options.server}, onward],
            "gateway": [{**rule, "answer_timeout_s": options.timeout}],
            "fax": {"receive": False},
            "callbacks": {"enabled": False},
            "data": {"dir": folder},
        },
        "the command line",
    )


async def _pass_on(options: argparse.Namespace, config: StationConfig) -> int:
    reporter = Reporter(json_lines=options.json)
    results: list[FaxResult] = []
    done = asyncio.Event()

    def take(update: FaxUpdate) -> None:
        context = update.context
        reporter.label = f"{context.session_number} {context.caller_number or 'unknown'} to {context.called_number}: "
        reporter.event(update.event)
        if isinstance(update.event, FaxResult) and context.direction is Direction.GATEWAY:
            results.append(update.event)
            if options.count and len(results) >= options.count:
                done.set()

    async with Station(config) as station:
        station.subscribe(take)
        async with interruptible(done.set) as interrupted:
            reporter.text(
                f"listening at sip:{shown(station.bound_addresses)} ({options.transport}), "
                f"from {options.server} to {options.onward}"
            )
            await done.wait()
            if interrupted():
                return int(ExitStatus.INTERRUPTED)
    return int(ExitStatus.OK if all(result.success for result in results) else ExitStatus.FAX_FAILED)
