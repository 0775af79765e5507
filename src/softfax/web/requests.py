# SPDX-License-Identifier: GPL-2.0-or-later
"""Bodies of requests, as pydantic checks them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    create_model,
    field_validator,
    model_validator,
)

from softfax.delivery.targets import CallbackTarget, Dialect, EventKind, Style, check_url
from softfax.documents.cover import cover_templates
from softfax.documents.ranges import parse_ranges
from softfax.errors import said
from softfax.netguard import check_host
from softfax.options import ModePolicy, Option, Rate, Resolution, Scan, outside_options
from softfax.station.config import PolledConfig
from softfax.web.patterns import EMAIL, FAX_ID, ONE, SEVERAL, TABLE, TAG_KEY, UPLOAD_ID, URL
from softfax.web.problems import invalid

__all__ = [
    "CallbackIn",
    "Change",
    "ContactIn",
    "CoverIn",
    "DocumentIn",
    "FaxIn",
    "ForbiddenIn",
    "ForwardIn",
    "LinkIn",
    "LoginIn",
    "Moment",
    "NumberIn",
    "PolledIn",
    "RetryIn",
    "SwmlIn",
    "check_times",
]

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
    """A time as RFC 3339 writes it. A plus in a query string is decoded as a blank."""
    if isinstance(value, str):
        if not re.match(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d", value):
            raise ValueError("write it as 2026-11-21T09:30:00Z")
        return value[:11] + value[11:].replace(" ", "+")
    if isinstance(value, (int, float)):
        raise ValueError("write it as 2026-11-21T09:30:00Z")
    return value


#: A time with its zone.
Moment = Annotated[AwareDatetime, BeforeValidator(_moment)]
#: What looks first stands last, so that errors and the description name the limits themselves.
LINE, LINES, WHOLE = BeforeValidator(_one_line), BeforeValidator(_lines), BeforeValidator(_whole)
Short = Annotated[str, StringConstraints(max_length=200), LINE]
Priority = Annotated[int, Field(ge=0, le=9), WHOLE]
Text = Annotated[str, StringConstraints(max_length=20_000), LINES]
Destination = Annotated[str, StringConstraints(min_length=1, max_length=400, strip_whitespace=True), LINE]


def _is_number(text: str) -> str:
    if not re.search(r"[0-9]", text) and not re.match(r"sips?:", text, re.I):
        raise ValueError("it has no digit: write a number, or sip:NAME@HOST")
    return text


#: A number that is kept: of a contact, of the do-not-fax list. An order may name an extension, which is a word of its PBX.
Number = Annotated[Destination, AfterValidator(_is_number)]
#: One, or several: only what was meant is checked, so that an error is about that.
Destinations = Annotated[
    Annotated[Destination, Tag(ONE)]
    | Annotated[list[Destination], Field(min_length=1, max_length=100_000), Tag(SEVERAL)],
    Discriminator(lambda value: SEVERAL if isinstance(value, list) else ONE),
]
TagKey = Annotated[str, StringConstraints(pattern=TAG_KEY)]
TagValue = Annotated[str, StringConstraints(max_length=256), LINE]
Tags = Annotated[dict[TagKey, TagValue], Field(max_length=TAGS_MAX, json_schema_extra={"additionalProperties": False})]
Url = Annotated[str, StringConstraints(max_length=2048, pattern=URL), LINE]


class In(BaseModel):
    """A body: a key that is not known is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DocumentIn(In):
    """One document of a fax: an upload, or a URL that the station fetches."""

    upload: Annotated[str, StringConstraints(pattern=UPLOAD_ID)] | None = Field(None, description="id of an upload")
    url: Url | None = Field(None, description="where the station fetches it: http or https, at a public address")
    name: Short = Field("", description="what people see instead of the file's name")
    pages: Short = Field("", description="the pages to take, as `1-3,5`", examples=["1-3,5"])
    password: Short = Field("", description="opens an encrypted one")

    @model_validator(mode="after")
    def _one(self) -> DocumentIn:
        if (self.upload is None) == (self.url is None):
            raise ValueError("name either an upload or a url")
        return self

    @field_validator("url")
    @classmethod
    def _fetchable(cls, url: str | None) -> str | None:
        if url is not None:
            try:
                parts = urlsplit(url)
                host = parts.hostname if parts.port != 0 else None
            except ValueError:
                host = None
            if host is None:
                raise ValueError("write it as http://HOST/PATH or https://HOST/PATH")
            said(lambda: check_host(host))
        return url

    @field_validator("pages")
    @classmethod
    def _ranges(cls, pages: str) -> str:
        if pages:
            said(lambda: parse_ranges(pages))
        return pages


