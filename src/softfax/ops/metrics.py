# SPDX-License-Identifier: GPL-2.0-or-later
"""Metrics of a station for Prometheus: counted from its events, and read off the station when they are asked for.

No label takes a value from a far end: SIP codes are classes, errors and rates come from lists, accounts from the configuration.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import os
import platform
import shutil
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from softfax._version import __version__
from softfax.diskspace import existing
from softfax.errors import in_short
from softfax.fax.outcome import CRASHED
from softfax.model import (
    TERMINAL,
    CallEvent,
    CallState,
    Direction,
    FaxResult,
    FaxState,
    FaxUpdate,
    JobEvent,
    PageEvent,
    ProgressEvent,
)
from softfax.records.model import QueueCounts
from softfax.station.config import StationConfig
from softfax.station.views import RegistrationView, WorkerView

if TYPE_CHECKING:
    from softfax.queue.queue import FaxQueue

__all__ = ["CONTENT_TYPE", "Metrics", "Observed", "Source", "of_group"]

log = logging.getLogger("softfax.ops")

# A second series for each, which nobody looks at.
disable_created_metrics()  # type: ignore[no-untyped-call]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
RATES = frozenset({2400, 4800, 7200, 9600, 12000, 14400})
ENCODINGS = frozenset({"T.4 1-D", "T.4 2-D", "T.6"})
ERRORS = frozenset(
    {"NO_ERROR", "TIMEOUT", "FILE_ERROR", "HANGUP", "CHANUNAVAIL", "NOANSWER", "BUSY", "CONGESTION", "CANCEL"}
    | {"INIT_ERROR", "INVALID_ARGUMENTS"}
)
#: Half a page to a long broadcast; of calls that were answered.
_FAX_S = (10, 20, 30, 45, 60, 90, 120, 180, 300, 600, 1200, 3600)
_PAGE_S = (3, 5, 8, 12, 18, 25, 40, 60, 120, 300)

#: What other parts have to say when metrics are asked for.
Source = Callable[[], Awaitable[Iterable[Metric]]]


class Observed(Protocol):
    """The part of `softfax.station.Station` that metrics read."""

    @property
    def config(self) -> StationConfig: ...

    @property
    def outbox(self) -> Any: ...

    def calls(self) -> Sequence[Any]: ...

    def find(self, key: str) -> Any: ...

    def registrations(self) -> Sequence[RegistrationView]: ...

    def workers(self) -> Sequence[WorkerView]: ...


class CountedQueue(Protocol):
    """The part of `softfax.queue.queue.FaxQueue` that metrics read."""

    async def counts(self) -> QueueCounts: ...


class _Snapshot(Collector):
    """Values read from the station last."""

    def __init__(self) -> None:
        self.metrics: list[Metric] = []

    def collect(self) -> Iterator[Metric]:
        yield from self.metrics


class Metrics:
    """A sink of the station's events, and what `/metrics` answers. `sources` may be added to."""

    def __init__(self, station: Observed, queue: CountedQueue | None = None) -> None:
        self.sources: list[Source] = []
        self._station = station
        self._queue = queue
        self.registry = CollectorRegistry()
        self._snapshot = _Snapshot()
        self.registry.register(self._snapshot)
        ProcessCollector(registry=self.registry)
        self._count()

    def _count(self) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"softfax_{name}", text, labels, registry=self.registry)

        self._calls = counter("calls", "Calls that ended, by the class of the last SIP status", "way", "sip")
        self._faxes = counter(
            "faxes", "Attempts at a fax that ended, by result and mode", "direction", "way", "mode", "result"
        )
        self._jobs = counter("jobs", "Faxes of the queue that ended, by state", "state")
        self._pages = counter("pages", "Pages confirmed", "direction", "mode")
        self._page_bytes = counter("page_bytes", "Compressed octets of pages confirmed", "direction")
        self._bad_rows = counter("bad_rows", "Damaged rows in pages", "direction", "mode")
        self._bad_pages = counter("bad_pages", "Pages of received documents with damaged rows")
        self._negotiated = counter(
            "negotiated", "Answered faxes by what was settled", "mode", "rate", "encoding", "ecm"
        )
        self._retries = counter("retries", "Retrains, and pages and frames sent again", "mode")
        self._packets = counter("packets_received", "RTP (audio) and UDPTL (T38) packets that came", "mode")
        self._lost = counter("packets_lost", "Packets that did not come", "mode")
        self._recovered = counter("packets_recovered", "Lost packets restored from redundancy or FEC", "mode")
        self._fax_s = Histogram(
            "softfax_fax_seconds",
            "How long answered faxes took",
            ("direction", "mode"),
            buckets=_FAX_S,
            registry=self.registry,
        )
        self._page_s = Histogram(
            "softfax_page_seconds",
            "How long pages took",
            ("direction", "mode"),
            buckets=_PAGE_S,
            registry=self.registry,
        )
        for direction in Direction:
            self._faxes.labels(direction, "out" if direction is Direction.SEND else "in", "T38", "NO_ERROR")
        for state in TERMINAL:
            self._jobs.labels(state)

    # ---- from events ----------------------------------------------------------------------------------------------

    def __call__(self, update: FaxUpdate) -> None:
        """Takes an event of a fax. Subscribe this to the station."""
        event = update.event
        way = "out" if update.context.outgoing else "in"
        if isinstance(event, CallEvent):
            if event.state is CallState.ENDED:
                self._calls.labels(way, f"{event.sip_code // 100}xx" if 100 <= event.sip_code <= 699 else "none").inc()
        elif isinstance(event, PageEvent):
            mode = self._mode(update)
            self._pages.labels(event.direction, mode).inc()
            self._page_bytes.labels(event.direction).inc(max(0, event.bytes))
            self._bad_rows.labels(event.direction, mode).inc(max(0, event.bad_rows))
            self._page_s.labels(event.direction, mode).observe(event.seconds)
        elif isinstance(event, JobEvent):
            ours = update.context.direction is Direction.SEND  # a received fax is in no queue
            if ours and event.state in TERMINAL and event.next_attempt is None:
                self._jobs.labels(event.state).inc()
        elif isinstance(event, FaxResult):
            self._result(event, way)

    def _mode(self, update: FaxUpdate) -> str:
        call = self._station.find(update.context.fax_id)
        return str(getattr(call, "mode", None) or "unknown")

    def _result(self, result: FaxResult, way: str) -> None:
        mode = str(result.mode)
        self._faxes.labels(result.direction, way, mode, _cause(result)).inc()
        self._bad_pages.inc(len(result.bad_pages or ()))
        answered = result.success or 0 < result.result_code < 1000
        if result.error == "FILE_ERROR" and not result.bitrate:
            answered = False  # Its document could not be made: nothing was dialled.
        if answered:
            self._fax_s.labels(result.direction, mode).observe(max(0.0, result.duration_s))
        if answered and result.bitrate:
            rate = str(result.bitrate) if result.bitrate in RATES else "other"
            encoding = result.encoding if result.encoding in ENCODINGS else "other"
            self._negotiated.labels(mode, rate, encoding, "yes" if result.ecm else "no").inc()
        last: ProgressEvent | None = getattr(self._station.find(result.fax_id), "progress", None)
        if last is not None:
            self._packets.labels(mode).inc(last.packets)
            self._lost.labels(mode).inc(last.lost)
            self._recovered.labels(mode).inc(last.recovered)
            self._retries.labels(mode).inc(last.retries)

    # ---- when asked -----------------------------------------------------------------------------------------------

    async def text(self) -> bytes:
        """Body of `/metrics`, of `CONTENT_TYPE`. A part that fails is left out."""
        metrics = [*_of_station(self._station)]
        for read in (self._of_queue, self._of_outbox, self._of_disk, *self.sources):
            try:
                metrics += await asyncio.wait_for(read(), 5.0)
            except Exception as error:
                log.warning("metrics of %s are left out: %s", getattr(read, "__qualname__", "a part"), in_short(error))
        self._snapshot.metrics = metrics
        return generate_latest(self.registry)

    async def _of_queue(self) -> Iterable[Metric]:
        if self._queue is None:
            return ()
        counts = await self._queue.counts()
        faxes = GaugeMetricFamily("softfax_queue_faxes", "Faxes kept, by state", labels=["state"])
        for state in FaxState:
            faxes.add_metric([state], counts.by_state.get(state, 0))
        due = GaugeMetricFamily("softfax_queue_due", "Faxes whose time has come", value=counts.due)
        oldest = GaugeMetricFamily(
            "softfax_queue_oldest_seconds", "How long the fax that is due longest has waited", value=counts.oldest_s
        )
        return faxes, due, oldest

    async def _of_outbox(self) -> Iterable[Metric]:
        outbox = self._station.outbox
        if outbox is None:
            return ()
        counts: Mapping[str, int] = await asyncio.to_thread(outbox.store.counts)
        callbacks = GaugeMetricFamily("softfax_callbacks", "Callbacks kept, by state", labels=["state"])
        for state in ("waiting", "delivered", "dead"):
            callbacks.add_metric([state], counts.get(state, 0))
        failed = CounterMetricFamily(
            "softfax_callback_failures", "Attempts at a callback that failed", value=getattr(outbox, "failures", 0)
        )
        return callbacks, failed

    async def _of_disk(self) -> Iterable[Metric]:
        config = self._station.config
        free = GaugeMetricFamily("softfax_disk_free_bytes", "Room left where faxes are kept", labels=["folder"])
        size = GaugeMetricFamily("softfax_disk_size_bytes", "Size of the disk there", labels=["folder"])
        for name, folder in (("data", config.data.dir), ("inbox", config.inbox_dir)):
            usage = await asyncio.to_thread(_usage, folder)
            if usage is not None:
                free.add_metric([name], usage[0])
                size.add_metric([name], usage[1])
        floor = GaugeMetricFamily(
            "softfax_disk_floor_bytes", "Room below which no fax is taken", value=config.retention.min_free_mb << 20
        )
        return free, size, floor


