# SPDX-License-Identifier: GPL-2.0-or-later
"""[[mailbox]]: whose an incoming fax is, and where it goes."""

from __future__ import annotations

from pydantic import Field

from softfax.station.config.base import Table

__all__ = ["MailboxConfig"]


class MailboxConfig(Table):
    """[[mailbox]]: whose an incoming fax is, and where it goes."""

    name: str = Field(min_length=1, max_length=40, description="its name")
    numbers: tuple[str, ...] = Field((), description="called numbers (DIDs) that are its own")
