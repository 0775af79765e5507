# SPDX-License-Identifier: GPL-2.0-or-later
"""Parts of a station's API as in `softfax.client.places`, for programs without asyncio."""

from __future__ import annotations

import os
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from softfax.client.asynchronous import AsyncSoftfaxClient
from softfax.client.models import (
    Broadcast,
    ContactEntry,
    Delivery,
    DocumentLink,
    Fax,
    Forbidden,
    KnownNumber,
    Polled,
    Run,
    Upload,
)

__all__ = ["StationPlaces"]

T = TypeVar("T")


class StationPlaces:
    """A part of SoftfaxClient."""

    _station: AsyncSoftfaxClient

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        raise NotImplementedError

    def forward(self, fax_id: str, to: str = "", *, email: str = "") -> Fax | None:
        """Sends the pages of a fax to a number, or by e-mail (None)."""
        return self._run(self._station.forward(fax_id, to, email=email))

    def fax_events(self, fax_id: str, *, after: int = 0) -> list[dict[str, Any]]:
        """The events of a fax that are kept, after number `after`."""
        return self._run(self._station.fax_events(fax_id, after=after))

    def tiff(self, fax_id: str) -> bytes:
        """The fax TIFF."""
        return self._run(self._station.tiff(fax_id))

    def live(self, fax_id: str) -> bytes:
        """The page that is coming in, as PNG. Raises NotFoundError where there is none."""
        return self._run(self._station.live(fax_id))

    def link(self, fax_id: str, *, expires_s: float | None = None) -> DocumentLink:
        """A URL of the document that needs no token until it expires."""
        return self._run(self._station.link(fax_id, expires_s=expires_s))

    def trace(self, fax_id: str) -> dict[str, Any]:
        """The messages of the last call for a fax."""
        return self._run(self._station.trace(fax_id))

    def trace_text(self, fax_id: str) -> str:
        """Trace of the last call for a fax, a line for each message."""
        return self._run(self._station.trace_text(fax_id))

    def trace_pcap(self, fax_id: str) -> bytes:
        """The packets of the last call for a fax."""
        return self._run(self._station.trace_pcap(fax_id))

    def broadcast_state(self, broadcast_id: str) -> Broadcast:
        """Progress of a broadcast."""
        return self._run(self._station.broadcast_state(broadcast_id))

    def cancel_broadcast(self, broadcast_id: str) -> Broadcast:
        """Ends all faxes of a broadcast that have not ended."""
        return self._run(self._station.cancel_broadcast(broadcast_id))

    def cover(self, **fields: str) -> Upload:
        """Makes a cover page, to be looked at."""
        return self._run(self._station.cover(**fields))

    def get_upload(self, upload_id: str) -> Upload:
        """An upload."""
        return self._run(self._station.get_upload(upload_id))

    def upload_page(self, upload_id: str, number: int) -> bytes:
        """A page of an upload as PNG."""
        return self._run(self._station.upload_page(upload_id, number))

    def delete_upload(self, upload_id: str) -> None:
        """Forgets an upload."""
        return self._run(self._station.delete_upload(upload_id))

    def contacts(self, q: str = "", *, limit: int = 100) -> list[ContactEntry]:
        """Entries of the address book with these words, by name."""
        return self._run(self._station.contacts(q, limit=limit))

    def contact(self, contact_id: str) -> ContactEntry:
        """An entry of the address book."""
        return self._run(self._station.contact(contact_id))

    def put_contact(self, number: str, **fields: str) -> ContactEntry:
        """Adds an entry; with `id` it takes the place of that one."""
        return self._run(self._station.put_contact(number, **fields))

    def delete_contact(self, contact_id: str) -> None:
        """Deletes an entry of the address book."""
        return self._run(self._station.delete_contact(contact_id))

    def forbidden(self) -> list[Forbidden]:
        """The do-not-fax list, the newest first."""
        return self._run(self._station.forbidden())

    def forbid(self, number: str, reason: str = "") -> Forbidden:
        """Puts a number on the do-not-fax list."""
        return self._run(self._station.forbid(number, reason))

    def allow(self, number: str) -> None:
        """Takes a number off the do-not-fax list."""
        return self._run(self._station.allow(number))

    def numbers(self, *, limit: int = 100) -> list[KnownNumber]:
        """Numbers that have been called, the last one first."""
        return self._run(self._station.numbers(limit=limit))

    def put_number(
        self, number: str, *, mode: str | None = None, max_rate: int | None = None, joined: str | None = None
    ) -> KnownNumber:
        """Sets transport and highest rate for a number, and whether several faxes to it go in one call ("on", "off")."""
        return self._run(self._station.put_number(number, mode=mode, max_rate=max_rate, joined=joined))

    def forget_number(self, number: str) -> None:
        """Forgets what is known of a number."""
        return self._run(self._station.forget_number(number))

    def run_swml(self, to: str, document: str | dict[str, Any], *, key: str = "") -> Run:
        """Runs a SWML document, or its text."""
        return self._run(self._station.run_swml(to, document, key=key))

    def swml_runs(self, *, limit: int = 50) -> list[Run]:
        """Runs of SWML documents, the newest first."""
        return self._run(self._station.swml_runs(limit=limit))

    def swml_run(self, run_id: str) -> Run:
        """A run of a SWML document."""
        return self._run(self._station.swml_run(run_id))

    def cancel_swml(self, run_id: str) -> Run:
        """Ends a run, with its fax under way."""
        return self._run(self._station.cancel_swml(run_id))

    def deliveries(self, state: str = "dead", *, limit: int = 50) -> list[Delivery]:
        """Callbacks of a state: waiting, delivered or dead."""
        return self._run(self._station.deliveries(state, limit=limit))

    def replay_delivery(self, number: int) -> Delivery:
        """Sends a callback that was given up once more."""
        return self._run(self._station.replay_delivery(number))

    def accounts(self) -> dict[str, Any]:
        """PBXs and trunks (`accounts`), and what holds where a fax does not say (`defaults`)."""
        return self._run(self._station.accounts())

    def polled(self) -> list[Polled]:
        """Documents that far ends may fetch."""
        return self._run(self._station.polled())

    def get_polled(self, polled_id: str) -> Polled:
        """Documents that an order put out."""
        return self._run(self._station.get_polled(polled_id))

    def put_out(
        self,
        name: str,
        numbers: Sequence[str],
        files: Sequence[str | os.PathLike[str]] = (),
        *,
        key: str = "",
        **options: Any,
    ) -> Polled:
        """Puts files out for polling, to be fetched by calling one of `numbers`."""
        return self._run(self._station.put_out(name, numbers, files, key=key, **options))

    def take_back(self, polled_id: str) -> None:
        """Takes back what was put out."""
        self._run(self._station.take_back(polled_id))

    def mailboxes(self) -> list[dict[str, Any]]:
        """Mailboxes of received faxes."""
        return self._run(self._station.mailboxes())

    def who_am_i(self) -> dict[str, Any]:
        """Name and scopes of the token."""
        return self._run(self._station.who_am_i())

    def healthy(self) -> bool:
        """Return True if the station answers."""
        return self._run(self._station.healthy())

    def ready(self) -> bool:
        """Return True if it can send and receive. Raises ThrottledError with the reason where it cannot."""
        return self._run(self._station.ready())

    def metrics(self) -> str:
        """Metrics in Prometheus' text format."""
        return self._run(self._station.metrics())

    def description(self) -> dict[str, Any]:
        """The OpenAPI description."""
        return self._run(self._station.description())
