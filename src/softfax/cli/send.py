# SPDX-License-Identifier: GPL-2.0-or-later
"""`softfax send`: places a call and faxes documents on it, or waits for a call and faxes to the caller."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path
from typing import Any

from softfax.cli.ami_option import add_ami_option, ami_beside
from softfax.cli.common import (
    add_call_options,
    add_fax_options,
    all_but_result,
    destination_uri,
    exit_status,
    fax_options,
    interruptible,
    polling,
    sip_config,
    watch,
)
from softfax.cli.documents import add_document_options, document_arguments, raster_settings
from softfax.cli.lines import counted
from softfax.cli.options import add_polling_options, seconds
from softfax.cli.report import Reporter
from softfax.diskspace import keep_private
from softfax.documents.begin import start
from softfax.documents.job import PageJob
from softfax.errors import ExitStatus, UsageError
from softfax.fax.active import ActiveFax, Turn
from softfax.fax.inbox import Inbox
from softfax.fax.runtime import FaxRuntime
from softfax.fax.settings import FaxSettings, Role, Timeouts
from softfax.model import Direction, FaxResult, new_fax_id
from softfax.options import check_ident
from softfax.sip.call import IncomingCall
from softfax.sip.listening import shown

__all__ = ["add_options", "run"]


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the verb."""
    parser.usage = "%(prog)s [options] DESTINATION FILE [FILE ...]\n       %(prog)s [options] --answer FILE [FILE ...]"
    parser.description = (
        "Faxes documents in one call: PDF, TIFF, pictures, text, Markdown, office files, URLs; - is standard input."
    )
    parser.add_argument(
        "items",
        nargs="+",
        metavar="DESTINATION FILE",
        help="where to (a SIP URI or a number), then what; with --answer only what",
    )
    add_call_options(parser)
    add_fax_options(parser)
    parser.add_argument("--from", dest="from_uri", metavar="URI", help="our own SIP URI, the caller's identity")
    parser.add_argument("--proxy", metavar="URI", help="outbound proxy, and the server of plain numbers")
    parser.add_argument("--timeout", metavar="S", type=seconds, default=60.0, help="seconds to wait for an answer (60)")
    parser.add_argument("--answer", action="store_true", help="wait for a call and send the fax to the caller")
    parser.add_argument("--polled", action="store_true", help="with --answer: put the fax out for polling (DTC)")
    parser.add_argument(
        "--poll",
        action="store_true",
        help="then fetch what the far end has put out, in the same call (DTC)",
    )
    add_polling_options(parser)
    parser.add_argument("--dir", metavar="DIR", default="received", help="folder for what --poll fetches (received)")
    add_document_options(parser)
    add_ami_option(parser)


def run(options: argparse.Namespace) -> int:
    """Prepares the documents, then calls. Raises SoftfaxError before any call for what cannot be faxed."""
    files = list(options.items)
    destination = None
    if options.polled and not options.answer:
        raise UsageError("--polled is for a caller who fetches the fax", "add --answer, and leave out the destination")
    if not options.answer:
        if len(files) < 2:
            raise UsageError("a destination and a file are needed", "softfax send DESTINATION FILE...")
        destination = destination_uri(files.pop(0), options)
    elif options.poll:
        raise UsageError("--poll is for a call of ours", "leave out --answer, or use --polled")
    inbox = _inbox(options)
    check_ident(options.ident)
    with tempfile.TemporaryDirectory(prefix="softfax-") as workdir:
        job = start(files, raster_settings(options), Path(workdir), **document_arguments(options))
        try:
            job.wait_ready()
            return asyncio.run(_send(options, destination, files, job, inbox))
        finally:
            job.close()


def _settings(options: argparse.Namespace, files: list[str], job: PageJob) -> FaxSettings:
    return FaxSettings(
        direction=Direction.SEND,
        role=Role.ANSWERER if options.answer else Role.CALLER,
        polling=polling(options) if options.answer and options.polled else None,
        document=job.tiff,
        documents=tuple(files),
        **fax_options(options, header=options.header if options.header_by == "spandsp" else ""),
        timeouts=Timeouts(answer_s=options.timeout),
    )


