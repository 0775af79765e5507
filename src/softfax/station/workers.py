# SPDX-License-Identifier: GPL-2.0-or-later
"""The processes that a station's calls run in, seen from the station: started, watched, started again.

One that dies costs its own calls, which are reported as lost; the next one listens at the same port. Accounts are dealt out among
them, because a PBX sends calls to where it was registered from.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import logging
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

from softfax import errors
from softfax.errors import LocalError, NativeError, PortInUseError, SoftfaxError
from softfax.fax import outcome
from softfax.fax.outcome import Outcome
from softfax.sip.listening import host_port, listen_addresses, listen_of
from softfax.station import wire
from softfax.station.config import StationConfig
from softfax.station.host import Report
from softfax.station.load import Load
from softfax.station.views import RegistrationView, WorkerView

__all__ = ["Workers"]

log = logging.getLogger("softfax.station")

#: Long enough for a machine that has just been started and has everything else to do too.
START_S = 120.0
STOP_S = 20.0
PREVIEW_S = 2.0
#: The process for calls of a station that was killed hangs up before it goes: so long where the far end does not answer.
PORT_WAIT_S = 10.0
FIRST_WAIT_S, LONGEST_WAIT_S = 0.2, 30.0
#: A process that lived so long is forgiven the ones before it.
STEADY_S = 60.0
#: Faxes whose process is still known once they have ended.
ENDED_KEPT = 1000
#: Calls that one takes before it has been measured.
FIRST_ROOM = 20
COMMAND = (sys.executable, "-m", "softfax.station.worker")


class _Worker:
    """One of the processes, and those that take its place."""

    def __init__(self, number: int, config: StationConfig, report: Report, command: Sequence[str]) -> None:
        self.number = number
        self.config = config
        self.faxes: set[str] = set()
        #: The latest that have ended: their calls may be up for another fax.
        self.ended: deque[str] = deque(maxlen=ENDED_KEPT)
        self.state: Literal["starting", "running", "dead"] = "starting"
        self.since = datetime.now(UTC)
        self.restarts = 0
        self.last_end = ""
        self.addresses: tuple[tuple[str, int], ...] = (("", 0),)
        self.registrations: tuple[RegistrationView, ...] = ()
        self.put_out = wire.PutOut(())
        self.load = Load()
        #: Faxes ordered since it was measured that have a call of their own.
        self.ordered: set[str] = set()
        self._report = report
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._closing = False
        self._life: asyncio.Task[None] | None = None

    @property
    def view(self) -> WorkerView:
        return WorkerView(
            number=self.number,
            pid=self._process.pid if self._process is not None else 0,
            state=self.state,
            since=self.since,
            calls=len(self.faxes),
            restarts=self.restarts,
            last_end=self.last_end,
            address=self.addresses[0],
            load=self.load,
        )

    @property
    def room(self) -> int:
        """Number of further calls that it takes, as far as is known."""
        return max(0, self.load.room - len(self.ordered)) if self.state == "running" else 0

    async def start(self) -> None:
        """Starts the first process. Raises what keeps it from starting."""
        end = asyncio.get_running_loop().time() + PORT_WAIT_S
        while True:
            try:
                await self._spawn()
                break
            except PortInUseError:
                if asyncio.get_running_loop().time() > end:
                    raise
                await asyncio.sleep(0.25)
        self._life = asyncio.ensure_future(self._live())

    async def _spawn(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            fd = theirs.fileno()
            self._process = subprocess.Popen([*self._command, str(fd)], pass_fds=[fd], stdin=subprocess.DEVNULL)
        self._reader, self._writer = await asyncio.open_connection(sock=ours)
        self.send(wire.Reload(self.config.model_dump(mode="json", by_alias=True)))
        self.send(self.put_out)
        try:
            said = await asyncio.wait_for(self._started(self._reader), START_S)
        except (TimeoutError, ValueError):
            said = None
        if isinstance(said, wire.Started):
            self._listens(said)
            return
        await self._end_process()
        if isinstance(said, wire.StartFailed):
            kind = getattr(errors, said.kind, LocalError)
            raise kind(said.problem, said.remedy)
        raise NativeError(f"the process for calls did not start ({self.last_end})", "see the log")

    async def _started(self, reader: asyncio.StreamReader) -> wire.Message | None:
        """Return the process's `Started` or `StartFailed`; None if it ended without either."""
        while message := await wire.read(reader):
            if isinstance(message, (wire.Started, wire.StartFailed)):
                return message
            self._take(message)
        return None

    def _listens(self, started: wire.Started) -> None:
        self.addresses = started.addresses
        self.state, self.since = "running", datetime.now(UTC)
        self.load, self.ordered = Load(room=FIRST_ROOM), set()
        # The next one listens where far ends know us.
        named = zip(listen_addresses(self.config.sip.listen), started.addresses, strict=True)
        listen = tuple(host_port(host, port or bound[1]) for (host, port), bound in named)
        sip = self.config.sip.model_copy(update={"listen": listen})
        self.config = self.config.model_copy(update={"sip": sip})

    async def _live(self) -> None:
        failures = 0
        while True:
            if self.state == "running":
                await self._listen()
                lived_s = (datetime.now(UTC) - self.since).total_seconds()
                failures = 0 if lived_s > STEADY_S else failures
                await self._died()
            if self._closing:
                return
            failures += 1
            wait_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(failures - 1, 20))
            await asyncio.sleep(wait_s)
            self.restarts += 1
            try:
                await self._spawn()
            except (SoftfaxError, OSError) as error:
                # The latter where the machine has no more processes or descriptors: it may have again.
                log.error("the process for calls does not start: %s", error, extra={"said": True})
                self._report(wire.Notice(f"the process for calls does not start: {error}"))

    async def _listen(self) -> None:
        """Hands on reports until the process is gone."""
        assert self._reader is not None
        while True:
            try:
                message = await wire.read(self._reader)
            except Exception as error:
                # A far end may have taken it over: whatever it says.
                log.error("the process for calls says what cannot be understood (%r) and is ended", error)
                assert self._process is not None
                self._process.kill()
                return
            if message is None:
                return
            self._take(message)

    def _take(self, message: wire.Message) -> None:
        fax_id = getattr(message, "fax_id", None)
        if isinstance(message, wire.Arrived):
            self.faxes.add(message.fax_id)
        elif fax_id is not None and fax_id not in self.faxes:
            log.warning("the process for calls speaks of fax %.24r, which is none of its own", fax_id)
            return
        elif isinstance(message, (wire.Ended, wire.NotDialled)):
            self.faxes.discard(message.fax_id)
            self.ended.append(message.fax_id)
            if isinstance(message, wire.NotDialled):
                # Its load is not measured: there was no call.
                self.ordered.discard(message.fax_id)
        elif isinstance(message, wire.Registered):
            self.registrations = message.views
        elif isinstance(message, wire.Measured):
            self.load, self.ordered = message.load, set()
        try:
            self._report(message)
        except Exception:
            log.exception("a report was lost")

    async def _died(self) -> None:
        await self._end_process()
        lost, self.faxes = self.faxes, set()
        if self._closing and not lost:
            return
        text = f"the process that ran the call ended ({self.last_end})"
        if not self._closing:
            log.error("%s: %d calls are lost", text, len(lost), extra={"said": True})
            self._report(wire.Notice(f"the process for calls ended ({self.last_end}), {len(lost)} calls are lost"))
        self.registrations = ()
        self._report(wire.Registered(()))
        for fax_id in lost:
            self._report(wire.Lost(fax_id, text))

    async def _end_process(self) -> None:
        process, self._process = self._process, None
        self.state, self.since = "dead", datetime.now(UTC)
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        if process is None:
            return
        try:
            status = await asyncio.to_thread(process.wait, 5.0)
        except subprocess.TimeoutExpired:
            process.kill()
            status = await asyncio.to_thread(process.wait)
        self.last_end = f"signal {-status}, {_signal_name(-status)}" if status < 0 else f"status {status}"

    def send(self, message: wire.Message) -> bool:
        """False where there is no process at the moment."""
        if self._writer is None or self._writer.is_closing():
            return False
        self._writer.write(wire.encode(message))
        return True

    async def stop(self) -> None:
        """Ends the process, its calls first."""
        self._closing = True
        process = self._process
        if process is not None and not self.send(wire.Stop()):
            process.kill()
        if self._life is not None:
            if self.state != "running":
                self._life.cancel()
            done, _ = await asyncio.wait([self._life], timeout=STOP_S)
            if not done and process is not None:
                process.kill()
                await asyncio.wait([self._life], timeout=STOP_S)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"


