# SPDX-License-Identifier: GPL-2.0-or-later
"""The SIP user agent for asyncio. PJSIP lives in a thread of its own (`softfax.sip.stack`); nothing here blocks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from softfax.errors import SoftfaxError, UsageError
from softfax.sip.accounts import KnownAccount, check_accounts
from softfax.sip.call import Call, IncomingCall
from softfax.sip.glue import Refused
from softfax.sip.listening import by_version, listen_addresses, version_of
from softfax.sip.names import check_tls, hosts_of, known_account, numeric, towards, with_servers
from softfax.sip.requests import RequestAnswer, Requests
from softfax.sip.types import (
    CallerId,
    CallHandler,
    SipAccount,
    SipConfig,
    T38Policy,
    Transport,
    is_numeric,
    local_address_towards,
    split_uri,
)

if TYPE_CHECKING:
    from softfax.sip.stack import Stack

__all__ = ["SERVERS_MAX", "PlaceOrder", "UserAgent"]

log = logging.getLogger("softfax.sip")

#: Servers that one call is placed at, one after the other.
SERVERS_MAX = 8
LOOK_UP_AGAIN_S = 300.0
#: An answer to OPTIONS; over UDP they are said five times within it.
PROBE_S = 8.0
#: An answer to REGISTER; PJSIP gives up after 32 s.
REGISTER_S = 35.0


@dataclass(frozen=True)
class PlaceOrder:
    """Way of a call: a SIP URI, the account, and the caller to show. `again` with audio, where T.38 in the first INVITE was
    refused; it may be placed at `tries` servers. `version` is that of IP.
    """

    uri: str
    account: str = ""
    caller: CallerId | None = None
    again: bool = False
    tries: int = SERVERS_MAX
    version: int = 0


class UserAgent:
    """One SIP user agent; PJSIP allows one at a time in a process."""

    def __init__(self, config: SipConfig, stack: Stack) -> None:
        self.config = config
        self._stack = stack
        self._loop = asyncio.get_running_loop()
        self._calls: set[Call] = set()
        #: REGISTER and OPTIONS under way.
        self.requests = Requests(self.post, self._version_of, self._another_server)
        self._registered: set[str] = set()
        self._watchers: dict[str, Callable[[str], None]] = {}
        self._known: dict[str, KnownAccount] = {}
        self._looking_up: asyncio.Task[None] | None = None
        self._placing: set[asyncio.Task[None]] = set()
        self._incoming: Callable[[IncomingCall], CallHandler | int] | None = None
        self._unclaimed: list[IncomingCall] = []
        #: Set by the owner, with `SipConfig.trace`: told of every SIP message, secrets taken out (sent by us, far end, text).
        self.on_message: Callable[[bool, str, str], None] = lambda sent, far, text: None
        #: Set by the owner: takes calls that were refused before it was asked, with the SIP status and the reason.
        self.on_refused: Callable[[IncomingCall, int, str], None] = lambda call, code, why: None

    @classmethod
    async def start(cls, config: SipConfig) -> UserAgent:
        """Binds and starts. Raises PortInUseError, UsageError for a bad address or URI, NativeError."""
        from softfax.sip.stack import Stack

        listening = []
        for host, port in listen_addresses(config.listen):
            if not host:
                first = next(iter(config.accounts), None)
                host = await asyncio.to_thread(_towards, first) if first else "127.0.0.1"
            listening.append((await numeric(host), port))
        check_accounts(config.accounts)
        await asyncio.to_thread(check_tls, config)
        accounts, config = config.accounts, replace(config, accounts=())
        stack = Stack(config, by_version(listening))
        agent = cls(config, stack)
        try:
            await stack.start(agent)
            await agent.set_accounts(accounts)
            agent._looking_up = asyncio.ensure_future(agent._look_up_again())
        except BaseException:
            await stack.stop()
            raise
        return agent

    @property
    def incoming(self) -> Callable[[IncomingCall], CallHandler | int] | None:
        """Set by the owner: returns the handler of an incoming call, or the SIP status that refuses it.

        Calls that come before it is set wait for it.
        """
        return self._incoming

    @incoming.setter
    def incoming(self, decide: Callable[[IncomingCall], CallHandler | int]) -> None:
        self._incoming = decide
        unclaimed, self._unclaimed = self._unclaimed, []
        for call in unclaimed:
            if not call._ended:
                self.incoming_call(call)

    @property
    def bound_address(self) -> tuple[str, int]:
        """Address and port on which SIP listens; the first, where it listens on two."""
        return self.bound_addresses[0]

    @property
    def bound_addresses(self) -> tuple[tuple[str, int], ...]:
        """Addresses and ports on which SIP listens: one for each version of IP, in the order of the configuration."""
        return tuple(self._stack.bound.values())

    # ---- accounts -----------------------------------------------------------------------------------------------

    @property
    def accounts(self) -> tuple[SipAccount, ...]:
        """The accounts in force, as they were given."""
        return self.config.accounts

    async def set_accounts(self, accounts: Sequence[SipAccount]) -> None:
        """Replace all accounts by these. Calls go on; unchanged accounts are not touched.

        Others are unregistered, and given up when their last call has ended; what is new or changed is not registered before
        `register`. Raises UsageError.
        """
        check_accounts(accounts)
        new = {account.name: account for account in accounts}
        gone = {one.name for one in self.config.accounts if new.get(one.name) != one}
        stay = {name: one for name, one in self._known.items() if name in new and name not in gone}
        await asyncio.gather(*(self.unregister(name) for name in gone))
        fresh = [account for account in accounts if account.name not in stay]
        made = await asyncio.gather(*(known_account(one, self._hosts, self._stack.glue.look_up) for one in fresh))
        self._known = stay | {one.account.name: one for one in made}
        known = list(self._known.values())
        await self._stack.ask(lambda stack: stack.pj_accounts.put(known))
        self.config = replace(self.config, accounts=tuple(accounts))

    async def _look_up_again(self) -> None:
        """Calls come from where a server's name points to, which changes."""
        while True:
            await asyncio.sleep(LOOK_UP_AGAIN_S)
            for name, one in list(self._known.items()):
                if not all(is_numeric(host) for host, _ in hosts_of(one.account)):
                    again = await with_servers(one.account, self._stack.glue.look_up)
                    if self._known.get(name) is one and again.servers:
                        self._known[name] = replace(one, servers=again.servers, next_hop=again.next_hop)
            known = list(self._known.values())
            self.post(lambda stack, known=known: stack.pj_accounts.put(known))  # type: ignore[misc]

    def watch_registration(self, name: str, lost: Callable[[str], None]) -> Callable[[], None]:
        """Tells `lost` why the registration of an account holds no more, where no answer of its registrar says so.

        One for an account. Returns what ends that.
        """
        self._watchers[name] = lost

        def end() -> None:
            if self._watchers.get(name) is lost:
                del self._watchers[name]

        return end

    async def register(self, name: str, timeout_s: float = REGISTER_S) -> int:
        """Registers an account, once; returns for how many seconds that holds. The owner refreshes it.

        Raises RegistrationError, AuthenticationError, UsageError.
        """
        from softfax.sip.starting import registration_error

        account = self._account(name)
        answer = await self.requests.register(name, True, timeout_s)
        if answer.code != 200 or not answer.expires_s:
            raise registration_error(account, answer)
        self._registered.add(name)
        return answer.expires_s

    async def unregister(self, name: str, timeout_s: float = 3.0) -> None:
        """Takes a registration back, if there is one; that the registrar does not answer is logged and no error."""
        if name not in self._registered:
            return
        self._registered.discard(name)
        answer = await self.requests.register(name, False, timeout_s)
        if answer.code != 200:
            log.warning("%s did not confirm the end of the registration (%d %s)", name, answer.code, answer.reason)

    def registration_lost(self, name: str, why: str) -> None:
        """Loss of the connection that an account was registered by; on the loop."""
        if name in self._watchers:
            self._watchers[name](why)

    async def probe(self, name: str, timeout_s: float = PROBE_S) -> RequestAnswer:
        """Asks the server of an account whether it is there, by OPTIONS (RFC 3261 §11); 408 for no answer."""
        return await self.requests.probe(name, timeout_s)

    def _another_server(self, name: str) -> bool:
        """Return True if an account has a server that has not failed."""
        known = self._known.get(name)
        return known is not None and any(
            version_of(host) in self._stack.bound and not self._stack.glue.is_failed(host, port)
            for host, port in known.next_hop
        )

    def _find(self, name: str) -> SipAccount | None:
        return next((account for account in self.config.accounts if account.name == name), None)

    def _account(self, name: str) -> SipAccount:
        account = self._find(name)
        if account is None:
            raise UsageError(f"there is no account {name}", "name one of the configuration")
        return account

    # ---- calls --------------------------------------------------------------------------------------------------

    @property
    def refused(self) -> Refused:
        """Counts of what was refused before it became a call."""
        return self._stack.glue.refused

    def close_to_calls(self, full: bool, draining: bool = False) -> None:
        """Answer OPTIONS with 503 while `full` or `draining`; while `full` refuse incoming calls with 503 and Retry-After before
        anything is made of them.
        """
        self._stack.glue.close_to_calls(full, draining)

    def call(
        self,
        destination: str,
        handler: CallHandler,
        *,
        t38: T38Policy,
        caller: CallerId | None = None,
        account: str = "",
    ) -> Call:
        """Places a call, through an account or, without one, straight to the URI; what follows comes through the handler.

        `caller` is shown to the far end as the account says. Raises UsageError for a bad destination or account.
        """
        scheme, user, host, port, parameters = split_uri(destination)
        transport = self._account(account).transport if account else self.config.transport
        if transport != "udp" and "transport=" not in parameters:
            parameters = f";transport={transport}{parameters}"
        uri = f"{scheme}:{user + '@' if user else ''}{host}{f':{port}' if port else ''}{parameters}"
        call = Call(self, outgoing=True, t38=t38)
        call.handler = handler
        call.remote_uri, call.account = destination, account
        self._calls.add(call)
        self.place(call, PlaceOrder(uri, account, caller))
        return call

    def place(self, call: Call, order: PlaceOrder) -> None:
        """Send an INVITE, over the version of IP that its target is reached by. On the loop."""
        if len(self._stack.bound) == 1:
            self.post(lambda stack: stack.calls.place(call, order))
            return
        task = asyncio.ensure_future(self._place(call, order))
        self._placing.add(task)
        task.add_done_callback(self._placing.discard)

    async def _place(self, call: Call, order: PlaceOrder) -> None:
        account = self._find(order.account)
        target, transport = (
            (account.proxy or order.uri, account.transport) if account else (order.uri, self.config.transport)
        )
        order = replace(order, version=self._best(await self._ours(target, transport)))
        self.post(lambda stack: stack.calls.place(call, order))

    async def _ours(self, uri: str, transport: Transport) -> list[tuple[str, int]]:
        """Addresses that a URI leads to, as far as they are of a version of IP that is listened on."""
        found = await towards(uri, transport, self._stack.glue.look_up)
        return [one for one in found if version_of(one[0]) in self._stack.bound]

    def _best(self, found: Sequence[tuple[str, int]]) -> int:
        """The version of IP of the first address that has not failed; the first that is listened on where there is none."""
        ours = [one for one in found if not self._stack.glue.is_failed(*one)] or found
        return version_of(ours[0][0]) if ours else next(iter(self._stack.bound))

    async def _version_of(self, name: str) -> int:
        """The version of IP by which the server of an account is asked."""
        account = self._find(name)
        if account is None and name in self._known:
            account = self._known[name].account
        if account is None or len(self._stack.bound) == 1:
            return next(iter(self._stack.bound))
        return self._best(await self._ours(account.proxy or account.server, account.transport))

    @property
    def _hosts(self) -> tuple[str, ...]:
        return tuple(host for host, _ in self._stack.bound.values())

    async def close(self) -> None:
        """Hangs up what is left, unregisters, stops."""
        if self._looking_up is not None:
            self._looking_up.cancel()
        for call in list(self._calls):
            call.hangup()
        for _ in range(40):
            if not self._calls:
                break
            await asyncio.sleep(0.05)
        await asyncio.gather(*(self.unregister(name) for name in list(self._registered)))
        await self._stack.stop()

    # ---- between the loop and the stack's thread ---------------------------------------------------------------------

    def post(self, command: Callable[[Stack], None]) -> None:
        """Runs a command in the SIP thread."""
        self._stack.post(command)

    def tell(self, function: Callable[..., None], *args: Any) -> bool:
        """Runs a function on the loop; from the SIP thread. False if the loop is closed."""
        try:
            self._loop.call_soon_threadsafe(self._told, function, args)
        except RuntimeError:
            log.debug("the event loop is closed")
            return False
        return True

    def _told(self, function: Callable[..., None], args: tuple[Any, ...]) -> None:
        try:
            function(*args)
        except Exception:
            log.exception("a call handler failed")

    def forget(self, call: Call) -> None:
        """A call has ended."""
        self._calls.discard(call)

    def incoming_call(self, call: IncomingCall) -> None:
        """A call came in; on the loop."""
        self._calls.add(call)
        if self._incoming is None:
            self._unclaimed.append(call)
            return
        try:
            decision = self._incoming(call)
        except SoftfaxError as error:
            log.error("an incoming call is refused: %s", error)
            decision = 480
        except Exception:
            log.exception("an incoming call is refused")
            decision = 500
        if isinstance(decision, int):
            call.hangup(decision)
        else:
            call.handler = decision

    def refused_call(self, call: IncomingCall, code: int, why: str) -> None:
        """Refusal of a call for its media; on the loop."""
        self.on_refused(call, code, why)

    def message(self, sent: bool, far: str, text: str) -> None:
        """A SIP message was sent or received; on the loop."""
        self.on_message(sent, far, text)


def _towards(account: SipAccount) -> str:
    """The local address from which the server of an account is reached."""
    return local_address_towards(account.proxy or account.server)
