# SPDX-License-Identifier: GPL-2.0-or-later
"""Faxes over HTTP, from a document to its delivery: a real queue, simulated far ends, a real client."""

from __future__ import annotations

import asyncio
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image, ImageDraw

from tests.support import office_files
from tests.support.receiver import receiver
from tests.web.rig import READER, SENDER, over, running, until

LETTER = b"\f".join(f"Page {n}".encode() for n in (1, 2, 3))


def two_pages() -> bytes:
    pdf = io.BytesIO()
    Image.new("1", (600, 800), 1).save(pdf, "PDF", save_all=True, append_images=[Image.new("1", (600, 800), 1)])
    return pdf.getvalue()


async def ended(client: httpx.AsyncClient, fax_id: str) -> dict[str, Any]:
    return await over(client, f"/v1/faxes/{fax_id}")


async def sent(client: httpx.AsyncClient, to: str, **fields: Any) -> dict[str, Any]:
    answer = await client.post(
        "/v1/faxes", data={"to": f"sip:{to}@far.example", **fields}, files={"file": ("letter.txt", LETTER)}
    )
    assert answer.status_code == 202, answer.text
    fax: dict[str, Any] = answer.json()
    return fax


def test_a_letter_is_sent_found_and_looked_at(tmp_path: Path) -> None:
    async def run() -> None:
        async with running(tmp_path) as r, r.client() as c:
            answer = await c.post(
                "/v1/faxes",
                data={"request": json.dumps({"to": "sip:+49 30-1234567@far.example".replace(" ", ""), "tags": {"matter": "17"}})},
                files={"file": ("../../Brief an Ada.txt", LETTER)},
            )  # fmt: skip
            assert answer.status_code == 202, answer.text
            fax = answer.json()
            assert answer.headers["location"] == f"/v1/faxes/{fax['id']}" == fax["links"]["self"]
            assert (fax["state"], fax["documents"], fax["tags"]) == ("queued", ["Brief an Ada.txt"], {"matter": "17"})
            # What is noted while the fax is under way stays.
            noted = await c.patch(f"/v1/faxes/{fax['id']}", json={"tags": {"matter": "18", "by": "Ada"}})
            assert noted.json()["tags"] == {"matter": "18", "by": "Ada"}
            done = await ended(c, fax["id"])
            assert (done["state"], done["pages"], done["pages_total"], len(done["attempts"])) == ("delivered", 3, 3, 1)
            assert done["tags"] == {"matter": "18", "by": "Ada"}
            await _looked_at(c, fax["id"])
            for query in (
                "q=brief ada", "number=+49301234567", "number=%2B49 30 1234567", "tag.by=Ada", "q=ada&state=delivered,failed",
                "direction=send&since=2020-01-01T00:00:00Z", "q=4930123",
            ):  # fmt: skip
                assert [f["id"] for f in (await c.get(f"/v1/faxes?{query}")).json()["faxes"]] == [fax["id"]], query
            for query in ("q=17", "number=301234567", "tag.matter=17", "state=failed", "until=2020-01-01T00:00:00Z"):
                assert (await c.get(f"/v1/faxes?{query}")).json()["faxes"] == [], query
            events = (await c.get(f"/v1/faxes/{fax['id']}/events")).json()["events"]
            states = [event["state"] for event in events if event["event"] == "job"]
            assert states == ["queued", "preparing", "sending", "delivered"]

    asyncio.run(run())


