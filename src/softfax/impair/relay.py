# SPDX-License-Identifier: GPL-2.0-or-later
"""A relay of UDP between two addresses that loses, delays, repeats and reorders packets, for real faxes over a bad network."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from softfax.errors import UsageError

__all__ = ["Damage", "Relay", "RelayCounts", "relay_pair"]

Address = tuple[str, int]


@dataclass(frozen=True, kw_only=True)
class Damage:
    """Damage that a network does to packets: fractions, and times in milliseconds. With `burst_s` a loss lasts so long."""

    loss: float = 0.0
    burst_s: float = 0.0
    jitter_ms: int = 0
    delay_ms: int = 0
    duplicate: float = 0.0


@dataclass
class RelayCounts:
    """Packets one way."""

    forwarded: int = 0
    lost: int = 0
    repeated: int = 0


@dataclass
class OneWay:
    """Fate of the packets of one direction. Pure but for its chance; `delays` says when copies of a packet go on."""

    damage: Damage
    chance: random.Random
    counts: RelayCounts = field(default_factory=RelayCounts)
    lost_until_s: float = 0.0

    def delays(self, now_s: float) -> list[float]:
        """Seconds after which each copy of a packet goes on; none where it is lost."""
        damage = self.damage
        if now_s < self.lost_until_s or self.chance.random() < damage.loss:
            if now_s >= self.lost_until_s:
                self.lost_until_s = now_s + damage.burst_s
            self.counts.lost += 1
            return []
        copies = 1 + (self.chance.random() < damage.duplicate)
        self.counts.forwarded += 1
        self.counts.repeated += copies - 1
        return [(damage.delay_ms + self.chance.random() * damage.jitter_ms) / 1000 for _ in range(copies)]


class _Side(asyncio.DatagramProtocol):
    def __init__(self, take: Callable[[bytes, Address], None]) -> None:
        self._take = take
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._take(data, addr[:2])


class Relay:
    """Packets to `listen` go on to `target`, and what comes back from there to the last source of those."""

    def __init__(self, listen: Address, target: Address, damage: Damage, seed: int) -> None:
        self._listen, self._target = listen, target
        self._near: Address | None = None
        chance = random.Random(seed)
        self.out, self.back = OneWay(damage, chance), OneWay(damage, chance)
        self._front, self._rear = _Side(self._from_near), _Side(self._from_far)

    async def start(self) -> Address:
        """Opens both sockets; returns where the relay listens. Raises UsageError where that is not possible."""
        loop = asyncio.get_running_loop()
        try:
            await loop.create_datagram_endpoint(lambda: self._front, local_addr=self._listen)
            await loop.create_datagram_endpoint(lambda: self._rear, remote_addr=self._target)
        except OSError as error:
            raise UsageError(
                f"no relay from {_shown(self._listen)} to {_shown(self._target)}: {error}", "name other addresses"
            ) from None
        assert self._front.transport is not None
        host, port, *_ = self._front.transport.get_extra_info("sockname")
        return str(host), int(port)

    def close(self) -> None:
        """Closes both sockets."""
        for side in (self._front, self._rear):
            if side.transport is not None:
                side.transport.close()

    def _from_near(self, data: bytes, source: Address) -> None:
        self._near = source
        self._forward(self.out, lambda: self._send(self._rear, data, None))

    def _from_far(self, data: bytes, _: Address) -> None:
        if self._near is not None:
            near = self._near
            self._forward(self.back, lambda: self._send(self._front, data, near))

    @staticmethod
    def _send(side: _Side, data: bytes, to: Address | None) -> None:
        if side.transport is not None and not side.transport.is_closing():
            side.transport.sendto(data, to)

    @staticmethod
    def _forward(way: OneWay, send: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        for delay_s in way.delays(loop.time()):
            if delay_s:
                loop.call_later(delay_s, send)
            else:
                send()


def _shown(address: Address) -> str:
    return f"{address[0]}:{address[1]}"


def relay_pair(text: str) -> tuple[Address, Address]:
    """The two addresses of HOST:PORT=HOST:PORT. Raises UsageError."""
    near, equals, far = text.partition("=")
    found = []
    for one in (near, far):
        host, colon, port = one.strip().rpartition(":")
        if not (equals and colon and host and port.isdecimal() and int(port) < 65536):
            raise UsageError(f"not a relay: {text!r}", "write LISTEN_HOST:PORT=TARGET_HOST:PORT")
        found.append((host.strip("[]"), int(port)))
    return found[0], found[1]
