# SPDX-License-Identifier: GPL-2.0-or-later
"""A station from a program without asyncio."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from softfax.client import wire
from softfax.client.asynchronous import TRIES, AsyncSoftfaxClient

__all__ = ["SoftfaxClient"]

P = ParamSpec("P")
T = TypeVar("T")


def _waits(
    method: Callable[Concatenate[AsyncSoftfaxClient, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[SoftfaxClient, P], T]:
    """A method that waits for the other client's: the same name, arguments, types and description."""

    @functools.wraps(method)
    def waiting(self: SoftfaxClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._runner.run(method(self._station, *args, **kwargs))

    return waiting


def _each(
    method: Callable[Concatenate[AsyncSoftfaxClient, P], AsyncIterator[T]],
) -> Callable[Concatenate[SoftfaxClient, P], Iterator[T]]:
    """A method that waits for each of what the other client's yields."""

    @functools.wraps(method)
    def following(self: SoftfaxClient, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        items = cast("AsyncGenerator[T]", method(self._station, *args, **kwargs))

        async def following_one() -> T:
            return await anext(items)

        try:
            while True:
                try:
                    item = self._runner.run(following_one())
                except StopAsyncIteration:
                    return
                yield item
        finally:
            self._runner.run(items.aclose())

    return following


class SoftfaxClient:
    """Synchronous form of `AsyncSoftfaxClient`, method for method, for one thread without an event loop."""

    def __init__(
        self,
        url: str = "",
        *,
        token: str = "",
        timeout_s: float = wire.TIMEOUT_S,
        verify: bool | str = True,
        tries: int = TRIES,
    ) -> None:
        self._station = AsyncSoftfaxClient(url, token=token, timeout_s=timeout_s, verify=verify, tries=tries)
        self._runner = asyncio.Runner()

    def __enter__(self) -> SoftfaxClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of its connections."""
        self._runner.run(self._station.close())
        self._runner.close()

    send = _waits(AsyncSoftfaxClient.send)
    broadcast = _waits(AsyncSoftfaxClient.broadcast)
    poll = _waits(AsyncSoftfaxClient.poll)
    upload = _waits(AsyncSoftfaxClient.upload)
    get = _waits(AsyncSoftfaxClient.get)
    list = _each(AsyncSoftfaxClient.list)
    document = _waits(AsyncSoftfaxClient.document)
    page = _waits(AsyncSoftfaxClient.page)
    status = _waits(AsyncSoftfaxClient.status)
    sessions = _waits(AsyncSoftfaxClient.sessions)
    cancel = _waits(AsyncSoftfaxClient.cancel)
    erase = _waits(AsyncSoftfaxClient.erase)
    retry = _waits(AsyncSoftfaxClient.retry)
    update = _waits(AsyncSoftfaxClient.update)
    events = _each(AsyncSoftfaxClient.events)
    wait = _waits(AsyncSoftfaxClient.wait)

    forward = _waits(AsyncSoftfaxClient.forward)
    fax_events = _waits(AsyncSoftfaxClient.fax_events)
    tiff = _waits(AsyncSoftfaxClient.tiff)
    live = _waits(AsyncSoftfaxClient.live)
    link = _waits(AsyncSoftfaxClient.link)
    trace = _waits(AsyncSoftfaxClient.trace)
    trace_text = _waits(AsyncSoftfaxClient.trace_text)
    trace_pcap = _waits(AsyncSoftfaxClient.trace_pcap)
    broadcast_state = _waits(AsyncSoftfaxClient.broadcast_state)
    cancel_broadcast = _waits(AsyncSoftfaxClient.cancel_broadcast)
    cover = _waits(AsyncSoftfaxClient.cover)
    get_upload = _waits(AsyncSoftfaxClient.get_upload)
    upload_page = _waits(AsyncSoftfaxClient.upload_page)
    delete_upload = _waits(AsyncSoftfaxClient.delete_upload)
    contacts = _waits(AsyncSoftfaxClient.contacts)
    contact = _waits(AsyncSoftfaxClient.contact)
    put_contact = _waits(AsyncSoftfaxClient.put_contact)
    delete_contact = _waits(AsyncSoftfaxClient.delete_contact)
    forbidden = _waits(AsyncSoftfaxClient.forbidden)
    forbid = _waits(AsyncSoftfaxClient.forbid)
    allow = _waits(AsyncSoftfaxClient.allow)
    numbers = _waits(AsyncSoftfaxClient.numbers)
    put_number = _waits(AsyncSoftfaxClient.put_number)
    forget_number = _waits(AsyncSoftfaxClient.forget_number)
    run_swml = _waits(AsyncSoftfaxClient.run_swml)
    swml_runs = _waits(AsyncSoftfaxClient.swml_runs)
    swml_run = _waits(AsyncSoftfaxClient.swml_run)
    cancel_swml = _waits(AsyncSoftfaxClient.cancel_swml)
    deliveries = _waits(AsyncSoftfaxClient.deliveries)
    replay_delivery = _waits(AsyncSoftfaxClient.replay_delivery)
    accounts = _waits(AsyncSoftfaxClient.accounts)
    polled = _waits(AsyncSoftfaxClient.polled)
    get_polled = _waits(AsyncSoftfaxClient.get_polled)
    put_out = _waits(AsyncSoftfaxClient.put_out)
    take_back = _waits(AsyncSoftfaxClient.take_back)
    mailboxes = _waits(AsyncSoftfaxClient.mailboxes)
    who_am_i = _waits(AsyncSoftfaxClient.who_am_i)
    healthy = _waits(AsyncSoftfaxClient.healthy)
    ready = _waits(AsyncSoftfaxClient.ready)
    metrics = _waits(AsyncSoftfaxClient.metrics)
    description = _waits(AsyncSoftfaxClient.description)
