# SPDX-License-Identifier: GPL-2.0-or-later
"""`softfax impair`: faxes over bad lines in memory and counts what comes through, or relays real packets badly."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.table import Table

from softfax.cli.common import interruptible
from softfax.cli.lines import json_line
from softfax.cli.options import add_shared_options, seconds
from softfax.cli.tables import show_table
from softfax.documents.begin import prepare
from softfax.documents.types import RasterSettings
from softfax.errors import ExitStatus, UsageError
from softfax.impair.cells import CELLS, Cell, audio, cells_named, t38
from softfax.impair.faxes import CellResult, draw_pages, run_cells
from softfax.impair.relay import Damage, Relay, relay_pair

__all__ = ["add_options", "run"]

#: Options that make a kind of line; those of packets alone hold for a relay too.
PACKETS = ("loss", "burst", "jitter", "delay", "duplicate")
SOUND = ("skew", "phase", "gain", "noise", "echo", "echo_delay")


def _fraction(text: str) -> float:
    try:
        value = float(text.rstrip("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError("write 0 to 1, or a percentage such as 2%")
    return value


def _whole(low: int, high: int) -> Any:
    def number(text: str) -> int:
        value = int(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"use {low} to {high}")
        return value

    return number


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the verb."""
    parser.usage = (
        "%(prog)s [options] [CELL ...]\n       %(prog)s --loss 2%% [--jitter 30 ...] [--mode t38|audio|both]\n"
        "       %(prog)s --relay HOST:PORT=HOST:PORT [--loss 2%% ...]"
    )
    parser.description = (
        "Faxes three pages over bad lines in memory, twenty times each, and prints how many came through. A CELL is a kind of "
        "line: "
        + ", ".join(cell.name for cell in CELLS)
        + ". With options that make a line, that one; with --relay, packets "
        "of other programs pass through it instead."
    )
    parser.add_argument(
        "cells", nargs="*", metavar="CELL", help="kinds of line, or the beginnings of their names (all)"
    )
    add_shared_options(parser)
    parser.add_argument(
        "--faxes", metavar="N", type=_whole(1, 10000), default=20, help="faxes over each kind of line (20)"
    )
    parser.add_argument("--document", metavar="FILE", help="what is faxed (three pages drawn for it)")
    parser.add_argument("--no-ecm", action="store_true", help="without error correction in T.30")
    parser.add_argument(
        "--seed", metavar="N", type=_whole(1, 2**31), default=1, help="of the first fax, or of the relay (1)"
    )
    parser.add_argument(
        "--relay",
        action="append",
        metavar="LISTEN=TARGET",
        help="relay UDP between two addresses, each HOST:PORT, until interrupted; may be given again",
    )
    line = parser.add_argument_group("a line")
    mode = line.add_argument("--mode", choices=["t38", "audio", "both"], default="both", help="transports (both)")
    mode.elsewhere = ("auto",)  # type: ignore[attr-defined]
    line.add_argument(
        "--redundancy", metavar="N", type=_whole(0, 7), default=3, help="earlier packets with each of T.38 (3)"
    )
    line.add_argument(
        "--red", metavar="N", type=_whole(0, 3), default=0, help="earlier packets with each of G.711, RFC 2198 (0)"
    )
    line.add_argument("--loss", metavar="P", type=_fraction, help="packets lost, 0.02 or 2%%")
    line.add_argument("--burst", metavar="S", type=seconds, help="each loss takes all packets for so long")
    line.add_argument("--jitter", metavar="MS", type=_whole(0, 2000), help="delay that varies by so much")
    line.add_argument("--delay", metavar="MS", type=_whole(0, 5000), help="delay of all packets")
    line.add_argument("--duplicate", metavar="P", type=_fraction, help="packets that come twice")
    line.add_argument("--skew", metavar="PPM", type=_whole(-2000, 2000), help="sample clocks apart (audio)")
    line.add_argument("--phase", metavar="P", type=_fraction, help="… by a part of a sample at first (audio)")
    line.add_argument("--gain", metavar="DB", type=_whole(-60, 6), help="level of the line (audio)")
    line.add_argument("--noise", metavar="DB", type=_whole(1, 90), help="noise so far below the signal (audio)")
    line.add_argument("--echo", metavar="DB", type=_whole(1, 90), help="an echo so far below the signal (audio)")
    line.add_argument("--echo-delay", metavar="MS", type=_whole(1, 1000), help="… and so late (60)")


def _given(options: argparse.Namespace, names: Sequence[str]) -> dict[str, Any]:
    return {name: value for name in names if (value := getattr(options, name)) is not None}