async def of_group(queue: FaxQueue) -> Iterable[Metric]:
    """The stations of a group, the same asked of any."""
    if not queue.database.stations.many:
        return ()
    up = GaugeMetricFamily("softfax_station_up", "1 where a station of the group has its lease", labels=["station"])
    calls = GaugeMetricFamily("softfax_station_calls", "Faxes that it has under way", labels=["station"])
    for view in await asyncio.to_thread(queue.store.stations):
        up.add_metric([view.name], not view.lapsed_s)
        calls.add_metric([view.name], view.calls)
    return up, calls


def _cause(result: FaxResult) -> str:
    """A word from a short list."""
    if result.success:
        return "NO_ERROR"
    if result.result_code == CRASHED:
        return "CRASH"
    return result.error if result.error in ERRORS else "PROTOCOL"


def _usage(folder: Path) -> tuple[int, int] | None:
    """Free and all octets of the disk a folder is on, or will be."""
    try:
        usage = shutil.disk_usage(existing(folder))
    except OSError:
        return None
    return usage.free, usage.total


def _of_station(station: Observed) -> Iterator[Metric]:
    yield GaugeMetricFamily("softfax_lines_in_use", "Faxes under way", value=len(station.calls()))
    yield GaugeMetricFamily("softfax_lines_max", "Faxes at a time", value=station.config.sip.max_calls)
    build = GaugeMetricFamily("softfax_build_info", "What runs", labels=["version", "python"])
    build.add_metric([__version__, platform.python_version()], 1)
    yield build
    registered = GaugeMetricFamily(
        "softfax_registered", "1 where an account that wants it is registered", labels=["account"]
    )
    reachable = GaugeMetricFamily(
        "softfax_reachable", "1 where the server of an account without registration answers OPTIONS", labels=["account"]
    )
    for view in station.registrations():
        if view.state in ("reachable", "unreachable"):
            reachable.add_metric([view.account], view.state == "reachable")
        elif view.state != "unregistered":
            registered.add_metric([view.account], view.state == "registered")
    yield registered
    yield reachable
    yield from _of_workers(station.workers())


