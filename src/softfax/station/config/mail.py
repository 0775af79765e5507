# SPDX-License-Identifier: GPL-2.0-or-later
"""[mail], [[mail.sender]] and [[mail.user]]: faxes by e-mail."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from softfax.options import Ident
from softfax.sip.accounts import network
from softfax.sip.types import parse_listen
from softfax.station.config.base import Listen, Networks, Table, matching
from softfax.station.config.http import is_loopback

__all__ = ["MailConfig", "MailSenderConfig", "MailUserConfig"]

_HOST = r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,253}[A-Za-z0-9])?"
LOOPBACK = ("127.0.0.0/8", "::1/128")
_SENDER = re.compile(rf"(?:[^\s@<>,;\"]{{1,64}}|)@{_HOST}|\*")


class MailSenderConfig(Table):
    """[[mail.sender]]: who may send faxes by e-mail, and how their faxes go out. The most exact entry counts."""

    address: str = Field(description="name@host, @host for everybody there, or * for all that are let in")
    faxes_per_hour: int = Field(0, ge=0, le=100_000, description="faxes of one address in an hour; 0 for no limit")
    account: str = Field("", max_length=64, description="account that their faxes go through; empty: as the routes say")
    ident: Ident = Field("", description="station identity (TSI) of their faxes; empty: that of [fax]")
    header: str = Field("", max_length=80, description="header line of their faxes; empty: that of [fax]")

    @field_validator("address")
    @classmethod
    def _address(cls, value: str) -> str:
        if not _SENDER.fullmatch(value):
            raise ValueError("write name@host, @host or *")
        return value.lower()


class MailUserConfig(Table):
    """[[mail.user]]: who may hand in e-mail from anywhere, with a password (SMTP AUTH)."""

    name: str = Field(min_length=1, max_length=255, description="its name")
    password: str = Field(repr=False, min_length=8, max_length=255, description="its password, 8 characters or more")
    addresses: tuple[str, ...] = Field(
        (), description="the only addresses it sends from; empty: all in [[mail.sender]]"
    )

    @field_validator("addresses")
    @classmethod
    def _addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(_SENDER.fullmatch(one) for one in value):
            raise ValueError("write name@host, @host or *")
        return tuple(one.lower() for one in value)


class MailConfig(Table):
    """[mail]: faxes by e-mail to NUMBER@DOMAIN; off unless the table is there."""

    listen: Listen = Field(
        "127.0.0.1:8025",
        description="HOST:PORT of SMTP, port 0 for any; beyond loopback [[mail.user]] or trusted_networks is needed",
    )
    hostname: Annotated[str, matching(rf"(?:{_HOST})?", "write a name, like fax.example.com")] = Field(
        "", description="its own name in SMTP (the machine's name)"
    )
    domains: tuple[str, ...] = Field((), description="domains of fax addresses, like fax.example.com; empty for any")
    sender: tuple[MailSenderConfig, ...] = Field((), description="who may send")
    user: tuple[MailUserConfig, ...] = Field((), description="who may hand in e-mail from anywhere")
    trusted_networks: Networks = Field(
        LOOPBACK,
        description="where e-mail is taken from without a password: the mail server in front",
    )
    authserv_id: str = Field(
        "",
        max_length=255,
        description="name that the mail server in front puts in Authentication-Results; with it, a From that passed "
        "neither DMARC nor an aligned DKIM or SPF is refused",
    )
    tls_certificate: Path | None = Field(None, description="certificate with its chain (PEM); then STARTTLS is offered")
    tls_private_key: Path | None = Field(None, description="its private key (PEM)")
    cover: Literal["always", "attachments", "never"] = Field(
        "attachments", description="a cover page with subject and text: always, only before attachments, or never"
    )
    text: bool = Field(True, description="fax the e-mail's text too; false: only attachments, if there are any")
    ignore_images_kb: int = Field(
        20, ge=0, le=10_000, description="pictures in the text up to this size are logos, and left out"
    )
    report: Literal["always", "failed", "never"] = Field("always", description="e-mail the sender what became of a fax")
    report_page: Literal["png", "pdf", "none"] = Field(
        "png", description="the first page in it: a picture, a PDF, none"
    )
    max_message_mb: int = Field(25, ge=1, le=1024, description="largest e-mail, in millions of bytes")
    max_recipients: int = Field(50, ge=1, le=1000, description="fax numbers in one e-mail")
    max_parts: int = Field(60, ge=1, le=300, description="MIME parts in one e-mail")
    max_connections: int = Field(
        30, ge=1, le=1000, description="SMTP connections at a time, of trusted networks and of others each"
    )
    conversions: int = Field(2, ge=1, le=32, description="e-mails turned into pages at a time")
    timeout_s: float = Field(600.0, gt=0, le=3600, description="how long one command, or one e-mail, may take")

    @field_validator("domains")
    @classmethod
    def _domains(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for domain in value:
            if not re.fullmatch(_HOST, domain):
                raise ValueError(f"{domain[:60]!r} is not a domain; write fax.example.com")
        return tuple(domain.lower() for domain in value)

    @field_validator("trusted_networks")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            if not network(text).prefixlen:
                raise ValueError(f"{text} is everybody; name the mail server in front, like 192.0.2.25")
        return value

    @model_validator(mode="after")
    def _whole(self) -> MailConfig:
        if not self.sender:
            raise ValueError('nobody may send; add [[mail.sender]] with address = "@example.com"')
        if (self.tls_certificate is None) != (self.tls_private_key is None):
            raise ValueError("tls_certificate and tls_private_key go together; write both")
        if self.user and self.tls_certificate is None:
            raise ValueError("passwords are taken over TLS only; add tls_certificate and tls_private_key")
        if not is_loopback(self.address[0]) and not self.user and not set(self.trusted_networks) - set(LOOPBACK):
            raise ValueError(
                f"nobody who reaches {self.listen} is known; add [[mail.user]] with a certificate, name the mail server in "
                "trusted_networks, or listen on 127.0.0.1"
            )
        names = [user.name for user in self.user]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two users are called {name[:60]}; name each")
        return self

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        return parse_listen(self.listen)
