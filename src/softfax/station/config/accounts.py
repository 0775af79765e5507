# SPDX-License-Identifier: GPL-2.0-or-later
"""[sip] and [[account]]: where SIP is spoken, and the PBXs and trunks that calls go through."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from softfax.sip import split_uri
from softfax.sip.types import parse_listen
from softfax.station.config.base import Table, said

__all__ = ["AccountConfig", "SipTable"]


class SipTable(Table):
    """[sip]: the one address that SIP is listened on, and how it is spoken there."""

    listen: str = Field("127.0.0.1:5060", description="HOST:PORT of SIP, port 0 for any free one; loopback by default")
    transport: Literal["udp", "tcp", "tls"] = Field("udp", description="what calls are placed over")
    public_address: str = Field("", description="our address as far ends see it, behind NAT")
    tls_certificate: Path | None = Field(None, description="our certificate (PEM), to answer calls over TLS")
    tls_private_key: Path | None = Field(None, description="its private key (PEM)")
    tls_ca: Path | None = Field(None, description="certificates far ends' are checked against (the system's)")
    tls_verify: bool = Field(True, description="check the far end's certificate")
    max_calls: int = Field(100, ge=1, le=2000, description="calls at a time; more are refused with 486")

    @field_validator("listen")
    @classmethod
    def _listen(cls, value: str) -> str:
        return said(lambda: parse_listen(value)) and value


class AccountConfig(Table):
    """[[account]]: a PBX or trunk that calls go through."""

    name: str = Field("", max_length=40, description="what orders and channel names call it (the server's host)")
    server: str = Field(description="SIP URI of the PBX or trunk: where numbers are called")
    user: str = Field("", description="user for digest authentication, and our name in SIP")
    password: str = Field("", repr=False, description="its password; better in SOFTFAX_PASSWORD")
    register_: bool = Field(False, alias="register", description="register there, to be called through it")
    from_uri: str = Field("", description="our own SIP URI (sip:USER@SERVER)")
    proxy: bool = Field(True, description="send all calls through the server, also those to SIP URIs elsewhere")
    expires_s: int = Field(300, ge=60, le=86400, description="how long a registration is asked for")

    @field_validator("server", "from_uri")
    @classmethod
    def _uri(cls, value: str) -> str:
        return value and said(lambda: split_uri(value)) and value

    @field_validator("name")
    @classmethod
    def _name(cls, value: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9_.-]*", value):
            raise ValueError("use letters, digits and _.-")
        return value

    @property
    def label(self) -> str:
        """Its name, or its server's host."""
        return self.name or split_uri(self.server)[2].strip("[]")