def _inbox(options: argparse.Namespace) -> Inbox | None:
    """The folder for what is fetched; None where nothing is."""
    if not options.poll:
        return None
    keep_private()
    inbox = Inbox(Path(options.dir), keep_tiff=False)
    inbox.prepare()
    return inbox


class _Fetch:
    """A fax that is fetched after another was sent, in the same call."""

    def __init__(self, options: argparse.Namespace, inbox: Inbox, reporter: Reporter) -> None:
        self._inbox, self._reporter = inbox, reporter
        fax_id = new_fax_id()
        self.settings = FaxSettings(
            direction=Direction.RECEIVE,
            role=Role.CALLER,
            document=inbox.spool_path(fax_id),
            **fax_options(options),
            polling=polling(options),
            fax_id=fax_id,
        )
        self.turn = Turn(self.settings, all_but_result(reporter), self._turned)
        self.active: ActiveFax | None = None

    def _turned(self, active: ActiveFax) -> None:
        self.active = active

    def cancel(self) -> None:
        """End it where it is under way."""
        if self.active is not None:
            self.active.cancel()

    async def end(self, first: ActiveFax, destination: str) -> FaxResult:
        """Report its end, which it has also where its turn did not come."""
        if self.active is None:
            missed = Turn.missed(first.session)
            result = missed.result(direction=Direction.RECEIVE, fax_id=self.settings.fax_id, duration_s=0.0)
        else:
            result = await watch(self.active, self._reporter)
            marks = self.active.session.page_marks
            result = await self._inbox.deliver(result, self.settings.document, destination, marks)
        self._reporter.event(result)
        return result


async def _send(
    options: argparse.Namespace, destination: str | None, files: list[str], job: PageJob, inbox: Inbox | None
) -> int:
    reporter = Reporter(json_lines=options.json)
    fetch = _Fetch(options, inbox, reporter) if inbox is not None else None
    for warning in job.warnings:
        reporter.problem(warning)
    settings = _settings(options, files, job)
    config = sip_config(options, destination)
    async with await FaxRuntime.start(config) as runtime, ami_beside(runtime, options.ami):
        if destination is not None:
            pages = "pages being made" if job.total is None else counted(job.total, "page")
            reporter.text(f"calling {destination}: {pages}")
            active = runtime.send(
                destination,
                settings,
                reporter.event,
                job=job,
                account=config.first_account,
                turn=fetch.turn if fetch is not None else None,
            )
        else:
            active_or_none = await _await_call(runtime, settings, job, options, reporter)
            if active_or_none is None:
                return int(ExitStatus.CALL_FAILED)
            active = active_or_none

        def stop() -> None:
            active.cancel()
            if fetch is not None:
                fetch.cancel()

        async with interruptible(stop) as interrupted:
            result = await watch(active, reporter)
            fetched = await fetch.end(active, destination or "") if fetch is not None else None
            if interrupted():
                return int(ExitStatus.INTERRUPTED)
        outcome = active.session.outcome
        sent = exit_status(result, reached=outcome is None or outcome.reached)
        return sent or (exit_status(fetched, reached=True) if fetched is not None else sent)


async def _await_call(
    runtime: FaxRuntime, settings: FaxSettings, job: PageJob, options: argparse.Namespace, reporter: Reporter
) -> ActiveFax | None:
    """Waits for the one call that gets the documents; None if none comes in time."""
    called = asyncio.Event()

    def incoming(call: IncomingCall) -> tuple[FaxSettings, Any, PageJob] | int:
        if called.is_set():
            return 486
        called.set()
        return settings, reporter.event, job

    runtime.on_incoming = incoming
    reporter.text(f"waiting for a call at sip:{shown(runtime.agent.bound_addresses)}")
    try:
        await asyncio.wait_for(called.wait(), options.timeout)
    except TimeoutError:
        reporter.problem(f"no call came within {options.timeout:g} s")
        return None
    while not runtime.faxes:
        await asyncio.sleep(0)
    return runtime.faxes[0]
