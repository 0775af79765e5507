# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls without SIP and without waiting: far ends that do what their number says, and count what reaches them.

The user of the SIP URI says what happens: `ok`, `busy`, `noanswer`, `refused`, `down`, `notfax`, `train`, `cutN` (breaks after N
pages of the first call, then goes well), `crashN` (the process of the calls ends after N pages of the first call), `rejectN` (likewise,
when the far end has rejected the page after them), `away` (no process for the first call), `lost` (it ends before the first is
dialled), `held` (goes well once `FarEnds.release` is set), `alone` (hangs up after the first fax of a call), in any case followed by `-` and anything. Several with `+` between them are those of the first call, the second, and so on.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

from softfax.documents.tiff import read_pages
from softfax.fax import outcome
from softfax.fax.outcome import Outcome
from softfax.model import (
    CallEvent,
    CallState,
    FaxContext,
    FaxResult,
    PageEvent,
    SessionEvent,
    SessionState,
)
from softfax.station import making, wire
from softfax.station.calls import LAPSED
from softfax.station.config import StationConfig
from tests.support.pages import draw_page, write_fax_tiff

__all__ = ["FarEnds", "SimulatedCalls"]

#: Pages of what is polled.
POLLED_PAGES = 2

_SIP = {
    "busy": (486, "BUSY"),
    "noanswer": (480, "NOANSWER"),
    "refused": (404, "CHANUNAVAIL"),
    "down": (503, "CONGESTION"),
}


class FarEnds:
    """Far ends, and what reached them: (number, page) in order, and the calls by number.

    `tell` may hand it on to who lives longer than this process, and say how many calls there were before.
    """

    def __init__(self, tell: Callable[[str, str, int], int | None] = lambda what, number, page: None) -> None:
        self.pages: list[tuple[str, int]] = []
        self.calls: list[str] = []
        self.headers: list[str] = []
        self.release = asyncio.Event()
        self._tell = tell

    def call(self, number: str, header: str) -> int:
        """A call comes; how many came before from this number's point of view."""
        before = self.calls.count(number)
        self.calls.append(number)
        self.headers.append(header)
        known = self._tell("call", number, 0)
        return before if known is None else known

    def page(self, number: str, page: int) -> None:
        """A page is confirmed."""
        self.pages.append((number, page))
        self._tell("page", number, page)


