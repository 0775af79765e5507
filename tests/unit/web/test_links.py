# SPDX-License-Identifier: GPL-2.0-or-later
"""A link opens one document until it expires, to who has no token; callbacks have one where the station knows its own URL."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest

from softfax.delivery.targets import CallbackTarget
from softfax.fax import outcome
from softfax.model import Direction, FaxContext, FaxUpdate
from softfax.station import StationConfig, making
from softfax.station.callbacks import CallbackSink
from softfax.station.links import KEY_NAME, DocumentLinks
from tests.unit.web.fakes import a_fax, site


def test_a_link_opens_one_document_until_it_expires(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        steps = site(tmp_path, http={"public_url": "https://fax.example/f/"})
        made = next(steps)
        pdf = tmp_path / "fax.pdf"
        pdf.write_bytes(b"%PDF-1.7")
        fax, other = made.queue.add(a_fax()), made.queue.add(a_fax())
        made.queue.pdfs |= {fax.id: pdf, other.id: pdf}
        async with made.client() as client, made.client("") as stranger:
            link = (await client.post(f"/v1/faxes/{fax.id}/link", json={"expires_s": 60})).json()
            assert link["url"].startswith(f"https://fax.example/f/v1/faxes/{fax.id}/document.pdf?")
            query = link["url"].partition("?")[2]
            good = f"/v1/faxes/{fax.id}/document.pdf?{query}"
            assert (await stranger.get(good)).content == b"%PDF-1.7"
            for bad in (
                f"/v1/faxes/{other.id}/document.pdf?{query}",
                f"/v1/faxes/{fax.id}/document.tif?{query}",
                f"/v1/faxes/{fax.id}?{query}",
                good[:-1] + ("0" if good[-1] != "0" else "1"),
                good.replace("expires=", "expires=9"),
                good.partition("?")[0],
            ):
                assert (await stranger.get(bad)).status_code == 401, bad
            # The key stays over a restart of the station.
            assert type(made.station.links)(lambda: made.station.config).is_good(
                f"/v1/faxes/{fax.id}/document.pdf", query
            )
            monkeypatch.setattr("softfax.station.links.time.time", lambda: 4e9)
            assert (await stranger.get(good)).status_code == 401
        next(steps, None)

    asyncio.run(run())


@pytest.mark.parametrize("left", [b"", b"0123"])
def test_a_key_that_was_cut_short_signs_nothing(tmp_path: Path, left: bytes) -> None:
    config = StationConfig(data={"dir": tmp_path})
    (tmp_path / KEY_NAME).write_bytes(left)
    url, expires = DocumentLinks(lambda: config).make("4b0e7d5a9c1f2e3d4a5b6c7d", 60)
    path, _, query = url.partition("?")
    assert DocumentLinks(lambda: config).is_good(path, query)
    forged = hmac.new(left, f"{path} {expires}".encode(), hashlib.sha256).hexdigest()
    assert not DocumentLinks(lambda: config).is_good(path, f"expires={expires}&signature={forged}")


def test_a_callback_has_a_link_to_the_document() -> None:
    put: list[dict[str, Any]] = []

    class Outbox:
        def put(self, target: CallbackTarget, *, body: bytes, **more: Any) -> None:
            put.append(json.loads(body))

    context = FaxContext(
        fax_id="4b0e7d5a9c1f2e3d4a5b6c7d", direction=Direction.RECEIVE, outgoing=False, session_number=1, unique_id="1.1",
        channel="PJSIP/x-1",
    )  # fmt: skip
    targets = [CallbackTarget(url=f"http://192.0.2.1/{d}", dialect=d) for d in ("json", "signalwire")]  # type: ignore[arg-type]
    sink = CallbackSink(Outbox(), targets, link=lambda fax_id: f"https://fax.example/{fax_id}")
    empty = making.failed(context, outcome.OK, 1.0)
    sink(FaxUpdate(context, empty))
    assert "document_url" not in put[0]
    put.clear()
    empty.documents.append("/var/received/fax.pdf")
    sink(FaxUpdate(context, empty))
    assert (
        put[0]["document_url"]
        == put[1]["params"]["fax"]["params"]["document"]
        == f"https://fax.example/{context.fax_id}"
    )


def test_a_callback_goes_without_a_link_where_no_key_can_be_made(tmp_path: Path) -> None:
    """A result is recorded with its callback on a full disk, too. Here the folder is a file."""
    (tmp_path / "full").write_text("")
    config = StationConfig(data={"dir": tmp_path / "full"}, http={"public_url": "https://fax.example"})
    assert DocumentLinks(lambda: config).of_result("4b0e7d5a9c1f2e3d4a5b6c7d") is None