DocumentOrUrl = Annotated[
    DocumentIn,
    BeforeValidator(lambda v: {"url": v} if isinstance(v, str) else v, json_schema_input_type=DocumentIn | Url),
]


class CoverIn(In):
    """A cover page. Its number of pages and the date are filled in."""

    template: Short = Field("default", description="a template that comes with softfax", examples=["default"])
    to: Short = ""
    to_company: Short = ""
    to_number: Short = ""
    sender: Short = ""
    sender_company: Short = ""
    sender_number: Short = ""
    subject: Annotated[str, StringConstraints(max_length=500), LINE] = ""
    date: Short = ""
    note: Text = ""

    @field_validator("template")
    @classmethod
    def _known(cls, template: str) -> str:
        if template not in cover_templates():
            raise ValueError(f"there is no template {template[:40]!r}; use one of {', '.join(cover_templates())}")
        return template

    def fields(self) -> dict[str, Any]:
        """Fields for the maker of cover pages."""
        return self.model_dump(exclude_defaults=True)


class RetryIn(In):
    """Retries; the station's values for what is left out."""

    attempts: Annotated[int, Field(ge=1, le=100), WHOLE] | None = None
    wait_s: Annotated[float, Field(ge=0, le=7 * 86400), WHOLE] | None = None
    on_uncertain: Literal["report", "resend"] | None = Field(
        None, description="a call cut by a crash after dialling: only reported, or sent again and marked so"
    )


class CallbackIn(In):
    """Callback target of this fax, besides those of the configuration."""

    url: Url
    dialect: Dialect = "json"
    style: Style = "url"
    secret: Annotated[str, StringConstraints(max_length=500), LINE] = Field("", description="signs the requests")
    events: Annotated[list[EventKind], Field(max_length=10)] = Field(
        default=[], description="kinds of events that it gets; all where there are none"
    )

    @field_validator("url")
    @classmethod
    def _postable(cls, url: str) -> str:
        return said(lambda: check_url(url))

    def target(self) -> CallbackTarget:
        """Target for the outbox."""
        return CallbackTarget(
            url=self.url, dialect=self.dialect, style=self.style, secret=self.secret, events=tuple(self.events)
        )


def _field(option: Option) -> tuple[Any, Any]:
    """An option as a key of a body: one line of text, or a value that may be left out."""
    kind = option.kind
    if kind is Rate:
        kind = Annotated[kind, BeforeValidator(lambda v: int(v) if isinstance(v, str) and v.isdecimal() else v)]
    is_text = str in (kind, getattr(kind, "__origin__", None))
    return (
        Annotated[kind, LINE] if is_text else kind | None,
        Field("" if is_text else None, alias=option.name, description=option.about),
    )


if TYPE_CHECKING:
    OptionsIn = In
else:
    OptionsIn = create_model(
        "OptionsIn", __base__=In, **{name: _field(option) for name, option in outside_options().items()}
    )


class FaxIn(OptionsIn):
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

    to: Destinations = Field(description="a number or a SIP URI, or a list of them")
    documents: Annotated[list[DocumentOrUrl], Field(max_length=DOCUMENTS_MAX)] = Field(
        default=[], description="in order, a URL alone will do; files in the same request come after them"
    )
    cover: CoverIn | None = Field(None, description="a cover page before the documents")
    priority: Priority = Field(5, description="0 last, 9 first")
    not_before: Moment | None = Field(None, description="not sent before then")
    deadline: Moment | None = Field(None, description="given up after then")
    retry: RetryIn = RetryIn()
    callbacks: Annotated[list[CallbackIn], Field(max_length=10)] = Field(default=[])
    tags: Tags = Field(default={}, description="what you know it by")

    def options(self) -> dict[str, Any]:
        """Options given, by the names of `FaxOptions`."""
        given = {name: getattr(self, name) for name in outside_options()}
        cover = self.cover.fields() if self.cover is not None else None
        return {name: value for name, value in given.items() if value is not None} | {
            "cover": cover,
            "tags": dict(self.tags),
        }