class SimulatedCalls:
    """A `CallHost`. Each step takes `step_s`."""

    def __init__(
        self, config: StationConfig, report: Callable[[wire.Message], None], far_ends: FarEnds, step_s: float = 0.0
    ) -> None:
        self.config, self.far_ends, self.step_s = config, far_ends, step_s
        self._report = report
        self._dial: dict[str, asyncio.Future[wire.Dial]] = {}
        self._undialled: set[str] = set()
        #: By the first fax of a call, whether the last one so far in it went well, so that another can follow.
        self._went: dict[str, asyncio.Future[bool]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.most = 0

    async def start(self) -> None:
        """Listens nowhere."""

    async def close(self) -> None:
        """Calls under way are cut."""
        for fax_id in list(self._tasks):
            self.order(wire.Cancel(fax_id))
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    @property
    def bound_addresses(self) -> tuple[tuple[str, int], ...]:
        """Nowhere."""
        return (("127.0.0.1", 0),)

    def room(self, account: str) -> int:
        """Return as many calls as are configured."""
        return self.config.sip.max_calls

    async def preview(self, fax_id: str) -> bytes | None:
        """Return no preview."""
        return None

    def order(self, message: wire.Message) -> None:
        """Takes an order."""
        if isinstance(message, wire.PlaceCall):
            self._dial[message.fax_id] = asyncio.get_running_loop().create_future()
            call = message.joins or message.fax_id
            before, own = self._went.get(call), asyncio.get_running_loop().create_future()
            self._went[call] = own
            task = asyncio.ensure_future(self._shared(message, before, own))
            self._tasks[message.fax_id] = task
            self.most = max(self.most, len(self._tasks))
            task.add_done_callback(lambda _: self._tasks.pop(message.fax_id, None))
        elif isinstance(message, wire.Dial):
            self._dial[message.fax_id].set_result(message)
        elif isinstance(message, wire.Cancel) and message.fax_id in self._tasks:
            self._tasks[message.fax_id].cancel()
            self._tasks.pop(message.fax_id)
            self._report(wire.NotDialled(message.fax_id, message.error, message.text, outcome.T30_CALLDROPPED))

    async def _shared(
        self, order: wire.PlaceCall, before: asyncio.Future[bool] | None, own: asyncio.Future[bool]
    ) -> None:
        """A fax in its turn on a call; `own` tells those behind it whether the call goes on."""
        if order.joins:
            try:
                went = before is not None and await asyncio.shield(before)
            except asyncio.CancelledError:
                assert before is not None
                before.add_done_callback(lambda done: own.set_result(done.result()))
                raise
            if not went:
                why = outcome.not_reached(outcome.OK)
                own.set_result(False)
                self._report(wire.NotDialled(order.fax_id, why.error, why.text, why.code))
                return
        went = False
        try:
            went = await self._call(order)
        finally:
            own.set_result(went)

    async def _call(self, order: wire.PlaceCall) -> bool:
        number = re.match(r"sips?:([^@]*)@", order.uri)[1]  # type: ignore[index]
        first_page, total, header = 1, POLLED_PAGES, dict[str, Any]()
        if order.pages is not None:
            assert order.pages.raster is not None
            first_page, header = order.pages.first_page, dict(order.pages.header or {})
            total = len(list(read_pages(order.pages.raster))) - first_page + 1
        if not self._may_dial(order, number):
            return False
        self._report(wire.Ready(order.fax_id))
        if (await self._dial[order.fax_id]).too_late:
            self._report(wire.NotDialled(order.fax_id, "INIT_ERROR", LAPSED, outcome.T30_CALLDROPPED))
            return False
        said = f"{header.get('station', '')} {header.get('continued', False)}"
        calls_before = self.far_ends.calls.count(number) - 1 if order.joins else self.far_ends.call(number, said)
        self._happened(order, CallEvent(state=CallState.CALLING))
        await asyncio.sleep(self.step_s)
        kinds = number.partition("-")[0].split("+")
        kind = kinds[min(calls_before, len(kinds) - 1)]
        again = calls_before > 0 and len(kinds) == 1
        if kind in _SIP:
            code, error = _SIP[kind]
            self._end(order, Outcome(False, error, kind, outcome.NO_T30 + code, reached=False, sip_code=code), 0, total)
            return False
        self._happened(order, CallEvent(state=CallState.ANSWERED, sip_code=200))
        self._happened(order, making.first_session(_context(order)))
        if kind in ("notfax", "train"):
            code = 2 if kind == "notfax" else 6
            self._end(order, Outcome(False, "TIMEOUT", kind, code), 0, total)
            return False
        if kind == "alone" and order.joins:
            self._end(
                order, outcome.not_reached(Outcome(False, "HANGUP", "hung up", outcome.T30_CALLDROPPED)), 0, total
            )
            return False
        if kind == "held":
            await self.far_ends.release.wait()
        stop = re.fullmatch(r"(cut|crash|reject)(\d+)", kind)
        for page in range(1, total + 1):
            await asyncio.sleep(self.step_s)
            if stop and not again and page > int(stop[2]):
                if stop[1] == "reject":
                    self._page(order, page, "bad")
                if stop[1] != "cut":
                    self._report(wire.Lost(order.fax_id, "the process that ran the call ended (test)"))
                else:
                    self._end(order, Outcome(False, "HANGUP", "cut", outcome.T30_CALLDROPPED), page - 1, total)
                return False
            self.far_ends.page(number, first_page + page - 1)
            if order.pages is None:
                write_fax_tiff(order.settings.document, [draw_page(f"Page {n}") for n in range(1, page + 1)])
            self._page(order, page, "good")
        self._end(order, outcome.OK, total, total)
        return True

    def _may_dial(self, order: wire.PlaceCall, number: str) -> bool:
        """False where there was no process for it, the first time."""
        kind = number.partition("-")[0]
        if kind not in ("away", "lost") or number in self._undialled:
            return True
        self._undialled.add(number)
        if kind == "away":
            self._report(wire.NotDialled(order.fax_id, "CONGESTION", "being started again", outcome.NO_T30 + 503))
        else:
            self._report(wire.Lost(order.fax_id, "the process that ran the call ended (test)"))
        return False

    def _page(self, order: wire.PlaceCall, number: int, quality: str) -> None:
        page = PageEvent(
            direction=order.settings.direction, number=number, bytes=1, rows=1, bad_rows=0, seconds=1, quality=quality
        )
        self._happened(order, page)

    def _happened(self, order: wire.PlaceCall, event: Any) -> None:
        self._report(wire.FaxEvent(order.fax_id, event))

    def _end(self, order: wire.PlaceCall, how: Outcome, pages: int, total: int) -> None:
        session = making.first_session(_context(order))
        self._happened(order, SessionEvent(**{**session.__dict__, "state": SessionState.COMPLETE}))
        result: FaxResult = making.failed(_context(order), how, 1.0)
        values = {
            "pages": pages,
            "pages_total": total,
            "sip_code": how.sip_code,
            "call_id": f"{order.joins or order.fax_id}@far",
            "remote_station_id": "FAR" if how.reached else "",
        }
        if how.success:
            values |= {"success": True, "status": "SUCCESS", "error": "NO_ERROR", "result_code": 0}
        elif pages:
            values |= {"bitrate": 14400}
        self._report(wire.Ended(order.fax_id, FaxResult(**{**result.__dict__, **values}), order.uri))


def _context(order: wire.PlaceCall) -> FaxContext:
    return FaxContext(
        fax_id=order.fax_id,
        direction=order.settings.direction,
        outgoing=True,
        session_number=1,
        unique_id="1.1",
        channel="x",
    )
