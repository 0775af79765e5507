# SPDX-License-Identifier: GPL-2.0-or-later
"""[[mailbox]], [smtp] and [screening]: whose an incoming fax is, where it goes, and which calls are not taken."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from softfax.options import Ident
from softfax.station.config.base import Seconds, Table, Url, matching

__all__ = [
    "CommandTarget",
    "EmailTarget",
    "FolderTarget",
    "MailboxConfig",
    "PrinterTarget",
    "S3Target",
    "ScreeningConfig",
    "SmtpConfig",
    "WebhookTarget",
    "add_store_secrets",
]

ADDRESS = re.compile(r"[^\s@<>,;\"]{1,64}@[^\s@<>,;\"]{1,255}")
_SHELLS = frozenset({"sh", "ash", "bash", "dash", "ksh", "zsh"})
#: What far ends say of themselves.
_OF_OTHERS = ("caller", "caller_name", "called", "station")
#: A number, or the beginning of one with a star, as 030123*.
NumberPattern = Annotated[
    str,
    matching(
        r"\+[0-9]{0,15}\*?|[0-9A-Za-z#._-]{0,64}\*?",
        "write the number without blanks, like +49301234, or its beginning, like +4930*",
    ),
]


#: A mode of files, as chmod takes it; nothing that others could run, or write.
Mode = Annotated[str, matching(r"0?[0-7][0-7][0145]", "write it in octal, like 0640; others cannot be let write")]


def _address(value: str) -> str:
    if not ADDRESS.fullmatch(value):
        raise ValueError("write an address as name@host")
    return value


class FolderTarget(Table):
    """[[mailbox.folder]]: a folder that a copy is put into."""

    dir: Path = Field(description="the folder")
    tiff: bool = Field(False, description="the TIFF too; [inbox] keep_tiff has to be on")
    mode: Mode = Field("0600", description="the mode of the files, whatever the umask; 0640 lets the group read them")
    dir_mode: Mode = Field("0700", description="the mode of the folder where it is made")


class EmailTarget(Table):
    """[[mailbox.email]]: an e-mail with the PDF; see [smtp]."""

    to: str = Field(description="to whom")
    subject: str = Field("", max_length=200, description="{caller}, {called}, {pages}, {station}, {date} are put in")
    attach: bool = Field(True, description="attach the PDF; without it the e-mail only says that a fax came")

    _to = field_validator("to")(_address)


class WebhookTarget(Table):
    """[[mailbox.webhook]]: an HTTP request that tells of the fax, delivered like a callback."""

    url: Url = Field(description="http:// or https:// URL to post to")
    secret: str = Field("", repr=False, description="signs the requests")
    document: bool = Field(False, description="the PDF too, in base64, up to 700 kB")


class S3Target(Table):
    """[[mailbox.s3]]: a store that speaks S3."""

    endpoint: str = Field("s3.amazonaws.com", description="HOST[:PORT] of the store")
    bucket: str = Field(description="the bucket")
    prefix: str = Field("", description="what the names of objects begin with, like faxes/")
    region: str = Field("", description="its region, where the store wants one")
    access_key: str = Field("", description="the key's name")
    secret_key: str = Field("", repr=False, description="the key; or SOFTFAX_S3_SECRET_KEY for all")
    tls: bool = Field(True, description="over TLS")
    tls_ca: Path | None = Field(None, description="certificates that it is checked against (PEM); the system's")


class PrinterTarget(Table):
    """[[mailbox.printer]]: a printer of CUPS; `lp` has to be installed."""

    name: Annotated[str, matching(r"[A-Za-z0-9_.@-]{1,127}", "`lpstat -e` lists the names")] = Field(
        description="the printer's name; `lpstat -e` lists them"
    )
    server: Annotated[str, matching(r"[A-Za-z0-9_.:\[\]-]*", "write HOST or HOST:PORT")] = Field(
        "", description="HOST[:PORT] of CUPS, where it is elsewhere"
    )
    options: tuple[str, ...] = Field(("fit-to-page",), description="options of lp, like sides=two-sided-long-edge")


class CommandTarget(Table):
    """[[mailbox.command]]: a program that is run, without a shell."""

    argv: tuple[str, ...] = Field(min_length=1, description="program and arguments; {pdf}, {fax_id} … are put in")
    timeout_s: Seconds = Field(60.0, description="how long it may take")

    @field_validator("argv")
    @classmethod
    def _argv(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        shell = value[0].rpartition("/")[2] in _SHELLS
        scripts = [after for before, after in pairwise(value) if shell and re.fullmatch(r"-[a-z]*c", before)]
        for fact in _OF_OTHERS:
            if any("{" + fact + "}" in script for script in scripts):
                raise ValueError(
                    f'a caller could write a command into {{{fact}}}; in a script, use "$SOFTFAX_FAX_{fact.upper()}"'
                )
        return value


class MailboxConfig(Table):
    """[[mailbox]]: whose an incoming fax is, and where it goes. Every fax also stays in [inbox]."""

    name: Annotated[str, matching(r"[^/\s][^/]{0,39}", "use up to 40 characters, no / among them")] = Field(
        description="its name"
    )
    numbers: tuple[NumberPattern, ...] = Field(
        (), description="called numbers (DIDs) that are its own, like 0301234 or 03012*; the longest that fits counts"
    )
    subaddresses: tuple[Annotated[str, matching(r"[0-9#*]{1,20}", "use up to 20 digits, # and *")], ...] = Field(
        (), max_length=200, description="subaddresses (SUB) that are its own, whatever number was called"
    )
    ident: Ident = Field("", description="station identity (CSI) that callers of these numbers see")
    max_calls: int = Field(0, ge=0, le=2000, description="calls to it at a time; more get 486; 0 for no limit")
    folder: tuple[FolderTarget, ...] = Field((), description="folders")
    email: tuple[EmailTarget, ...] = Field((), description="e-mails")
    webhook: tuple[WebhookTarget, ...] = Field((), description="webhooks")
    s3: tuple[S3Target, ...] = Field((), description="stores")
    printer: tuple[PrinterTarget, ...] = Field((), description="printers")
    command: tuple[CommandTarget, ...] = Field((), description="programs")


class SmtpConfig(Table):
    """[smtp]: the server that e-mails go out by."""

    host: str = Field("127.0.0.1", description="its name or address")
    port: int = Field(25, ge=1, le=65535, description="its port")
    security: Literal["none", "starttls", "tls"] = Field("none", description="none, starttls or tls")
    tls_ca: Path | None = Field(None, description="certificates that it is checked against (PEM); the system's")
    user: str = Field("", description="user, where it wants one")
    password: str = Field("", repr=False, description="its password; or SOFTFAX_SMTP_PASSWORD")
    sender: str = Field("softfax@localhost", description="from whom e-mails are")
    timeout_s: Seconds = Field(30.0, description="how long it may take to answer")

    _sender = field_validator("sender")(_address)


class ScreeningConfig(Table):
    """[screening]: calls that are not taken."""

    blocked: tuple[NumberPattern, ...] = Field((), description="callers that are refused, like 0900* or +491234")
    allowed: tuple[NumberPattern, ...] = Field((), description="the only callers that are taken; empty for all")
    anonymous: bool = Field(True, description="take calls that show no number")
    refuse_with: Literal[403, 480, 486, 603] = Field(603, description="the SIP status that they get")
    calls_per_hour: int = Field(0, ge=0, le=10_000, description="calls of one number in an hour; 0 for no limit")
    silent_calls: int = Field(
        0,
        ge=0,
        le=100,
        description="calls in which no fax was heard, after which a number is refused for a day; 0: never",
    )


def add_store_secrets(mailboxes: Any, environ: Mapping[str, str]) -> None:
    """SOFTFAX_S3_SECRET_KEY is the key of all stores of mailboxes that have none."""
    secret = environ.get("SOFTFAX_S3_SECRET_KEY")
    for mailbox in mailboxes if secret and isinstance(mailboxes, list) else ():
        stores = mailbox.get("s3") if isinstance(mailbox, dict) else None
        for store in stores if isinstance(stores, list) else ():
            if isinstance(store, dict) and not store.get("secret_key"):
                store["secret_key"] = secret
