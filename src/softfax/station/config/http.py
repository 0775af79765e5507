# SPDX-License-Identifier: GPL-2.0-or-later
"""[http]: the HTTP API and the web page."""

from __future__ import annotations

from pydantic import Field

from softfax.station.config.base import Table

__all__ = ["HttpConfig"]


class HttpConfig(Table):
    """[http]: the HTTP API and the web page."""

    enabled: bool = Field(True, description="serve the API and the page")
    listen: str = Field("127.0.0.1:8038", description="HOST:PORT of HTTP; beyond loopback a token is needed")