def _of_workers(workers: Sequence[WorkerView]) -> Iterator[Metric]:
    up = GaugeMetricFamily("softfax_worker_up", "1 where a process for calls runs", labels=["worker"])
    calls = GaugeMetricFamily("softfax_worker_calls", "Its calls", labels=["worker"])
    late = GaugeMetricFamily("softfax_worker_late_seconds", "How late its ticks begin on average", labels=["worker"])
    busy = GaugeMetricFamily(
        "softfax_worker_busy_ratio", "The part of its time that its busiest thread needs", labels=["worker"]
    )
    room = GaugeMetricFamily("softfax_worker_room_calls", "Calls that it takes besides", labels=["worker"])
    refused = CounterMetricFamily("softfax_refused", "What it refused", labels=["worker", "why"])
    restarts = CounterMetricFamily(
        "softfax_worker_restarts", "How often it died and was started again", labels=["worker"]
    )
    memory = GaugeMetricFamily("softfax_worker_resident_bytes", "Its memory", labels=["worker"])
    cpu = CounterMetricFamily("softfax_worker_cpu_seconds", "Its processor time", labels=["worker"])
    for view in workers:
        name = [str(view.number)]
        up.add_metric(name, view.state == "running")
        calls.add_metric(name, view.calls)
        late.add_metric(name, view.load.late_ms / 1e3)
        busy.add_metric(name, view.load.busy)
        room.add_metric(name, view.load.room)
        for field in dataclasses.fields(view.load.refused):
            refused.add_metric([*name, field.name], getattr(view.load.refused, field.name))
        restarts.add_metric(name, view.restarts)
        used = _process(view.pid)
        if used is not None:
            memory.add_metric(name, used[0])
            cpu.add_metric(name, used[1])
    yield from (up, calls, late, busy, room, refused, restarts, memory, cpu)


def _process(pid: int) -> tuple[int, float] | None:
    """Resident octets and processor seconds of a process, from /proc (proc(5))."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks = int(fields[11]) + int(fields[12])
        return int(fields[21]) * os.sysconf("SC_PAGE_SIZE"), ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError, ValueError):
        return None
