# SPDX-License-Identifier: GPL-2.0-or-later
"""[log], [workers], [trace] and [retention]: running it for years."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from softfax.station.config.base import Table

__all__ = ["LogConfig", "RetentionConfig", "TraceConfig", "WorkersConfig"]


class WorkersConfig(Table):
    """[workers]: the processes that SIP and calls run in."""

    count: int | None = Field(
        None,
        ge=1,
        le=16,
        description="processes, by default one for each 1000 calls; each has a SIP port of its own, two above the one before",
    )


class LogConfig(Table):
    """[log]: what is written of what happens."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="the lowest level that is written")
    format: Literal["auto", "text", "json"] = Field("auto", description="auto: JSON in a file, else text")
    to: str = Field(
        "auto", description="stderr, journald or a file; auto: the journal where systemd started it, else stderr"
    )
    repeats: int = Field(
        20,
        ge=0,
        le=100_000,
        description="how often a minute one message is written before it is only counted; 0 for always",
    )


class TraceConfig(Table):
    """[trace]: what is kept of the messages and packets of calls."""

    when: Literal["never", "failed", "always"] = Field(
        "always", description="of which faxes a trace is kept: SIP and T.30, about 10 kB each"
    )
    packets: bool = Field(False, description="keep RTP and UDPTL too (pcap)")


class RetentionConfig(Table):
    """[retention]: how long faxes are kept, and how full the disk may become."""

    faxes_days: int = Field(
        365, ge=0, le=36500, description="days a fax that has ended is kept, with its pages; 0 for ever"
    )
    traces_days: int = Field(30, ge=0, le=36500, description="days a trace is kept; 0 for ever")
    events_days: int = Field(90, ge=0, le=36500, description="days events are kept; 0 for ever")
    received_days: int = Field(0, ge=0, le=36500, description="days files in [inbox] dir are kept; 0 for ever")
    max_mb: int = Field(
        0, ge=0, le=100_000_000, description="faxes, traces and inbox together; the oldest go; 0 for no limit"
    )
    min_free_mb: int = Field(200, ge=0, le=1_000_000, description="disk left, below which no fax is taken any more")
