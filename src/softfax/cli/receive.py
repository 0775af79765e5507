# SPDX-License-Identifier: GPL-2.0-or-later
"""`softfax receive`: answers calls and keeps their faxes as PDF, or calls a station and fetches one."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path

from softfax.cli.ami_option import add_ami_option, ami_beside
from softfax.cli.common import (
    ACCOUNT,
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
from softfax.cli.options import add_polling_options, count, seconds
from softfax.cli.report import Reporter
from softfax.diskspace import keep_private
from softfax.documents.begin import start
from softfax.documents.job import PageJob
from softfax.documents.ocr import check_ocr
from softfax.documents.types import RasterSettings
from softfax.engine.abi import Lacks
from softfax.errors import ExitStatus, UsageError
from softfax.fax.active import NO_CHOICE, ActiveFax, Choice, EventSink, Turn
from softfax.fax.inbox import Inbox
from softfax.fax.runtime import FaxRuntime
from softfax.fax.settings import FaxSettings, Role, Timeouts
from softfax.model import Direction, FaxResult, new_fax_id
from softfax.options import check_ident
from softfax.sip.call import IncomingCall
from softfax.sip.listening import shown
from softfax.station.registration import Registration

__all__ = ["add_options", "run"]

ANSWER_TIMEOUT_S = 60.0


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the verb."""
    parser.usage = "%(prog)s [options]"
    parser.description = "Answers calls and writes one PDF per fax."
    add_call_options(parser)
    add_fax_options(parser)
    add_ami_option(parser)
    parser.add_argument("--register", metavar="URI", help="register at this server, to be called through it")
    parser.add_argument("--proxy", metavar="URI", help="outbound proxy")
    parser.add_argument("--from", dest="from_uri", metavar="URI", help="our own SIP URI, for --call")
    parser.add_argument("--call", metavar="URI", help="call this station and fetch what it sends")
    parser.add_argument("--poll", action="store_true", help="with --call: poll (DTC)")
    parser.add_argument(
        "--polled", metavar="FILE", action="append", help="put this out for polling meanwhile; may come several times"
    )
    add_polling_options(parser)
    parser.add_argument("--dir", metavar="DIR", default="received", help="folder for the PDFs (received)")
    parser.add_argument("--count", metavar="N", type=count, help="end after N faxes (never)")
    parser.add_argument("--keep-tiff", action="store_true", help="keep the TIFF beside the PDF")
    parser.add_argument(
        "--ocr", metavar="LANGUAGES", help="recognise text, like eng or deu+eng, where OCRmyPDF is installed"
    )
    parser.add_argument(
        "--max-resolution",
        choices=["standard", "fine", "superfine", "400"],
        help="the finest resolution to accept (400)",
    )
    parser.add_argument("--max-paper", choices=["a4", "a3"], help="the widest paper to accept (a3)")
    parser.add_argument(
        "--timeout", metavar="S", type=seconds, help="end when no call comes (or is answered) for S seconds"
    )


def run(options: argparse.Namespace) -> int:
    """Receives until told to end. Raises SoftfaxError where it cannot even begin."""
    check_ident(options.ident)
    if options.call and (options.register or options.count):
        raise UsageError("--call fetches one fax", "leave out --register and --count")
    if options.call and options.polled:
        raise UsageError("--polled is for calls that come in", "softfax send --poll sends, and then fetches")
    if options.poll and not options.call:
        raise UsageError("--poll fetches in a call of ours", "name whom to call with --call")
    if options.ocr:
        check_ocr(options.ocr)
    keep_private()
    inbox = Inbox(Path(options.dir), options.keep_tiff, options.ocr or "")
    inbox.prepare()
    if options.call:
        return asyncio.run(_fetch(options, inbox))
    if not options.polled:
        return asyncio.run(_Receiver(options, inbox).run())
    with tempfile.TemporaryDirectory(prefix="softfax-") as workdir:
        job = start(options.polled, RasterSettings(), Path(workdir))
        try:
            job.wait()
            return asyncio.run(_Receiver(options, inbox, job).run())
        finally:
            job.close()


def _settings(options: argparse.Namespace, inbox: Inbox, role: Role) -> FaxSettings:
    answer_s = options.timeout if options.call and options.timeout else ANSWER_TIMEOUT_S
    return FaxSettings(
        direction=Direction.RECEIVE,
        role=role,
        document=inbox.spool_path(new_fax_id()),
        **fax_options(options),
        polling=polling(options) if options.call and options.poll else None,
        lacks=_lacks(options),
        timeouts=Timeouts(answer_s=answer_s),
    )


def _lacks(options: argparse.Namespace) -> Lacks:
    """Capabilities that our DIS leaves out."""
    above = {
        "standard": Lacks.FINE | Lacks.SUPERFINE | Lacks.HIGH,
        "fine": Lacks.SUPERFINE | Lacks.HIGH,
        "superfine": Lacks.HIGH,
    }
    lacks = above.get(options.max_resolution, Lacks(0))
    return lacks if options.max_paper in (None, "a3") else lacks | Lacks.WIDE


