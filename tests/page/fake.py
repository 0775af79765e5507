# SPDX-License-Identifier: GPL-2.0-or-later
"""A station's HTTP API with nothing behind it: what the page asks is written down, what it gets is what a test wants."""

from __future__ import annotations

import gzip
import json
import mimetypes
import queue
import re
import secrets
import threading
import time
from collections.abc import Callable
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.page import sample

STATIC = Path(__file__).parents[2] / "src/softfax/web/static"
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'; manifest-src 'self'"
)
BYTES_MAX = 100_000_000


class Fake:
    """The state a test sets up and looks at."""

    def __init__(self) -> None:
        self.token = ""
        self.sessions: set[str] = set()
        self.faxes: dict[str, dict[str, Any]] = {}
        self.calls: list[dict[str, Any]] = []
        self.contacts = sample.contacts()
        self.trace: dict[str, Any] | None = None
        self.polled: list[dict[str, Any]] = []
        self.numbers: list[dict[str, Any]] = []
        self.uploads: dict[str, tuple[str, int]] = {}
        self.asked: list[tuple[str, str, Any]] = []
        self.failing: dict[str, tuple[int, dict[str, Any]]] = {}
        self.delay_s = 0.0
        self.sent_bytes = 0
        self.keys: dict[str, Any] = {}
        self.live_rows = 700
        self.events: list[tuple[int, str, dict[str, Any]]] = []
        self.listeners: list[queue.Queue[tuple[int, str, dict[str, Any]] | None]] = []
        self.last_ids: list[str] = []
        self.status = sample.status()
        self.scopes = ["read", "send", "cancel", "events", "admin"]
        self.mailboxes = ["reception", "accounts"]
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self.drop()
        self._server.shutdown()
        self._server.server_close()

    def fill(self, received: int = 26, sent: int = 22) -> None:
        for n in range(received):
            self.put(sample.fax(n))
        for n in range(sent):
            self.put(sample.fax(n, "send"))

    def put(self, fax: dict[str, Any]) -> dict[str, Any]:
        self.faxes[fax["id"]] = fax
        return fax

    def tell(self, event: str, numbered: bool = True, **data: Any) -> None:
        number = len(self.events) + 1 if numbered else 0
        item = (number, event, {"event": event, "time": "2026-11-21T03:00:00Z", **data})
        if numbered:
            self.events.append(item)
        for listener in list(self.listeners):
            listener.put(item)

    def drop(self) -> None:
        """Breaks every stream of events."""
        for listener in list(self.listeners):
            listener.put(None)

    def asked_for(self, method: str, path: str) -> list[Any]:
        return [body for m, p, body in self.asked if m == method and re.fullmatch(path, p)]


