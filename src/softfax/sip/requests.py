# SPDX-License-Identifier: GPL-2.0-or-later
"""Requests of accounts that are no calls: REGISTER, and OPTIONS that ask whether a server is there. On the loop.

Nothing is tried again here but at another server of the same name (RFC 3263 §4.3); when, is the owner's to decide.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from softfax.reasons import REASON_REMEDIES
from softfax.sipstatus import status

if TYPE_CHECKING:
    from softfax.sip.stack import Stack

__all__ = ["RequestAnswer", "Requests"]

log = logging.getLogger("softfax.sip")

#: Servers of one name that are asked one after the other.
SERVERS_MAX = 8


@dataclass(frozen=True)
class RequestAnswer:
    """Answer to a request. One that is not `answered` is ours: no response came (408), or nothing could be sent, and why.

    `expires_s` is for how long a registration holds (0 of a 200: it registers nothing, for `reason`), `retry_after_s` when the
    server wants to be asked again, `target` where a redirection leads to,
    `unanswered` why its challenge got no answer.
    """

    code: int
    reason: str = ""
    expires_s: int = 0
    retry_after_s: int = 0
    answered: bool = True
    target: str = ""
    unanswered: str = ""

    @property
    def of_server(self) -> bool:
        """True if another server may answer otherwise."""
        return not self.answered or status(self.code).gone


class Requests:
    """REGISTER and OPTIONS under way. `version(name)` is that of IP by which an account's server is asked, `another(name)` tells
    whether one is left that has not failed.
    """

    def __init__(
        self,
        post: Callable[[Callable[[Stack], None]], None],
        version: Callable[[str], Awaitable[int]],
        another: Callable[[str], bool],
    ) -> None:
        self._post = post
        self._version = version
        self._another = another
        self._asked: dict[str | int, asyncio.Future[RequestAnswer]] = {}
        self._probe_count = 0

    async def register(self, name: str, wanted: bool, timeout_s: float) -> RequestAnswer:
        """Registers an account, or takes its registration back."""
        return await self._at_servers(name, "REGISTER", lambda: self._register(name, wanted, timeout_s), wanted)

    async def probe(self, name: str, timeout_s: float) -> RequestAnswer:
        """Asks the server of an account whether it is there, by OPTIONS (RFC 3261 §11); 408 for no answer."""
        return await self._at_servers(name, "OPTIONS", lambda: self._probe(name, timeout_s))

    async def _at_servers(
        self, name: str, method: str, ask: Callable[[], Awaitable[RequestAnswer]], again: bool = True
    ) -> RequestAnswer:
        """The first answer of an account's servers that is no failure of that server's, or the last."""
        answer = await ask()
        for _ in range(SERVERS_MAX - 1):
            if not again or not answer.of_server or not self._another(name):
                break
            log.warning("account %s: %s (%s); the next server is asked", name, method, _shown(answer))
            answer = await ask()
        return answer

    async def _register(self, name: str, wanted: bool, timeout_s: float) -> RequestAnswer:
        with self._awaited(name) as asked:
            version = await self._version(name) if wanted else 0
            self._post(lambda stack: stack.pj_accounts.register(name, wanted, version))
            return await _answer(asked, timeout_s, "no answer")

    async def _probe(self, name: str, timeout_s: float) -> RequestAnswer:
        self._probe_count = token = self._probe_count % 0x7FFFFFFF + 1
        with self._awaited(token) as asked:
            version = await self._version(name)
            self._post(lambda stack: stack.options(name, token, version))
            return await _answer(asked, timeout_s)

    @contextlib.contextmanager
    def _awaited(self, key: str | int) -> Iterator[asyncio.Future[RequestAnswer]]:
        asked = self._asked[key] = asyncio.get_running_loop().create_future()
        try:
            yield asked
        finally:
            if self._asked.get(key) is asked:
                del self._asked[key]

    def answered(self, key: str | int, answer: RequestAnswer) -> None:
        """A REGISTER of an account, by its name, or OPTIONS, by their token, were answered, or have failed."""
        asked = self._asked.get(key)
        if asked is not None and not asked.done():
            asked.set_result(answer)


async def _answer(asked: asyncio.Future[RequestAnswer], timeout_s: float, why: str = "") -> RequestAnswer:
    try:
        return await asyncio.wait_for(asked, timeout_s)
    except TimeoutError:
        return RequestAnswer(408, why, answered=False)


def _shown(answer: RequestAnswer) -> str:
    """An answer for the log."""
    if not answer.answered and (answer.reason in REASON_REMEDIES or not answer.code):
        return answer.reason
    return f"{answer.code} {answer.reason or status(answer.code).phrase}".strip()
