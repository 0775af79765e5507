# SPDX-License-Identifier: GPL-2.0-or-later
"""The Python client has a method for each operation of the API, with and without asyncio, and reads what is answered."""

from __future__ import annotations

import asyncio
import inspect
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from softfax.client import AsyncSoftfaxClient, NotFoundError, RefusedError, SoftfaxClient
from softfax.errors import UsageError
from softfax.model import FaxState
from tests.support.described import _description
from tests.unit.web.fakes import Site, a_fax, site

#: For the page; and HEAD, which a program has no use for.
NOT_FOR_PROGRAMS = {"logIn", "logOut"}
ID = "9d08fa08479c9884bfc825af"


def operation_of(method: str, path: str) -> str:
    for pattern, methods in _description()["paths"].items():
        if method.lower() in methods and re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", pattern), path):
            return str(methods[method.lower()]["operationId"])
    raise AssertionError(f"{method} {path} is not described")


def test_every_operation_has_a_method(tmp_path: Path) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_text("One line.\n")
    asked: set[str] = set()

    async def note(response: httpx.Response) -> None:
        asked.add(operation_of(response.request.method, response.request.url.path))

    async def missing(work: Any) -> None:
        with pytest.raises(NotFoundError):
            await work

    async def run(made: Site) -> None:
        failed = made.queue.add(a_fax(state=FaxState.FAILED, broadcast_id=ID))
        pdf = tmp_path / "fax.pdf"
        pdf.write_bytes(b"%PDF-1.7")
        made.queue.pdfs[failed.id] = pdf
        async with made.client() as http:
            http.event_hooks["response"].append(note)
            c = AsyncSoftfaxClient(client=http, tries=1)
            fax = await c.send("030 1", [letter], caller="089 1")
            assert (await c.get(fax.id)).to == "030 1"
            assert [one.id async for one in c.list(limit=1)]
            assert (await c.update(fax.id, priority=9)).priority == 9
            assert (await c.document(failed.id)).startswith(b"%PDF")
            assert (await c.link(failed.id, expires_s=60)).expires.tzinfo is not None
            for work in (
                c.tiff(fax.id), c.page(fax.id, 1), c.live(fax.id), c.trace(fax.id), c.trace_text(fax.id), c.trace_pcap(fax.id),
                c.get_upload("0" * 32), c.upload_page("0" * 32, 1), c.delete_upload("0" * 32), c.swml_run(ID), c.cancel_swml(ID),
                c.replay_delivery(17), c.metrics(), c.deliveries(),
            ):  # fmt: skip
                await missing(work)
            assert await c.fax_events(fax.id) == []
            assert (await c.broadcast_state(ID)).ended
            assert (await c.cancel_broadcast(ID)).total == 1
            assert (await c.cancel(fax.id)).state == "cancelled"
            assert (await c.retry(failed.id)).state == "waiting"
            with pytest.raises(Exception, match="pages are not there"):
                await c.forward(fax.id, "030 2")
            await c.erase(fax.id)
            upload = await c.upload(letter, pages="1")
            with pytest.raises(RefusedError, match=r"no page 2"):
                await c.upload(letter, pages="2")
            assert (await c.send("030 1", [letter, letter], pages=["1", "last"], password="x")).documents == (
                "letter.txt",
            ) * 2
            with pytest.raises(UsageError, match="pages without files"):
                await c.send("030 1", documents=[{"upload": upload.id}], pages="1")
            assert (await c.cover(subject="Offer")).pages
            await c.delete_upload(upload.id)
            contact = await c.put_contact("030 1", name="Ada")
            assert await c.contact(contact.id) == contact == (await c.contacts("ada"))[0]
            await c.delete_contact(contact.id)
            await c.forbid("030 9", "asked us")
            assert (await c.forbidden())[0].reason == "asked us"
            await c.allow("030 9")
            assert (await c.put_number("030 1", max_rate=9600)).max_rate == 9600
            assert [one.mode for one in await c.numbers()] == [None]
            await c.forget_number("030 1")
            ran = await c.run_swml("sip:fax@192.0.2.1", {"sections": {"main": ["hangup"]}})
            assert ran.id in [one.id for one in await c.swml_runs()]
            await c.status(), await c.sessions(), await c.accounts(), await c.mailboxes()
            out = await c.put_out("prices", ["030 4"], [letter], poll_document="17", until=None)
            assert (await c.polled()) == [out] == [await c.get_polled(out.id)]
            assert (out.documents, out.poll_document, out.fetched) == (("letter.txt",), "17", 0)
            await c.take_back(out.id)
            await c.description()
            assert (await c.who_am_i())["name"] == "tests"
            assert await c.healthy()
            assert await c.ready()

    steps = site(tmp_path)
    asyncio.run(run(next(steps)))
    next(steps, None)
    known = {
        one["operationId"] for methods in _description()["paths"].values() for m, one in methods.items() if m != "head"
    }
    # The stream is followed in test_client.py.
    assert known - asked == NOT_FOR_PROGRAMS | {"streamEvents"}


def test_both_clients_have_the_same_methods() -> None:
    def methods(kind: type) -> dict[str, list[str]]:
        found = inspect.getmembers(kind, inspect.isfunction)
        return {name: list(inspect.signature(f).parameters) for name, f in found if not name.startswith("_")}

    assert methods(SoftfaxClient) == methods(AsyncSoftfaxClient)
