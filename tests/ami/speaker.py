# SPDX-License-Identifier: GPL-2.0-or-later
"""A client of the manager interface that sends exactly what it is told and keeps all that it hears, in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

__all__ = ["End", "Message", "Speaker", "get"]

_connecting = asyncio.Semaphore(4)

#: The lines of a message: key and value, in order.
Message = list[tuple[str, str]]


def get(message: Message, key: str) -> str:
    """The first value of `key`; empty where there is none."""
    return next((value for name, value in message if name == key), "")


@dataclass(frozen=True)
class End:
    """A server to talk to, Asterisk or softfax, and what a script needs to name there."""

    name: str
    port: int
    user: str
    secret: str
    sip_port: int
    folder: str
    """Where the documents are, as this server names it."""

    def channel(self, extension: str) -> str:
        """The channel that calls an extension of the Asterisk peer."""
        return f"PJSIP/out/sip:{extension}@127.0.0.1:{self.sip_port}"


class Speaker:
    """One connection. `heard` is everything since it was made, the banner first as a message of one line."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heard: list[Message] = []
        self.closed = False
        self._reader, self._writer = reader, writer
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @classmethod
    async def connect(cls, port: int) -> Speaker:
        """Connects to 127.0.0.1 and waits for the banner."""
        # Asterisk listens with a backlog of ten: beyond that a connection stands and nobody answers for seconds.
        async with _connecting:
            speaker = cls(*await asyncio.open_connection("127.0.0.1", port))
            banner = (await asyncio.wait_for(speaker._reader.readline(), 30)).decode()
        assert banner.endswith("\r\n")
        speaker.heard.append([("", banner.rstrip())])
        speaker._task = asyncio.create_task(speaker._read())
        return speaker

    @classmethod
    async def login(cls, end: End, events: str) -> Speaker:
        """Connects and logs in with an event mask."""
        speaker = await cls.connect(end.port)
        answer = await speaker.ask(Action="Login", Username=end.user, Secret=end.secret, Events=events)
        assert get(answer, "Message") == "Authentication accepted"
        return speaker

    async def close(self) -> None:
        """Hangs up."""
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()
        if self._task:
            await self._task

    def write(self, octets: bytes) -> None:
        """Sends octets as they are."""
        self._writer.write(octets)

    async def ask(self, *lines: str, **headers: str) -> Message:
        """Sends an action (headers, then further lines as they are) and returns the next response."""
        before = len(self.heard)
        text = "".join(f"{key}: {value}\r\n" for key, value in headers.items())
        self.write((text + "".join(f"{line}\r\n" for line in lines) + "\r\n").encode())
        return await self.expect(lambda m: m[0][0] == "Response", after=before)

    async def expect(self, match: Callable[[Message], bool], *, after: int = 0, limit_s: float = 90) -> Message:
        """The first message that matches among those from number `after` on."""
        async with asyncio.timeout(limit_s):
            while True:
                found = next((m for m in self.heard[after:] if match(m)), None)
                if found:
                    return found
                self._news.clear()
                await self._news.wait()

    async def quiet(self, seconds: float) -> list[Message]:
        """All there is once nothing has come for a while, or the server has hung up."""
        while not self.closed:
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), seconds)
            except TimeoutError:
                break
        return self.heard

    async def _read(self) -> None:
        with suppress(asyncio.IncompleteReadError, OSError):
            while True:
                block = await self._reader.readuntil(b"\r\n\r\n")
                lines = block.decode("utf-8", "surrogateescape").removesuffix("\r\n\r\n").split("\r\n")
                self.heard.append([_field(line) for line in lines])
                self._news.set()
        self.closed = True
        self._news.set()


def _field(line: str) -> tuple[str, str]:
    # Exactly one blank after the colon: what follows is the value, blanks included.
    key, colon, value = line.partition(": ")
    return (key, value) if colon else ("", line)
