# SPDX-License-Identifier: GPL-2.0-or-later
"""Ports of a fax session: its call, its engine session, time; and the media that the call brings."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from softfax.engine.core import RedSettings, UdptlSettings
from softfax.engine.srtp import SrtpSettings

__all__ = ["AudioPath", "CallPort", "EnginePort", "Scheduler", "T38Path", "Timer", "Timers"]

log = logging.getLogger("softfax.fax")


@dataclass(frozen=True)
class AudioPath:
    """Audio as negotiated: a bound socket (ours from here on) and where the far end listens."""

    fd: int
    remote: tuple[str, int]
    codec: str
    payload_type: int
    ptime_ms: int = 20
    red: RedSettings | None = None
    srtp: SrtpSettings | None = None

    def start(self, engine: EnginePort) -> None:
        """Runs T.30 on it."""
        engine.start_audio(
            self.fd,
            self.remote,
            codec=self.codec,
            payload_type=self.payload_type,
            ptime_ms=self.ptime_ms,
            red=self.red,
            srtp=self.srtp,
        )

    def close(self) -> None:
        """Gives the socket up unused."""
        _close(self.fd)


@dataclass(frozen=True)
class T38Path:
    """T.38 as negotiated: a bound socket (ours from here on), where the far end listens, how to send."""

    fd: int
    remote: tuple[str, int]
    udptl: UdptlSettings

    def close(self) -> None:
        """Gives the socket up unused."""
        _close(self.fd)


class CallPort(Protocol):
    """The SIP call as a fax uses it. All methods return at once."""

    @property
    def call_id(self) -> str: ...
    def offer_t38(self) -> None: ...
    def stay_in_audio(self, fixed: bool) -> None: ...
    def hangup(self) -> None: ...


class EnginePort(Protocol):
    """The engine session as a fax uses it (`softfax.engine.EngineSession`)."""

    def start_audio(
        self,
        fd: int,
        remote: tuple[str, int],
        *,
        codec: str,
        payload_type: int,
        ptime_ms: int,
        red: RedSettings | None = None,
        srtp: SrtpSettings | None = None,
    ) -> None: ...
    def start_t38(self, fd: int, remote: tuple[str, int], udptl: UdptlSettings) -> None: ...
    def hold(self, held: bool) -> None: ...
    def cancel(self) -> None: ...
    def stop_media(self) -> None: ...


class Timer(Protocol):
    """A pending call of a scheduler."""

    def cancel(self) -> None: ...


class Scheduler(Protocol):
    """Time: an asyncio loop in earnest, a fake one in tests."""

    def time(self) -> float: ...
    def call_later(self, delay: float, callback: Callable[[], object], /) -> Timer: ...


def _close(fd: int) -> None:
    try:
        os.close(fd)
    except OSError:
        log.debug("a media socket was closed twice")


class Timers:
    """Timers of one owner, by name: one that is started again begins anew."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._timers: dict[str, Timer] = {}

    def start(self, name: str, delay_s: float, callback: Callable[[], object]) -> None:
        """Call back in so many seconds."""
        self.stop(name)
        self._timers[name] = self._scheduler.call_later(delay_s, callback)

    def stop(self, *names: str) -> None:
        """Stop these; all where none is named."""
        for name in names or tuple(self._timers):
            if (timer := self._timers.pop(name, None)) is not None:
                timer.cancel()
