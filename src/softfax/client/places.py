# SPDX-License-Identifier: GPL-2.0-or-later
"""The parts of a station's API beside its faxes: address book, lists, uploads, runs of SWML, callbacks, the station itself."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import httpx

from softfax.asjson import of_json
from softfax.client import wire
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
    timed,
)

__all__ = ["AsyncPlaces", "wire_id"]


def wire_id(fax_id: str) -> str:
    """An id as a part of a path."""
    return "".join(ch for ch in fax_id if ch.isalnum()) or "none"


class AsyncPlaces:
    """A part of AsyncSoftfaxClient."""

    async def _ask(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        raise NotImplementedError

    async def _json(self, method: str, path: str, **arguments: Any) -> Any:
        return wire.body_of(await self._ask(method, path, **arguments))

    async def _table(self, path: str) -> dict[str, Any]:
        return dict(await self._json("GET", path))

    async def _text(self, path: str) -> str:
        return (await self._ask("GET", path)).text

    # ---- more of faxes --------------------------------------------------------------------------------------------

    async def forward(self, fax_id: str, to: str = "", *, email: str = "") -> Fax | None:
        """Sends the pages of a fax to a number, or by e-mail (None)."""
        body = {"email": email} if email else {"to": to}
        answer = await self._json("POST", f"/v1/faxes/{wire_id(fax_id)}/forward", json=body)
        return None if email else Fax.of(answer)

    async def fax_events(self, fax_id: str, *, after: int = 0) -> list[dict[str, Any]]:
        """The events of a fax that are kept, after number `after`."""
        answer = await self._json("GET", f"/v1/faxes/{wire_id(fax_id)}/events", params={"after": after})
        return list(answer["events"])

    async def tiff(self, fax_id: str) -> bytes:
        """The fax TIFF."""
        return (await self._ask("GET", f"/v1/faxes/{wire_id(fax_id)}/document.tif")).content

    async def live(self, fax_id: str) -> bytes:
        """The page that is coming in, as PNG. Raises NotFoundError where there is none."""
        return (await self._ask("GET", f"/v1/faxes/{wire_id(fax_id)}/live.png")).content

    async def link(self, fax_id: str, *, expires_s: float | None = None) -> DocumentLink:
        """A URL of the document that needs no token until it expires."""
        body = {"expires_s": expires_s} if expires_s else {}
        return of_json(DocumentLink, await self._json("POST", f"/v1/faxes/{wire_id(fax_id)}/link", json=body))

    async def trace(self, fax_id: str) -> dict[str, Any]:
        """The messages of the last call for a fax."""
        return await self._table(f"/v1/faxes/{wire_id(fax_id)}/trace")

    async def trace_text(self, fax_id: str) -> str:
        """Trace of the last call for a fax, a line for each message."""
        return await self._text(f"/v1/faxes/{wire_id(fax_id)}/trace.txt")

    async def trace_pcap(self, fax_id: str) -> bytes:
        """The packets of the last call for a fax."""
        return (await self._ask("GET", f"/v1/faxes/{wire_id(fax_id)}/trace.pcap")).content

    async def broadcast_state(self, broadcast_id: str) -> Broadcast:
        """Progress of a broadcast."""
        return of_json(Broadcast, await self._json("GET", f"/v1/broadcasts/{wire_id(broadcast_id)}"))

    async def cancel_broadcast(self, broadcast_id: str) -> Broadcast:
        """Ends all faxes of a broadcast that have not ended."""
        return of_json(Broadcast, await self._json("DELETE", f"/v1/broadcasts/{wire_id(broadcast_id)}"))

    # ---- uploads ----------------------------------------------------------------------------------------------------

    async def cover(self, /, **fields: str) -> Upload:
        """Makes a cover page, to be looked at."""
        return Upload.of(await self._json("POST", "/v1/covers", json=fields))

    async def get_upload(self, upload_id: str) -> Upload:
        """An upload."""
        return Upload.of(await self._json("GET", f"/v1/uploads/{wire_id(upload_id)}"))

    async def upload_page(self, upload_id: str, number: int) -> bytes:
        """A page of an upload as PNG."""
        return (await self._ask("GET", f"/v1/uploads/{wire_id(upload_id)}/pages/{number}.png")).content

    async def delete_upload(self, upload_id: str) -> None:
        """Forgets an upload."""
        await self._ask("DELETE", f"/v1/uploads/{wire_id(upload_id)}")

    # ---- lists ------------------------------------------------------------------------------------------------------

    async def contacts(self, q: str = "", *, limit: int = 100) -> list[ContactEntry]:
        """Entries of the address book with these words, by name."""
        answer = await self._json("GET", "/v1/contacts", params={"q": q, "limit": limit})
        return [of_json(ContactEntry, one) for one in answer["contacts"]]

    async def contact(self, contact_id: str) -> ContactEntry:
        """An entry of the address book."""
        return of_json(ContactEntry, await self._json("GET", f"/v1/contacts/{wire_id(contact_id)}"))

    async def put_contact(self, /, number: str, **fields: str) -> ContactEntry:
        """Adds an entry; with `id` it takes the place of that one."""
        return of_json(ContactEntry, await self._json("POST", "/v1/contacts", json={"number": number, **fields}))

    async def delete_contact(self, contact_id: str) -> None:
        """Deletes an entry of the address book."""
        await self._ask("DELETE", f"/v1/contacts/{wire_id(contact_id)}")

    async def forbidden(self) -> list[Forbidden]:
        """The do-not-fax list, the newest first."""
        return [of_json(Forbidden, one) for one in (await self._json("GET", "/v1/do-not-fax"))["numbers"]]

    async def forbid(self, number: str, reason: str = "") -> Forbidden:
        """Puts a number on the do-not-fax list."""
        return of_json(Forbidden, await self._json("POST", "/v1/do-not-fax", json={"number": number, "reason": reason}))

    async def allow(self, number: str) -> None:
        """Takes a number off the do-not-fax list."""
        await self._ask("DELETE", f"/v1/do-not-fax/{quote(number)}")

    async def numbers(self, *, limit: int = 100) -> list[KnownNumber]:
        """Numbers that have been called, the last one first."""
        answer = await self._json("GET", "/v1/numbers", params={"limit": limit})
        return [of_json(KnownNumber, one) for one in answer["numbers"]]

    async def put_number(
        self, number: str, *, mode: str | None = None, max_rate: int | None = None, joined: str | None = None
    ) -> KnownNumber:
        """Sets transport and highest rate for a number, and whether several faxes to it go in one call ("on", "off")."""
        body = {"number": number, "mode": mode, "max_rate": max_rate, "joined": joined}
        return of_json(KnownNumber, await self._json("POST", "/v1/numbers", json=body))

    async def forget_number(self, number: str) -> None:
        """Forgets what is known of a number."""
        await self._ask("DELETE", f"/v1/numbers/{quote(number)}")

    # ---- runs and callbacks -----------------------------------------------------------------------------------------

    async def run_swml(self, to: str, document: str | dict[str, Any], *, key: str = "") -> Run:
        """Runs a SWML document, or its text."""
        headers = {"Idempotency-Key": key} if key else {}
        body = {"to": to, "document": document}
        return of_json(Run, await self._json("POST", "/v1/swml", json=body, headers=headers))

    async def swml_runs(self, *, limit: int = 50) -> list[Run]:
        """Runs of SWML documents, the newest first."""
        return [of_json(Run, one) for one in (await self._json("GET", "/v1/swml", params={"limit": limit}))["runs"]]

    async def swml_run(self, run_id: str) -> Run:
        """A run of a SWML document."""
        return of_json(Run, await self._json("GET", f"/v1/swml/{wire_id(run_id)}"))

    async def cancel_swml(self, run_id: str) -> Run:
        """Ends a run, with its fax under way."""
        return of_json(Run, await self._json("DELETE", f"/v1/swml/{wire_id(run_id)}"))

    async def deliveries(self, state: str = "dead", *, limit: int = 50) -> list[Delivery]:
        """Callbacks of a state: waiting, delivered or dead."""
        answer = await self._json("GET", "/v1/deliveries", params={"state": state, "limit": limit})
        return [of_json(Delivery, one) for one in answer["deliveries"]]

    async def replay_delivery(self, number: int) -> Delivery:
        """Sends a callback that was given up once more."""
        return of_json(Delivery, await self._json("POST", f"/v1/deliveries/{number}/replay"))

    # ---- the station ------------------------------------------------------------------------------------------------

    async def accounts(self) -> dict[str, Any]:
        """PBXs and trunks (`accounts`), and what holds where a fax does not say (`defaults`)."""
        return await self._table("/v1/accounts")

    async def polled(self) -> list[Polled]:
        """Documents that far ends may fetch."""
        return [of_json(Polled, one) for one in (await self._json("GET", "/v1/polled"))["polled"]]

    async def get_polled(self, polled_id: str) -> Polled:
        """Documents that an order put out."""
        return of_json(Polled, await self._json("GET", f"/v1/polled/{wire_id(polled_id)}"))

    async def put_out(
        self,
        /,
        name: str,
        numbers: Sequence[str],
        files: Sequence[str | os.PathLike[str]] = (),
        *,
        key: str = "",
        **options: Any,
    ) -> Polled:
        """Puts files out for polling, to be fetched by calling one of `numbers`.

        `options` are the other keys of POST /v1/polled: `poll_document`, `poll_password`, `callers`, `until`, `documents` …
        """
        wanted = timed({"name": name, "numbers": list(numbers), **options})
        with wire.form(wanted, files, key) as arguments:
            return of_json(Polled, await self._json("POST", "/v1/polled", **arguments))

    async def take_back(self, polled_id: str) -> None:
        """Takes back what was put out."""
        await self._ask("DELETE", f"/v1/polled/{wire_id(polled_id)}")

    async def mailboxes(self) -> list[dict[str, Any]]:
        """Mailboxes of received faxes."""
        return list((await self._json("GET", "/v1/mailboxes"))["mailboxes"])

    async def who_am_i(self) -> dict[str, Any]:
        """Name and scopes of the token."""
        return await self._table("/v1/login")

    async def healthy(self) -> bool:
        """Return True if the station answers."""
        return bool((await self._json("GET", "/healthz"))["status"] == "ok")

    async def ready(self) -> bool:
        """Return True if it can send and receive. Raises ThrottledError with the reason where it cannot."""
        return bool((await self._json("GET", "/readyz"))["status"] == "ok")

    async def metrics(self) -> str:
        """Metrics in Prometheus' text format."""
        return await self._text("/metrics")

    async def description(self) -> dict[str, Any]:
        """The OpenAPI description."""
        return await self._table("/openapi.json")
