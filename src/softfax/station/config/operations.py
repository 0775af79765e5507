# SPDX-License-Identifier: GPL-2.0-or-later
"""[log], [workers], [trace] and [retention]: running it for years."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from softfax.station.config.base import Table

__all__ = ["LogConfig", "RetentionConfig", "TraceConfig", "WorkersConfig"]


class WorkersConfig(Table):
    """[workers]: the processes that SIP and calls run in."""

    count: int = Field(
        1, ge=1, le=16, description="processes; each listens at a SIP port of its own, two above the one before"
    )


class LogConfig(Table):
    """[log]: what is written of what happens."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="the least that is written")


class TraceConfig(Table):
    """[trace]: what is kept of the messages and packets of calls."""

    when: Literal["never", "failed", "always"] = Field("failed", description="of which faxes a trace is kept")
    packets: bool = Field(False, description="keep RTP and UDPTL too (pcap)")


class RetentionConfig(Table):
    """[retention]: how long faxes are kept."""

    faxes_days: int = Field(365, ge=1, le=36500, description="days a fax and its record are kept")
