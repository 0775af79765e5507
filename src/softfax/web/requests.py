# SPDX-License-Identifier: GPL-2.0-or-later
"""What may be asked for, as pydantic checks it: the bodies of requests."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from softfax.delivery.targets import CallbackTarget, Dialect, Style, check_url
from softfax.documents import Resolution
from softfax.documents.cover import cover_templates
from softfax.documents.ranges import parse_ranges
from softfax.fax.settings import check_ident
from softfax.netguard import check_host
from softfax.station.config.base import said
from softfax.web.problems import invalid

__all__ = [
    "FAX_ID",
    "UPLOAD_ID",
    "CallbackIn",
    "Change",
    "ContactIn",
    "CoverIn",
    "DocumentIn",
    "FaxIn",
    "ForbiddenIn",
    "ForwardIn",
    "LoginIn",
    "Moment",
    "RetryIn",
    "SwmlIn",
]

FAX_ID = r"^[0-9a-f]{24}$"
UPLOAD_ID = r"^[0-9a-f]{32}$"
TAGS_MAX = 50
DOCUMENTS_MAX = 200
AHEAD = timedelta(days=366)


def _plain(text: str) -> str:
    """Text without controls, which no line of a page or a log can show."""
    if any(
        (ord(ch) < 32 and ch not in "\t\n\r") or 0x7F <= ord(ch) < 0xA0 or 0xD800 <= ord(ch) < 0xE000 for ch in text
    ):
        raise ValueError("it has control characters")
    return text


def _one_line(value: object) -> object:
    if isinstance(value, str):
        if re.search(r"[\t\n\r]", value):
            raise ValueError("use one line")
        return _plain(value)
    return value


def _lines(value: object) -> object:
    return _plain(value) if isinstance(value, str) else value


def _whole(value: object) -> object:
    """Numbers out of forms are texts; a boolean is no number."""
    if isinstance(value, bool):
        raise ValueError("use a number")
    return value


def _moment(value: object) -> object:
    """A time as RFC 3339 writes it. A plus in a query string means a blank to whoever decodes it."""
    if isinstance(value, str):
        if not re.match(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d", value):
            raise ValueError("write it as 2026-11-21T09:30:00Z")
        return value[:11] + value[11:].replace(" ", "+")
    if isinstance(value, (int, float)):
        raise ValueError("write it as 2026-11-21T09:30:00Z")
    return value


#: A time with its zone.
Moment = Annotated[AwareDatetime, BeforeValidator(_moment)]
Line = Annotated[str, BeforeValidator(_one_line)]
Short = Annotated[Line, StringConstraints(max_length=200)]
Text = Annotated[str, BeforeValidator(_lines), StringConstraints(max_length=20_000)]
Destination = Annotated[Line, StringConstraints(min_length=1, max_length=400, strip_whitespace=True)]
TagKey = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
TagValue = Annotated[Line, StringConstraints(max_length=256)]
Tags = Annotated[dict[TagKey, TagValue], Field(max_length=TAGS_MAX)]
Rate = Literal[2400, 4800, 7200, 9600, 12000, 14400]
Url = Annotated[Line, StringConstraints(min_length=8, max_length=2048, pattern=r"^[Hh][Tt][Tt][Pp][Ss]?://[^\s]+$")]


class In(BaseModel):
    """A body: a key that is not known is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class DocumentIn(In):
    """One document of a fax: an upload, or a URL that the station fetches."""

    upload: Annotated[str, StringConstraints(pattern=UPLOAD_ID)] | None = Field(None, description="id of an upload")
    url: Url | None = Field(None, description="where the station fetches it: http or https, at a public address")
    name: Short = Field("", description="what people see instead of the file's name")
    pages: Annotated[Line, StringConstraints(max_length=200)] = Field(
        "", description="the pages to take, as `1-3,5`", examples=["1-3,5"]
    )
    password: Annotated[Line, StringConstraints(max_length=200)] = Field("", description="opens an encrypted one")

    @model_validator(mode="after")
    def _one(self) -> DocumentIn:
        if (self.upload is None) == (self.url is None):
            raise ValueError("name either an upload or a url")
        if self.url is not None:
            url = self.url
            said(lambda: check_host(urlsplit(url).hostname or ""))
        if self.pages:
            said(lambda: parse_ranges(self.pages))
        return self


class CoverIn(In):
    """A cover page. Its number of pages and the date are filled in."""

    template: Short = Field("default", description="a template that comes with softfax", examples=["default"])
    to: Short = ""
    to_company: Short = ""
    to_number: Short = ""
    sender: Short = ""
    sender_company: Short = ""
    sender_number: Short = ""
    subject: Annotated[Line, StringConstraints(max_length=500)] = ""
    date: Short = ""
    note: Text = ""

    @model_validator(mode="after")
    def _known(self) -> CoverIn:
        if self.template not in cover_templates():
            raise ValueError(f"there is no template {self.template[:40]!r}; use one of {', '.join(cover_templates())}")
        return self

    def fields(self) -> dict[str, Any]:
        """As the cover page's maker wants them."""
        return self.model_dump(exclude_defaults=True)


class RetryIn(In):
    """How often is tried; what is not said is the station's."""

    attempts: Annotated[int, BeforeValidator(_whole), Field(ge=1, le=100)] | None = None
    wait_s: Annotated[float, BeforeValidator(_whole), Field(ge=0, le=7 * 86400)] | None = None
    on_uncertain: Literal["report", "resend"] | None = Field(
        None, description="a call cut by a crash after dialling: only reported, or sent again and marked so"
    )