async def _fetch(options: argparse.Namespace, inbox: Inbox) -> int:
    reporter = Reporter(json_lines=options.json)
    destination = destination_uri(options.call, options)
    settings = _settings(options, inbox, Role.CALLER)
    config = sip_config(options, destination)
    async with await FaxRuntime.start(config) as runtime, ami_beside(runtime, options.ami):
        reporter.text(f"calling {destination}")
        active = runtime.send(destination, settings, all_but_result(reporter), account=config.first_account)
        async with interruptible(active.cancel) as interrupted:
            result = await watch(active, reporter)
            result = await inbox.deliver(result, settings.document, destination, active.session.page_marks)
            reporter.event(result)
        if interrupted():
            return int(ExitStatus.INTERRUPTED)
        outcome = active.session.outcome
        return exit_status(result, reached=outcome is None or outcome.reached)


class _Receiver:
    """Answers calls until enough faxes have come, no call comes in time, or a signal says stop."""

    def __init__(self, options: argparse.Namespace, inbox: Inbox, job: PageJob | None = None) -> None:
        """`job` makes the pages that are out for polling."""
        self.options, self.job = options, job
        self.inbox = inbox
        self.reporter = Reporter(json_lines=options.json)
        self.results: list[FaxResult] = []
        self.tasks: set[asyncio.Task[None]] = set()
        self.accepted = 0
        self.changed = asyncio.Event()
        self.stopping = False

    async def run(self) -> int:
        """Returns the exit status."""
        options = self.options
        async with (
            await FaxRuntime.start(sip_config(options, options.register)) as runtime,
            ami_beside(runtime, options.ami),
        ):
            runtime.on_incoming = self._incoming
            self._runtime = runtime
            keeping: asyncio.Task[None] | None = None
            if options.register:
                held_s = await runtime.agent.register(ACCOUNT)
                self.reporter.text(f"registered at {options.register}")
                kept = Registration(runtime.agent, ACCOUNT, self.reporter.text, server=options.register)
                keeping = asyncio.ensure_future(kept.keep(held_s))
            async with interruptible(self._stop) as interrupted:
                at = shown(runtime.agent.bound_addresses)
                self.reporter.text(f"listening at sip:{at} ({options.transport}), faxes go to {self.inbox.directory}")
                timed_out = await self._until_done()
                if self.stopping:
                    for active in runtime.faxes:
                        active.cancel()
                while self.tasks:
                    await asyncio.wait(self.tasks)
                if keeping is not None:
                    keeping.cancel()
                if interrupted():
                    return int(ExitStatus.INTERRUPTED)
        if timed_out:
            self.reporter.problem(f"no call came within {options.timeout:g} s")
            return int(ExitStatus.CALL_FAILED)
        return int(ExitStatus.OK if all(r.success for r in self.results) else ExitStatus.FAX_FAILED)

    def _stop(self) -> None:
        self.stopping = True
        self.changed.set()

    async def _until_done(self) -> bool:
        """Waits; true if no call came for too long."""
        wanted = self.options.count
        while not self.stopping and not (wanted and len(self.results) >= wanted):
            self.changed.clear()
            idle = self.options.timeout if not self.tasks else None
            try:
                await asyncio.wait_for(self.changed.wait(), idle)
            except TimeoutError:
                if not self.tasks:
                    return True
        return False

    def _incoming(
        self, call: IncomingCall
    ) -> tuple[FaxSettings, EventSink] | tuple[FaxSettings, EventSink, PageJob, Choice, Turn] | int:
        del call
        wanted = self.options.count
        if self.stopping or (wanted and self.accepted >= wanted):
            return 486
        self.accepted += 1
        settings = _settings(self.options, self.inbox, Role.ANSWERER)
        asyncio.get_running_loop().call_soon(self._begin, settings)
        sink = all_but_result(self.reporter)
        return (settings, sink) if self.job is None else (settings, sink, self.job, NO_CHOICE, self._turn(self.job))

    def _turn(self, job: PageJob) -> Turn:
        """Settings and events of what a caller fetches."""
        out = FaxSettings(
            direction=Direction.SEND,
            role=Role.ANSWERER,
            document=job.tiff,
            documents=tuple(self.options.polled),
            **fax_options(self.options),
            polling=polling(self.options),
        )
        return Turn(out, all_but_result(self.reporter), self._turned)

    def _turned(self, active: ActiveFax) -> None:
        """A fax is fetched on the call of one that was received; one that is fetched alone is awaited already."""
        if not active.session.settings.fax_id:
            self._await(active)

    def _begin(self, settings: FaxSettings) -> None:
        for active in self._runtime.faxes:
            if active.session.settings is settings:
                self._await(active)

    def _await(self, active: ActiveFax) -> None:
        task = asyncio.ensure_future(self._one(active))
        self.tasks.add(task)
        task.add_done_callback(self._ended)
        self.changed.set()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        self.changed.set()

    async def _one(self, active: ActiveFax) -> None:
        single = self.options.count == 1
        result = await watch(active, self.reporter) if single else await active.result
        remote = active.call.remote_uri if active.call is not None else ""
        if result.direction is Direction.RECEIVE:
            document = active.session.settings.document
            result = await self.inbox.deliver(result, document, remote, active.session.page_marks)
        self.reporter.event(result)
        self.results.append(result)
