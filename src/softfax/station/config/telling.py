# SPDX-License-Identifier: GPL-2.0-or-later
"""[ami] and [callbacks]: notifications of faxes, and access to the manager interface."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from softfax.delivery.targets import Dialect, EventKind, Style
from softfax.options import passing
from softfax.sip.types import parse_listen
from softfax.station.config.base import Misplaced, Networks, Seconds, Table, Url, alike

__all__ = ["AMI_CLASSES", "AmiConfig", "AmiUserConfig", "CallbackConfig", "CallbacksConfig"]

#: As Asterisk names them.
AMI_CLASSES = tuple(
    re.findall(
        r"\w+",
        "system call log verbose command agent user config dtmf reporting cdr dialplan originate agi cc aoc test"
        " security message all",
    )
)


#: HOST:PORT to listen on; empty for none.
MaybeListen = Annotated[str, passing(lambda text: text and parse_listen(text))]


class AmiUserConfig(Table):
    """[[ami.user]]: who may log in at the manager interface."""

    name: str = Field(min_length=1, max_length=80, description="its name")
    secret: str = Field("", repr=False, description="its secret; or SOFTFAX_AMI_SECRET, for the user SOFTFAX_AMI_USER")
    read: tuple[str, ...] = Field(("all",), description="classes of events it sees")
    write: tuple[str, ...] = Field(("all",), description="classes of actions it may use")
    permit: Networks = Field((), description="networks it may come from")
    deny: Networks = Field((), description="networks it may not come from; looked at before permit")

    @field_validator("read", "write")
    @classmethod
    def _classes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for word in value:
            if word.strip().lower() not in (*AMI_CLASSES, "none", ""):
                raise ValueError(f"there is no class {word[:40]}; use {', '.join(AMI_CLASSES)} or none")
        return value


class AmiConfig(Table):
    """[ami]: the manager interface; off unless the table is there."""

    listen: MaybeListen = Field("127.0.0.1:5038", description="HOST:PORT without TLS; empty for none")
    tls_listen: MaybeListen = Field("", description="HOST:PORT with TLS, usually port 5039; empty for none")
    tls_certificate: Path | None = Field(None, description="certificate (PEM)")
    tls_private_key: Path | None = Field(None, description="its private key (PEM)")
    status_events: bool = Field(True, description="send FAXStatus for every fax, not only with option s")
    version: Literal[16, 22] = Field(16, description="the Asterisk whose banner and fields are shown: 16 or 22")
    user: tuple[AmiUserConfig, ...] = Field((), description="who may log in")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.tls_listen and self.tls_certificate is None:
            raise Misplaced("TLS needs tls_certificate, and tls_private_key where it is another file", "tls_listen")
        alike([user.name for user in self.user], "user", "user", any_case=True)
        return self


class CallbackConfig(Table):
    """[[callbacks.target]]: a target that is notified of every fax."""

    url: Url = Field(description="http:// or https:// URL to post to")
    dialect: Dialect = Field("json", description="in whose words: json, signalwire or simotel")
    style: Style = Field("url", description="url: all to the URL; url-event: with the event's name added to its path")
    user: str = Field("", description="user for basic authentication")
    password: str = Field("", repr=False, description="its password")
    secret: str = Field("", repr=False, description="signs the requests; or SOFTFAX_CALLBACK_SECRET for all targets")
    events: tuple[EventKind, ...] = Field(
        (), description="kinds of events: call, session, heard, negotiated, page, job, result, broadcast (all)"
    )


class CallbacksConfig(Table):
    """[callbacks]: HTTP requests that tell of faxes."""

    enabled: bool = Field(True, description="false: no callbacks are sent, and nothing is kept in [data]")
    target: tuple[CallbackConfig, ...] = Field((), description="targets that are notified of every fax")
    secret: str = Field("", repr=False, description="signs all requests whose target has no secret of its own")
    allow_private: bool = Field(False, description="post to private addresses (loopback, 10.0.0.0/8 …) too")
    timeout_s: Seconds = Field(10.0, description="how long one request may take, connection and answer together")
    retry_first_s: Seconds = Field(2.0, description="the longest first wait after a failure; doubles each time")
    retry_longest_s: Seconds = Field(3600.0, description="the longest wait between two attempts")
    give_up_s: Seconds = Field(24 * 3600.0, description="when a callback is given up, counted from its event")
    workers: int = Field(16, ge=1, le=200, description="requests at a time")
    workers_per_target: int = Field(8, ge=1, le=200, description="of these, to one target")
