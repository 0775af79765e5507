# SPDX-License-Identifier: GPL-2.0-or-later
"""A station from an asyncio program."""

from __future__ import annotations

import asyncio
import builtins
import os
from collections.abc import AsyncIterator, Iterable, Sequence
from types import TracebackType
from typing import Any

import httpx

from softfax.client import wire
from softfax.client.errors import AnswerError, NoStationError, ThrottledError
from softfax.client.models import Fax, StreamEvent, Upload, order, timed
from softfax.client.places import AsyncPlaces, wire_id

__all__ = ["AsyncSoftfaxClient"]

TRIES = 3
WAITS_S = (0.5, 1.0, 2.0, 5.0, 10.0)
#: The station says something every 15 seconds.
SILENCE_S = 60.0
POLL_S = 30.0


class AsyncSoftfaxClient(AsyncPlaces):
    """A station's API: `async with AsyncSoftfaxClient(url, token=…) as station`. Without `url`: SOFTFAX_URL, else this machine's.

    Every method raises AnswerError: NoStationError, NotAllowedError, NotFoundError, ConflictError, RefusedError, ThrottledError.
    Requests that are safe to repeat are made `tries` times where the station does not answer, or is busy. `verify` names a PEM
    file of authorities to trust instead of this machine's; false trusts any server. `client` is an httpx client to use instead
    of ours.
    """

    def __init__(
        self,
        url: str = "",
        *,
        token: str = "",
        timeout_s: float = wire.TIMEOUT_S,
        verify: bool | str = True,
        tries: int = TRIES,
        client: httpx.AsyncClient | None = None,
    ) -> None:
        self._client = client or httpx.AsyncClient(**wire.settings_of(url, token, timeout_s, verify))
        self._own = client is None
        self._tries = tries

    async def __aenter__(self) -> AsyncSoftfaxClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Lets go of its connections."""
        if self._own:
            await self._client.aclose()

    async def _ask(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """One request; asked again where it can do no harm. Raises NoStationError, AnswerError."""
        safe = method == "GET" or "Idempotency-Key" in (arguments.get("headers") or {})
        for attempt in range(self._tries):
            last = not safe or attempt == self._tries - 1
            try:
                response = await self._client.request(method, path, **arguments)
            except httpx.HTTPError as error:
                if last:
                    raise wire.no_station(error, self._client.base_url) from None
                await asyncio.sleep(WAITS_S[attempt])
                continue
            if response.status_code < 400:
                return response
            found = wire.failed(response)
            again = isinstance(found, ThrottledError) or found.under_way
            if last or not again or found.retry_after_s > WAITS_S[-1]:
                raise found
            await asyncio.sleep(found.retry_after_s)
        raise AssertionError

    # ---- sending ------------------------------------------------------------------------------------------------

    async def send(
        self, /, to: str, files: Sequence[str | os.PathLike[str]] = (), *, key: str = "", **options: Any
    ) -> Fax:
        """Sends files to a number or SIP URI; it is in the queue when this returns.

        `options` are the keys of POST /v1/faxes: `cover`, `resolution`, `priority`, `not_before`, `tags` …; `documents` for URLs
        and uploads, `caller` for what JSON calls `from`, `pages` and `password` for the first file, or a list for all. The same
        `key` sends it once, however often it is asked.
        """
        with wire.form(order(to, **options), files, key) as arguments:
            return Fax.of(await self._json("POST", "/v1/faxes", **arguments))

    async def broadcast(
        self, /, to: Sequence[str], files: Sequence[str | os.PathLike[str]] = (), *, key: str = "", **options: Any
    ) -> builtins.list[Fax]:
        """Sends the same to each of several destinations."""
        with wire.form(order(builtins.list(to), **options), files, key) as arguments:
            answer = await self._json("POST", "/v1/faxes", **arguments)
        return [Fax.of(one) for one in answer["faxes"]]

    async def poll(self, /, to: str, *, key: str = "", **options: Any) -> Fax:
        """Fetches what a far end has put out, by calling it; an order of the queue, received once it is there.

        `options` are `poll_document` (SEP), `poll_password` (PWD), and keys of POST /v1/faxes.
        """
        return await self.send(to, key=key, poll=True, **options)

    async def upload(self, /, file: str | os.PathLike[str], *, resolution: str = "", **of_file: str) -> Upload:
        """Makes the pages of a document, to be looked at; `documents=[{"upload": upload.id}]` sends it. `of_file` are its `pages`
        and `password`.
        """
        with wire.form(of_file, [file], "") as arguments:
            parts = {name: arguments[name] for name in ("data", "files")}
            query = {"resolution": resolution} if resolution else {}
            return Upload.of(await self._json("POST", "/v1/uploads", params=query, **parts))

    # ---- looking ------------------------------------------------------------------------------------------------

    async def get(self, fax_id: str) -> Fax:
        """One fax with its attempts."""
        return Fax.of(await self._json("GET", f"/v1/faxes/{wire_id(fax_id)}"))

    async def list(self, /, *, limit: int = 0, **filters: Any) -> AsyncIterator[Fax]:
        """Faxes, the newest first, `limit` of them or all. `filters` are the keys of GET /v1/faxes; `tags` is a mapping."""
        query = wire.list_query({"limit": min(limit or 200, 200), **filters})
        count = 0
        while True:
            answer = await self._json("GET", "/v1/faxes", params=query)
            for one in answer["faxes"]:
                yield Fax.of(one)
                count += 1
                if count == limit:
                    return
            if not answer["cursor"]:
                return
            query["cursor"] = answer["cursor"]

    async def document(self, fax_id: str) -> bytes:
        """The PDF, as it was faxed."""
        return (await self._ask("GET", f"/v1/faxes/{wire_id(fax_id)}/document.pdf")).content

    async def page(self, fax_id: str, number: int, *, width: int | None = None) -> bytes:
        """A page as PNG."""
        query = {"width": width} if width else {}
        return (await self._ask("GET", f"/v1/faxes/{wire_id(fax_id)}/pages/{number}.png", params=query)).content

    async def status(self) -> dict[str, Any]:
        """Return the station's status."""
        return await self._table("/v1/status")

    async def sessions(self) -> Sequence[dict[str, Any]]:
        """The calls under way."""
        return builtins.list((await self._table("/v1/sessions"))["sessions"])

    # ---- changing -----------------------------------------------------------------------------------------------

    async def cancel(self, fax_id: str) -> Fax:
        """Ends a fax, also under way. Raises ConflictError where it has ended."""
        return Fax.of(await self._json("DELETE", f"/v1/faxes/{wire_id(fax_id)}"))

    async def erase(self, fax_id: str) -> None:
        """Forgets a fax that has ended, and overwrites its documents."""
        await self._json("DELETE", f"/v1/faxes/{wire_id(fax_id)}", params={"erase": "true"})

    async def retry(self, fax_id: str) -> Fax:
        """Sends a fax that was not delivered once more."""
        return Fax.of(await self._json("POST", f"/v1/faxes/{wire_id(fax_id)}/retry"))

    async def update(self, /, fax_id: str, **changes: Any) -> Fax:
        """Changes `unread`, `tags`, `mailbox`; of a fax that waits `priority`, `not_before`, `deadline`. Raises ConflictError."""
        return Fax.of(await self._json("PATCH", f"/v1/faxes/{wire_id(fax_id)}", json=timed(changes)))

    # ---- as it happens ------------------------------------------------------------------------------------------

    async def events(
        self, *, fax_id: str = "", types: Iterable[str] = (), progress: bool = False, after: int | None = None
    ) -> AsyncIterator[StreamEvent]:
        """Yield events, from number `after` on or from now. Reconnects when the connection breaks, and misses nothing."""
        parser = wire.EventParser(after)
        query = wire.event_query(fax_id, types, progress)
        failures = 0
        while True:
            try:
                timeout = httpx.Timeout(wire.TIMEOUT_S, read=SILENCE_S)
                async with self._client.stream(
                    "GET", "/v1/events", params=query, headers=parser.headers, timeout=timeout
                ) as response:
                    if response.status_code != 200:
                        await response.aread()
                        raise wire.failed(response)
                    failures = 0
                    async for line in response.aiter_lines():
                        if (event := parser.line(line)) is not None:
                            yield event
            except httpx.HTTPError as error:
                if parser.last_id is None:
                    raise wire.no_station(error, self._client.base_url) from None
            except AnswerError as error:
                if error.status not in (429, 500, 502, 503):
                    raise
            await asyncio.sleep(WAITS_S[min(failures, len(WAITS_S) - 1)])
            failures += 1

    async def wait(self, fax_id: str, timeout_s: float | None = None) -> Fax:
        """Waits until a fax has ended, also while the station is started anew. Raises TimeoutError."""
        query = wire.event_query(fax_id, ("job", "result"), False)
        timeout = httpx.Timeout(wire.TIMEOUT_S, read=SILENCE_S)
        failures = 0
        async with asyncio.timeout(timeout_s):
            fax = await self.get(fax_id)
            while not fax.terminal:
                try:
                    # First listened, then looked: what happens between is not missed.
                    async with self._client.stream("GET", "/v1/events", params=query, timeout=timeout) as response:
                        fax = await self._seen_to_the_end(fax_id, response)
                    failures = 0
                except (httpx.HTTPError, NoStationError, ThrottledError):
                    await asyncio.sleep(WAITS_S[min(failures, len(WAITS_S) - 1)])
                    failures += 1
        return fax

    async def _seen_to_the_end(self, fax_id: str, response: httpx.Response) -> Fax:
        """Looks at a fax whenever something happens to it. Raises what `get` does, and httpx's errors."""
        fax = await self.get(fax_id)
        parser = wire.EventParser()
        if response.status_code != 200:
            await asyncio.sleep(WAITS_S[2])
            return fax
        lines = response.aiter_lines()
        while not fax.terminal:
            async for line in lines:
                if parser.line(line) is not None:
                    break
            else:
                return fax
            fax = await self.get(fax_id)
        return fax
