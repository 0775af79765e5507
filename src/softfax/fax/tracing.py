# SPDX-License-Identifier: GPL-2.0-or-later
"""Joins traces to the faxes of a runtime: whose SIP messages are whose, what of an event is noted, what is written at the end."""

from __future__ import annotations

import asyncio
import logging
import re
from collections import OrderedDict, deque
from dataclasses import dataclass
from datetime import UTC, datetime

from softfax.engine import EngineEvent, EventType, SessionStats
from softfax.fax.trace import Trace, TraceSettings
from softfax.model import CallEvent, Event, FaxResult, NegotiatedEvent, PageEvent, SessionEvent

__all__ = ["SipMessages", "Tracing"]

log = logging.getLogger("softfax.fax")

CALLS_MAX = 1024
MESSAGES_MAX = 60
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
    """The last messages of the last calls."""

    def __init__(self) -> None:
        self._calls: OrderedDict[str, deque[_Message]] = OrderedDict()

    def take(self, sent: bool, far: str, text: str) -> None:
        """A message; one without Call-ID belongs to no fax."""
        found = _CALL_ID.search(text[:4000])
        if found is None:
            return
        if found[1] not in self._calls:
            self._calls[found[1]] = deque(maxlen=MESSAGES_MAX)
            if len(self._calls) > CALLS_MAX:
                self._calls.popitem(last=False)
        self._calls[found[1]].append(_Message(datetime.now(UTC), sent, far, text))

    def of(self, call_id: str) -> list[_Message]:
        """Those of a call, which are forgotten here."""
        return list(self._calls.pop(call_id, ()))


class Tracing:
    """The trace of one fax under way."""

    def __init__(self, fax_id: str, attempt: int, settings: TraceSettings, messages: SipMessages) -> None:
        self.trace = Trace(fax_id, attempt=attempt)
        self._settings, self._messages = settings, messages

    def engine_event(self, event: EngineEvent) -> None:
        """Takes an event of the fax's engine session."""
        if event.type is EventType.FRAME:
            self.trace.frame(event.code == 1, event.data)

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
            self.trace.add("media", f"faxes by {event.mode}", fields=fields, now=event.time)
        elif isinstance(event, PageEvent):
            fields = {"bytes": str(event.bytes), "rows": str(event.rows), "bad rows": str(event.bad_rows)}
            self.trace.add("signal", f"page {event.number} {event.quality}", fields=fields, now=event.time)
        elif isinstance(event, FaxResult):
            self.trace.add("note", event.status, detail=event.status_string, now=event.time)

    def end(self, result: FaxResult, call_id: str, stats: SessionStats | None) -> None:
        """Writes it a moment later, if it is wanted; from the loop."""
        if self._settings.when == "always" or not result.success:
            if stats is not None:
                names = ("rtp_rx_packets", "rtp_rx_lost", "rtp_rx_late", "rtp_tx_packets", "udptl_rx_packets",
                         "udptl_rx_lost", "udptl_rx_recovered", "udptl_rx_bad", "udptl_tx_packets", "retries")  # fmt: skip
                self.trace.statistics = {name: int(getattr(stats, name)) for name in names if getattr(stats, name)}
            asyncio.get_running_loop().call_later(LINGER_S, self._write, call_id)
        else:
            self._messages.of(call_id)

    def _write(self, call_id: str) -> None:
        for message in self._messages.of(call_id):
            self.trace.sip(message.sent, message.far, message.text, now=message.time)
        self.trace.sort()
        try:
            asyncio.get_running_loop().run_in_executor(None, self._save)
        except RuntimeError:
            self._save()

    def _save(self) -> None:
        try:
            self.trace.write(self._settings.folder)
        except OSError as error:
            log.error("the trace of fax %s cannot be written: %s", self.trace.fax_id, error)