async def _looked_at(c: httpx.AsyncClient, fax_id: str) -> None:
    base = f"/v1/faxes/{fax_id}"
    pdf = await c.get(f"{base}/document.pdf")
    assert pdf.content.startswith(b"%PDF")
    assert pdf.headers["content-type"] == "application/pdf"
    head = await c.head(f"{base}/document.pdf")
    assert (head.status_code, head.content) == (200, b"")
    assert {k: head.headers[k] for k in ("etag", "content-length")} == {
        k: pdf.headers[k] for k in ("etag", "content-length")
    }
    part = await c.get(f"{base}/document.pdf", headers={"Range": "bytes=1-3"})
    assert (part.status_code, part.content, part.headers["content-range"]) == (
        206, b"PDF", f"bytes 1-3/{len(pdf.content)}",
    )  # fmt: skip
    # What is no range asks for nothing.
    for range_ in ("pages=1", "bytes=x-", "bytes", ""):
        whole = await c.get(f"{base}/document.pdf", headers={"Range": range_})
        assert (whole.status_code, whole.content) == (200, pdf.content)
    beyond = await c.get(f"{base}/document.pdf", headers={"Range": "bytes=9999999-"})
    assert (beyond.status_code, beyond.headers["content-type"]) == (416, "application/problem+json")
    for what in ("document.pdf", "document.tif", "pages/2.png?width=200", ""):
        path = f"{base}/{what}".removesuffix("/")
        etag = (await c.get(path)).headers["etag"]
        assert (await c.get(path, headers={"If-None-Match": etag})).status_code == 304
    with Image.open(io.BytesIO((await c.get(f"{base}/pages/3.png?width=300")).content)) as page:
        assert page.width == 300
    assert (await c.get(f"{base}/pages/4.png")).status_code == 404
    assert (await c.get(f"{base}/document.tif")).content[:4] in (b"II*\0", b"MM\0*")


def test_uploads_are_looked_at_before_they_are_sent(tmp_path: Path) -> None:
    async def run() -> None:
        async with running(tmp_path) as r, r.client(SENDER) as c:
            answer = await c.post(
                "/v1/uploads?resolution=fine", files={"file": ("a.txt", LETTER)}, data={"pages": "2-3"}
            )
            assert answer.status_code == 201, answer.text
            upload = answer.json()
            assert (upload["name"], len(upload["pages"]), upload["resolution"]) == ("a.txt", 2, "fine")
            assert upload["seconds"] > 6
            assert upload["call_s"] > 0
            # Pages that cannot be are refused at once.
            cover = (await c.post("/v1/covers", json={"to": "Ada"})).json()
            for pages in ("2", "3-1", "0", "x"):
                beyond = {"to": "sip:ok@far.example", "documents": [{"upload": cover["id"], "pages": pages}]}
                refused = await c.post("/v1/faxes", json=beyond)
                assert refused.status_code == 422, (pages, refused.text)
                if pages in ("0", "x"):
                    form = {"data": {"to": "sip:ok@far.example", "pages": pages}, "files": {"file": ("a.txt", LETTER)}}
                    refused = await c.post("/v1/faxes", **form)
                    assert refused.status_code == 422, refused.text
                    assert "pages" in str(refused.json()["errors"])
            two = io.BytesIO()
            Image.new("1", (1728, 1000), 1).save(
                two, "TIFF", save_all=True, append_images=[Image.new("1", (1728, 900), 1)]
            )
            for name, content in (("two.tif", two.getvalue()), ("two.pdf", two_pages())):
                form = {"data": {"to": "sip:ok@far.example", "pages": "1,3"}, "files": {"file": (name, content)}}
                refused = await c.post("/v1/faxes", **form)
                assert (refused.status_code, refused.json()["detail"]) == (422, f"{name} has no page 3, it has 2 pages")
            some = [("file", ("a.txt", LETTER)), ("file", ("b.txt", LETTER))]
            wanted = {"to": "sip:ok@far.example", "pages": ["2", "1,3"]}
            posted = await c.post("/v1/faxes", data=wanted, files=some)
            assert posted.status_code == 202, posted.text
            async with r.client() as reader:
                fax = await ended(reader, posted.json()["id"])
            assert (fax["state"], fax["pages"]) == ("delivered", 3)
            page = await c.get(f"/v1/uploads/{upload['id']}/pages/1.png?width=100")
            assert page.content.startswith(b"\x89PNG")
            cover = (await c.post("/v1/covers", json={"to": "Ada", "subject": "Offer"})).json()
            assert len(cover["pages"]) == 1
            order = {
                "to": ["sip:ok-1@far.example", "sip:ok-2@far.example"],
                "documents": [{"upload": upload["id"]}],
                "cover": {"to": "Ada"},
            }
            answer = await c.post("/v1/faxes", json=order, headers={"Idempotency-Key": "one"})
            assert answer.status_code == 202, answer.text
            broadcast = answer.json()
            # The faxes have the document themselves.
            assert (await c.delete(f"/v1/uploads/{upload['id']}")).status_code == 204
            assert (await c.get(f"/v1/uploads/{upload['id']}")).status_code == 404
            again = await c.post("/v1/faxes", json=order, headers={"Idempotency-Key": "one"})
            assert (again.status_code, again.headers["idempotency-replayed"]) == (202, "true")
            assert again.json()["broadcast_id"] == broadcast["broadcast_id"]
            lost = await c.post("/v1/faxes", json=order)
            assert (lost.status_code, lost.json()["title"]) == (404, "Upload not found")
            async with r.client() as admin:
                for fax in broadcast["faxes"]:
                    done = await ended(admin, fax["id"])
                    assert (done["state"], done["pages"]) == ("delivered", 2 + 1)
                found = await admin.get(f"/v1/faxes?broadcast_id={broadcast['broadcast_id']}&limit=1")
                assert len(found.json()["faxes"]) == 1
                rest = await admin.get(
                    f"/v1/faxes?broadcast_id={broadcast['broadcast_id']}&cursor={found.json()['cursor']}"
                )
                assert (len(rest.json()["faxes"]), rest.json()["cursor"]) == (1, "")

    asyncio.run(run())


