# SPDX-License-Identifier: GPL-2.0-or-later
"""[mail]: faxes by e-mail."""

from __future__ import annotations

from pydantic import Field

from softfax.station.config.base import Table

__all__ = ["MailConfig"]


class MailConfig(Table):
    """[mail]: faxes by e-mail; off unless the table is there."""

    listen: str = Field("127.0.0.1:8025", description="HOST:PORT of SMTP")
