# SPDX-License-Identifier: GPL-2.0-or-later
"""A station with its front ends, from its start to the signal that ends it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from functools import partial

from softfax.ami import from_config
from softfax.cli.ami_server import serve_ami
from softfax.cli.report import Reporter
from softfax.errors import ExitStatus, SoftfaxError
from softfax.model import FaxUpdate, JobEvent
from softfax.ops.worker import COMMAND
from softfax.station import Station, StationConfig
from softfax.station.workers import Workers

__all__ = ["Serving"]


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

    async def run(self) -> int:
        """Returns the exit status."""
        loop = asyncio.get_running_loop()
        settings = from_config(self.config.ami) if self.config.ami is not None else None
        station = Station(self.config, calls=partial(Workers, command=COMMAND))
        station.say = self.reporter.text
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._signal, station)
        loop.add_signal_handler(signal.SIGHUP, self._reload, station)
        try:
            async with station, serve_ami(station, settings) as ami:
                unsubscribe = station.subscribe(self._show)
                self._announce(station)
                for host, port in ami.addresses if ami is not None else []:
                    self.reporter.text(f"AMI at {host}:{port}")
                await self.asked.wait()
                await self._finish(station)
                unsubscribe()
        finally:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                loop.remove_signal_handler(number)
        return int(ExitStatus.INTERRUPTED if self.forced.is_set() else ExitStatus.OK)

    def _announce(self, station: Station) -> None:
        host, port = station.bound_address
        shown = f"[{host}]" if ":" in host else host
        where = f", faxes go to {self.config.inbox_dir}" if self.config.fax.receive else ", calls are not answered"
        self.reporter.text(f"listening at sip:{shown}:{port} ({self.config.sip.transport}){where}")

    def _show(self, update: FaxUpdate) -> None:
        context = update.context
        far = context.called_number if context.outgoing else context.caller_number
        number = "fax" if isinstance(update.event, JobEvent) else str(context.session_number)
        self.reporter.label = f"{number} {'to' if context.outgoing else 'from'} {far or 'unknown'}: "
        self.reporter.event(update.event)

    def _reload(self, station: Station) -> None:
        """Runs on the loop."""
        try:
            config = self.load()
            station.reload(config)
        except SoftfaxError as error:
            self.reporter.problem(f"the configuration stays as it was: {error}")
        else:
            self.config = config
            self.reporter.text("the configuration was read again")

    def _signal(self, station: Station) -> None:
        """Runs on the loop."""
        self.signals += 1
        if self.signals > 1:
            self.forced.set()
        station.drain()
        self.asked.set()

    async def _finish(self, station: Station) -> None:
        """Waits for the faxes under way, or for the second signal."""
        count = len(station.calls())
        if not count:
            return
        plural = "es" if count > 1 else ""
        self.reporter.text(f"finishing {count} fax{plural}; a second signal drops {'them' if count > 1 else 'it'}")
        idle = asyncio.ensure_future(station.idle())
        forced = asyncio.ensure_future(self.forced.wait())
        await asyncio.wait([idle, forced], return_when=asyncio.FIRST_COMPLETED)
        for task in (idle, forced):
            task.cancel()
