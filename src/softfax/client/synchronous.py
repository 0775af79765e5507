# SPDX-License-Identifier: GPL-2.0-or-later
"""A station from a program without asyncio."""

from __future__ import annotations

import asyncio
import builtins
import os
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any, TypeVar

from softfax.client import wire
from softfax.client.asynchronous import TRIES, AsyncSoftfaxClient
from softfax.client.models import Fax, StreamEvent, Upload
from softfax.client.places_sync import StationPlaces

__all__ = ["SoftfaxClient"]

T = TypeVar("T")


class SoftfaxClient(StationPlaces):
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
        self._run(self._station.close())
        self._runner.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    def _each(self, items: AsyncIterator[T]) -> Iterator[T]:
        async def following() -> T:
            return await anext(items)

        try:
            while True:
                try:
                    item = self._run(following())
                except StopAsyncIteration:
                    return
                yield item
        finally:
            self._run(items.aclose())  # type: ignore[attr-defined]

    def send(self, to: str, files: Sequence[str | os.PathLike[str]] = (), *, key: str = "", **options: Any) -> Fax:
        """Sends files to a number or SIP URI; it is in the queue when this returns."""
        return self._run(self._station.send(to, files, key=key, **options))

    def broadcast(
        self, to: Sequence[str], files: Sequence[str | os.PathLike[str]] = (), *, key: str = "", **options: Any
    ) -> builtins.list[Fax]:
        """Sends the same to each of several destinations."""
        return self._run(self._station.broadcast(to, files, key=key, **options))

    def poll(self, to: str, *, key: str = "", **options: Any) -> Fax:
        """Fetches what a far end has put out, by calling it; an order of the queue, received once it is there."""
        return self._run(self._station.poll(to, key=key, **options))

    def upload(self, file: str | os.PathLike[str], *, resolution: str = "", **of_file: str) -> Upload:
        """Makes the pages of a document, to be looked at."""
        return self._run(self._station.upload(file, resolution=resolution, **of_file))

    def get(self, fax_id: str) -> Fax:
        """One fax with its attempts."""
        return self._run(self._station.get(fax_id))

    def list(self, *, limit: int = 0, **filters: Any) -> Iterator[Fax]:
        """Faxes, the newest first."""
        return self._each(self._station.list(limit=limit, **filters))

    def document(self, fax_id: str) -> bytes:
        """The PDF, as it was faxed."""
        return self._run(self._station.document(fax_id))

    def page(self, fax_id: str, number: int, *, width: int | None = None) -> bytes:
        """A page as PNG."""
        return self._run(self._station.page(fax_id, number, width=width))

    def status(self) -> dict[str, Any]:
        """Return the station's status."""
        return self._run(self._station.status())

    def sessions(self) -> Sequence[dict[str, Any]]:
        """The calls under way."""
        return self._run(self._station.sessions())

    def cancel(self, fax_id: str) -> Fax:
        """Ends a fax, also under way."""
        return self._run(self._station.cancel(fax_id))

    def erase(self, fax_id: str) -> None:
        """Forgets a fax that has ended."""
        self._run(self._station.erase(fax_id))

    def retry(self, fax_id: str) -> Fax:
        """Sends a fax that was not delivered once more."""
        return self._run(self._station.retry(fax_id))

    def update(self, fax_id: str, **changes: Any) -> Fax:
        """Changes `unread`, `tags` or `mailbox`."""
        return self._run(self._station.update(fax_id, **changes))

    def events(
        self, *, fax_id: str = "", types: Iterable[str] = (), progress: bool = False, after: int | None = None
    ) -> Iterator[StreamEvent]:
        """Yield events, from number `after` on or from now."""
        return self._each(self._station.events(fax_id=fax_id, types=types, progress=progress, after=after))

    def wait(self, fax_id: str, timeout_s: float | None = None) -> Fax:
        """Waits until a fax has ended. Raises TimeoutError."""
        return self._run(self._station.wait(fax_id, timeout_s))
