# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs SWML on a station: faxes are calls it places, `execute` and `request` go over HTTP.

In SignalWire's world a call is there before the document runs, and its methods act on it. Here the first fax places the call:
`send_fax` calls the destination and sends, `receive_fax` calls it and fetches. The next one uses that call while it stays up;
else it is a second call, which is said.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from softfax.delivery.outbox import Outbox
from softfax.delivery.targets import CallbackTarget
from softfax.model import Direction, FaxContext, FaxResult
from softfax.station import FaxCall, FaxOrder
from softfax.swml.document import SwmlDocument, SwmlError, load
from softfax.swml.machine import (
    Effect,
    FetchDocument,
    Fetched,
    HttpAnswer,
    HttpRequest,
    Machine,
    ReceiveFax,
    SendFax,
    SwmlRunError,
)
from softfax.swml.web import ask
from softfax.vocabularies.signalwire import call_ids, result_code

__all__ = ["RunCall", "SwmlRunner", "fetch"]

FETCH_TIMEOUT_S = 15.0
#: How long `execute` and `request` wait for the `finished` that they follow.
TOLD_S = 15.0


class Faxes(Protocol):
    """The station as a run uses it."""

    @property
    def outbox(self) -> Outbox | None: ...

    def originate(self, order: FaxOrder, /) -> RunCall: ...

    def release(self, call: FaxCall, /) -> None: ...


class RunCall(Protocol):
    """A fax of a run. Its `context` is known once its `result` is."""

    @property
    def context(self) -> FaxContext: ...

    @property
    def result(self) -> Awaitable[FaxResult]: ...

    def cancel(self) -> None: ...


class SwmlRunner:
    """One run of a document against one destination. `results` are those of its faxes, in order; `say` gets lines for people.

    `link` is where a received document is found, with {id} for the fax; without one it is a path.
    """

    def __init__(
        self,
        station: Faxes,
        document: SwmlDocument,
        destination: str,
        *,
        order: FaxOrder | None = None,
        receive_into: Path | None = None,
        allow_private: bool = False,
        say: Callable[[str], None] = lambda line: None,
        link: str = "",
    ) -> None:
        self._station = station
        self._destination = destination
        self._base = order or FaxOrder(destination=destination)
        self._receive_into = receive_into
        self._allow_private = allow_private
        self._say = say
        self._link = link
        self._call: RunCall | None = None
        #: The latest fax, where its call may still be up.
        self._last: FaxCall | None = None
        self._told = ""
        self._cancelled = False
        self.results: list[FaxResult] = []
        self.machine = Machine(
            document,
            call={"from": self._base.caller_number or self._base.ident, "to": destination, "direction": "outbound"},
        )

    def cancel(self) -> None:
        """Ends the fax under way, and the run after it."""
        self._cancelled = True
        if self._call is not None:
            self._call.cancel()

    async def run(self) -> dict[str, Any]:
        """Runs to the end and returns the variables. Raises SwmlRunError, SwmlError, UsageError, DocumentError."""
        try:
            return await self._run()
        finally:
            if self._last is not None:
                self._station.release(self._last)

    async def _run(self) -> dict[str, Any]:
        steps = self.machine.run()
        answer: Any = None
        while not self._cancelled:
            try:
                effect = steps.send(answer)
            except StopIteration:
                break
            try:
                answer = await self._do(effect)
            except BaseException:
                steps.close()
                raise
        return self.machine.vars

    async def _do(self, effect: Effect) -> Any:
        if isinstance(effect, (SendFax, ReceiveFax)):
            return await self._fax(effect)
        if self._told and self._station.outbox is not None:
            # A server that is asked what is next has heard how the fax ended.
            await self._station.outbox.delivered(self._told, TOLD_S)
            self._told = ""
        if isinstance(effect, FetchDocument):
            return await fetch(effect, self._allow_private)
        return await _ask(effect, self._allow_private)

    async def _fax(self, effect: SendFax | ReceiveFax) -> Fetched:
        call = self._call = self._begin(effect)
        result = await call.result
        self._call = None
        if self.results and result.call_id and result.call_id != self.results[-1].call_id:
            self._say(f"another fax was another call: {self._destination} was called again")
        self._last = call if isinstance(call, FaxCall) else None
        self.results.append(result)
        self._told = call.context.fax_id if effect.status_url else ""
        self.machine.call |= call_ids(call.context)
        ours, theirs = call.context.caller_number, call.context.called_number
        if not call.context.outgoing:
            ours, theirs = theirs, ours
        return Fetched(
            document=effect.document if isinstance(effect, SendFax) else self._received(result),
            identity=result.local_station_id or ours,
            remote_identity=result.remote_station_id or theirs,
            pages=result.pages,
            result_code=result_code(result),
            result_text=result.status_string,
            success=result.success,
        )

    def _begin(self, effect: SendFax | ReceiveFax) -> RunCall:
        return self._station.originate(replace(self._order(effect), keep=True, on=self._last))

    def _received(self, result: FaxResult) -> str:
        if result.documents and self._link:
            return self._link.format(id=result.fax_id)
        return result.documents[0] if result.documents else ""

    def _order(self, effect: SendFax | ReceiveFax) -> FaxOrder:
        targets = (CallbackTarget(url=effect.status_url, dialect="signalwire"),) if effect.status_url else ()
        if isinstance(effect, ReceiveFax):
            return replace(
                self._base,
                direction=Direction.RECEIVE,
                documents=(),
                receive_into=self._receive_into,
                callbacks=targets,
            )
        ident = "".join(ch for ch in effect.identity if " " <= ch <= "~")[:20]
        return replace(
            self._base,
            direction=Direction.SEND,
            documents=(effect.document,),
            header=effect.header_info or self._base.header,
            ident=ident or self._base.ident,
            callbacks=targets,
        )


async def fetch(effect: FetchDocument, allow_private: bool) -> SwmlDocument:
    """A document from a server. Raises SwmlRunError."""
    answer = await _ask(HttpRequest(effect.url, "POST", {}, dict(effect.body), FETCH_TIMEOUT_S), allow_private)
    if not 200 <= answer.code < 300:
        what = f"answered {answer.code}" if answer.code else "did not answer"
        raise SwmlRunError(f"{effect.url[:80]} {what}", "it has to answer with a SWML document")
    try:
        # It takes up to a second for what a stranger may answer.
        return await asyncio.to_thread(load, answer.body)
    except SwmlError as error:
        raise SwmlRunError(f"what {effect.url[:80]} answered is not SWML: {error.problem}", error.remedy) from None


async def _ask(request: HttpRequest, allow_private: bool) -> HttpAnswer:
    return await asyncio.to_thread(
        ask,
        request.url,
        request.method,
        request.headers,
        request.body,
        timeout_s=request.timeout_s,
        allow_private=allow_private,
    )