def _handler(fake: Fake) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def answer(self, status: int, body: Any = None, kind: str = "application/json", **headers: str) -> None:
            data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.send_header("Content-Security-Policy", CSP)
            self.send_header("X-Content-Type-Options", "nosniff")
            for key, value in headers.items():
                self.send_header(key.replace("_", "-"), value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)
            fake.sent_bytes += len(data)

        def problem(self, status: int, title: str, detail: str = "", **more: Any) -> None:
            self.answer(
                status,
                {"type": "about:blank", "title": title, "status": status, "detail": detail, **more},
                "application/problem+json",
            )

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except (ConnectionError, TimeoutError):
                self.close_connection = True

        def serve(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            if length > BYTES_MAX:
                self.close_connection = True
                self.problem(413, "The file is too large", f"{length} bytes; {BYTES_MAX} are allowed")
                return
            raw = self.rfile.read(length)
            is_json = "json" in (self.headers.get("Content-Type") or "")
            body = json.loads(raw) if raw and is_json else raw
            path, query = parts.path, parse_qs(parts.query)
            if path.startswith("/v1/"):
                fake.asked.append((self.command, path, body if is_json else (query or None)))
                if fake.delay_s:
                    time.sleep(fake.delay_s)
                for pattern, (status, problem) in list(fake.failing.items()):
                    if re.fullmatch(pattern, f"{self.command} {path}"):
                        self.problem(status, **({"title": "It failed"} | problem))
                        return
                if fake.token and path != "/v1/login" and not self.known():
                    self.problem(401, "Who are you?")
                    return
                if self.command != "GET" and self.headers.get("X-Softfax") != "1":
                    self.problem(403, "No CSRF header")
                    return
            for method, pattern, act in ROUTES:
                if method == self.command and (match := re.fullmatch(pattern, path)):
                    act(self, fake, match.groups(), query, body)
                    return
            self.problem(404, "Not found")

        def known(self) -> bool:
            match = re.search(r"softfax=(\w+)", self.headers.get("Cookie") or "")
            return bool(match and match[1] in fake.sessions)

        do_GET = do_POST = do_PATCH = do_DELETE = do_HEAD = serve

    return Handler


Act = Callable[..., None]


def _static(h: Any, fake: Fake, groups: tuple[str, ...], *_: Any) -> None:
    path = (STATIC / (groups[0] if groups else "index.html")).resolve()
    if STATIC not in path.parents or not path.is_file():
        h.problem(404, "Not found")
        return
    kind = "text/javascript" if path.suffix == ".js" else mimetypes.guess_type(path.name)[0] or "text/plain"
    h.answer(200, gzip.compress(path.read_bytes()), kind, Content_Encoding="gzip")


def _login(h: Any, fake: Fake, _g: Any, _q: Any, body: Any) -> None:
    if body.get("token") != fake.token:
        h.problem(401, "The token is not known")
        return
    session = secrets.token_hex(8)
    fake.sessions.add(session)
    h.answer(200, {"name": "office"}, Set_Cookie=f"softfax={session}; HttpOnly; SameSite=Strict; Path=/")


def _who(h: Any, fake: Fake, *_: Any) -> None:
    if fake.token and not h.known():
        h.problem(401, "Who are you?")
    else:
        h.answer(200, {"name": "office", "kind": "login" if fake.token else "local", "scopes": fake.scopes})


def _logout(h: Any, fake: Fake, *_: Any) -> None:
    fake.sessions.clear()
    h.answer(204)


def _list(h: Any, fake: Fake, _g: Any, query: dict[str, list[str]], _b: Any) -> None:
    def one(key: str) -> str:
        return query.get(key, [""])[0]

    found = sorted(fake.faxes.values(), key=lambda f: (f["created"], f["id"]), reverse=True)
    if one("direction"):
        found = [f for f in found if f["direction"] == one("direction")]
    if one("state"):
        found = [f for f in found if f["state"] in one("state").split(",")]
    if one("unread"):
        found = [f for f in found if f["unread"]]
    if one("mailbox"):
        found = [f for f in found if f["mailbox"] == one("mailbox")]
    if one("broadcast_id"):
        found = [f for f in found if f["broadcast_id"] == one("broadcast_id")]
    if one("since"):
        found = [f for f in found if f["created"] >= one("since")]
    if one("until"):
        found = [f for f in found if f["created"] < one("until")]
    for key in query:
        if key.startswith("tag."):
            found = [f for f in found if f["tags"].get(key[4:]) == one(key)]
    if one("q"):
        text = one("q").lower()
        found = [
            f
            for f in found
            if text in " ".join([f["to"], f["caller"], f["caller_name"], *f["documents"], *f["tags"].values()]).lower()
        ]
    start, limit = int(one("cursor") or 0), int(one("limit") or 50)
    more = str(start + limit) if start + limit < len(found) else ""
    h.answer(200, {"faxes": found[start : start + limit], "cursor": more, "total": len(found)})


def _one(h: Any, fake: Fake, groups: tuple[str, ...], *_: Any) -> None:
    fax = fake.faxes.get(groups[0])
    if fax:
        h.answer(200, fax)
    else:
        h.problem(404, "Fax not found")


def _change(h: Any, fake: Fake, groups: tuple[str, ...], _q: Any, body: Any) -> None:
    fake.faxes[groups[0]] |= body
    h.answer(200, fake.faxes[groups[0]])


def _end(h: Any, fake: Fake, groups: tuple[str, ...], query: Any, _b: Any) -> None:
    fax = fake.faxes.get(groups[0])
    if not fax:
        h.problem(404, "Fax not found")
    elif "erase" in query:
        del fake.faxes[groups[0]]
        h.answer(204)
    elif fax["ended"]:
        h.problem(409, "This fax has ended")
    else:
        fax |= {"state": "cancelled", "ended": sample.stamp(sample.datetime.now(sample.UTC)), "cause": "cancelled"}
        fake.calls = [c for c in fake.calls if c["fax_id"] != fax["id"]]
        h.answer(200, fax)
        fake.tell("job", fax_id=fax["id"], state="cancelled")


def _retry(h: Any, fake: Fake, groups: tuple[str, ...], *_: Any) -> None:
    fake.faxes[groups[0]] |= {"state": "queued", "ended": None, "reason": "", "cause": None}
    h.answer(202, fake.faxes[groups[0]])


def _forward(h: Any, fake: Fake, groups: tuple[str, ...], _q: Any, body: Any) -> None:
    if "email" in body:
        h.answer(202, {})
    else:
        h.answer(202, fake.put(sample.fax(9000 + len(fake.faxes), "send", "queued", to=body["to"])))


def _send(h: Any, fake: Fake, _g: Any, _q: Any, body: Any) -> None:
    key = h.headers.get("Idempotency-Key")
    if key in fake.keys:
        h.answer(202, fake.keys[key])
        return
    numbers = body["to"] if isinstance(body["to"], list) else [body["to"]]
    if "999" in numbers:
        h.problem(422, "999 may not be faxed", "999 is on the do-not-fax list", remedy="take it off the list")
        return
    if "998" in numbers:
        h.problem(422, "The station has no way to this number", "no account for the number 998", type="urn:softfax:problem:no-route",
                  remedy="configure an [[account]], or call sip:NUMBER@HOST")  # fmt: skip
        return
    now = sample.stamp(sample.datetime.now(sample.UTC))
    pages = sum(len(sample.raster(fake.uploads[d["upload"]][0])) for d in body.get("documents", ()))
    made = [
        fake.put(
            sample.fax(0, "receive" if body.get("poll") else "send", "queued", id=secrets.token_hex(12), to=n, created=now, updated=now, pages_total=pages, attempts=[],
                       broadcast_id="b1" if len(numbers) > 1 else "", not_before=body.get("not_before"))
        )
        for n in numbers
    ]  # fmt: skip
    fake.keys[key] = {"broadcast_id": "b1", "faxes": made} if len(numbers) > 1 else made[0]
    h.answer(202, fake.keys[key])


def _upload(h: Any, fake: Fake, _g: Any, query: Any, body: bytes) -> None:
    head = f"Content-Type: {h.headers['Content-Type']}\r\n\r\n".encode()
    part = next(iter(BytesParser(policy=HTTP).parsebytes(head + body).iter_parts()))
    name, data = part.get_filename() or "", part.get_payload(decode=True)
    assert isinstance(data, bytes)
    if not data.startswith((b"%PDF", b"\x89PNG", b"II*", b"\xff\xd8")):
        h.problem(
            422, "The document cannot be read", f"{name} is no document this station knows", remedy="save it as PDF"
        )
        return
    document = next((d for d in sample.DOCUMENTS if d in name), "letter")
    h.answer(201, _made(fake, document, name))


def _made(fake: Fake, document: str, name: str) -> dict[str, Any]:
    key = secrets.token_hex(8)
    fake.uploads[key] = (document, 0)
    pages = [
        {
            "number": n,
            "width": p.width,
            "rows": p.height,
            "bytes": 21000 + n * 3100,
            "seconds": 14.5 + n,
            "resolution": "204x196",
        }
        for n, p in enumerate(sample.raster(document), 1)
    ]
    return {
        "id": key,
        "name": name,
        "bytes": 50000,
        "pages": pages,
        "seconds": sum(float(p["seconds"]) for p in pages),
        "call_s": 14.0,
        "resolution": "fine",
        "warnings": [],
    }


def _cover(h: Any, fake: Fake, _g: Any, _q: Any, body: Any) -> None:
    h.answer(201, _made(fake, "form", "cover"))


def _drop_upload(h: Any, fake: Fake, groups: tuple[str, ...], *_: Any) -> None:
    fake.uploads.pop(groups[0], None)
    h.answer(204)


def _width(query: Any) -> int:
    return int(query.get("width", ["0"])[0])


def _upload_page(h: Any, fake: Fake, groups: tuple[str, ...], query: Any, _b: Any) -> None:
    if groups[0] not in fake.uploads:
        h.problem(404, "This upload is not here")
        return
    h.answer(200, sample.picture(fake.uploads[groups[0]][0], int(groups[1]), _width(query)), "image/png")


def _document(fake: Fake, fax_id: str) -> str:
    return sample.DOCUMENTS[int(fax_id[-2:], 16) % len(sample.DOCUMENTS)]


def _page(h: Any, fake: Fake, groups: tuple[str, ...], query: Any, _b: Any) -> None:
    h.answer(
        200,
        sample.picture(_document(fake, groups[0]), int(groups[1]), _width(query)),
        "image/png",
        Cache_Control="max-age=600",
    )


def _live(h: Any, fake: Fake, groups: tuple[str, ...], *_: Any) -> None:
    h.answer(200, sample.picture(_document(fake, groups[0]), 1, 0, fake.live_rows), "image/png")


def _contacts(h: Any, fake: Fake, _g: Any, query: Any, _b: Any) -> None:
    q = query.get("q", [""])[0].lower()
    h.answer(200, {"contacts": [c for c in fake.contacts if q in " ".join(map(str, c.values())).lower()]})


def _contact(h: Any, fake: Fake, _g: Any, _q: Any, body: Any) -> None:
    one = {"id": secrets.token_hex(4), **body}
    fake.contacts = [c for c in fake.contacts if c["id"] != one["id"]] + [one]
    h.answer(201, one)


def _drop_contact(h: Any, fake: Fake, groups: tuple[str, ...], *_: Any) -> None:
    fake.contacts = [c for c in fake.contacts if c["id"] != groups[0]]
    h.answer(204)


def _put_out(h: Any, fake: Fake, _g: Any, _q: Any, body: bytes) -> None:
    head = f"Content-Type: {h.headers['Content-Type']}\r\n\r\n".encode()
    whole, *files = BytesParser(policy=HTTP).parsebytes(head + body).iter_parts()
    asked = json.loads(whole.get_content())
    fake.asked.append(("POST", "/v1/polled", asked))
    one = {
        "id": secrets.token_hex(12), "callers": [], "created": sample.stamp(sample.datetime.now(sample.UTC)), "out": True,
        "documents": [part.get_filename() for part in files], "pages_total": 1, "fetched": 0, "last_fetched": None,
        "has_password": bool(asked.pop("poll_password")), **asked,
    }  # fmt: skip
    fake.polled = [*fake.polled, one]
    h.answer(201, one)


def _set_number(h: Any, fake: Fake, _g: Any, _q: Any, asked: Any) -> None:
    fake.numbers = [one | asked if one["number"] == asked["number"] else one for one in fake.numbers]
    h.answer(200, next(one for one in fake.numbers if one["number"] == asked["number"]))


def _forget_number(h: Any, fake: Fake, groups: tuple[str, ...], *_: Any) -> None:
    fake.numbers = [one for one in fake.numbers if one["number"] != unquote(groups[0])]
    h.answer(204)


def _take_back(h: Any, fake: Fake, groups: tuple[str, ...], *_: Any) -> None:
    fake.polled = [one for one in fake.polled if one["id"] != groups[0]]
    h.answer(204)


def _events(h: Any, fake: Fake, *_: Any) -> None:
    last = h.headers.get("Last-Event-ID") or ""
    fake.last_ids.append(last)
    listener: queue.Queue[tuple[int, str, dict[str, Any]] | None] = queue.Queue()
    missed = [e for e in fake.events if last and e[0] > int(last)]
    fake.listeners.append(listener)
    h.close_connection = True
    h.send_response(200)
    h.send_header("Content-Type", "text/event-stream")
    h.end_headers()
    try:
        h.wfile.write(b": hello\n\n")
        while True:
            item = missed.pop(0) if missed else listener.get(timeout=15)
            if item is None:
                return
            number, event, data = item
            h.wfile.write(
                ((f"id: {number}\n" if number else "") + f"event: {event}\ndata: {json.dumps(data)}\n\n").encode()
            )
    except (OSError, queue.Empty):
        pass
    finally:
        fake.listeners.remove(listener)


def _json(get: Callable[[Fake], Any]) -> Act:
    return lambda h, fake, *_: h.answer(200, get(fake))


FAX = r"/v1/faxes/(\w+)"
ROUTES: tuple[tuple[str, str, Act], ...] = (
    ("GET", "/", _static),
    ("GET", "/assets/(.+)", _static),
    ("GET", "/v1/login", _who),
    ("POST", "/v1/login", _login),
    ("POST", "/v1/logout", _logout),
    ("GET", "/v1/faxes", _list),
    ("POST", "/v1/faxes", _send),
    ("GET", FAX, _one),
    ("PATCH", FAX, _change),
    ("DELETE", FAX, _end),
    ("POST", f"{FAX}/retry", _retry),
    ("POST", f"{FAX}/forward", _forward),
    ("GET", rf"{FAX}/pages/(\d+)\.png", _page),
    ("GET", rf"{FAX}/live\.png", _live),
    ("GET", f"{FAX}/trace", _json(lambda fake: fake.trace or sample.trace())),
    ("GET", rf"{FAX}/(?:document|trace)\.\w+", lambda h, *_: h.answer(200, b"%PDF-1.4", "application/octet-stream")),
    ("POST", "/v1/uploads", _upload),
    ("DELETE", r"/v1/uploads/(\w+)", _drop_upload),
    ("GET", r"/v1/uploads/(\w+)/pages/(\d+)\.png", _upload_page),
    ("POST", "/v1/covers", _cover),
    ("GET", "/v1/events", _events),
    ("GET", "/v1/sessions", _json(lambda fake: {"sessions": fake.calls})),
    ("GET", "/v1/status", _json(lambda fake: fake.status)),
    (
        "GET",
        "/v1/accounts",
        _json(lambda fake: {"accounts": [{"name": "office"}, {"name": "trunk"}], "defaults": sample.DEFAULTS}),
    ),
    ("GET", "/v1/numbers", _json(lambda fake: {"numbers": fake.numbers})),
    ("POST", "/v1/numbers", _set_number),
    ("DELETE", r"/v1/numbers/(.+)", _forget_number),
    ("GET", "/v1/polled", _json(lambda fake: {"polled": fake.polled})),
    ("POST", "/v1/polled", _put_out),
    ("DELETE", r"/v1/polled/(\w+)", _take_back),
    (
        "GET",
        "/v1/mailboxes",
        _json(lambda fake: {"mailboxes": [{"name": name, "numbers": []} for name in fake.mailboxes]}),
    ),
    ("GET", "/v1/contacts", _contacts),
    ("POST", "/v1/contacts", _contact),
    ("DELETE", r"/v1/contacts/(\w+)", _drop_contact),
)
