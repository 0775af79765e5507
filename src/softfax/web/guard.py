# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks of every request before the application sees it: authentication, rate, origin and size; and the headers of every answer
for browsers."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from softfax.peers import network_of
from softfax.station.links import DocumentLinks
from softfax.web.access import Access, Principal, Requester, check_origin, unauthorized
from softfax.web.limits import Buckets
from softfax.web.problems import Problem, problem_of, throttled

__all__ = ["JSON_MAX", "Guard", "cookie_of"]

log = logging.getLogger("softfax.web")

JSON_MAX = 2 << 20
JSON_S = 30.0
#: What frames a document in multipart takes besides the document.
FRAME_BYTES = 1 << 20

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "font-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = tuple(
    (name.lower().encode(), value.encode())
    for name, value in {
        "Content-Security-Policy": CSP,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "X-Frame-Options": "DENY",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    }.items()
)
#: Public: no fax and no number is seen there.
_PUBLIC = frozenset({"/", "/healthz", "/readyz", "/openapi.json", "/favicon.ico"})
#: Open to who has a link of ours.
_LINKED = re.compile(r"/v1/faxes/[0-9a-f]{24}/document\.pdf")
_UPLOADS = frozenset({"/v1/uploads", "/v1/faxes"})
_ENDLESS = frozenset({"/v1/events"})


class _Answer:
    """An answer on its way: what all answers say is added, and an error in plain text becomes a problem."""

    def __init__(self, send: Send, headers_alone: bool, request_id: str) -> None:
        self._send, self.headers_alone = send, headers_alone
        self._request_id = request_id
        self.started = self.ended = False
        self._replaced = False

    async def __call__(self, message: Message) -> None:
        """Sends a part of it."""
        if message["type"] == "http.response.start":
            await self._start(message)
        elif not self._replaced:
            await self._body(message)

    async def _start(self, message: Message) -> None:
        self.started = True
        headers = list(message.get("headers", ()))
        kind = dict(headers).get(b"content-type", b"")
        if message["status"] >= 400 and kind.startswith(b"text/plain"):
            kept = {k.decode(): v.decode() for k, v in headers if k in (b"allow", b"content-range", b"retry-after")}
            problem = problem_of(HTTPException(message["status"], headers=kept)).response()
            headers = list(problem.raw_headers)
            await self._send({**message, "headers": _with_common(headers, self._request_id)})
            await self._body({"type": "http.response.body", "body": problem.body})
            self._replaced = True
        else:
            await self._send({**message, "headers": _with_common(headers, self._request_id)})

    async def _body(self, message: Message) -> None:
        self.ended = not message.get("more_body", False)
        if self.headers_alone:
            message = {**message, "body": b""}
        await self._send(message)


def _with_common(headers: list[tuple[bytes, bytes]], request_id: str) -> list[tuple[bytes, bytes]]:
    names = {name for name, _ in headers}
    headers = [*headers, (b"request-id", request_id.encode()), *(pair for pair in _HEADERS if pair[0] not in names)]
    return headers if b"cache-control" in names else [*headers, (b"cache-control", b"no-store")]


