# SPDX-License-Identifier: GPL-2.0-or-later
"""A small asyncio client of the Asterisk Manager Interface, enough to place calls and to hear how faxes ended."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping
from contextlib import suppress

__all__ = ["Ami", "Message"]

Message = dict[str, str]
Match = Callable[[Message], bool]


class Ami:
    """One logged-in connection. `history` holds all events since login, oldest first."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.history: list[Message] = []
        self._reader = reader
        self._writer = writer
        self._waiting: list[tuple[Match, asyncio.Future[Message]]] = []
        self._ids = itertools.count(1)
        self._task: asyncio.Task[None] | None = None

    @classmethod
    async def connect(cls, port: int, user: str, secret: str, *, events: str = "call,user,system") -> Ami:
        """Logs in at 127.0.0.1:`port`; `events` is the AMI event mask. Raises OSError or PermissionError."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        ami = cls(reader, writer)
        await reader.readline()  # the banner
        ami._task = asyncio.create_task(ami._read())
        answer = await ami.action("Login", Username=user, Secret=secret, Events=events)
        if answer.get("Response") != "Success":
            await ami.close()
            raise PermissionError(answer.get("Message", "login refused"))
        return ami

    async def close(self) -> None:
        if self._task:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()

    def expect(self, match: Match) -> asyncio.Future[Message]:
        """A future of the next message that matches; ask for it before doing what causes the message."""
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._waiting.append((match, future))
        return future

    async def action(
        self, name: str, variables: Mapping[str, str] | None = None, *, limit_s: float = 60, **fields: str
    ) -> Message:
        """Sends an action and returns its response."""
        action_id = fields.setdefault("ActionID", f"a{next(self._ids)}")
        lines = [f"Action: {name}", *(f"{key}: {value}" for key, value in fields.items())]
        lines += [f"Variable: {key}={value}" for key, value in (variables or {}).items()]
        answer = self.expect(lambda m: "Response" in m and m.get("ActionID") == action_id and "Event" not in m)
        self._writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        return await asyncio.wait_for(answer, limit_s)

    async def command(self, line: str) -> str:
        """One command of Asterisk's console, and what it printed."""
        return (await self.action("Command", Command=line)).get("Output", "")

    async def _read(self) -> None:
        try:
            while True:
                block = (await self._reader.readuntil(b"\r\n\r\n")).decode("utf-8", "replace")
                self._dispatch(_parse(block))
        except (asyncio.IncompleteReadError, OSError):
            for _, future in self._waiting:
                if not future.done():
                    future.set_exception(ConnectionError("the manager connection is gone"))

    def _dispatch(self, message: Message) -> None:
        if "Event" in message:
            self.history.append(message)
        self._waiting = [(match, future) for match, future in self._waiting if not future.done()]
        for match, future in self._waiting:
            if match(message):
                future.set_result(message)


def _parse(block: str) -> Message:
    message: Message = {}
    for line in block.strip("\r\n").split("\r\n"):
        key, _, value = line.partition(":")
        if key == "Output" and key in message:
            message[key] += "\n" + value.strip()
        else:
            message[key] = value.strip()
    return message
