# SPDX-License-Identifier: GPL-2.0-or-later
"""The HTTP API of a station, its events as a stream, and the web page."""

from __future__ import annotations

from softfax.web.server import WebServer

__all__ = ["WebServer"]
