# SPDX-License-Identifier: GPL-2.0-or-later
"""A station with its front ends, from its start to the signal that ends it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from functools import partial

from softfax.ami import AmiServer, from_config
from softfax.cli.ami_server import serve_ami
from softfax.cli.lines import counted
from softfax.cli.report import Reporter
from softfax.errors import ConfigError, ExitStatus, SoftfaxError
from softfax.mailboxes.service import Mailboxes
from softfax.model import Direction, FaxUpdate, JobEvent
from softfax.ops import logs
from softfax.ops.metrics import Metrics, of_group
from softfax.ops.notify import Notifier
from softfax.ops.retention import Retention
from softfax.ops.worker import COMMAND
from softfax.optional import install_remedy, is_installed
from softfax.queue.elsewhere import Group
from softfax.queue.queue import FaxQueue
from softfax.sip.listening import host_port, shown
from softfax.station import Station, StationConfig
from softfax.station.workers import Workers
from softfax.swml.incoming import IncomingSwml
from softfax.web.server import WebServer

__all__ = ["WRITES_S", "Serving", "settled"]

#: How long a station that stops waits for the ends of calls that are over to be written, where the database does not take them.
WRITES_S = 10.0


async def settled(station: Station, *, writes_s: float = WRITES_S, step_s: float = 1.0) -> bool:
    """Wait until no fax is under way. Return False where calls are over, but their ends could not be written for `writes_s`."""
    left_s = writes_s
    while not await station.idle(timeout_s=step_s):
        left_s = writes_s if station.is_calling() else left_s - step_s
        if left_s <= 0:
            return False
    return True


class Serving:
    """The station with its front ends. The first signal lets faxes end, the second drops them; SIGHUP reads the configuration.

    `load` reads the configuration; it raises ConfigError.
    """

    def __init__(self, load: Callable[[], StationConfig], reporter: Reporter) -> None:
        self.load = load
        self.config = load()
        self.reporter = reporter
        self.asked = asyncio.Event()
        self.forced = asyncio.Event()
        self.signals = 0
        #: What the log says too is left out.
        self.quiet = False
        self.notifier = Notifier()
        self._ami: AmiServer | None = None
        #: Where SMTP is listened on, once it is.
        self._smtp: Callable[[], tuple[str, int]] | None = None

    async def run(self) -> int:
        """Returns the exit status."""
        loop = asyncio.get_running_loop()
        logs.set_up(self.config)
        settings = from_config(self.config.ami) if self.config.ami is not None else None
        station = Station(self.config, calls=partial(Workers, command=COMMAND))
        self.quiet = logs.in_the_journal(self.config)
        station.say = self._say
        web = self._parts(station)
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._signal, station)
        loop.add_signal_handler(signal.SIGHUP, self._reload, station)
        try:
            async with station, serve_ami(self._group, settings) as ami:
                self._ami = ami
                if logs.keeps_events(self.config):
                    station.subscribe(logs.EventLogger())
                # Until the station is closed: what a second signal drops has a result too.
                station.subscribe(self._show)
                self._announce(station, web)
                for host, port in ami.addresses if ami is not None else []:
                    self.reporter.text(f"AMI at {host_port(host, port)}")
                self.notifier.ready(f"listening at sip:{shown(station.bound_addresses)}")
                await self.asked.wait()
                await self._finish(station)
        finally:
            self.notifier.close()
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                loop.remove_signal_handler(number)
        return int(ExitStatus.INTERRUPTED if self.forced.is_set() else ExitStatus.OK)

    def _parts(self, station: Station) -> WebServer:
        """Parts of a station besides its calls; each is added to it, in starting order."""
        queue = FaxQueue(station)
        self._group = Group(station, queue.elsewhere)
        mailboxes = Mailboxes(station, queue)
        metrics = Metrics(station, queue)
        station.subscribe(metrics)
        metrics.sources += [mailboxes.metrics, partial(of_group, queue)]
        station.add(Retention(station, queue))
        IncomingSwml(station)
        if self.config.mail is not None:
            self._mail(station, queue, metrics)
        web = WebServer(station, queue, metrics=metrics)
        if self.config.smtp.host:
            web.forward_email = mailboxes.forward
        station.add(web)
        web.ready.append(self._starting)
        return web

    def _starting(self) -> str:
        """The part that does not listen yet: the web server is there before all that comes after it."""
        missing = self.config.ami is not None and self._ami is None
        return "the manager interface does not listen yet" if missing else ""

    def _mail(self, station: Station, queue: FaxQueue, metrics: Metrics) -> None:
        if not is_installed("aiosmtpd"):
            raise ConfigError("[mail] needs aiosmtpd, which is not installed", install_remedy("aiosmtpd"))
        from softfax.mail import MailGateway, MailReports

        reports, gateway = MailReports(station, queue), MailGateway(station, queue)
        self._smtp = lambda: gateway.address
        metrics.sources += [reports.metrics, gateway.metrics]

    def _announce(self, station: Station, web: WebServer) -> None:
        where = f", faxes go to {self.config.inbox_dir}" if self.config.fax.receive else ", calls are not answered"
        sip = shown(station.bound_addresses)
        self.reporter.text(f"listening at sip:{sip} ({self.config.sip.transport}){where}")
        if self.config.http.enabled:
            scheme = "https" if self.config.http.tls_certificate is not None else "http"
            self.reporter.text(f"the page and the API at {scheme}://{host_port(*web.address)}/")
        if self._smtp is not None:
            self.reporter.text(f"e-mail to fax at {host_port(*self._smtp())}")

    def _say(self, line: str) -> None:
        if not self.quiet:
            self.reporter.text(line)

    def _show(self, update: FaxUpdate) -> None:
        if self.quiet and not self.reporter.json_lines:
            return
        context = update.context
        # The result is the last line of a fax that is received.
        if isinstance(update.event, JobEvent) and context.direction is Direction.RECEIVE:
            return
        far = context.called_number if context.outgoing else context.caller_number
        number = "fax" if isinstance(update.event, JobEvent) else str(context.session_number or "fax")
        self.reporter.label = f"{number} {'to' if context.outgoing else 'from'} {far or 'unknown'}: "
        self.reporter.event(update.event)

    def _reload(self, station: Station) -> None:
        """Runs on the loop."""
        self.notifier.reloading()
        try:
            new = station.reload(self.load())
        except SoftfaxError as error:
            self.reporter.problem(f"the configuration stays as it was: {error}")
        else:
            self.config = new.config
            logs.set_up(self.config)
            self.reporter.text(f"the configuration was read again; {new}")
            self._reload_ami(self.config)
        self.notifier.ready(f"listening at sip:{shown(station.bound_addresses)}")

    def _reload_ami(self, config: StationConfig) -> None:
        if self._ami is None or config.ami is None:
            return
        try:
            self._ami.reload(config.ami)
        except SoftfaxError as error:
            self.reporter.problem(f"the manager interface stays as it was: {error}")

    def _signal(self, station: Station) -> None:
        """Runs on the loop."""
        self.signals += 1
        if self.signals > 1:
            self.forced.set()
        station.drain()
        self.asked.set()

    async def _finish(self, station: Station) -> None:
        """Waits for the faxes under way, or for the second signal. What waits in the queue, waits for the next start."""
        count = len(station.calls())
        finishing = f"finishing {counted(count, 'fax')}"
        self.notifier.stopping(finishing)
        if not count:
            return
        self.reporter.text(f"{finishing}; a second signal drops {'them' if count > 1 else 'it'}")
        idle = asyncio.ensure_future(settled(station))
        forced = asyncio.ensure_future(self.forced.wait())
        done, _ = await asyncio.wait([idle, forced], return_when=asyncio.FIRST_COMPLETED)
        if idle in done and not idle.result():
            self.reporter.problem(
                "how calls ended cannot be written; the next start finds out what it can about their faxes"
            )
        for task in (idle, forced):
            task.cancel()
