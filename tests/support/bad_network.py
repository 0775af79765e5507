# SPDX-License-Identifier: GPL-2.0-or-later
"""A bad network on loopback between a softfax and another machine: SIP passes whole, their media as `Damage` says.

Each side sees the other at the network's own ports, also in SDP and Contact, so that requests of either come by here.
"""

from __future__ import annotations

import asyncio
import random
import re
from dataclasses import dataclass
from typing import Any, cast

from softfax.impair.relay import Damage, OneWay

__all__ = ["BadNetwork"]

HOST = "127.0.0.1"
_MEDIA = re.compile(r"^(m=(?:audio|image) )(\d+)(?= )", re.M)


class _Socket(asyncio.DatagramProtocol):
    def __init__(self, take: Any) -> None:
        self.take = take
        self.port = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)
        self.port = self.transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.take(data, addr[1])


async def _bound(take: Any) -> _Socket:
    _, opened = await asyncio.get_running_loop().create_datagram_endpoint(lambda: _Socket(take), local_addr=(HOST, 0))
    return opened


@dataclass
class _Port:
    """A port of the network that stands for one of the far side's: what comes in goes there, from the other port of the pair."""

    socket: _Socket
    target: int = 0


class BadNetwork:
    """The network before the machine at `port`: `async with BadNetwork(port, damage, seed) as network`, and call `network.port`.

    For calls of that machine, `towards` gives a port at which a softfax is called by way of the network.
    """

    def __init__(self, port: int, damage: Damage, seed: int) -> None:
        self._far_port = port
        chance = random.Random(seed)
        self.ways = OneWay(damage, chance), OneWay(damage, chance)
        self._open: list[_Socket] = []
        self._tasks: set[asyncio.Task[None]] = set()
        #: Media of each side, by the port that its SDP names: the port that stands for it.
        self._media: tuple[dict[int, _Port], dict[int, _Port]] = {}, {}
        self._unpaired: tuple[list[_Port], list[_Port]] = [], []
        self._near_port = 0

    async def __aenter__(self) -> BadNetwork:
        self._sip = await self._socket(self._from_near), await self._socket(self._from_far)
        return self

    async def __aexit__(self, *exc: object) -> None:
        for one in self._open:
            one.transport.close()

    @property
    def port(self) -> int:
        """Port that is called in place of the other machine."""
        return self._sip[0].port

    def towards(self, near_port: int) -> int:
        """Return the port that the other machine calls in place of a softfax."""
        self._near_port = near_port
        return self._sip[1].port

    async def _socket(self, take: Any) -> _Socket:
        opened = await _bound(take)
        self._open.append(opened)
        return opened

    # Messages are passed in order: opening a port for media takes a moment.

    def _from_near(self, data: bytes, source: int) -> None:
        self._near_port = source
        self._pass(data, 0)

    def _from_far(self, data: bytes, source: int) -> None:
        del source
        self._pass(data, 1)

    def _pass(self, data: bytes, side: int) -> None:
        before = tuple(self._tasks)
        task = asyncio.ensure_future(self._sent(data, side, before))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _sent(self, data: bytes, side: int, before: tuple[asyncio.Task[None], ...]) -> None:
        if before:
            await asyncio.wait(before)
        head, gap, body = data.decode("utf-8", "surrogateescape").partition("\r\n\r\n")
        near, far = self._near_port, self._far_port
        ours = self._sip[1 - side].port
        # What each says of itself becomes the network's other side, and what it says of the network the other machine.
        mine, theirs = (near, far) if side == 0 else (far, near)
        stands_for_it = self._sip[side].port
        head = re.sub(rf"{HOST}:{mine}\b", f"{HOST}:\0{ours}", head)
        head = re.sub(rf"{HOST}:{stands_for_it}\b", f"{HOST}:{theirs}", head).replace("\0", "")
        if body.startswith("v="):
            for port in {int(found[2]) for found in _MEDIA.finditer(body)} - {0}:
                await self._stand_for(port, side)
            body = _MEDIA.sub(
                lambda m: m[1] + (str(self._media[side][int(m[2])].socket.port) if m[2] != "0" else "0"), body
            )
            head = re.sub(r"(?mi)^(Content-Length\s*:\s*)\d+", rf"\g<1>{len(body.encode())}", head)
        self._sip[1 - side].transport.sendto((head + gap + body).encode("utf-8", "surrogateescape"), (HOST, theirs))

    async def _stand_for(self, port: int, side: int) -> None:
        """A port that stands for one of a side's, and its pair on the other side, for what the other side names next."""
        if port in self._media[side]:
            return
        if self._unpaired[side]:
            stand = self._unpaired[side].pop(0)
        else:
            stand, other = _Port(await self._socket(None)), _Port(await self._socket(None))
            stand.socket.take = lambda data, source: self._media_from(1 - side, data, stand, other)
            other.socket.take = lambda data, source: self._media_from(side, data, other, stand)
            self._unpaired[1 - side].append(other)
        stand.target = port
        self._media[side][port] = stand

    def _media_from(self, side: int, data: bytes, at: _Port, out: _Port) -> None:
        """Pass on media from `side`, at the port that stands for the other side's, from the port that stands for this side's."""
        if not at.target:
            return
        loop = asyncio.get_running_loop()
        for delay_s in self.ways[side].delays(loop.time()):
            loop.call_later(delay_s, self._send, out, data, at.target)

    @staticmethod
    def _send(out: _Port, data: bytes, port: int) -> None:
        if not out.socket.transport.is_closing():
            out.socket.transport.sendto(data, (HOST, port))
