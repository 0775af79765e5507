# SPDX-License-Identifier: GPL-2.0-or-later
"""Joins traces to the faxes of a runtime: whose SIP messages are whose, what of an event is noted, what is written at the end."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from softfax.diskspace import make_private
from softfax.engine.abi import EventType, SessionStats, Signal
from softfax.engine.core import EngineEvent, EngineSession
from softfax.errors import NativeError
from softfax.fax.pcap import Datagram, merged
from softfax.fax.trace import Leg, Trace, TraceSettings, pcap_path, trace_path, write_whole
from softfax.model import CallEvent, Event, FaxResult, NegotiatedEvent, PageEvent, SessionEvent
from softfax.sip.listening import version_of

__all__ = ["Ring", "SipMessages", "Tracing"]

log = logging.getLogger("softfax.fax")

#: Messages of calls that no fax has claimed (they were refused, or it is about to), and of one call.
CALLS_MAX = 256
MESSAGES_MAX = 60
TEXT_MAX = 64 << 20
#: Traces of failed calls from addresses of no account.
RING_MAX = 100
#: How long after a fax's result its last SIP messages are waited for.
LINGER_S = 0.6
_CALL_ID = re.compile(r"^(?:Call-ID|i)\s*:\s*(\S{1,255})", re.I | re.M)


@dataclass(frozen=True)
class _Message:
    time: datetime
    sent: bool
    far: str
    text: str


class SipMessages:
    """The last messages of faxes under way, and of the last calls that may become faxes."""

    def __init__(self) -> None:
        self._calls: OrderedDict[str, deque[_Message]] = OrderedDict()
        self._claimed: dict[str, deque[_Message]] = {}
        self._octets = 0

    def take(self, sent: bool, far: str, text: str) -> None:
        """A message; one without Call-ID belongs to no fax."""
        found = _CALL_ID.search(text[:4000]) or _CALL_ID.search(text)
        if found is None:
            return
        messages = self._claimed.get(found[1])
        if messages is None:
            messages = self._calls.setdefault(found[1], deque())
        self._add(messages, _Message(datetime.now(UTC), sent, far, text))
        while self._calls and (len(self._calls) > CALLS_MAX or self._octets > TEXT_MAX):
            self._forget(self._calls.popitem(last=False)[1])

    def _add(self, messages: deque[_Message], message: _Message) -> None:
        if len(messages) == MESSAGES_MAX or self._octets > TEXT_MAX:
            self._octets -= len(messages.popleft().text) if messages else 0
        messages.append(message)
        self._octets += len(message.text)

    def _forget(self, messages: deque[_Message]) -> None:
        self._octets -= sum(len(message.text) for message in messages)

    def claim(self, call_id: str) -> None:
        """The call is a fax: its messages are kept, however many other calls there are."""
        if call_id and call_id not in self._claimed:
            self._claimed[call_id] = self._calls.pop(call_id, deque())

    def so_far(self, call_id: str) -> list[_Message]:
        """Messages of a call that goes on."""
        return list(self._claimed.get(call_id, ()))

    def of(self, call_id: str) -> list[_Message]:
        """Messages of a call, which are forgotten here."""
        messages = self._claimed.pop(call_id, None)
        if messages is None:
            messages = self._calls.pop(call_id, deque())
        self._forget(messages)
        return list(messages)


class Tracing:
    """The trace of one fax under way. `local` is where our SIP listens: an address for each version of IP."""

    def __init__(
        self,
        fax_id: str,
        attempt: int,
        settings: TraceSettings,
        messages: SipMessages,
        local: Sequence[tuple[str, int]],
    ) -> None:
        self.trace = Trace(fax_id, attempt=attempt)
        self._settings, self._messages, self._local = settings, messages, local
        self._calls: Mapping[str, Leg] = {}
        self._due: asyncio.TimerHandle | None = None
        self._saving: asyncio.Future[None] | None = None
        self._unwanted = self._goes_on = False

    @property
    def _pcap(self) -> Path:
        return pcap_path(self._settings.folder, self.trace.fax_id, self.trace.attempt)

    @property
    def _parts(self) -> list[Path]:
        """Captures of the sessions, until they are one with the SIP messages: a gateway's call has two."""
        return [self._pcap, self._pcap.with_suffix(".callee.pcap")]

    def capture(self, *sessions: EngineSession) -> None:
        """Begin to capture the fax's packets, if configured, before its media begin. A failure is logged."""
        if not self._settings.capture_bytes:
            return
        try:
            make_private(self._settings.folder)
            for path, engine in zip(self._parts, sessions, strict=False):
                engine.capture(path, self._settings.capture_bytes // len(sessions))
        except (OSError, NativeError) as error:
            log.error("the packets of fax %s are not kept: %s", self.trace.fax_id, error)

    def engine_event(self, event: EngineEvent, leg: Leg = "") -> None:
        """Takes an event of the fax's engine session, or of that of a gateway's leg."""
        received = event.code == 1
        if event.type is EventType.FRAME:
            self.trace.frame(received, event.data, leg)
        elif event.type is EventType.SIGNAL:
            self.trace.signal(received, Signal(event.values[0]), event.values[1], event.values[2], leg)

    def event(self, event: Event) -> None:
        """Takes an event of the fax."""
        if isinstance(event, CallEvent):
            said = f"{event.sip_code} {event.reason}".strip(" 0")
            self.trace.add("note", f"call {event.state}", detail=said, now=event.time)
        elif isinstance(event, SessionEvent):
            self.trace.add("note", f"session {event.state}", now=event.time)
        elif isinstance(event, NegotiatedEvent):
            fields = {"rate": str(event.bitrate), "ECM": "yes" if event.ecm else "no", "code": event.encoding,
                      "resolution": event.resolution, "far end": event.remote_station_id}  # fmt: skip
            self.trace.add("note", f"faxes by {event.mode}", fields=fields, now=event.time)
        elif isinstance(event, PageEvent):
            fields = {"bytes": str(event.bytes), "rows": str(event.rows), "bad rows": str(event.bad_rows)}
            self.trace.add("note", f"page {event.number} {event.quality}", fields=fields, now=event.time)
        elif isinstance(event, FaxResult):
            self.trace.add("note", event.status, detail=event.status_string, now=event.time)

    def end(
        self, result: FaxResult, calls: Mapping[str, Leg], stats: SessionStats | None, *, goes_on: bool = False
    ) -> None:
        """Writes it a moment later, if it is wanted, with the SIP messages of its calls, by Call-ID; from the loop. Where its
        call `goes_on` with another fax, that one's trace has them too.
        """
        self._goes_on = goes_on
        if self._settings.when != "always" and result.success:
            self._forget(calls)
            self.drop()
            return
        if stats is not None:
            names = ("rtp_rx_packets", "rtp_rx_lost", "rtp_rx_restored", "rtp_rx_late", "rtp_tx_packets", "udptl_rx_packets",
                     "udptl_rx_lost", "udptl_rx_recovered", "udptl_rx_bad", "udptl_tx_packets", "retries",
                     "srtp_rejected", "srtp_replayed", "captured", "capture_left_out")  # fmt: skip
            counted = {name: int(getattr(stats, name)) for name in names}
            # That nothing was lost is worth knowing of what was used.
            used = {f"{medium}_rx_lost" for medium in ("rtp", "udptl") if counted[f"{medium}_rx_packets"]}
            self.trace.statistics = {name: count for name, count in counted.items() if count or name in used}
        self._calls = dict(calls)
        self._due = asyncio.get_running_loop().call_later(LINGER_S, self._write)

    def _forget(self, call_ids: Iterable[str]) -> None:
        for call_id in () if self._goes_on else call_ids:
            self._messages.of(call_id)

    def drop(self) -> None:
        """Drop it: nothing of it is wanted."""
        try:
            for path in self._parts:
                path.unlink(missing_ok=True)
        except OSError as error:
            log.error("the packets of fax %s cannot be deleted: %s", self.trace.fax_id, error)

    def delete(self) -> None:
        """Deletes what was written, or is being written; from the loop."""
        self._unwanted = True
        if self._due is not None:
            self._due.cancel()
            self._due = None
            self._forget(self._calls)
        asyncio.get_running_loop().run_in_executor(None, self._unlink)

    def _unlink(self) -> None:
        self.drop()
        trace_path(self._settings.folder, self.trace.fax_id, self.trace.attempt).unlink(missing_ok=True)

    async def finish(self) -> None:
        """Writes it now where it was to be written later, and returns when it is; from the loop."""
        if self._due is not None:
            self._due.cancel()
            self._write()
        if self._saving is not None:
            await self._saving

    @property
    def busy(self) -> bool:
        """True while there is something to write."""
        return self._due is not None or not (self._saving is None or self._saving.done())

    def _write(self) -> None:
        self._due = None
        messages = []
        for call_id, leg in self._calls.items():
            for message in self._messages.so_far(call_id) if self._goes_on else self._messages.of(call_id):
                self.trace.sip(message.sent, message.far, message.text, now=message.time, leg=leg)
                messages.append(message)
        self.trace.sort()
        self._saving = asyncio.get_running_loop().run_in_executor(None, self._save, messages)

    def _save(self, messages: list[_Message]) -> None:
        try:
            self.trace.write(self._settings.folder)
            captures = [path.read_bytes() for path in self._parts if path.exists()]
            write_whole(self._pcap, merged(captures, [_datagram(message, self._local) for message in messages]))
            self._parts[1].unlink(missing_ok=True)
        except OSError as error:
            log.error("the trace of fax %s cannot be written: %s", self.trace.fax_id, error)
        if self._unwanted:
            self._unlink()


class Ring:
    """Traces of the last failed calls from addresses of no account: older ones are deleted, so that strangers fill no disk."""

    def __init__(self) -> None:
        self._kept: deque[Tracing] = deque()

    def add(self, tracing: Tracing) -> None:
        """The trace of such a call."""
        self._kept.append(tracing)
        if len(self._kept) > RING_MAX:
            self._kept.popleft().delete()


def _datagram(message: _Message, listening: Sequence[tuple[str, int]]) -> Datagram:
    """A SIP message as UDP would carry it, whatever did; the length of its body as it is without its secrets."""
    host, _, port = message.far.rpartition(":")
    far = (host, int(port) if port.isdecimal() else 0)
    local = next((one for one in listening if version_of(one[0]) == version_of(host)), listening[0])
    near = (_own_address(far) if local[0] in ("0.0.0.0", "::") else local[0], local[1])
    head, gap, body = message.text.partition("\r\n\r\n")
    octets = body.encode("utf-8", "surrogateescape")
    head = re.sub(r"^(Content-Length|l)(\s*:\s*)\d+", rf"\g<1>\g<2>{len(octets)}", head, flags=re.I | re.M)
    return Datagram(
        int(message.time.timestamp() * 1e6),
        near if message.sent else far,
        far if message.sent else near,
        (head + gap).encode("utf-8", "surrogateescape") + octets,
    )


def _own_address(far: tuple[str, int]) -> str:
    """Our address that the routing table chooses for a far end."""
    family = socket.AF_INET6 if ":" in far[0] else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((far[0].strip("[]"), far[1] or 9))
            return str(probe.getsockname()[0])
    except OSError:
        return "0.0.0.0"