def leaning() -> bytes:
    """A scan of a page with rules, on grey paper, that leans over."""
    page = Image.new("L", (1240, 1754), 215)
    pen = ImageDraw.Draw(page)
    for row in range(200, 1500, 40):
        pen.rectangle((150, row, 1090, row + 5), fill=20)
    made = io.BytesIO()
    page.rotate(2, Image.Resampling.BICUBIC, fillcolor=215).save(made, "PNG", dpi=(150, 150))
    return made.getvalue()


def test_a_scan_is_sent_as_it_was_looked_at(tmp_path: Path) -> None:
    async def run() -> None:
        async with running(tmp_path) as r, r.client() as c:
            seen: dict[str, bytes] = {}
            for scan in ("on", "off"):
                answer = await c.post(f"/v1/uploads?scan={scan}", files={"file": ("scan.png", leaning())})
                assert answer.status_code == 201, answer.text
                upload = answer.json()["id"]
                seen[scan] = (await c.get(f"/v1/uploads/{upload}/pages/1.png")).content
            assert seen["on"] != seen["off"]
            fax = (
                await c.post("/v1/faxes", json={"to": "sip:ok-1@far.example", "documents": [{"upload": upload}]})
            ).json()
            assert (await ended(c, fax["id"]))["state"] == "delivered"
            assert (await c.get(f"/v1/faxes/{fax['id']}/pages/1.png")).content == seen["off"]
            assert (await c.post("/v1/uploads?scan=x", files={"file": ("scan.png", leaning())})).status_code == 422

    asyncio.run(run())


