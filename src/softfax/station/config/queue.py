# SPDX-License-Identifier: GPL-2.0-or-later
"""[queue]: faxes that wait for their turn, and what is done when they fail."""

from __future__ import annotations

from pydantic import Field

from softfax.station.config.base import Table

__all__ = ["QueueConfig"]


class QueueConfig(Table):
    """[queue]: faxes that wait for their turn, and what is done when they fail."""

    attempts: int = Field(5, ge=1, le=100, description="calls for one fax before it has failed")