class Workers:
    """All processes for calls. A `CallHost`."""

    def __init__(self, config: StationConfig, report: Report, command: Sequence[str] = ()) -> None:
        self._report = report
        self._pictures: dict[int, asyncio.Future[bytes | None]] = {}
        self._numbers = itertools.count(1)
        self._workers = [
            _Worker(number, part, self._take, command or COMMAND) for number, part in enumerate(self._parts(config))
        ]

    @staticmethod
    def _parts(config: StationConfig) -> list[StationConfig]:
        """Each process's own: its accounts, and a port for each."""
        count = config.processes
        return [
            config.model_copy(
                update={
                    "sip": config.sip.model_copy(update={"listen": listen_of(config.sip.listen, n)}),
                    "account": config.account[n::count],
                    # Routes are the station's to choose by, and may name accounts of other processes.
                    "route": (),
                }
            )
            for n in range(count)
        ]

    async def start(self) -> None:
        """Listens. Raises PortInUseError, NativeError, UsageError."""
        try:
            await asyncio.gather(*(worker.start() for worker in self._workers))
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Ends what is under way, with its reports, and stops."""
        await asyncio.gather(*(worker.stop() for worker in self._workers))

    @property
    def bound_addresses(self) -> tuple[tuple[str, int], ...]:
        """Addresses and ports on which the first listens."""
        return self._workers[0].addresses

    def views(self) -> list[WorkerView]:
        """Views of the processes."""
        return [worker.view for worker in self._workers]

    def room(self, account: str) -> int:
        """Number of further calls that they take now through an account; 1 without a process, so that the order itself fails."""
        candidates = self._candidates(account)
        return sum(worker.room for worker in candidates) if candidates else 1

    def _candidates(self, account: str) -> list[_Worker]:
        running = [w for w in self._workers if w.state == "running"]
        own = [w for w in running if any(a.label == account for a in w.config.account)]
        return own if account else running

    def order(self, message: wire.Message) -> None:
        """Takes an order; what comes of it is reported."""
        if isinstance(message, wire.PlaceCall):
            self._place(message)
        elif isinstance(message, wire.Reload):
            for worker, part in zip(self._workers, self._parts(StationConfig.checked(message.config, "")), strict=True):
                worker.config = part.model_copy(update={"sip": worker.config.sip})
                worker.send(wire.Reload(worker.config.model_dump(mode="json", by_alias=True)))
        elif isinstance(message, wire.PutOut):
            for worker in self._workers:
                worker.put_out = message
                worker.send(message)
        else:
            fax_id = getattr(message, "fax_id", None)
            for worker in self._workers:
                if fax_id is None or fax_id in worker.faxes or isinstance(message, wire.Release):
                    worker.send(message)

    def _place(self, message: wire.PlaceCall) -> None:
        candidates = self._candidates(message.settings.account)
        candidates = [w for w in self._workers if message.on in w.ended and w.state == "running"] or candidates
        if message.joins:
            candidates = [w for w in candidates if message.joins in w.faxes]
        if candidates:
            worker = min(candidates, key=lambda w: len(w.faxes))
            if not message.joins:
                worker.ordered.add(message.fax_id)
            worker.faxes.add(message.fax_id)
            if worker.send(message):
                return
            worker.faxes.discard(message.fax_id)
        why = Outcome(False, "CONGESTION", "the process for calls is being started again", outcome.NO_T30 + 503)
        if message.joins:
            why = outcome.not_reached(why)
        undialled = wire.NotDialled(message.fax_id, why.error, why.text, why.code)
        asyncio.get_running_loop().call_soon(self._report, undialled)

    def _take(self, message: wire.Message) -> None:
        if isinstance(message, wire.Picture):
            waiting = self._pictures.pop(message.number, None)
            if waiting is not None and not waiting.done():
                waiting.set_result(base64.b64decode(message.png) or None)
        elif isinstance(message, wire.Registered):
            self._report(wire.Registered(tuple(view for w in self._workers for view in w.registrations)))
        else:
            self._report(message)

    async def preview(self, fax_id: str) -> bytes | None:
        """The page being received as far as its lines have come, as PNG."""
        number = next(self._numbers)
        waiting = self._pictures[number] = asyncio.get_running_loop().create_future()
        try:
            self.order(wire.Show(number, fax_id))
            return await asyncio.wait_for(waiting, PREVIEW_S)
        except TimeoutError:
            return None
        finally:
            self._pictures.pop(number, None)
