# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls between what had them and a fax: given away with their media, or kept up after a fax for another one."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass, replace

from softfax.fax.media import UdptlSockets
from softfax.sip.call import Call, IncomingCall
from softfax.sip.types import AudioMedia, T38Media, T38Policy

__all__ = ["KeptCall", "TakenCall"]

#: A call is kept so long without another fax.
KEPT_S = 90.0
#: A far end that hangs up after its fax has done so by then.
STAYS_UP_S = 3.0
#: The re-INVITE back to audio is the caller's; the answerer waits so long for it before it makes its own.
AUDIO_S = 4.0


@dataclass
class TakenCall:
    """A call that becomes a fax's, with its media so far, all of them given away.

    `asked`: it has been answered by us, or was placed by us; `answered`: and that is acknowledged.
    """

    call: Call
    udptl: UdptlSockets | None
    audio: AudioMedia | None
    t38: T38Media | None
    answered: bool
    asked: bool = False

    def forget_audio(self) -> None:
        """Give the audio up."""
        if self.audio is not None:
            os.close(self.audio.fd)
            self.audio = None

    def close(self) -> None:
        """Give all its media up."""
        self.forget_audio()
        if self.udptl is not None:
            self.udptl.close()


class KeptCall:
    """A call that stays up after its fax. Implements the call handler of `softfax.sip`; `on_end` is called when it is gone."""

    def __init__(self, taken: TakenCall, policy: T38Policy) -> None:
        self._taken: TakenCall | None = taken
        self.call = call = taken.call
        self.on_end: Callable[[], None] = lambda: None
        self._loop = asyncio.get_running_loop()
        self._since_s = self._loop.time()
        self._changed = asyncio.Event()
        self._limit = self._loop.call_later(KEPT_S, self.hang_up)
        call.handler = self
        call.stay_in_audio(False)
        call.use(t38=replace(policy, local_udptl=self._local_udptl))

    @property
    def up(self) -> bool:
        """True until it ends, or is taken."""
        return self._taken is not None

    def on_state(self, call: Call, state: str, sip_code: int, reason: str) -> None:
        """The far end may hang up."""
        del call, sip_code, reason
        if state == "ended":
            self._over()

    def on_audio(self, call: Call, media: AudioMedia) -> None:
        """Audio is agreed, anew or after T.38."""
        del call
        if self._taken is None:
            os.close(media.fd)
            return
        self._taken.forget_audio()
        self._taken.audio, self._taken.t38 = media, None
        self._changed.set()

    def on_t38(self, call: Call, media: T38Media) -> None:
        """The far end has begun its next fax and offered T.38."""
        del call
        if self._taken is not None:
            self._taken.t38 = media

    def on_t38_refused(self, call: Call, sip_code: int, reason: str) -> None:
        """Do nothing: no offer of ours is under way."""

    async def take(self) -> TakenCall | None:
        """The call for the next fax, in audio as a call begins, where the far end goes back to it; None where it has ended."""
        await self._wait(self._since_s + STAYS_UP_S - self._loop.time(), lambda: not self.up)
        for offers in (not isinstance(self.call, IncomingCall), True):
            if self._taken is None or self._taken.t38 is None:
                break
            if offers:
                self.call.offer_audio()
            await self._wait(AUDIO_S, lambda: self._taken is None or self._taken.t38 is None)
        taken, self._taken = self._taken, None
        self._limit.cancel()
        if taken is not None:
            _empty(taken)
        return taken

    def hang_up(self) -> None:
        """Ends it."""
        if self.up:
            self.call.hangup()
            self._over()

    async def _wait(self, seconds: float, until: Callable[[], bool]) -> None:
        end = self._loop.time() + seconds
        while not until() and (left := end - self._loop.time()) > 0:
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), left)
            except TimeoutError:
                return

    def _over(self) -> None:
        taken, self._taken = self._taken, None
        self._limit.cancel()
        self._changed.set()
        if taken is not None:
            taken.close()
            self.on_end()

    def _local_udptl(self, version: int) -> tuple[str, int]:
        """Our UDPTL address; called in the thread of the user agent."""
        taken = self._taken
        if taken is None or taken.udptl is None:
            raise OSError("no UDPTL socket")
        return taken.udptl.local(version)


def _empty(taken: TakenCall) -> None:
    """Drop what has come since the fax before: it is old, and of another numbering."""
    for fd in ([taken.audio.fd] if taken.audio is not None else []) + (taken.udptl.descriptors if taken.udptl else []):
        with socket.socket(fileno=os.dup(fd)) as sock:
            for _ in range(10_000):
                try:
                    sock.recv(1, socket.MSG_DONTWAIT)
                except OSError:
                    break