def test_a_url_leads_nowhere_inside(tmp_path: Path) -> None:
    async def run(inside: str) -> None:
        async with running(tmp_path) as r, r.client() as c:
            ids = []
            for number, url in enumerate(
                (f"{inside}/secret.pdf", "http://169.254.169.254/latest/meta-data/", "http://[::1]:1/x")
            ):
                answer = await c.post(
                    "/v1/faxes",
                    json={"to": f"sip:ok-{number}@far.example", "documents": [{"url": url}], "retry": {"attempts": 1}},
                )
                assert answer.status_code == 202, answer.text
                ids.append(answer.json()["id"])
            for fax_id in ids:
                fax = await ended(c, fax_id)
                assert (fax["state"], fax["cause"]) == ("failed", "document")
                assert "public address" in fax["reason"] or "metadata" in fax["reason"]
            for bad in ("file:///etc/passwd", "ftp://a/b", "/etc/passwd", "http:///x"):
                answer = await c.post("/v1/faxes", json={"to": "sip:ok@far.example", "documents": [{"url": bad}]})
                assert answer.status_code == 422, bad
            answer = await c.post(
                "/v1/faxes", json={"to": "sip:ok@far.example", "documents": [{"path": "/etc/passwd"}]}
            )
            assert answer.status_code == 422
            assert r.far_ends.calls == []

    with receiver() as there:
        asyncio.run(run(there.url))
        assert there.requests == []


def test_a_url_is_asked_again_while_its_server_is_away(tmp_path: Path) -> None:
    async def run() -> None:
        asked: list[bytes] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked.append(await reader.readuntil(b"\r\n\r\n"))
            status = b"503 Later" if len(asked) == 1 else b"200 OK"
            writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\nDear")
            writer.close()

        async with (
            await asyncio.start_server(serve, "127.0.0.1", 0) as server,
            running(tmp_path, fax={"allow_private_documents": True}) as r,
            r.client() as c,
        ):
            address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}/letter.txt"
            url = f"http://ada:hunter2@{address}?token=hunter3"
            order = {"to": "sip:ok@far.example", "documents": [{"url": url}]}
            fax = await ended(c, (await c.post("/v1/faxes", json=order)).json()["id"])
            assert (fax["state"], fax["pages"]) == ("delivered", 1)
            assert [a["cause"] for a in fax["attempts"]] == ["unreachable", None]
            assert "503" in fax["attempts"][0]["result"]["status_string"]
            # By its own words, and with its own remedy; the name that people gave stands in messages.
            gone = {
                "to": "sip:ok@far.example",
                "documents": [{"url": "http://127.0.0.1:1/x"}],
                "retry": {"attempts": 1},
            }
            fax2 = await ended(c, (await c.post("/v1/faxes", json=gone)).json()["id"])
            assert (fax2["cause"], "127.0.0.1:1" in fax2["reason"]) == ("unreachable", True), fax2["reason"]
            assert fax2["remedy"]
            assert fax2["remedy"] not in (fax2["reason"], "check the network, and the address of the server")
            broken = {"file": ("Offer.pdf", b"%PDF-1.4 nothing")}
            posted = await c.post("/v1/faxes", data={"to": "sip:ok@far.example"}, files=broken)
            fax3 = await ended(c, posted.json()["id"])
            assert (fax3["cause"], "Offer.pdf" in fax3["reason"]) == ("document", True), fax3["reason"]
            assert len(r.far_ends.calls) == 1
            # What is secret in a URL goes to its server, and is told nobody else.
            assert asked[1].startswith(b"GET /letter.txt?token=hunter3 ")
            assert b"\r\nAuthorization: Basic " in asked[1]
            assert fax["documents"] == [f"http://{address}"]
            events = await c.get(f"/v1/faxes/{fax['id']}/events")
            assert "hunter" not in json.dumps(fax) + events.text

    asyncio.run(run())


