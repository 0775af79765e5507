# SPDX-License-Identifier: GPL-2.0-or-later
"""[http] and [[http.token]]: the HTTP API and the web page."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from softfax.sip.types import parse_listen
from softfax.station.config.base import Listen, Misplaced, Networks, Table, alike, matching

__all__ = ["SCOPES", "HttpConfig", "Scope", "TokenConfig", "add_http_secret", "is_loopback"]

Scope = Literal["read", "send", "cancel", "events", "metrics", "admin"]
SCOPES: tuple[Scope, ...] = ("read", "send", "cancel", "events", "metrics", "admin")
USUAL: tuple[Scope, ...] = ("read", "send", "cancel", "events")
HASH = re.compile(r"sha256:[0-9a-f]{64}\Z")
SECRET_MIN = 16
ENVIRONMENT = "environment"


def is_loopback(host: str) -> bool:
    """Return True if a host as written is this machine alone."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class TokenConfig(Table):
    """[[http.token]]: who may use the API, and for what."""

    name: Annotated[str, matching(r"[A-Za-z0-9_.@-]{1,40}", "use up to 40 letters, digits and _.@-")] = Field(
        description="its name, as the log says it"
    )
    secret: str = Field(
        "",
        repr=False,
        max_length=500,
        description="its secret, 16 characters or more, or `sha256:` and the SHA-256 of it in hexadecimal; or SOFTFAX_HTTP_TOKEN",
    )
    scopes: tuple[Scope, ...] = Field(USUAL, description="what it may do; admin is all")

    @field_validator("secret")
    @classmethod
    def _secret(cls, value: str) -> str:
        if value.startswith("sha256:"):
            if not HASH.match(value):
                raise ValueError(
                    "after sha256: come 64 hexadecimal digits, as `printf %s SECRET | sha256sum` writes them"
                )
        elif value and (len(value) < SECRET_MIN or not value.isascii() or not value.isprintable() or " " in value):
            raise ValueError(
                f"use {SECRET_MIN} or more printable ASCII characters without blanks: openssl rand -hex 24"
            )
        return value


class HttpConfig(Table):
    """[http]: the HTTP API and the web page."""

    enabled: bool = Field(True, description="serve the API and the page")
    listen: Listen = Field(
        "127.0.0.1:8038", description="HOST:PORT of HTTP, port 0 for any; beyond loopback a token is needed"
    )
    tls_certificate: Path | None = Field(None, description="certificate with its chain (PEM); then it is HTTPS")
    tls_private_key: Path | None = Field(None, description="its private key (PEM)")
    token: tuple[TokenConfig, ...] = Field(
        (), description="who may use it; without any: loopback alone, and everything"
    )
    trusted_proxies: Networks = Field((), description="addresses of reverse proxies whose X-Forwarded-* headers count")
    proxy_user_header: Annotated[str, matching(r"[A-Za-z0-9-]{0,60}", "write a header's name, as Remote-User")] = Field(
        "", description="header in which a trusted proxy names the user it has let in"
    )
    proxy_user_scopes: tuple[Scope, ...] = Field(USUAL, description="what such users may do")
    session_hours: float = Field(12.0, gt=0, le=24 * 90, description="how long a login of the web page lasts")
    requests_per_minute: int = Field(3000, ge=0, le=1_000_000, description="of one token or address; 0 for any number")
    failed_logins_per_minute: int = Field(10, ge=1, le=10_000, description="of one address, before it has to wait")
    max_upload_mb: int = Field(100, ge=1, le=4096, description="largest request with documents, in millions of bytes")
    max_files: int = Field(50, ge=1, le=200, description="documents in one request")
    max_recipients: int = Field(2000, ge=1, le=100_000, description="destinations in one request")
    upload_timeout_s: float = Field(600.0, gt=0, le=7200, description="how long one request may take to come in")
    conversions: int = Field(2, ge=1, le=32, description="uploads turned into pages at a time")
    uploads_hours: float = Field(24.0, gt=0, le=24 * 30, description="how long an upload that is not sent is kept")
    public_url: Annotated[str, matching(r"(https?://[^\s?#]+)?", "write it as https://fax.example")] = Field(
        "", description="how others reach it; with it, callbacks of results have the URL of the document, signed"
    )
    link_hours: float = Field(168.0, gt=0, le=24 * 366, description="how long such a URL is good")
    max_streams: int = Field(200, ge=1, le=10_000, description="event streams at a time")
    page_cache_mb: int = Field(32, ge=0, le=4096, description="memory for pictures of pages")

    @property
    def url(self) -> str:
        """URL of this machine's page, for others of its network; empty for none."""
        host, port = parse_listen(self.listen)
        if host in ("", "0.0.0.0", "::"):
            host = socket.gethostname()
        scheme = "https" if self.tls_certificate is not None else "http"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}" if self.enabled else ""

    @model_validator(mode="after")
    def _safe(self) -> HttpConfig:
        for index, token in enumerate(self.token):
            if not token.secret:
                raise Misplaced(
                    f"token {token.name} has no secret; write one, or set SOFTFAX_HTTP_TOKEN", "token", index
                )
        alike([token.name for token in self.token], "token", "token")
        if self.proxy_user_header and not self.trusted_proxies:
            raise ValueError("proxy_user_header needs trusted_proxies; name the proxy's address")
        if (self.tls_certificate is None) != (self.tls_private_key is None):
            raise ValueError("tls_certificate and tls_private_key go together; write both")
        if self.enabled and not self.protected and not is_loopback(self.address[0]):
            raise Misplaced(
                f"anyone who reaches {self.listen} could send faxes and read them; add a [[http.token]], or listen on 127.0.0.1",
                "listen",
            )
        return self

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        return parse_listen(self.listen)

    @property
    def https(self) -> bool:
        """True if it speaks TLS."""
        return self.tls_certificate is not None

    @property
    def protected(self) -> bool:
        """True if clients have to authenticate."""
        return bool(self.token or self.proxy_user_header)


def add_http_secret(table: dict[str, Any], environ: Mapping[str, str]) -> None:
    """SOFTFAX_HTTP_TOKEN is the secret of the token that has none; where there are no tokens, of one that may do everything."""
    secret = environ.get("SOFTFAX_HTTP_TOKEN")
    http = table.setdefault("http", {}) if secret else None
    if not isinstance(http, dict):
        return
    tokens = http.setdefault("token", [])
    if not isinstance(tokens, list):
        return
    without = [token for token in tokens if isinstance(token, dict) and not token.get("secret")]
    if without:
        without[0]["secret"] = secret
    elif not tokens:
        tokens.append({"name": ENVIRONMENT, "secret": secret, "scopes": list(SCOPES)})
