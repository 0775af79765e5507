# SPDX-License-Identifier: GPL-2.0-or-later
"""`softfax doctor`: looks at everything a station needs and tells the remedy of what is not well."""

from __future__ import annotations

import argparse
import asyncio

from softfax.cli.lines import counted, json_line
from softfax.cli.options import add_shared_options, find_config
from softfax.cli.terminal import Terminal
from softfax.errors import ExitStatus

__all__ = ["add_options", "run"]

_MARKS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "failed": ("✗", "red"), "skipped": ("–", "dim")}


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the verb."""
    parser.description = (
        "Looks at configuration, ports, NAT, accounts, disk, clock and programs; with --call also sends a test fax."
    )
    parser.add_argument("--call", metavar="NUMBER", help="send a page to this number or SIP URI and judge the line")
    parser.add_argument("--account", metavar="NAME", help="the account to call through")
    parser.add_argument("--stun", metavar="HOST", help="STUN server that is asked for our public address")
    add_shared_options(parser)


def run(options: argparse.Namespace) -> int:
    """Returns 1 where something does not work, else 0."""
    return asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> int:

    from softfax.ops.doctor import Finding, Status, examine

    console = Terminal(soft_wrap=True)
    found: list[Finding] = []
    area = ""
    path = find_config(options.config)
    async for finding in examine(path, call=options.call or "", account=options.account or "", stun=options.stun or ""):
        found.append(finding)
        if options.json:
            continue
        mark, colour = _MARKS[finding.status]
        title = "" if finding.area == area else str(finding.area)
        area = str(finding.area)
        console.print(f"{title:<14}", f"[{colour}]{mark}[/]", end=" ")
        console.print(finding.text, markup=False)
        if finding.remedy:
            console.print(f"{'':<14}   → {finding.remedy}", markup=False)
    bad = sum(one.status is Status.FAILED for one in found)
    doubtful = sum(one.status is Status.WARNING for one in found)
    if options.json:
        print(json_line("doctor", ok=not bad, findings=[one.to_json() for one in found]))
    else:
        fine = sum(one.status is Status.OK for one in found)
        console.print(f"\n{fine} fine, {counted(doubtful, 'warning')}, {counted(bad, 'problem')}")
    return int(ExitStatus.FAX_FAILED if bad else ExitStatus.OK)