class Guard:
    """The outermost layer. `cookie` is the name of the login's cookie."""

    def __init__(self, app: ASGIApp, access: Access, cookie: str, links: DocumentLinks) -> None:
        self.app = app
        self.access = access
        self.links = links
        self.cookie = cookie
        self._asked = Buckets(0)
        self.reload()

    def reload(self) -> None:
        """The configuration has changed."""
        per_minute = self.access.config.requests_per_minute
        self._asked = Buckets(per_minute, max(20.0, per_minute / 3))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        elif scope["type"] == "http":
            await self._request(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = secrets.token_hex(8)
        scope["state"] = {**scope.get("state", {}), "request_id": request_id}
        answer = _Answer(send, scope["method"] == "HEAD", request_id)
        try:
            limited = self._admit(scope, receive)
            if answer.headers_alone and scope["path"] not in _ENDLESS:
                # A HEAD is a GET of which nothing but the headers is sent.
                scope = {**scope, "method": "GET"}
            await self.app(scope, limited, answer)
        except Exception as error:
            if answer.ended:
                return
            if answer.started:
                # What was said cannot be taken back; the connection breaks off, so that nobody takes it for all.
                raise
            await problem_of(error, request_id)(scope, receive, answer)

    def _admit(self, scope: Scope, receive: Receive) -> Receive:
        """Checks a request and marks it with who asks. Raises Problem."""
        if scope.get("softfax.full"):
            raise Problem(
                503, "Too many connections", kind="connections", headers={"Retry-After": "5", "Connection": "close"}
            )
        headers = _joined(scope["headers"])
        if "transfer-encoding" in headers and "content-length" in headers:
            # A proxy between may have read another request out of it (RFC 9112 §6.1).
            raise Problem(
                400, "This is no HTTP/1.1", "It says its length twice.", kind="no-http", headers={"Connection": "close"}
            )
        client = scope.get("client")
        requester = self.access.requester(client[0] if client else "", scope["scheme"], headers)
        path, method = scope["path"], scope["method"]
        public = path in _PUBLIC or path.startswith("/assets/") or (path == "/v1/login" and method == "POST")
        principal = self._principal(requester, headers, public)
        self._often(requester, principal)
        query = scope["query_string"].decode("latin-1")
        if principal is None and _LINKED.fullmatch(path) and self.links.is_good(path, query):
            principal = Principal("link", frozenset({"read"}), "link")
        scope["state"] |= {"requester": requester, "principal": principal}
        if principal is None and not public:
            raise unauthorized("The station answers to those it knows.")
        check_origin(method, headers, principal)
        return self._limited(receive, headers, *self._size(path, method))

    def _principal(self, requester: Requester, headers: Mapping[str, str], public: bool) -> Principal | None:
        try:
            return self.access.principal(requester, headers, cookie_of(headers, self.cookie))
        except Problem as problem:
            # A page with a token that is wrong by now has to load, to ask for another one.
            if public and problem.status_code in (401, 429):
                return None
            raise

    def _often(self, requester: Requester, principal: Principal | None) -> None:
        if principal is None or principal.kind == "local":
            key = f"address {network_of(requester.address)}"
        else:
            key = f"{principal.kind == 'proxy'} {principal.name}"
        if wait_s := self._asked.take(key):
            most = self.access.config.requests_per_minute
            raise throttled("Too many requests", f"More than {most} a minute.", wait_s)

    def _size(self, path: str, method: str) -> tuple[int, float]:
        """Limit on the bytes of a request, and the time for them."""
        if method == "POST" and path in _UPLOADS:
            return self.access.config.max_upload_mb * 1_000_000 + FRAME_BYTES, self.access.config.upload_timeout_s
        return JSON_MAX, JSON_S

    def _limited(self, receive: Receive, headers: Mapping[str, str], most: int, within_s: float) -> Receive:
        length = headers.get("content-length", "")
        if length.isdigit() and int(length) > most:
            raise too_large(most)
        count = 0
        done = False
        deadline = 0.0

        async def limited() -> Message:
            nonlocal count, done, deadline
            if done:
                return await receive()
            loop = asyncio.get_running_loop()
            deadline = deadline or loop.time() + within_s
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                raise Problem(
                    408, "The request took too long", f"It was not complete after {within_s:g} s.", kind="too-slow"
                ) from None
            if message["type"] == "http.request":
                count += len(message.get("body", b""))
                done = not message.get("more_body", False)
                if count > most:
                    raise too_large(most)
            return message

        return limited


def too_large(most: int) -> Problem:
    """A request that brings too much."""
    shown = f"{most / 1e6:.0f} MB"
    return Problem(413, "Too large", f"At most {shown} fit in one request.", "Send less at once.", kind="too-large")


def _joined(raw: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers by name; what stands several times is joined, so that no second value is overlooked."""
    out: dict[str, str] = {}
    for name, value in raw:
        key, text = name.decode("latin-1"), value.decode("latin-1")
        out[key] = f"{out[key]}, {text}" if key in out else text
    return out


def cookie_of(headers: Mapping[str, str], name: str) -> str:
    """The value of a cookie; empty where there is none."""
    for part in headers.get("cookie", "").split(";"):
        key, _, value = part.strip().partition("=")
        if key == name:
            return value.strip()
    return ""
