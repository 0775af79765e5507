# SPDX-License-Identifier: GPL-2.0-or-later
"""`softfax loopback`: faxes documents from this process to a second station on this machine, over SIP, all calls at once."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from softfax.cli.common import interruptible
from softfax.cli.lines import counted, json_text
from softfax.cli.options import add_shared_options
from softfax.cli.tables import show_table
from softfax.cli.terminal import Terminal
from softfax.documents.begin import prepare
from softfax.documents.tiff import read_pages
from softfax.documents.types import PreparedDocument, RasterSettings
from softfax.errors import ExitStatus, LocalError, UsageError
from softfax.fax.active import ActiveFax
from softfax.fax.runtime import FaxRuntime
from softfax.fax.settings import FaxSettings, Role
from softfax.model import Direction, FaxResult
from softfax.options import ModePolicy
from softfax.sip.types import SipConfig

__all__ = ["add_options", "run"]

SAMPLES = ("letter.pdf", "invoice.pdf", "form.pdf", "letter.tif", "invoice.png", "snapshot.png")
IDENT_SENDER, IDENT_RECEIVER = "softfax loopback A", "softfax loopback B"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the verb."""
    parser.description = (
        "Starts a second station, faxes the documents to it over SIP, and compares every page, dot by dot."
    )
    parser.add_argument("files", nargs="*", metavar="FILE", help="documents (the samples, without the ten-page report)")
    mode = parser.add_argument(
        "--mode", choices=["t38", "audio", "both"], default="both", help="transports to try (both)"
    )
    resolution = parser.add_argument(
        "--resolution",
        choices=["standard", "fine", "superfine"],
        default="fine",
        help="204x98, 204x196 or 204x391 dpi (fine)",
    )
    # What SOFTFAX_MODE, or a key for all verbs, may say to those that call.
    mode.elsewhere, resolution.elsewhere = ("auto",), ("300", "400", 300, 400)  # type: ignore[attr-defined]
    parser.add_argument("--dir", metavar="DIR", help="keep the received faxes here")
    add_shared_options(parser)


@dataclass
class _Case:
    """One document over one transport."""

    name: str
    mode: ModePolicy
    document: PreparedDocument
    active: ActiveFax | None = None
    sent: FaxResult | None = None
    received: dict[str, Any] | None = None
    identical: bool | None = None


def _samples() -> list[Path]:
    """The samples, in the source tree or beside the installed package."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package.parent.parent / "samples", package / "samples"):
        found = [folder / name for name in SAMPLES if (folder / name).is_file()]
        if found:
            return found
    raise UsageError("the samples are not installed", "name documents: softfax loopback FILE...")


def run(options: argparse.Namespace) -> int:
    """Prepares, faxes, compares. Exit status 0 if every page of every fax is identical."""
    files = [Path(f) for f in options.files] or _samples()
    modes = {"both": [ModePolicy.T38, ModePolicy.AUDIO]}.get(options.mode) or [ModePolicy(options.mode)]
    with tempfile.TemporaryDirectory(prefix="softfax-loopback-") as temporary:
        work = Path(temporary)
        cases = []
        for number, file in enumerate(files):
            folder = work / str(number)
            folder.mkdir()
            document = prepare([file], RasterSettings(resolution=options.resolution), folder)
            cases += [_Case(file.name, mode, document) for mode in modes]
        inbox = Path(options.dir) if options.dir else work / "received"
        return asyncio.run(_loopback(cases, inbox, options))


def _bare_environment() -> dict[str, str]:
    """This process's, without the options in it: the second station takes whatever comes."""
    kept = ("SOFTFAX_ENGINE", "SOFTFAX_SANITIZED", "SOFTFAX_LOG")
    return {k: v for k, v in os.environ.items() if k in kept or not k.startswith("SOFTFAX_")}


@contextlib.asynccontextmanager
async def _second_station(inbox: Path, count: int) -> AsyncIterator[tuple[str, asyncio.subprocess.Process]]:
    """A station of its own process, answering on any free port. Yields its address."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "softfax.cli.main", "receive", "--listen", "127.0.0.1:0", "--dir", str(inbox),
        "--count", str(count), "--keep-tiff", "--ident", IDENT_RECEIVER, "--json", "--config", os.devnull,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, limit=1 << 20, env=_bare_environment(),
    )  # fmt: skip
    try:
        assert process.stderr is not None
        seen = []
        while line := (await process.stderr.readline()).decode():
            seen.append(line.strip())
            if line.startswith("listening at "):
                yield line.split()[2], process
                return
        raise LocalError(
            "the second station did not start: " + " ".join(seen)[-300:], "`softfax doctor` says what is missing"
        )
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        await process.wait()


async def _collect(process: asyncio.subprocess.Process, cases: list[_Case]) -> None:
    """Reads the second station's results; a call has the same Call-ID on both sides."""
    assert process.stdout is not None
    waiting = len(cases)
    while waiting and (line := await process.stdout.readline()):
        event = json.loads(line)
        if event.get("event") == "result":
            waiting -= 1
            for case in cases:
                if (
                    case.active is not None
                    and case.active.call is not None
                    and case.active.call.call_id == event["call_id"]
                ):
                    case.received = event


