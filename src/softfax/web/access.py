# SPDX-License-Identifier: GPL-2.0-or-later
"""Authentication and scopes: tokens, logins of the page, users that a reverse proxy names, this machine."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import math
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from softfax.outside import clean
from softfax.peers import ip_of, network_of
from softfax.sip.accounts import network
from softfax.station.config.http import SCOPES, HttpConfig, is_loopback
from softfax.web.limits import Buckets
from softfax.web.problems import Problem, throttled
from softfax.web.store import Login, WebStore

__all__ = ["Access", "Principal", "Requester", "check_origin", "unauthorized"]

log = logging.getLogger("softfax.web")

TOKEN_MAX = 500
LOGINS_MAX = 10_000
RIGHT_S, RIGHT_MAX = 3600.0, 5000
#: Of what came through a proxy, whether it is trusted or not.
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")


@dataclass(frozen=True)
class Principal:
    """An authenticated client. `kind` is the way it is known: by a token, a login, a proxy's word, a link, or as this machine."""

    name: str
    scopes: frozenset[str]
    kind: Literal["token", "login", "proxy", "link", "local"]

    def may(self, scope: str) -> bool:
        """Return True if it may do what `scope` stands for."""
        return scope in self.scopes or "admin" in self.scopes


@dataclass(frozen=True)
class Requester:
    """Origin of a request, behind trusted proxies. `peer` is the connection's other end; `proxied` is true if that is
    one of them."""

    address: str
    peer: str
    secure: bool
    proxied: bool


@dataclass(frozen=True)
class _Token:
    name: str
    digest: bytes
    scopes: frozenset[str]


class Access:
    """Authenticates requests. `reload` takes another configuration; logins of tokens that are gone end with it."""

    def __init__(self, config: HttpConfig, store: WebStore | None) -> None:
        self._store = store
        self._logins: dict[str, Login] = {}
        self.reload(config)

    def reload(self, config: HttpConfig) -> None:
        """Another configuration."""
        self.config = config
        self._tokens = tuple(_Token(t.name, _digest(t.secret), frozenset(t.scopes)) for t in config.token)
        self._proxies = tuple(network(text) for text in config.trusted_proxies)
        self._failures = Buckets(config.failed_logins_per_minute)
        self._right: OrderedDict[tuple[str, bytes], float] = OrderedDict()

    async def start(self) -> None:
        """Takes up the logins that were there."""
        if self._store is not None:
            self._logins = {login.key: login for login in await asyncio.to_thread(self._store.logins)}

    # ---- where from ---------------------------------------------------------------------------------------------

    def requester(self, peer: str, scheme: str, headers: Mapping[str, str]) -> Requester:
        """Client behind trusted proxies: the last address of X-Forwarded-For that is none of them."""
        if not self._trusted(peer):
            return Requester(peer, peer, scheme == "https", False)
        address = peer
        for hop in reversed(headers.get("x-forwarded-for", "").split(",")):
            hop = hop.strip().strip("[]")
            if ip_of(hop) is None:
                break
            address = hop
            if not self._trusted(hop):
                break
        proto = headers.get("x-forwarded-proto", scheme).split(",")[-1].strip().lower()
        return Requester(address, peer, proto == "https", True)

    def _trusted(self, address: str) -> bool:
        ip = ip_of(address)
        return ip is not None and any(ip in proxy for proxy in self._proxies)

    # ---- who ----------------------------------------------------------------------------------------------------

    def principal(self, requester: Requester, headers: Mapping[str, str], cookie: str) -> Principal | None:
        """Principal of a request; None if it is not authenticated. Raises Problem for what is refused to all."""
        if not self.config.protected:
            return self._local(requester, headers)
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            token = self._checked(requester, given.strip())
            return Principal(token.name, token.scopes, "token")
        if cookie and (found := self._of_login(cookie)) is not None:
            return found
        return self._of_proxy(requester, headers)

    def _local(self, requester: Requester, headers: Mapping[str, str]) -> Principal:
        """Without tokens: this machine alone, asked by its own name. Another name may be one that an attacker let lead here."""
        ip = ip_of(requester.peer)
        if ip is None or not ip.is_loopback or any(name in headers for name in _FORWARDED):
            raise Problem(
                403,
                "Only this machine may ask",
                "No token is configured, so the station answers its own machine alone.",
                "Add a [[http.token]] to the configuration.",
                kind="loopback-only",
            )
        host = re.sub(r":\d*\Z", "", headers.get("host", ""))
        if not is_loopback(host.removesuffix(".")):
            raise Problem(
                403,
                "Unknown host name",
                "Without tokens the station answers to localhost, 127.0.0.1 and [::1] alone.",
                "Use one of these, or add a [[http.token]].",
                kind="host",
            )
        return Principal("local", frozenset(SCOPES), "local")

    def _of_proxy(self, requester: Requester, headers: Mapping[str, str]) -> Principal | None:
        name = headers.get(self.config.proxy_user_header.lower(), "") if self.config.proxy_user_header else ""
        if not requester.proxied or not name:
            return None
        shown = clean(name[:80])
        return Principal(shown, frozenset(self.config.proxy_user_scopes), "proxy")

    def _of_login(self, cookie: str) -> Principal | None:
        login = self._logins.get(Login.key_of(cookie)) if len(cookie) <= TOKEN_MAX else None
        if login is None or login.until < time.time():
            return None
        token = next((t for t in self._tokens if t.name == login.token), None)
        if token is None or not hmac.compare_digest(_fingerprint(token), login.fingerprint):
            return None
        return Principal(token.name, token.scopes, "login")

    def _checked(self, requester: Requester, given: str) -> _Token:
        """The token whose secret was given. Raises Problem; a client that guesses has to wait, also for the right answer.

        A token that was right from the same address within the hour is not kept waiting by others who are wrong there.
        """
        key = network_of(requester.address)
        digest = hashlib.sha256(given[: TOKEN_MAX + 1].encode("utf-8", "surrogatepass")).digest()
        known = self._right.get((key, digest), -math.inf) > time.monotonic() - RIGHT_S
        if (wait_s := self._failures.wait_s(key)) and not known:
            raise throttled("Too many wrong tokens", "From this address came too many wrong tokens.", wait_s)
        # All are compared, so that the time tells nothing.
        found = [token for token in self._tokens if hmac.compare_digest(token.digest, digest)]
        if not found:
            self._failures.take(key)
            log.warning("a wrong token came from %s", requester.address)
            raise unauthorized("The token is wrong.")
        self._right[key, digest] = time.monotonic()
        self._right.move_to_end((key, digest))
        if len(self._right) > RIGHT_MAX:
            self._right.popitem(last=False)
        return found[0]

    # ---- logins of the page -------------------------------------------------------------------------------------

    async def log_in(self, requester: Requester, secret: str) -> tuple[str, Principal]:
        """A cookie for a client that knows a token, and its principal. Raises Problem."""
        token = self._checked(requester, secret)
        cookie = secrets.token_urlsafe(32)
        until = time.time() + self.config.session_hours * 3600
        login = Login(key=Login.key_of(cookie), token=token.name, fingerprint=_fingerprint(token), until=until)
        if len(self._logins) >= LOGINS_MAX:
            now = time.time()
            self._logins = {key: old for key, old in self._logins.items() if old.until > now}
            while len(self._logins) >= LOGINS_MAX:
                self._logins.pop(next(iter(self._logins)))
        self._logins[login.key] = login
        if self._store is not None:
            await asyncio.to_thread(self._store.add_login, login)
        log.info("%s logged in from %s", token.name, requester.address)
        return cookie, Principal(token.name, token.scopes, "login")

    async def log_out(self, cookie: str) -> None:
        """The cookie is worth nothing any more."""
        key = Login.key_of(cookie)
        if self._logins.pop(key, None) is not None and self._store is not None:
            await asyncio.to_thread(self._store.delete_login, key)