def test_cancelling_trying_again_forwarding_erasing(tmp_path: Path) -> None:
    async def run() -> None:
        async with running(tmp_path, step_s=0.3) as r, r.client() as c:
            later = await sent(c, "ok-later", not_before="2027-01-01T00:00:00Z", deadline="2027-01-02T00:00:00Z")
            failed, now = await sent(c, "refused"), await sent(c, "ok-now")
            cancelled = (await c.delete(f"/v1/faxes/{later['id']}")).json()
            assert cancelled["state"] == "cancelled"
            assert (await c.delete(f"/v1/faxes/{later['id']}")).status_code == 409
            assert (await c.delete(f"/v1/faxes/{now['id']}?erase=true")).status_code == 409
            await until(lambda: r.station.find(now["id"]))
            (session,) = [s for s in (await c.get("/v1/sessions")).json()["sessions"] if s["fax_id"] == now["id"]]
            assert (session["direction"], session["called"]) == ("send", "ok-now")
            assert (await c.delete(f"/v1/faxes/{now['id']}")).status_code == 200
            assert (await ended(c, now["id"]))["state"] == "cancelled"
            again = await c.post(f"/v1/faxes/{now['id']}/retry")
            assert (again.status_code, again.json()["state"]) == (202, "waiting")
            assert (await ended(c, now["id"]))["state"] == "delivered"
            assert (await c.post(f"/v1/faxes/{now['id']}/retry")).status_code == 409
            refused = await ended(c, failed["id"])
            assert (refused["state"], refused["cause"], bool(refused["remedy"])) == ("failed", "refused", True)
            # Dot for dot to somebody else.
            forwarded = await c.post(f"/v1/faxes/{now['id']}/forward", json={"to": "sip:ok-third@far.example"})
            assert forwarded.status_code == 202, forwarded.text
            assert (await ended(c, forwarded.json()["id"]))["state"] == "delivered"
            # What is erased of it is not erased of the fax that it was forwarded from.
            paths = [f"/v1/faxes/{now['id']}/{name}" for name in ("document.tif", "document.pdf", "pages/1.png")]
            before = [(await c.get(path)).content for path in paths]
            assert (await c.delete(f"/v1/faxes/{forwarded.json()['id']}?erase=true")).status_code == 204
            assert [(await c.get(path)).content for path in paths] == before
            assert (await c.post(f"/v1/faxes/{now['id']}/forward", json={"email": "a@b.example"})).status_code == 501
            async with r.client(SENDER) as sender:
                assert (await sender.delete(f"/v1/faxes/{now['id']}?erase=true")).status_code == 403
            assert (await c.delete(f"/v1/faxes/{now['id']}?erase=true")).status_code == 204
            assert (await c.get(f"/v1/faxes/{now['id']}")).status_code == 404
            assert not (r.queue.folder / now["id"]).exists()

    asyncio.run(run())


def test_the_lists_and_the_state_of_the_station(tmp_path: Path) -> None:
    async def run() -> None:
        async with running(tmp_path) as r, r.client() as c, r.client(READER) as reader:
            await _contacts(c)
            number = "+49 30 7654321"
            waiting = await sent(c, "+49307654321", not_before=_soon())
            assert (await reader.post("/v1/do-not-fax", json={"number": number})).status_code == 403
            assert (await c.post("/v1/do-not-fax", json={"number": number, "reason": "asked us"})).status_code == 201
            (entry,) = (await reader.get("/v1/do-not-fax")).json()["numbers"]
            assert entry["reason"] == "asked us"
            answer = await c.post(
                "/v1/faxes", data={"to": "sip:+49307654321@far.example"}, files={"file": ("a.txt", LETTER)}
            )
            assert (answer.status_code, answer.json()["type"]) == (403, "urn:softfax:problem:do-not-fax")
            # Nor is what was ordered before.
            ended_so = await ended(c, waiting["id"])
            assert (ended_so["state"], ended_so["reason"]) == ("cancelled", "the number is on the do-not-fax list")
            assert ended_so["remedy"] == "take it off the list first"
            assert r.far_ends.calls == []
            assert (await c.delete(f"/v1/do-not-fax/{number}")).status_code == 204
            assert (await c.delete(f"/v1/do-not-fax/{number}")).status_code == 404
            status = (await reader.get("/v1/status")).json()
            assert status["lines"]["used"] == 0
            assert len(status["daily"]) == 14
            assert (await reader.get("/v1/mailboxes")).json() == {"mailboxes": []}
            assert (await reader.get("/v1/polled")).json() == {"polled": []}
            answered = (await reader.get("/v1/accounts")).json()
            assert answered["accounts"] == []
            assert answered["defaults"]["attempts"] == 3
            assert answered["defaults"]["ecm"] is True
            async with r.client("") as nobody:
                assert (await nobody.get("/healthz")).json()["status"] == "ok"
                assert (await nobody.get("/readyz")).status_code == 200
                assert (await nobody.get("/metrics")).status_code == 401
                described = (await nobody.get("/openapi.json")).json()
                assert described["openapi"].startswith("3.1")
                page = await nobody.get("/")
                assert "default-src 'none'" in page.headers["content-security-policy"]

    asyncio.run(run())