async def _loopback(cases: list[_Case], inbox: Path, options: argparse.Namespace) -> int:
    console = Terminal(stderr=bool(options.json), soft_wrap=True)
    began = time.monotonic()
    async with (
        _second_station(inbox, len(cases)) as (address, process),
        await FaxRuntime.start(SipConfig(listen="127.0.0.1:0")) as runtime,
    ):
        at_once = " at once" if len(cases) > 1 else ""
        console.print(f"faxing {counted(len(cases), 'document')}{at_once} to {address}")
        collector = asyncio.ensure_future(_collect(process, cases))
        for case in cases:
            case.active = runtime.send(address, _settings(case), _sink(options))

        def cancel_all() -> None:
            for case in cases:
                if case.active is not None:
                    case.active.cancel()

        async with interruptible(cancel_all) as interrupted:
            await _watch(cases, console)
        await asyncio.wait([collector], timeout=30)
        collector.cancel()
    if interrupted():
        return int(ExitStatus.INTERRUPTED)
    for case in cases:
        case.identical = await asyncio.to_thread(_compare, case)
    show_table(_table(cases), sys.stderr if options.json else sys.stdout)
    good = sum(bool(case.identical) for case in cases)
    console.print(f"{good} of {len(cases)} faxes identical, dot by dot, in {time.monotonic() - began:.0f} s")
    return int(ExitStatus.OK if good == len(cases) else ExitStatus.FAX_FAILED)


def _sink(options: argparse.Namespace) -> Any:
    def sink(event: Any) -> None:
        if options.json:
            print(json_text(event.to_json()), flush=True)

    return sink


def _settings(case: _Case) -> FaxSettings:
    return FaxSettings(
        direction=Direction.SEND,
        role=Role.CALLER,
        document=case.document.tiff,
        documents=(case.name,),
        mode=case.mode,
        ident=IDENT_SENDER,
        pages_total=len(case.document.pages),
        page_bytes=tuple(page.bytes for page in case.document.pages),
    )


async def _watch(cases: list[_Case], console: Terminal) -> None:
    """Awaits all results, with a bar for each fax on a terminal."""
    lines = {case.active.result: case for case in cases if case.active is not None}
    bars = Progress(
        TextColumn("{task.description:24}"),
        BarColumn(),
        TextColumn("{task.fields[state]}"),
        console=console,
        transient=True,
    )
    tasks = {
        id(case): bars.add_task(
            f"{case.name} {case.mode.value}", total=sum(p.bytes for p in case.document.pages), state="calling"
        )
        for case in cases
    }
    if console.is_terminal:
        bars.start()
    pending = set(lines)
    try:
        while pending:
            done, pending = await asyncio.wait(
                pending, timeout=0.5 if console.is_terminal else None, return_when=asyncio.FIRST_COMPLETED
            )
            for future in done:
                lines[future].sent = future.result()
                bars.update(tasks[id(lines[future])], state="done", completed=1e12)
            for future in pending:
                _move(bars, tasks[id(lines[future])], lines[future])
    finally:
        bars.stop()


def _move(bars: Progress, task: Any, case: _Case) -> None:
    assert case.active is not None
    stats = case.active.progress()
    if stats.page:
        before = sum(p.bytes for p in case.document.pages[: stats.page - 1])
        bars.update(task, completed=before + stats.image_bytes, state=f"page {stats.page}, {stats.rate_bps} bit/s")


def _compare(case: _Case) -> bool:
    """Return True if every page arrived dot for dot, in the TIFF and in the PDF."""
    if case.received is None or not case.received.get("documents") or case.sent is None or not case.sent.success:
        return False
    pdf = Path(case.received["documents"][0])
    sent = [dots for _, dots in read_pages(case.document.tiff)]
    return all(
        len(got) == len(sent) and all(np.array_equal(a, b) for a, b in zip(sent, got, strict=True))
        for got in ([dots for _, dots in read_pages(path)] for path in (pdf, pdf.with_suffix(".tif")))
    )


def _table(cases: list[_Case]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name, justify in (
        ("document", "left"), ("mode", "left"), ("pages", "right"), ("seconds", "right"), ("bit/s", "right"),
        ("encoding", "left"), ("kB", "right"), ("ratio", "right"), ("identical", "left"),
    ):  # fmt: skip
        table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    for case in cases:
        r = case.sent
        size = sum(page.bytes for page in case.document.pages)
        raw = sum(page.width * page.rows // 8 for page in case.document.pages)
        table.add_row(
            case.name,
            "T.38" if case.mode is ModePolicy.T38 else "G.711",
            f"{r.pages} of {r.pages_total}" if r else "-",
            f"{r.duration_s:.1f}" if r else "-",
            str(r.bitrate) if r else "-",
            f"{r.encoding}{', ECM' if r.ecm else ''}" if r else "-",
            f"{size / 1000:.1f}",
            f"{raw / size:.0f}:1",
            "yes" if case.identical else f"NO: {r.status_string if r else 'no result'}",
        )
    return table