def _of_table(name: str) -> tuple[Any, Any]:
    """A key of `[[polled]]` as one of a body."""
    found = PolledConfig.model_fields[name]
    return found.annotation, found


if TYPE_CHECKING:
    PolledTableIn = In
else:
    _KEYS = ("name", "numbers", "callers", "poll_document", "poll_password")
    PolledTableIn = create_model("PolledTableIn", __base__=In, **{name: _of_table(name) for name in _KEYS})


class PolledIn(PolledTableIn):
    """Documents to put out for polling, with the keys of `[[polled]]`."""

    until: Moment | None = Field(None, description="when it ends; never if left out")
    documents: Annotated[list[DocumentOrUrl], Field(max_length=20)] = Field(
        default=[], description="in order, a URL alone will do; files in the same request come after them"
    )
    resolution: Resolution | None = Field(None, description="of its pages; the station's if left out")
    scan: Scan | None = Field(None, description="straighten and clean scans; as the station does if left out")

    @field_validator("numbers", "callers", mode="before", check_fields=False)
    @classmethod
    def _without_blanks(cls, numbers: object) -> object:
        """Numbers as people write them; patterns have no blanks."""
        if not isinstance(numbers, list):
            return numbers
        return [re.sub(r"[ ()/.-]", "", one) if isinstance(one, str) else one for one in numbers]


class Change(In):
    """Changes to a fax."""

    unread: bool | None = None
    tags: Tags | None = Field(None, description="all its tags from now on")
    mailbox: Annotated[str, StringConstraints(max_length=40), LINE] | None = None
    priority: Priority | None = Field(None, description="0 last, 9 first")
    not_before: Moment | None = Field(None, description="not sent before then; at once where it has passed")
    deadline: Moment | None = Field(None, description="given up after then")


def check_times(given: FaxIn | Change) -> None:
    """Check times apart from the model: a request made in time may be repeated later. Raises RequestValidationError."""
    now = datetime.now(UTC)
    for name in ("not_before", "deadline"):
        when = getattr(given, name)
        if when is not None and not datetime(2000, 1, 1, tzinfo=UTC) <= when <= now + AHEAD:
            raise invalid(name, "it is more than a year ahead" if when > now else "it is long past")
    if given.deadline is not None and given.deadline <= max(now, given.not_before or now):
        raise invalid("deadline", "it is before the fax can be sent")


class LinkIn(In):
    """A link to a document."""

    expires_s: Annotated[float, Field(gt=0, le=366 * 86400), WHOLE] | None = Field(
        None, description="for so long; as long as [http] link_hours says if it is not said"
    )


class ForwardIn(In):
    """Destination to forward a fax to: one or several numbers, or an e-mail address."""

    to: Destinations | None = None
    email: Annotated[str, StringConstraints(max_length=254, pattern=EMAIL), LINE] | None = None

    @model_validator(mode="after")
    def _one(self) -> ForwardIn:
        if (self.to is None) == (self.email is None):
            raise ValueError("name either `to` or `email`")
        return self


class ContactIn(In):
    """An entry of the address book; with `id` it takes the place of that one."""

    id: Annotated[str, StringConstraints(pattern=FAX_ID)] | None = None
    name: Short = ""
    number: Number
    company: Short = ""
    email: Annotated[str, StringConstraints(max_length=254), LINE] = ""
    notes: Annotated[str, StringConstraints(max_length=4000), LINES] = ""


class ForbiddenIn(In):
    """A number for the do-not-fax list."""

    number: Number
    reason: Short = ""


class NumberIn(In):
    """Transport and highest rate for a number, and whether faxes to it go in one call."""

    number: Number
    mode: ModePolicy | None = None
    max_rate: Rate | None = None
    joined: Literal["on", "off"] | None = None


class LoginIn(In):
    """A token, for a cookie."""

    token: Annotated[str, StringConstraints(min_length=1, max_length=500)]


class SwmlIn(In):
    """A SWML document and whom its faxes are for."""

    to: Destination
    document: Annotated[
        Annotated[str, StringConstraints(max_length=1 << 20), Tag(ONE)] | Annotated[dict[str, Any], Tag(TABLE)],
        Discriminator(lambda value: TABLE if isinstance(value, dict) else ONE),
    ] = Field(description="the document, or its YAML or JSON as text")
