# SPDX-License-Identifier: GPL-2.0-or-later
"""One connection of the manager interface: its login, its mask, and what is sent to it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any

from softfax.ami.access import Permission
from softfax.ami.auth import User
from softfax.ami.channel import AmiEvent
from softfax.ami.filters import Filter
from softfax.ami.wire import Action, Fields, encode

__all__ = ["Client"]


class Client:
    """A client that is connected. Nothing sent here waits: who does not read what is sent is disconnected."""

    def __init__(self, writer: asyncio.StreamWriter, host: str, queue_octets: int) -> None:
        self.host = host
        self.user: User | None = None
        self.mask = Permission.ALL
        self.challenge = ""
        self.closing = False
        #: Set once the client has been dropped for not reading.
        self.overrun = False
        #: Filters of its own: whether what matches is wanted, and what matches.
        self.filters: list[Filter] = []
        #: Set while there are events for a client that waits for one.
        self.held_any = asyncio.Event()
        self._held: list[bytes] | None = None
        self._waiting: asyncio.Task[None] | None = None
        self._writer = writer
        self._queue_octets = queue_octets

    @property
    def name(self) -> str:
        """Name for the log."""
        return f"{self.user.name}@{self.host}" if self.user else self.host

    def may(self, needed: Permission) -> bool:
        """Return True if the user may use an action that needs one of these classes."""
        return not needed or (self.user is not None and bool(needed & self.user.write))

    def wants(self, event: AmiEvent) -> bool:
        """Return True if the user may see the event and the event mask lets it through."""
        return self.user is not None and event.classes in (self.user.read & self.mask)

    def passes(self, data: bytes) -> bool:
        """Return True if its filters let an event through: one that wants it, if there are such, and none that does not."""
        if not self.filters:
            return True
        text = data.decode("utf-8", "surrogateescape")
        hits = [one.wanted for one in self.filters if one.matches(text)]
        return False not in hits and (True in hits or not any(one.wanted for one in self.filters))

    # ---- waiting for an event -----------------------------------------------------------------------------------------

    def wait(self, waiting: Coroutine[Any, Any, None]) -> None:
        """Wait beside what the client does next, which ends that."""
        self._waiting = asyncio.ensure_future(waiting)

    async def stop_waiting(self) -> None:
        """Have it answer now."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self.held_any.set()
            await waiting

    def hold(self) -> None:
        """Hold events from now on."""
        self._held = []
        self.held_any.clear()

    def let_go(self) -> None:
        """Send what was held, and hold no more."""
        held, self._held = self._held or [], None
        for data in held:
            self.send(data)

    def gone(self) -> None:
        """The connection is closed."""
        if self._waiting is not None:
            self._waiting.cancel()

    # ---- sending ------------------------------------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """Queues octets, or drops the client if too many wait already."""
        if self.closing or self._writer.is_closing():
            return
        if self._writer.transport.get_write_buffer_size() + len(data) > self._queue_octets:
            self.overrun = True
            self.drop()
            return
        self._writer.write(data)

    def drop(self) -> None:
        """Disconnects at once."""
        self.closing = True
        self._writer.transport.abort()

    def push(self, event: AmiEvent) -> None:
        """Sends an event the client wants."""
        if self.wants(event):
            self.hear(encode(event.message()))

    def hear(self, data: bytes) -> None:
        """Send an event, or hold it, if the filters let it through."""
        if not self.passes(data):
            return
        if self._held is None:
            self.send(data)
            return
        self._held.append(data)
        self.held_any.set()

    def respond(self, action: Action, response: str, *fields: tuple[str, str]) -> None:
        """The answer to an action: `Response`, `ActionID` if there was one, then `fields`."""
        self.send(encode([("Response", response), *action.id_line, *fields]))

    def success(self, action: Action, message: str) -> None:
        """`Response: Success` with a message."""
        self.respond(action, "Success", ("Message", message))

    def error(self, action: Action, message: str) -> None:
        """`Response: Error` with a message."""
        self.respond(action, "Error", ("Message", message))

    def reply_event(self, action: Action, name: str, *fields: tuple[str, str]) -> None:
        """An event that answers an action: no Privilege line."""
        self.send(encode([("Event", name), *action.id_line, *fields]))

    def reply_list(
        self,
        action: Action,
        message: str,
        entries: Iterable[Fields],
        complete: str,
        *,
        start: str = "Start",
        extra: str = "",
        more: Iterable[tuple[str, str]] = (),
    ) -> None:
        """An answer that is a list: the response, its events, the event that ends it."""
        self.respond(action, "Success", ("EventList", start), ("Message", message))
        count = 0
        for entry in entries:
            self.send(encode(entry))
            count += 1
        fields = [("EventList", "Complete"), ("ListItems", str(count))]
        if extra:
            fields.append((extra, str(count)))
        self.reply_event(action, complete, *fields, *more)