def unauthorized(detail: str) -> Problem:
    """Problem 401: authentication is required."""
    return Problem(
        401,
        "Who are you?",
        detail,
        "Send `Authorization: Bearer TOKEN`, or log in.",
        kind="unauthorized",
        headers={"WWW-Authenticate": 'Bearer realm="softfax"'},
    )


def check_origin(method: str, headers: Mapping[str, str], principal: Principal | None) -> None:
    """Refuses what another site's page lets a browser send with our cookie, or to this machine. Raises Problem.

    A request with a token is deliberate: no page can make a browser send one.
    """
    if method in ("GET", "HEAD", "OPTIONS") or (principal is not None and principal.kind == "token"):
        return
    site = headers.get("sec-fetch-site", "")
    origin = headers.get("origin", "")
    # A page of another origin cannot set a header of ours: the browser would ask first, and we never allow it.
    ours = site == "same-origin" or (site in ("", "none") and headers.get("x-softfax") == "1")
    foreign = site not in ("", "same-origin", "none") or (
        origin != "" and origin.partition("://")[2] != headers.get("host", "")
    )
    if not ours and (foreign or (principal is not None and principal.kind in ("login", "proxy"))):
        raise Problem(
            403,
            "The request came from another site",
            "A browser sent it for a page that is not the station's.",
            "Send the header X-Softfax: 1, or use a token.",
            kind="cross-site",
        )


def _digest(secret: str) -> bytes:
    if secret.startswith("sha256:"):
        return bytes.fromhex(secret[7:])
    return hashlib.sha256(secret.encode()).digest()


def _fingerprint(token: _Token) -> str:
    """Fingerprint of a token, not its digest: a reader of the database learns nothing that can be tried."""
    return hashlib.sha256(b"softfax login " + token.digest).hexdigest()
