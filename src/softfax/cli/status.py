# SPDX-License-Identifier: GPL-2.0-or-later
"""`softfax status`: how a running station is."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from softfax.cli.jobs import add_station_options, station_of
from softfax.cli.lines import json_line
from softfax.cli.tables import show_table
from softfax.errors import ExitStatus

__all__ = ["add_options", "run"]

_COLOURS = {
    "registered": "green",
    "reachable": "green",
    "trying": "yellow",
    "failed": "red",
    "unreachable": "red",
    "running": "green",
    "dead": "red",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the verb."""
    parser.description = (
        "Registrations, channel slots, queue, disk, and how many faxes went through. "
        "The token comes from SOFTFAX_TOKEN."
    )
    add_station_options(parser)


_REFUSED = {
    "overload": "calls for want of room",
    "slots": "calls for want of a channel slot",
    "unknown_calls": "calls of unknown sources",
    "unknown_connections": "connections of unknown sources",
}


def run(options: argparse.Namespace) -> int:
    """Returns the exit status: 1 where a registration has failed or a server does not answer. Raises SoftfaxError."""
    with station_of(options) as station:
        status = station.status()
        sessions = station.sessions()
    if options.json:
        print(json_line("status", **status, sessions=list(sessions)))
    else:
        _show(status, sessions)
    bad = any(one["state"] in ("failed", "unreachable") for one in status["registrations"])
    return int(ExitStatus.FAX_FAILED if bad else ExitStatus.OK)


def _show(status: Mapping[str, Any], sessions: Any) -> None:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bright_black", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("softfax", f"{status['version']}, up {_span(status['uptime_s'])}")
    for one in status["registrations"]:
        word = "without registration" if one["state"] == "unregistered" else one["state"]
        state = Text(word, _COLOURS.get(one["state"], ""))
        problem = f" ({one['problem']})" if one["problem"] else ""
        table.add_row("account", Text(f"{one['account']} at {one['server']}: ") + state + problem)
    lines, queue, disk = status["lines"], status["queue"], status["disk"]
    table.add_row("slots", f"{lines['used']} of {lines['max']} in use")
    load = status.get("load")
    if load and (load["calls"] or load["capacity"]):
        table.add_row(
            "load", f"{load['busy']:.0%} busy, ticks {load['late_ms']:.0f} ms late, room for {load['room']} calls more"
        )
        refused = ", ".join(f"{load['refused'][key]} {text}" for key, text in _REFUSED.items() if load["refused"][key])
        if refused:
            table.add_row("refused", refused)
    oldest = f", the oldest for {_span(queue['oldest_s'])}" if queue["due"] else ""
    waiting = sum(queue["by_state"].get(state, 0) for state in ("queued", "waiting"))
    table.add_row("queue", f"{waiting} waiting, {queue['due']} due{oldest}")
    for one in sessions:
        table.add_row("call", Text(_call(one)))
    for one in status["workers"]:
        if one["state"] != "running" or one["restarts"]:
            state = Text(one["state"], _COLOURS.get(one["state"], ""))
            table.add_row(
                "process", Text(f"{one['number']} (pid {one['pid']}): ") + state + f", {one['restarts']} restarts"
            )
    for name in ("day", "week"):
        share = status["success"][name]
        if share["total"]:
            table.add_row(f"last {name}", f"{share['delivered']} of {share['total']} sent ({share['rate']:.0%})")
    today = status["daily"][-1]
    table.add_row("today", f"{today['sent']} sent, {today['received']} received, {today['failed']} failed")
    table.add_row("disk", f"{disk['free_bytes'] / 1e9:.1f} GB free of {disk['total_bytes'] / 1e9:.1f} GB")
    show_table(table)


def _call(session: Mapping[str, Any]) -> str:
    sending = session["direction"] == "send"
    far = session["called"] if sending else session["caller"]
    mode = {"T38": "T.38", "audio": "G.711"}.get(session["mode"] or "", "")
    state = session["call_state"] or "preparing"
    how = [state, mode, f"{session['data_rate']} bit/s" if session.get("data_rate") else ""]
    page = f"page {session['page_number']}" if session.get("page_number") else ""
    return f"{'to' if sending else 'from'} {far or 'unknown'}: {', '.join(filter(None, [*how, page]))}"


def _span(seconds: float) -> str:
    whole = int(seconds)
    days, hours, minutes = whole // 86400, whole // 3600 % 24, whole // 60 % 60
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min" if minutes else f"{whole} s"
