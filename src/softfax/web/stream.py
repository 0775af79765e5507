# SPDX-License-Identifier: GPL-2.0-or-later
"""Server-sent events: what happened since an event's number, then what happens, each event once and in order."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Any

from pydantic_core import to_json
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from softfax.asjson import without_paths
from softfax.model import FaxUpdate
from softfax.web.problems import Problem
from softfax.web.seam import EventLogLike, LoggedEventLike, StationLike

__all__ = ["EventStream", "Streams"]

log = logging.getLogger("softfax.web")

HEARTBEAT_S = 15.0
#: What may wait for a client that does not read; then it is dropped, connects again, and gets what it missed.
WAITING_MAX = 2000
SEND_S = 20.0
BATCH = 500
RETRY_MS = 1000
#: Then it ends, and who connects again shows anew that they may.
LIFE_S = 3600.0


class Streams:
    """The streams that are open: how many there may be, and their end."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._open: set[EventStream] = set()

    def add(self, stream: EventStream) -> None:
        """Takes one in. Raises Problem where there are too many."""
        if len(self._open) >= self.most:
            raise Problem(
                503, "Too many event streams", f"{self.most} are open.", "Close some.", kind="streams",
                headers={"Retry-After": "30"},
            )  # fmt: skip
        self._open.add(stream)

    def remove(self, stream: EventStream) -> None:
        """Remove a subscriber whose stream has ended."""
        self._open.discard(stream)

    def __len__(self) -> int:
        return len(self._open)

    def close(self) -> None:
        """End all streams after what they have."""
        for stream in list(self._open):
            stream.end()


class EventStream(Response):
    """One stream. `after` is the number of the last event the client has, None for none."""

    media_type = "text/event-stream"

    def __init__(
        self,
        streams: Streams,
        events: EventLogLike,
        station: StationLike,
        *,
        after: int | None,
        fax_id: str = "",
        types: frozenset[str] = frozenset(),
        progress: bool = False,
        heartbeat_s: float = HEARTBEAT_S,
    ) -> None:
        super().__init__(headers={"X-Accel-Buffering": "no"})
        self._streams, self._events, self._station = streams, events, station
        self._after, self._fax_id, self._types, self._progress = after, fax_id, types, progress
        self._heartbeat_s = heartbeat_s
        self._waiting: deque[bytes | LoggedEventLike] = deque()
        self._wake = asyncio.Event()
        self._ended = self._lost = False
        streams.add(self)

    def end(self) -> None:
        """Ends it after what waits has been sent."""
        self._ended = True
        self._wake.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        stops: list[Callable[[], None]] = []
        gone = asyncio.ensure_future(self._gone(receive))
        try:
            # First listened, then looked up what was before: nothing falls between.
            stops.append(self._events.subscribe(self._take))
            if self._progress:
                stops.append(self._station.watch_progress(self._take_progress))
            begin = self._events.last_id
            headers = [pair for pair in self.raw_headers if pair[0] != b"content-length"]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            # A new client gets the current number, to resume there should the stream break before an event.
            here = f"id: {begin}\n" if self._after is None else ""
            await self._send(send, f"{here}retry: {RETRY_MS}\n\n".encode())
            last = await self._replay(send)
            await self._live(send, last)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except TimeoutError:
            log.info("an event stream was dropped: its client does not read")
            if abort := scope.get("softfax.abort"):
                abort()
                await asyncio.wait([gone], timeout=1.0)
        finally:
            for stop in stops:
                stop()
            self._streams.remove(self)
            gone.cancel()

    async def _gone(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._lost = True
        self._wake.set()

    # ---- what comes in ------------------------------------------------------------------------------------------

    def _take(self, event: LoggedEventLike) -> None:
        if self._wanted(event):
            self._put(event)

    def _take_progress(self, update: FaxUpdate) -> None:
        fax_id = update.context.fax_id
        if self._fax_id in ("", fax_id):
            body = update.event.to_json() | {"fax_id": fax_id}
            # Progress is of the moment: who is behind does without.
            if len(self._waiting) < WAITING_MAX // 2:
                self._put(_frame(None, "progress", body))

    def _put(self, what: bytes | LoggedEventLike) -> None:
        if len(self._waiting) >= WAITING_MAX:
            self._lost = True
        else:
            self._waiting.append(what)
        self._wake.set()

    def _wanted(self, event: LoggedEventLike) -> bool:
        return self._fax_id in ("", event.fax_id) and (not self._types or event.event.get("event") in self._types)

    # ---- what goes out ------------------------------------------------------------------------------------------

    async def _replay(self, send: Send) -> int:
        """Sends what came after the client's last event; the number up to which everything has been sent."""
        if self._after is None:
            return 0
        # A number from before the station's events began anew stands for now.
        last = min(self._after, self._events.last_id)
        while not self._lost and not self._ended:
            # Also those that are not on disk yet.
            batch = await self._events.since(last, BATCH, self._fax_id)
            if batch:
                wanted = [_frame_of(event) for event in batch if self._wanted(event)]
                last = batch[-1].id
                if wanted:
                    await self._send(send, b"".join(wanted))
            if len(batch) < BATCH:
                break
        return last

    async def _live(self, send: Send, last: int) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + LIFE_S
        while not self._lost and loop.time() < until:
            if not self._waiting:
                if self._ended:
                    return
                self._wake.clear()
                try:
                    async with asyncio.timeout(self._heartbeat_s):
                        await self._wake.wait()
                except TimeoutError:
                    await self._send(send, b": here\n\n")
                continue
            pieces: list[bytes] = []
            while self._waiting and len(pieces) < BATCH:
                what = self._waiting.popleft()
                if isinstance(what, bytes):
                    pieces.append(what)
                elif what.id > last:
                    last = what.id
                    pieces.append(_frame_of(what))
            if pieces:
                await self._send(send, b"".join(pieces))

    async def _send(self, send: Send, data: bytes) -> None:
        """Raises TimeoutError where the client does not read."""
        async with asyncio.timeout(SEND_S):
            await send({"type": "http.response.body", "body": data, "more_body": True})


def _frame_of(event: LoggedEventLike) -> bytes:
    return _frame(event.id, str(event.event.get("event", "message")), without_paths(event.event))


def _frame(number: int | None, kind: str, body: Any) -> bytes:
    head = f"id: {number}\n" if number is not None else ""
    return f"{head}event: {kind}\ndata: ".encode() + to_json(body) + b"\n\n"
