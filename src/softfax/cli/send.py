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
    CALL_DEFAULTS,
    DEFAULT_LISTEN,
    add_call_options,
    add_fax_options,
    destination_uri,
    exit_status,
    fax_options,
    interruptible,
    polling,
    seconds,
    sip_config,
    watch,
)
from softfax.cli.documents import DOCUMENT_DEFAULTS, add_document_options, document_arguments, raster_settings
from softfax.cli.options import add_polling_options
from softfax.cli.report import Reporter
from softfax.documents.begin import start
from softfax.documents.job import PageJob
from softfax.errors import ExitStatus, UsageError
from softfax.fax.active import ActiveFax
from softfax.fax.runtime import FaxRuntime
from softfax.fax.settings import FaxSettings, Role, Timeouts
from softfax.model import Direction
from softfax.options import check_ident
from softfax.sip.call import IncomingCall
from softfax.sip.listening import shown
from softfax.sip.types import SipConfig

__all__ = ["DEFAULTS", "add_options", "run"]

DEFAULTS: dict[str, Any] = {**CALL_DEFAULTS, **DOCUMENT_DEFAULTS, "timeout": 60.0, "answer": False}


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
    parser.add_argument("--timeout", metavar="S", type=seconds, help="seconds to wait for an answer (60)")
    parser.add_argument(
        "--answer", action="store_true", default=None, help="wait for a call and send the fax to the caller"
    )
    parser.add_argument(
        "--polled", action="store_true", default=None, help="with --answer: put the fax out for polling (DTC)"
    )
    add_polling_options(parser)
    add_document_options(parser)
    add_ami_option(parser)


def run(options: argparse.Namespace) -> int:
    """Prepares the documents, then calls. Raises SoftfaxError before any call for what cannot be faxed."""
    files = list(options.items)
    destination = None
    if not options.answer:
        if len(files) < 2:
            raise UsageError("a destination and a file are needed", "softfax send DESTINATION FILE...")
        destination = destination_uri(files.pop(0), options)
    check_ident(options.ident)
    with tempfile.TemporaryDirectory(prefix="softfax-") as workdir:
        job = start(files, raster_settings(options), Path(workdir), **document_arguments(options))
        try:
            job.wait_ready()
            return asyncio.run(_send(options, destination, files, job))
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


def _listen(options: argparse.Namespace, destination: str | None) -> SipConfig:
    return sip_config(options, towards=destination) if destination else sip_config(options, listen=DEFAULT_LISTEN)


async def _send(options: argparse.Namespace, destination: str | None, files: list[str], job: PageJob) -> int:
    reporter = Reporter(json_lines=options.json)
    for warning in job.warnings:
        reporter.problem(warning)
    settings = _settings(options, files, job)
    config = _listen(options, destination)
    async with await FaxRuntime.start(config) as runtime, ami_beside(runtime, options.ami):
        if destination is not None:
            reporter.text(f"calling {destination}: {_count(job)}")
            active = runtime.send(destination, settings, reporter.event, job=job, account=config.first_account)
        else:
            active_or_none = await _await_call(runtime, settings, job, options, reporter)
            if active_or_none is None:
                return int(ExitStatus.CALL_FAILED)
            active = active_or_none
        async with interruptible(active.cancel) as interrupted:
            result = await watch(active, reporter)
            if interrupted():
                return int(ExitStatus.INTERRUPTED)
        outcome = active.session.outcome
        return exit_status(result, reached=outcome is None or outcome.reached)


def _count(job: PageJob) -> str:
    if job.total is None:
        return "pages being made"
    return f"{job.total} page{'s' * (job.total != 1)}"


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