def _soon() -> str:
    return (datetime.now(UTC) + timedelta(seconds=1.5)).isoformat()


async def _contacts(c: httpx.AsyncClient) -> None:
    ada = (await c.post("/v1/contacts", json={"name": "Ada Example", "number": "+49 30 1234567"})).json()
    bob = (await c.post("/v1/contacts", json={"name": "Bob", "number": "100", "company": "Beispiel GmbH"})).json()
    assert [p["name"] for p in (await c.get("/v1/contacts?q=30123")).json()["contacts"]] == ["Ada Example"]
    assert [p["name"] for p in (await c.get("/v1/contacts?q=BEISPIEL")).json()["contacts"]] == ["Bob"]
    changed = await c.post("/v1/contacts", json={"id": bob["id"], "name": "Bob", "number": "101"})
    assert (changed.status_code, changed.json()["number"]) == (200, "101")
    first = (await c.get("/v1/contacts?limit=1")).json()
    assert [p["id"] for p in first["contacts"]] == [ada["id"]]
    second = (await c.get("/v1/contacts", params={"limit": "1", "cursor": first["cursor"]})).json()
    assert ([p["id"] for p in second["contacts"]], second["cursor"]) == ([bob["id"]], "")
    assert (await c.delete(f"/v1/contacts/{ada['id']}")).status_code == 204
    assert (await c.get(f"/v1/contacts/{ada['id']}")).status_code == 404


def test_what_is_known_of_a_number_is_shown_set_and_forgotten(tmp_path: Path) -> None:
    async def run() -> None:
        async with running(tmp_path) as r, r.client() as c, r.client(READER) as reader:
            fax = await sent(c, "+493055")
            assert (await ended(c, fax["id"]))["state"] == "delivered"

            async def known() -> Any:
                return (await reader.get("/v1/numbers")).json()["numbers"]

            (found,) = await until(known)
            assert (found["calls"], found["delivered"], found["mode"], found["max_rate"]) == (1, 1, None, None)
            wanted = {"number": found["number"], "mode": "audio", "max_rate": 9600}
            assert (await reader.post("/v1/numbers", json=wanted)).status_code == 403
            assert (await c.post("/v1/numbers", json=wanted | {"max_rate": 9601})).status_code == 422
            set_so = (await c.post("/v1/numbers", json=wanted)).json()
            assert (set_so["mode"], set_so["max_rate"], set_so["delivered"]) == ("audio", 9600, 1)
            path = f"/v1/numbers/{found['number']}"
            assert (await c.delete(path)).status_code == 204
            assert (await c.delete(path)).status_code == 404

    asyncio.run(run())


def test_an_upload_that_takes_a_program_is_refused_by_its_own_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A document that is refused before it is opened has the name people gave it, not that under which it is kept."""
    monkeypatch.setattr("softfax.documents.office._program", lambda: None)
    memo = office_files.docx(tmp_path / "memo.docx", ["Dear colleagues"]).read_bytes()

    async def run() -> None:
        async with running(tmp_path) as r, r.client(SENDER) as c:
            refused = await c.post("/v1/uploads", files={"file": ("memo.docx", memo)})
            assert refused.status_code == 422, refused.text
            assert refused.json()["detail"].startswith("memo.docx is a word processor document, and LibreOffice")

    asyncio.run(run())
