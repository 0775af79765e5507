# SPDX-License-Identifier: GPL-2.0-or-later
"""`softfax jobs`: the faxes of a running station: a list, one in detail, or what happens to them."""

from __future__ import annotations

import argparse
import os
import re
import sys
import tomllib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from softfax.cli.lines import clock, counted, json_line, json_text
from softfax.cli.options import add_shared_options, config_path
from softfax.cli.tables import show_table
from softfax.cli.terminal import Terminal
from softfax.errors import ConfigError, ExitStatus, UsageError
from softfax.model import Mode

if TYPE_CHECKING:
    from softfax.client import Fax, SoftfaxClient, StreamEvent

__all__ = ["STYLES", "add_options", "add_station_options", "found", "moment", "run", "station_of"]

STYLES = {
    "delivered": "green", "received": "green", "sending": "cyan", "receiving": "cyan", "preparing": "cyan",
    "queued": "default", "waiting": "yellow", "failed": "red", "expired": "red", "uncertain": "magenta",
    "cancelled": "bright_black",
}  # fmt: skip
_COLUMNS = ("id", "when", "", "with", "state", "pages", "document")
_WITH, _DOCUMENT = _COLUMNS.index("with"), _COLUMNS.index("document")
_AGO = re.compile(r"(\d{1,5})\s*([mhdw])\Z")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def add_station_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for the station's URL and token."""
    parser.add_argument(
        "--url", metavar="URL", default="", help="the station's HTTP (SOFTFAX_URL, [http] listen, 127.0.0.1:8038)"
    )
    add_shared_options(parser)


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the verb."""
    parser.usage = "%(prog)s [options] [ID ...]"
    parser.description = (
        "Lists the faxes of a running station, shows some in detail, or follows what happens. "
        "The token comes from SOFTFAX_TOKEN."
    )
    parser.add_argument("ids", nargs="*", metavar="ID", help="faxes to show in detail; the first digits will do")
    parser.add_argument("--state", metavar="STATES", help="in these states: queued,waiting …")
    parser.add_argument("--sent", dest="direction", action="store_const", const="send", help="only those sent")
    parser.add_argument(
        "--received", dest="direction", action="store_const", const="receive", help="only those received"
    )
    parser.add_argument("--number", metavar="N", help="to or from this number")
    parser.add_argument("--search", metavar="WORDS", help="words in numbers, names, documents and tags")
    parser.add_argument("--tag", action="append", metavar="K=V", help="with this tag; may come several times")
    parser.add_argument("--since", metavar="WHEN", help="made since: 2026-11-21, a time, or 2h, 3d, 1w ago")
    parser.add_argument("--mailbox", metavar="NAME", help="of this mailbox")
    parser.add_argument("--unread", action="store_true", help="only those not read yet")
    parser.add_argument("--limit", metavar="N", type=int, default=20, help="at most N (20)")
    parser.add_argument("--all", action="store_true", help="all of them")
    parser.add_argument("--follow", action="store_true", help="what happens, until interrupted or ended")
    add_station_options(parser)


def station_of(options: argparse.Namespace) -> SoftfaxClient:
    """A client for the station that the options, the environment or the configuration name. Raises UsageError, ConfigError."""
    from softfax.client import SoftfaxClient

    return SoftfaxClient(options.url or os.environ.get("SOFTFAX_URL", "") or _configured(options.config), tries=1)


def _configured(named: str | None) -> str:
    """The URL of [http] in the configuration; empty without one. A file that we may not read says nothing."""
    path = config_path(named, os.environ)
    try:
        table = tomllib.loads(path.read_text()) if path is not None else {}
    except (OSError, ValueError) as error:
        if named:
            raise ConfigError(
                f"{path} cannot be read ({error})", "name another file, or the station with --url"
            ) from None
        return ""
    http = table.get("http", {})
    listen = http.get("listen", "") if isinstance(http, dict) else ""
    host, _, port = listen.rpartition(":") if isinstance(listen, str) else ("", "", "")
    if not port.isdigit() or port == "0":
        return ""
    host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(host, host)
    return f"{'https' if http.get('tls_certificate') else 'http'}://{host}:{port}"


def run(options: argparse.Namespace) -> int:
    """Returns the exit status. Raises SoftfaxError."""
    if options.limit < 1:
        raise UsageError(f"--limit {options.limit} shows nothing", "use a number above 0")
    with station_of(options) as station:
        if options.follow:
            return _follow(station, options)
        if options.ids:
            for fax in [found(station, one) for one in options.ids]:
                _show(fax, options.json)
            return int(ExitStatus.OK)
        faxes = list(station.list(limit=0 if options.all else options.limit, **_filters(options)))
    _list(faxes, options)
    return int(ExitStatus.OK)


def found(station: SoftfaxClient, given: str) -> Fax:
    """A fax by its id or its beginning. Raises UsageError, AnswerError."""
    if re.fullmatch(r"[0-9a-f]{24}", given):
        return station.get(given)
    if not re.fullmatch(r"[0-9a-f]{4,23}", given):
        raise UsageError(f"{given[:40]!r} is not the id of a fax", "`softfax jobs` shows them")
    near = [fax.id for fax in station.list(limit=1000) if fax.id.startswith(given)]
    if len(near) != 1:
        if near:
            raise UsageError(f"several faxes begin with {given}", "write more of the id")
        raise UsageError(
            f"no fax of the last thousand begins with {given}", "write the whole id; `softfax jobs` shows them"
        )
    return station.get(near[0])


# ---- filters -------------------------------------------------------------------------------------------------------------


def _filters(options: argparse.Namespace) -> dict[str, Any]:
    tags = {}
    for text in options.tag or ():
        key, sign, value = text.partition("=")
        if not sign:
            raise UsageError(f"--tag {text} has no value", "write it as NAME=VALUE")
        tags[key] = value
    return {
        "direction": options.direction,
        "state": options.state,
        "number": options.number,
        "q": options.search,
        "tags": tags,
        "since": moment(options.since, "--since") if options.since else None,
        "mailbox": options.mailbox,
        "unread": options.unread or None,
    }


def moment(text: str, option: str, ahead: bool = False) -> datetime:
    """A time, or so long ago, or `ahead`. Raises UsageError."""
    if match := _AGO.match(text):
        length = timedelta(**{_UNITS[match[2]]: int(match[1])})
        return datetime.now(UTC) + (length if ahead else -length)
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"{option} {text} is not a time", "write 2026-11-21, 2026-11-21T08:00, or 2h, 3d, 1w"
        ) from None
    return when.astimezone()


# ---- shown ---------------------------------------------------------------------------------------------------------------


def _list(faxes: Iterable[Fax], options: argparse.Namespace) -> None:
    shown = list(faxes)
    if options.json:
        for fax in shown:
            print(json_line("job", **fax.raw))
        return
    if not shown:
        print("no faxes", file=sys.stderr)
        return
    rows = [
        [
            Text(fax.id[:24] if options.all else fax.id[:12]),
            Text(clock(fax.created)),
            Text({"send": "→", "gateway": "↔"}.get(fax.direction, "←")),
            Text(_far(fax)),
            Text(fax.state + (" *" if fax.unread else ""), STYLES.get(fax.state, "")),
            Text(_pages(fax)),
            Text(_why(fax) or ", ".join(Path(name).name for name in fax.documents)),
        ]
        for fax in shown
    ]
    _fit(rows)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in _COLUMNS:
        table.add_column(name, no_wrap=True, justify="right" if name == "pages" else "left")
    for row in rows:
        table.add_row(*row)
    show_table(table)


def _fit(rows: Sequence[Sequence[Text]]) -> None:
    """On a terminal, cuts what may be long (whom, and which document) to the room that the other columns leave."""
    if not sys.stdout.isatty():
        return
    widest = [max(len(name), *(row[at].cell_len for row in rows)) for at, name in enumerate(_COLUMNS)]
    room = Terminal().width - sum(widest) - 2 * (len(widest) - 1) + widest[_WITH] + widest[_DOCUMENT]
    far = min(widest[_WITH], max(room // 2, room - widest[_DOCUMENT], 8))
    for row in rows:
        row[_WITH].truncate(far, overflow="ellipsis")
        row[_DOCUMENT].truncate(max(room - far, 8), overflow="ellipsis")


def _far(fax: Fax) -> str:
    if fax.direction == "send" or fax.poll:
        return fax.to
    return fax.caller or fax.remote_station_id or "unknown"


def _pages(fax: Fax) -> str:
    return f"{fax.pages}/{fax.pages_total}" if fax.pages_total and fax.pages_total != fax.pages else str(fax.pages)


def _why(fax: Fax) -> str:
    return fax.reason if fax.state in ("failed", "expired", "uncertain", "waiting") else ""


def _show(fax: Fax, as_json: bool) -> None:
    if as_json:
        print(json_line("job", **fax.raw))
        return
    console = Terminal(soft_wrap=True)
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bright_black")
    table.add_column(overflow="fold")
    facts: dict[str, str | Text] = {
        "fax": fax.id,
        "state": Text(fax.state, STYLES.get(fax.state, "")),
        "to" if fax.direction == "send" else "from": Text(
            _far(fax) + (f" ({fax.caller_name})" if fax.caller_name else "")
        ),
        "far end": Text(fax.remote_station_id),
        "account": fax.account,
        "mailbox": fax.mailbox,
        "pages": _pages(fax),
        "documents": Text(", ".join(fax.documents)),
        "resolution": fax.resolution,
        "made": clock(fax.created),
        "not before": clock(fax.not_before),
        "next call": clock(fax.next_attempt) if not fax.terminal else "",
        "deadline": clock(fax.deadline) if not fax.terminal else "",
        "ended": clock(fax.ended),
        "why": Text(fax.reason),
        "remedy": Text(fax.remedy),
        "tags": Text(", ".join(f"{key}={value}" for key, value in fax.tags.items())),
    }
    for name, value in facts.items():
        if str(value):
            table.add_row(name, value)
    show_table(table)
    for attempt in fax.attempts:
        result = attempt.result
        took = f", {result.duration_s:.0f} s" if result and result.duration_s else ""
        mode = "T.38" if result and result.mode is Mode.T38 else "G.711"
        how = f", {mode} {result.bitrate} bit/s" if result and result.bitrate else ""
        came = "under way" if attempt.ended is None else attempt.cause or "went through"
        first = f" from page {attempt.first_page}" if attempt.first_page > 1 else ""
        shared = ", in one call with others" if attempt.joined else ""
        pages = counted(attempt.pages, "page")
        line = f"call {attempt.number}  {clock(attempt.started)}  {came}{first}, {pages}{how}{took}{shared}"
        console.print(line, markup=False)


# ---- as it happens -------------------------------------------------------------------------------------------------------


def _follow(station: SoftfaxClient, options: argparse.Namespace) -> int:
    """Follow all faxes until interrupted, or one until it has ended: then its exit status."""
    if len(options.ids) > 1:
        raise UsageError("only one fax can be followed", "name one, or none for all")
    fax = found(station, options.ids[0]) if options.ids else None
    last = fax
    if fax is not None and not fax.terminal:
        # From its beginning: what happened since it was looked at is not missed, its end least of all.
        for event in station.events(fax_id=fax.id, after=0):
            _event(event, options.json)
            if event.kind in ("job", "result") and (last := station.get(fax.id)).terminal:
                break
    elif fax is None:
        for event in station.events():
            _event(event, options.json)
    if last is None:
        return int(ExitStatus.OK)
    if not options.json:
        _show(last, False)
    return int(ExitStatus.OK if last.success else ExitStatus.FAX_FAILED)


def _event(event: StreamEvent, as_json: bool) -> None:
    if as_json:
        print(json_text(event.body), flush=True)
        return
    words = _words(event)
    if words:
        time = datetime.fromisoformat(str(event.body["time"])).astimezone().strftime("%H:%M:%S")
        Terminal(soft_wrap=True).print(f"{time}  {event.fax_id[:12]}  {words}", markup=False)


def _words(event: StreamEvent) -> str:
    """An event for people; empty for what only programs care for."""
    body = event.body
    if event.kind == "job":
        then = body.get("next_attempt")
        again = f", next call at {clock(datetime.fromisoformat(str(then)))}" if then else ""
        return str(body["state"]) + (f": {body['reason']}" if body.get("reason") else "") + again
    if event.kind == "call" and body["state"] in ("ringing", "answered"):
        return str(body["state"])
    if event.kind == "heard":
        return f"heard {body['signal']} after {body['seconds']:.1f} s"
    if event.kind == "negotiated":
        mode = "T.38" if body["mode"] == "T38" else "G.711"
        return f"{mode}, {body['bitrate']} bit/s, {'ECM' if body['ecm'] else 'no ECM'}, {body['resolution']} dpi"
    if event.kind == "page":
        verb = "sent" if body["direction"] == "send" else "received"
        return f"page {body['number']} {verb} in {body['seconds']:.1f} s"
    return ""