class CallbackIn(In):
    """Who is told of this fax besides those of the configuration."""

    url: Url
    dialect: Dialect = "json"
    style: Style = "url"
    secret: Annotated[Line, StringConstraints(max_length=500)] = Field("", description="signs the requests")

    @model_validator(mode="after")
    def _postable(self) -> CallbackIn:
        said(lambda: check_url(self.url))
        return self

    def target(self) -> CallbackTarget:
        """As the outbox wants it."""
        return CallbackTarget(url=self.url, dialect=self.dialect, style=self.style, secret=self.secret)


class FaxIn(In):
    """A fax to be sent, or one to each of several destinations."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"to": "+49 30 1234567", "documents": [{"url": "https://example.com/letter.pdf"}]},
                {
                    "to": ["+49 30 1234567", "sip:fax@pbx.example"],
                    "documents": [{"upload": "0123456789abcdef0123456789abcdef"}],
                    "cover": {"to": "Ada Example", "subject": "Offer"},
                    "priority": 7,
                    "tags": {"matter": "2026-17"},
                },
            ]
        }
    )

    to: Destination | Annotated[list[Destination], Field(min_length=1, max_length=100_000)] = Field(
        description="a number or a SIP URI, or a list of them"
    )
    documents: Annotated[list[DocumentIn], Field(max_length=DOCUMENTS_MAX)] = Field(
        default=[], description="in order; files in the same request come after them"
    )
    caller_number: Annotated[Line, StringConstraints(max_length=80)] = Field(
        "", alias="from", description="the number the far end is shown"
    )
    from_name: Annotated[Line, StringConstraints(max_length=80)] = Field(
        "", description="the name the far end is shown"
    )
    ident: Annotated[Line, StringConstraints(max_length=20)] = Field("", description="station identity (TSI)")
    header: Annotated[Line, StringConstraints(max_length=80)] = Field("", description="header line on each page")
    account: Annotated[Line, StringConstraints(max_length=80)] = Field("", description="PBX or trunk to call through")
    cover: CoverIn | None = Field(None, description="a cover page before the documents")
    mode: Literal["auto", "t38", "audio"] | None = None
    resolution: Resolution | None = None
    ecm: bool | None = None
    max_rate: Annotated[Rate, BeforeValidator(lambda v: int(v) if isinstance(v, str) and v.isdigit() else v)] | None = (
        None
    )
    priority: Annotated[int, BeforeValidator(_whole), Field(ge=0, le=9)] = Field(5, description="0 last, 9 first")
    not_before: Moment | None = Field(None, description="not sent before then")
    deadline: Moment | None = Field(None, description="given up after then")
    retry: RetryIn = RetryIn()
    callbacks: Annotated[list[CallbackIn], Field(max_length=10)] = []
    tags: Tags = Field(default={}, description="what you know it by")

    @model_validator(mode="after")
    def _sense(self) -> FaxIn:
        said(lambda: check_ident(self.ident))
        return self

    def check_times(self) -> None:
        """Not part of the model: what was asked in time may be asked again later. Raises RequestValidationError."""
        now = datetime.now(UTC)
        for name in ("not_before", "deadline"):
            when = getattr(self, name)
            if when is not None and not datetime(2000, 1, 1, tzinfo=UTC) <= when <= now + AHEAD:
                raise invalid(name, "it is more than a year ahead" if when > now else "it is long past")
        if self.deadline is not None and self.deadline <= max(now, self.not_before or now):
            raise invalid("deadline", "it is before the fax can be sent")

    @property
    def destinations(self) -> list[str]:
        """All of them, each once."""
        return list(dict.fromkeys([self.to] if isinstance(self.to, str) else self.to))


class Change(In):
    """What can be changed of a fax."""

    unread: bool | None = None
    tags: Tags | None = Field(None, description="all its tags from now on")
    mailbox: Annotated[Line, StringConstraints(max_length=40)] | None = None


class ForwardIn(In):
    """Where a fax goes once more: as a fax to one or several destinations, or by e-mail."""

    to: Destination | Annotated[list[Destination], Field(min_length=1, max_length=100_000)] | None = None
    email: Annotated[Line, StringConstraints(max_length=254, pattern=r"^[^\s@]+@[^\s@]+$")] | None = None

    @model_validator(mode="after")
    def _one(self) -> ForwardIn:
        if (self.to is None) == (self.email is None):
            raise ValueError("name either `to` or `email`")
        return self


class ContactIn(In):
    """An entry of the address book; with `id` it takes the place of that one."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "Ada Example", "number": "+49 30 1234567", "company": "Example Ltd"}]}
    )

    id: Annotated[str, StringConstraints(pattern=FAX_ID)] | None = None
    name: Short = ""
    number: Destination
    company: Short = ""
    email: Annotated[Line, StringConstraints(max_length=254)] = ""
    notes: Annotated[str, BeforeValidator(_lines), StringConstraints(max_length=4000)] = ""


class ForbiddenIn(In):
    """A number that gets no faxes."""

    number: Destination
    reason: Short = ""


class LoginIn(In):
    """A token, for a cookie."""

    token: Annotated[str, StringConstraints(min_length=1, max_length=500)]


class SwmlIn(In):
    """A SWML document and whom its faxes are for."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "to": "+49 30 1234567",
                    "document": {
                        "version": "1.0.0",
                        "sections": {"main": [{"send_fax": {"document": "https://example.com/a.pdf"}}]},
                    },
                }
            ]
        }
    )

    to: Destination
    document: Annotated[str, StringConstraints(max_length=1 << 20)] | dict[str, Any] = Field(
        description="the document, or its YAML or JSON as text"
    )
