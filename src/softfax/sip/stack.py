# SPDX-License-Identifier: GPL-2.0-or-later
"""The thread that owns PJSIP: its commands, and what its callbacks say, handed to the event loop as plain data."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from softfax.errors import NativeError, SoftfaxError
from softfax.reasons import NO_ROUTE
from softfax.sip.binding import library_path, pj, status_reason
from softfax.sip.glue import Glue, GlueEvent, GlueEventType
from softfax.sip.listening import Listening, host_port, shown
from softfax.sip.pj_accounts import PjAccounts, port_of, server_uri
from softfax.sip.pj_call import PjEndpoint
from softfax.sip.pj_calls import PjCalls
from softfax.sip.redact import redact
from softfax.sip.requests import RequestAnswer
from softfax.sip.starting import EADDRINUSE, ERRNO_BASE, raise_file_limit, start_error, user_agent
from softfax.sip.types import SipConfig

if TYPE_CHECKING:
    from softfax.sip.agent import UserAgent

__all__ = ["Stack"]

log = logging.getLogger("softfax.sip")

RUN_MS = 10_000
PORT_TRIES = 16
_running = threading.Lock()


class Stack:
    """PJSIP with its accounts and calls."""

    def __init__(self, config: SipConfig, listening: Listening) -> None:
        self.config = config
        #: What is listened on; with the ports in use once it has started.
        self.bound = dict(listening)
        self.agent: UserAgent
        self.glue = Glue(library_path)
        self.pj_accounts = PjAccounts(
            config, self.glue, lambda pj_account, prm: self.calls.on_incoming(pj_account, prm), self._on_registration
        )
        self.calls = PjCalls(self)
        self._commands: deque[Callable[[Stack], None]] = deque()
        self._thread: threading.Thread | None = None
        self._opening = ""
        self._ready: Future[None] = Future()
        self._stopping = False

    # ---- life ---------------------------------------------------------------------------------------------------

    async def start(self, agent: UserAgent) -> None:
        """Starts the thread and waits until it listens."""
        self.agent = agent
        if not _running.acquire(blocking=False):
            raise NativeError("a SIP user agent runs in this process already", "close it first, or use another process")
        self._thread = threading.Thread(target=self._main, name="softfax-sip", daemon=True)
        self._thread.start()
        await asyncio.wrap_future(self._ready)

    async def stop(self) -> None:
        """Unregisters, ends PJSIP and the thread."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._stopping = True
            self.glue.wake()
            await asyncio.to_thread(thread.join)
            _running.release()

    def post(self, command: Callable[[Stack], None]) -> None:
        """Queues a command for the SIP thread."""
        self.later(command)
        self.glue.wake()

    def later(self, command: Callable[[Stack], None]) -> None:
        """Queues a command from the SIP thread itself."""
        self._commands.append(command)

    async def ask(self, command: Callable[[Stack], None]) -> None:
        """Runs a command in the SIP thread and waits for it. Raises what it raises."""
        done: Future[None] = Future()

        def run(stack: Stack) -> None:
            try:
                command(stack)
            except BaseException as error:
                done.set_exception(error)
            else:
                done.set_result(None)

        self.post(run)
        await asyncio.wrap_future(done)

    def _main(self) -> None:
        self.glue.quiet()
        endpoint = PjEndpoint(self.pj_accounts)
        try:
            self._open(endpoint)
        except BaseException as error:
            self._close(endpoint)
            listen = self._opening or shown(self.bound.values())
            self._ready.set_exception(error if isinstance(error, SoftfaxError) else start_error(error, listen))
            return
        self._ready.set_result(None)
        while not self._stopping:
            while self._commands:
                self._run_command(self._commands.popleft())
            self.glue.run(RUN_MS)
        while self._commands:
            self._run_command(self._commands.popleft())
        self._close(endpoint)

    def _run_command(self, command: Callable[[Stack], None]) -> None:
        try:
            command(self)
        except pj.Error as error:
            log.warning("SIP: %s", error.reason)
        except Exception:
            log.exception("a SIP command failed")

    def _open(self, endpoint: Any) -> None:
        raise_file_limit()
        endpoint.libCreate()
        ep = pj.EpConfig()
        ep.logConfig.level = ep.logConfig.consoleLevel = 0
        ep.logConfig.msgLogging = 0
        ep.uaConfig.threadCnt = 0
        ep.uaConfig.mainThreadOnly = False
        ep.uaConfig.maxCalls = self.config.max_calls
        ep.uaConfig.userAgent = self.config.user_agent or user_agent()
        ep.medConfig.clockRate = 8000
        ep.medConfig.noVad = True
        ep.medConfig.ecTailLen = 0
        ep.medConfig.threadCnt = 0
        endpoint.libInit(ep)
        if self.glue.open(trace=self.config.trace, versions=self.bound):
            raise NativeError("the SIP stack did not start: no wake-up socket")
        self.glue.limit(self.config.unacknowledged, self.config.connections)
        self.glue.set_callback(self._on_glue)
        tls_transports = {version: self._listen(endpoint, version) for version in self.bound}
        endpoint.libStart()
        self.pj_accounts.open(endpoint, self.bound, tls_transports if self.config.transport == "tls" else {})

    def _close(self, endpoint: Any) -> None:
        try:
            self.pj_accounts.close()
            endpoint.hangupAllCalls()
            while self._commands:  # calls that ended just now are to be forgotten before there is another stack
                self._run_command(self._commands.popleft())
            self.glue.close()
            endpoint.libDestroy()
        except pj.Error as error:
            log.debug("SIP shutdown: %s", error.reason)
        self.glue.set_callback(None)
        self.calls.clear()

    def _listen(self, endpoint: Any, version: int) -> int:
        """Opens transports of a version of IP; UDP and TCP at one port, so port 0 may take several tries. Returns the first."""
        host, port = self.bound[version]
        self._opening = host_port(host, port)
        kinds = ["tls"] if self.config.transport == "tls" else ["udp", "tcp"]
        for remaining in reversed(range(PORT_TRIES)):
            opened: list[int] = []
            try:
                bound = port
                for kind in kinds:
                    opened.append(int(endpoint.transportCreate(*self.pj_accounts.transport_config(kind, host, bound))))
                    bound = port_of(endpoint, opened[0])
                break
            except pj.Error as error:
                if port or not opened or not remaining or int(error.status) - ERRNO_BASE != EADDRINUSE:
                    raise
                for transport in opened:
                    endpoint.transportClose(transport)
        self.bound[version], self._opening = (host, bound), ""
        return opened[0]

    # ---- commands, in the SIP thread --------------------------------------------------------------------------------

    def options(self, name: str, token: int, version: int) -> None:
        """Asks the server of an account whether it is there, over a version of IP."""
        pj_account = self.pj_accounts.find(name, version)
        account = pj_account.account if pj_account is not None else None
        unheard = self.pj_accounts.unheard(account.proxy or account.server) if account is not None else ""
        if (
            pj_account is None
            or account is None
            or unheard
            or self.glue.options(int(pj_account.getId()), server_uri(account), token)
        ):
            self.agent.tell(
                self.agent.requests.answered, token, RequestAnswer(503, unheard or NO_ROUTE, answered=False)
            )

    # ---- callbacks, in the SIP thread -------------------------------------------------------------------------------

    def _on_registration(self, name: str, answer: RequestAnswer) -> None:
        self.agent.tell(self.agent.requests.answered, name, answer)

    def _on_glue(self, event: GlueEvent) -> None:
        tell, agent = self.agent.tell, self.agent
        if event.type is GlueEventType.MESSAGE:
            tell(agent.message, bool(event.code), f"{event.remote}:{event.port}", redact(event.remote_sdp))
        elif event.type is GlueEventType.SDP:
            self.calls.describe(event)
        elif event.type is GlueEventType.UNANSWERED:
            self.pj_accounts.unanswered(event)
        elif event.type is GlueEventType.OPTIONS:
            reason = status_reason(event.remote_sdp)
            # PJSIP's own statuses, where no server answered.
            answered = event.payload_type == 1
            answer = RequestAnswer(event.code, reason, retry_after_s=event.direction, answered=answered)
            tell(agent.requests.answered, event.call_id, answer)
        elif event.type is GlueEventType.UNREGISTERED:
            tell(agent.registration_lost, self.pj_accounts.registered_by(event.call_id), "its connection was closed")
        else:
            self.calls.glue_event(event)
