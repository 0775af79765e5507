# SPDX-License-Identifier: GPL-2.0-or-later
"""`softfax swml run|check`: SignalWire's markup for calls, as far as it is about faxes."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import fcntl
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from softfax.cli.common import (
    add_call_options,
    add_fax_options,
    destination_uri,
    fax_options,
    interruptible,
    sip_config,
    sip_table,
)
from softfax.cli.lines import json_line
from softfax.cli.options import seconds
from softfax.cli.report import Reporter
from softfax.errors import ExitStatus, LocalError, UsageError, unread_remedy
from softfax.model import FaxResult, FaxUpdate
from softfax.options import check_ident

__all__ = ["add_options", "run"]

FILE_BYTES_MAX = 1 << 20


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the verb."""
    parser.usage = "%(prog)s run [options] FILE --to DESTINATION\n       %(prog)s check FILE"
    parser.description = (
        "Runs or checks a SWML document: send_fax, receive_fax, execute, request, set, cond, goto, hangup."
    )
    parser.add_argument(
        "action", metavar="run|check", choices=["run", "check"], help="run it, or only say whether it is right"
    )
    parser.add_argument("file", metavar="FILE", help="the document; - for standard input")
    parser.add_argument(
        "--to", metavar="DESTINATION", help="whom its faxes are for: a SIP URI, or a number with --proxy"
    )
    add_call_options(parser)
    add_fax_options(parser)
    parser.add_argument("--from", dest="from_uri", metavar="URI", help="our own SIP URI, the caller's identity")
    parser.add_argument("--proxy", metavar="URI", help="outbound proxy, and the server of plain numbers")
    parser.add_argument(
        "--header", metavar="TEXT", default="", help="header line where the document has no header_info"
    )
    parser.add_argument(
        "--resolution",
        choices=["standard", "fine", "superfine", "300", "400"],
        default="fine",
        help="of the pages (fine)",
    )
    parser.add_argument("--timeout", metavar="S", type=seconds, default=60.0, help="seconds to wait for an answer (60)")
    parser.add_argument(
        "--dir", metavar="DIR", default="received", help="folder for what receive_fax receives (received)"
    )
    parser.add_argument("--data", metavar="DIR", help="where callbacks wait until they are delivered")
    parser.add_argument("--allow-private", action="store_true", help="URLs and documents at private addresses too")
    parser.add_argument(
        "--callback-wait", metavar="S", type=seconds, default=30.0, help="how long callbacks may take at the end (30)"
    )


def run(options: argparse.Namespace) -> int:
    """Checks the document, then runs it. Raises SoftfaxError."""
    from softfax.swml.document import load

    document = load(_read(options.file))
    if options.action == "check":
        reporter = Reporter(json_lines=options.json)
        reporter.text(f"{options.file}: good, {len(document.sections)} section(s)")
        reporter.line("swml", file=options.file, ok=True, sections=len(document.sections))
        return int(ExitStatus.OK)
    if not options.to:
        raise UsageError("no destination", "say whom to call with --to")
    check_ident(options.ident)
    destination = destination_uri(options.to, options)
    with _data_folder(options.data) as data:
        return asyncio.run(_run(options, document, destination, data))


@contextlib.contextmanager
def _data_folder(named: str | None) -> Iterator[Path]:
    """Folder for waiting callbacks: as named, else the first of ours that no other run is using."""
    if named:
        yield Path(named)
        return
    from softfax.station.config import state_dir

    for number in itertools.count(1):
        folder = state_dir() / ("swml" if number == 1 else f"swml-{number}")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = (folder / "run.lock").open("a")
        except OSError as error:
            raise LocalError(
                f"{folder} cannot be written: {error.strerror}", "name another folder with --data"
            ) from None
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                continue
            yield folder
            return


def _read(name: str) -> bytes:
    try:
        data = sys.stdin.buffer.read(FILE_BYTES_MAX + 1) if name == "-" else _head(Path(name))
    except OSError as error:
        raise UsageError(
            f"{name} cannot be read: {error.strerror}", unread_remedy(error, "check the file's name")
        ) from None
    if len(data) > FILE_BYTES_MAX:
        raise UsageError(f"{name} is too large for a SWML document", f"keep it below {FILE_BYTES_MAX >> 10} kB")
    return data


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(FILE_BYTES_MAX + 1)


async def _run(options: argparse.Namespace, document: Any, destination: str, data: Path) -> int:
    from softfax.station import FaxOrder, Station
    from softfax.swml.runner import SwmlRunner

    reporter = Reporter(json_lines=options.json)
    order = FaxOrder(
        destination=destination,
        **fax_options(options, header=options.header, resolution=options.resolution),
        answer_timeout_s=options.timeout,
    )
    reached = True

    def show(update: FaxUpdate) -> None:
        nonlocal reached
        if isinstance(update.event, FaxResult) and update.event.result_code >= 1000:
            reached = False
        reporter.event(update.event)

    async with Station(_config(options, destination, data)) as station:
        station.subscribe(show)
        runner = SwmlRunner(
            station,
            document,
            destination,
            order=order,
            receive_into=Path(options.dir),
            allow_private=bool(options.allow_private),
            say=reporter.text,
        )
        async with interruptible(runner.cancel) as interrupted:
            variables = await runner.run()
        await _callbacks_out(station, options.callback_wait)
    if options.json:
        print(json_line("variables", variables=variables))
    if interrupted():
        return int(ExitStatus.INTERRUPTED)
    if all(result.success for result in runner.results):
        return int(ExitStatus.OK)
    return int(ExitStatus.FAX_FAILED if reached else ExitStatus.CALL_FAILED)


def _config(options: argparse.Namespace, destination: str, data: Path) -> Any:
    from softfax.station import StationConfig

    table: dict[str, Any] = {
        "sip": sip_table(options, sip_config(options, destination).listen),
        "fax": {"receive": False, "allow_private_documents": bool(options.allow_private)},
        "data": {"dir": data},
        "callbacks": {"allow_private": bool(options.allow_private)},
    }  # fmt: skip
    if options.proxy or options.user:
        server = options.proxy or "sip:" + destination.split("@")[-1]
        table["account"] = ({"server": server, "user": options.user or "", "password": options.password or "",
                             "from_uri": options.from_uri or "", "proxy": bool(options.proxy)},)  # fmt: skip
    return StationConfig.checked(table, "the options")


async def _callbacks_out(station: Any, wait_s: float) -> None:
    """Callbacks are on disk; most go out at once. What is left goes out with the next run."""
    loop = asyncio.get_running_loop()
    end = loop.time() + wait_s
    while station.outbox is not None and loop.time() < end:
        counts = await asyncio.to_thread(station.outbox.store.counts)
        if not counts.get("waiting"):
            return
        await asyncio.sleep(0.1)
