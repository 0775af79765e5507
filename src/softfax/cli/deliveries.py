# SPDX-License-Identifier: GPL-2.0-or-later
"""`softfax deliveries`: the callbacks of a station that wait, and those that were given up; also while the station runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from softfax.cli.lines import clock, json_line, json_text
from softfax.cli.options import add_shared_options, count, find_config
from softfax.errors import ExitStatus, UsageError

if TYPE_CHECKING:
    from softfax.delivery.store import Store, StoredCallback

__all__ = ["add_options", "run"]

DEAD, WAITING, DELIVERED = "dead", "waiting", "delivered"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the verb."""
    parser.description = "Lists callbacks (dead ones by default), shows one in full, or queues dead ones again."
    parser.add_argument("what", metavar="list|show|replay", choices=["list", "show", "replay"], help="what to do")
    parser.add_argument(
        "keys", nargs="*", metavar="NUMBER", help="number, event id or fax id of callbacks; for replay also `all`"
    )
    parser.add_argument("--state", choices=[DEAD, WAITING, DELIVERED], default=DEAD, help="which to list (dead)")
    parser.add_argument("--limit", metavar="N", type=count, default=1000, help="list at most N (1000)")
    add_shared_options(parser)


def run(options: argparse.Namespace) -> int:
    """Returns the exit status. Raises SoftfaxError."""
    if options.what != "list" and not options.keys:
        raise UsageError(
            f"{options.what} which callbacks?", "name them by number; `softfax deliveries list` shows them"
        )
    from softfax.delivery.store import offline_callbacks
    from softfax.station.config import StationConfig

    config = StationConfig.load(find_config(options.config))
    with offline_callbacks(config.data.dir, config.data.url) as store:
        if options.what == "list":
            return _list(store, options)
        return _show(store, options) if options.what == "show" else _replay(store, options)


def _list(store: Store, options: argparse.Namespace) -> int:
    callbacks = store.list(options.state, limit=options.limit)
    if not callbacks:
        print(f"no callbacks are {options.state}", file=sys.stderr)
    elif options.json:
        for callback in callbacks:
            print(json_line("delivery", **_fields(callback)))
    else:
        _show_list(callbacks)
    return int(ExitStatus.OK)


def _show_list(callbacks: Sequence[StoredCallback]) -> None:
    from rich.table import Table
    from rich.text import Text

    from softfax.cli.tables import show_table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("number", "when", "fax", "attempts", "to", "why"):
        table.add_column(name, no_wrap=True, justify="right" if name in ("number", "attempts") else "left")
    for one in callbacks:
        when = clock(datetime.fromtimestamp(one.ended_at or one.put_at, UTC))
        words = (str(one.number), when, one.fax_id, str(one.attempts), one.place, one.last_error)
        table.add_row(*(Text(word) for word in words))
    show_table(table)


def _show(store: Store, options: argparse.Namespace) -> int:
    for key in options.keys:
        for callback in _found(store, key):
            whole = _fields(callback) | {
                "headers": dict(callback.headers),
                "body": callback.body.decode("utf-8", "replace"),
            }
            print(json_line("delivery", **whole) if options.json else json_text(whole, indent=2))
    return int(ExitStatus.OK)


def _replay(store: Store, options: argparse.Namespace) -> int:
    if options.keys == ["all"]:
        chosen = store.list(DEAD, limit=100_000)
    else:
        chosen = [callback for key in options.keys for callback in _found(store, key)]
    replayed = [callback.number for callback in chosen if store.replay(callback.number)]
    if options.json:
        print(json_line("replayed", replayed=replayed))
    else:
        print(f"{len(replayed)} of {len(chosen)} queued once more")
    return int(ExitStatus.OK if len(replayed) == len(chosen) else ExitStatus.FAX_FAILED)


def _found(store: Store, key: str) -> list[StoredCallback]:
    found = store.get(key)
    if not found:
        raise UsageError(f"there is no callback {key}", "`softfax deliveries list` shows the dead ones")
    return found


def _fields(callback: StoredCallback) -> dict[str, Any]:
    return {
        "number": callback.number,
        "state": callback.state,
        "fax_id": callback.fax_id,
        "event_id": callback.event_id,
        "url": callback.place,
        "dialect": callback.target.dialect,
        "attempts": callback.attempts,
        "put": _time(callback.put_at),
        "ended": _time(callback.ended_at) if callback.ended_at else None,
        "next": _time(callback.next_at) if callback.state == WAITING else None,
        "last_status": callback.last_status,
        "last_error": callback.last_error,
    }


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