def run(options: argparse.Namespace) -> int:
    """Counts faxes; exit status 1 where something happened that must never be. Raises UsageError."""
    if options.relay:
        return asyncio.run(_relay(options))
    cells = _cells(options)
    with tempfile.TemporaryDirectory(prefix="softfax-impair-") as folder:
        document = _document(options, Path(folder))
        results = []
        for result in run_cells(cells, options.faxes, document, ecm=not options.no_ecm, first_seed=options.seed):
            results.append(result)
            if options.json:
                print(_json(result), flush=True)
    if not options.json:
        show_table(_table(results))
        for result in results:
            for fax in result.faxes:
                if fax.wrong:
                    print(f"{result.cell.name}, fax {fax.seed}: {fax.wrong}")
    return int(ExitStatus.FAX_FAILED if any(result.count("wrong") for result in results) else ExitStatus.OK)


def _document(options: argparse.Namespace, folder: Path) -> Path:
    if options.document:
        return prepare([Path(options.document)], RasterSettings(), folder).tiff
    draw_pages(folder / "pages.tif")
    return folder / "pages.tif"


def _cells(options: argparse.Namespace) -> list[Cell]:
    made = _given(options, (*PACKETS, *SOUND))
    if not made:
        try:
            return cells_named(options.cells)
        except KeyError as error:
            raise UsageError(f"no kind of line: {error.args[0]}", "`softfax impair --help` names them") from None
    if options.cells:
        raise UsageError("a kind of line has options of its own", "leave out either the name or the options")
    packets = asdict(_damage(options))
    sound = {
        "skew_ppm": options.skew or 0,
        "phase": options.phase or 0.0,
        "gain_db": options.gain or 0,
        "snr_db": options.noise or 0,
        "echo_db": options.echo or 0,
        "echo_ms": (options.echo_delay or 60) if options.echo else 0,
    }
    about = ", ".join(f"{name} {value:g}" for name, value in made.items())
    found = []
    if options.mode in ("t38", "both"):
        found.append(Cell("t38", f"T.38, {about}", t38(redundancy=options.redundancy, **packets)))
    if options.mode in ("audio", "both"):
        found.append(Cell("audio", f"G.711, {about}", audio(**packets, **sound, red=options.red)))
    return found


def _damage(options: argparse.Namespace) -> Damage:
    return Damage(
        loss=options.loss or 0.0,
        burst_s=options.burst or 0.0,
        jitter_ms=options.jitter or 0,
        delay_ms=options.delay or 0,
        duplicate=options.duplicate or 0.0,
    )


def _json(result: CellResult) -> str:
    return json_line(
        "cell",
        cell=result.cell.name,
        about=result.cell.about,
        faxes=len(result.faxes),
        delivered=result.count("delivered"),
        identical=result.count("identical"),
        received=result.count("received"),
        wrong=result.count("wrong"),
        seconds=round(result.seconds, 1),
        merit=round(result.merit),
        failures=[
            {"seed": fax.seed, "sender": fax.sender, "receiver": fax.receiver, "wrong": fax.wrong}
            for fax in result.faxes
            if fax.wrong or not fax.delivered
        ],
    )


def _table(results: Sequence[CellResult]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("line")
    for name in ("faxes", "delivered", "identical", "seconds", "merit", "never"):
        table.add_column(name, justify="right")
    for result in results:
        table.add_row(
            result.cell.about,
            *(str(n) for n in (len(result.faxes), result.count("delivered"), result.count("identical"))),
            f"{result.seconds:.0f}",
            f"{result.merit:.0f}",
            str(result.count("wrong")),
        )
    return table


async def _relay(options: argparse.Namespace) -> int:
    if _given(options, SOUND) or options.cells:
        raise UsageError("a relay passes packets, and does not change their sound", "name " + ", ".join(PACKETS))
    relays = [Relay(*relay_pair(text), _damage(options), options.seed + i) for i, text in enumerate(options.relay)]
    stop = asyncio.Event()
    try:
        async with interruptible(stop.set):
            for text, relay in zip(options.relay, relays, strict=True):
                host, port = await relay.start()
                target = text.partition("=")[2]
                if options.json:
                    print(json_line("relay", listen=f"{host}:{port}", target=target), flush=True)
                else:
                    print(f"relaying {host}:{port} to {target}", flush=True)
            await stop.wait()
    finally:
        for relay in relays:
            relay.close()
    for text, relay in zip(options.relay, relays, strict=True):
        if options.json:
            print(json_line("relayed", target=text.partition("=")[2], out=asdict(relay.out.counts),
                            back=asdict(relay.back.counts)), flush=True)  # fmt: skip
            continue
        for name, way in (("to", relay.out), ("from", relay.back)):
            counts = way.counts
            print(
                f"{name} {text.partition('=')[2]}: {counts.forwarded} forwarded, {counts.lost} lost, {counts.repeated} twice"
            )
    return int(ExitStatus.OK)
