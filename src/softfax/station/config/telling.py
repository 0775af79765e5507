# SPDX-License-Identifier: GPL-2.0-or-later
"""[ami] and [callbacks]: who is told of faxes, and who may ask."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator

from softfax.delivery.targets import Dialect, Style, check_url
from softfax.station.config.base import Seconds, Table, said

__all__ = ["AmiConfig", "AmiUserConfig", "CallbackConfig", "CallbacksConfig"]


class AmiUserConfig(Table):
    """[[ami.user]]: who may log in at the manager interface."""

    name: str = Field(min_length=1, max_length=80, description="its name")
    secret: str = Field("", repr=False, description="its secret; or SOFTFAX_AMI_SECRET, for the user SOFTFAX_AMI_USER")
    read: tuple[str, ...] = Field(("all",), description="classes of events it sees")
    write: tuple[str, ...] = Field(("all",), description="classes of actions it may use")
    permit: tuple[str, ...] = Field((), description="networks it may come from")
    deny: tuple[str, ...] = Field((), description="networks it may not come from; looked at before permit")


class AmiConfig(Table):
    """[ami]: the manager interface; off unless the table is there."""

    listen: str = Field("127.0.0.1:5038", description="HOST:PORT without TLS; empty for none")
    tls_listen: str = Field("", description="HOST:PORT with TLS, usually port 5039; empty for none")
    tls_certificate: Path | None = Field(None, description="certificate (PEM)")
    tls_private_key: Path | None = Field(None, description="its private key (PEM)")
    status_events: bool = Field(True, description="send FAXStatus for every fax, not only with option s")
    user: tuple[AmiUserConfig, ...] = Field((), description="who may log in")


class CallbackConfig(Table):
    """[[callbacks.target]]: who is told of every fax."""

    url: str = Field(description="http:// or https:// URL to post to")
    dialect: Dialect = Field("json", description="in whose words: json, signalwire or simotel")
    style: Style = Field("url", description="url: all to the URL; url-event: with the event's name added to its path")
    user: str = Field("", description="user for basic authentication")
    password: str = Field("", repr=False, description="its password")
    secret: str = Field("", repr=False, description="signs the requests; or SOFTFAX_CALLBACK_SECRET for all targets")

    @field_validator("url")
    @classmethod
    def _url(cls, value: str) -> str:
        return said(lambda: check_url(value))


class CallbacksConfig(Table):
    """[callbacks]: HTTP requests that tell of faxes."""

    enabled: bool = Field(True, description="no: no callbacks are sent, and nothing is kept in [data]")
    target: tuple[CallbackConfig, ...] = Field((), description="who is told of every fax")
    secret: str = Field("", repr=False, description="signs requests to targets without a secret of their own")
    allow_private: bool = Field(False, description="post to private addresses (loopback, 10.0.0.0/8 …) too")
    timeout_s: Seconds = Field(10.0, description="how long one request may take, connection and answer together")
    retry_first_s: Seconds = Field(2.0, description="the longest first wait after a failure; doubles each time")
    retry_longest_s: Seconds = Field(3600.0, description="the longest wait between two attempts")
    give_up_s: Seconds = Field(24 * 3600.0, description="when a callback is given up, counted from its event")
    workers: int = Field(16, ge=1, le=200, description="requests at a time")
    workers_per_target: int = Field(8, ge=1, le=200, description="of these, to one target")
