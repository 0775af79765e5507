# SPDX-License-Identifier: GPL-2.0-or-later
"""SWML for calls that come in: a `[[gateway]]` rule leads to a document, whose `receive_fax` takes the fax of the call."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from pathlib import Path

from softfax.errors import SoftfaxError
from softfax.station import FaxCall, FaxOrder, Station
from softfax.station.config import GatewayConfig
from softfax.swml.document import SwmlDocument, load
from softfax.swml.machine import FetchDocument, ReceiveFax, SendFax, SwmlRunError
from softfax.swml.runner import RunCall, SwmlRunner, fetch

__all__ = ["IncomingSwml"]

log = logging.getLogger("softfax.swml")

FILE_BYTES_MAX = 256 << 10
DECLINE, UNAVAILABLE = 603, 480


class IncomingSwml:
    """Runs of documents for a station's calls that come in."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self._runs: set[asyncio.Task[None]] = set()
        station.on_swml = self._begin

    def _begin(self, call: FaxCall, rule: GatewayConfig) -> None:
        run = asyncio.ensure_future(self._run(call, rule))
        self._runs.add(run)
        run.add_done_callback(self._runs.discard)

    async def _run(self, call: FaxCall, rule: GatewayConfig) -> None:
        """Run the document. A call that it has neither taken nor ended by its end, or in time, is refused."""
        late = asyncio.get_running_loop().call_later(
            rule.answer_timeout_s, self._station.refuse, call, UNAVAILABLE, "the SWML document did not decide in time"
        )
        code, why = DECLINE, "the SWML document takes no fax"
        try:
            document = await self._document(rule.swml, call)
            await _IncomingRunner(self._station, document, call, self._allow_private).run()
        except SoftfaxError as error:
            code, why = UNAVAILABLE, f"SWML: {error.problem}"
            log.warning("the document of gateway %s: %s", rule.name, error)
        finally:
            late.cancel()
            if not call.ended:
                self._station.refuse(call, code, why)

    @property
    def _allow_private(self) -> bool:
        return self._station.config.callbacks.allow_private

    async def _document(self, source: str, call: FaxCall) -> SwmlDocument:
        if source.lower().startswith(("http://", "https://")):
            body = {"call": _facts(call), "vars": {}, "params": {}}
            return await fetch(FetchDocument(source, body), self._allow_private)
        return await asyncio.to_thread(_read, Path(source))


class _IncomingRunner(SwmlRunner):
    """One run for a call that is there: its faxes are the document's, one after the other."""

    def __init__(self, station: Station, document: SwmlDocument, call: FaxCall, allow_private: bool) -> None:
        order = FaxOrder(destination="", account=call.account, ident=call.context.ident)
        super().__init__(station, document, call.context.called_number, order=order, allow_private=allow_private)
        self._receiver, self._waiting = station, call
        self.machine.call = _facts(call)

    def _begin(self, effect: SendFax | ReceiveFax) -> RunCall:
        call = self._waiting
        if self.results:
            return super()._begin(effect)
        if call.ended:
            raise SwmlRunError("the call has ended", "answer it with receive_fax or send_fax before")
        order = self._order(effect)
        self._receiver.take(call, replace(order, keep=True) if isinstance(effect, SendFax) else None)
        self._receiver.tell(call.context.fax_id, order.callbacks)
        return call


def _facts(call: FaxCall) -> dict[str, str]:
    context = call.context
    return {
        "call_id": context.fax_id,
        "direction": "inbound",
        "type": "sip",
        "from": context.caller_number,
        "to": context.called_number,
    }


def _read(path: Path) -> SwmlDocument:
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise SwmlRunError(f"{path} cannot be read: {error.strerror}", "check the file") from None
    if len(data) > FILE_BYTES_MAX:
        raise SwmlRunError(f"{path} is too large for a SWML document")
    return load(data)
