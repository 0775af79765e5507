# SPDX-License-Identifier: GPL-2.0-or-later
"""[queue]: faxes that wait for their turn, and what is done when they fail."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator

from softfax.station.config.base import Prefix, Seconds, Table

__all__ = ["HoursConfig", "QueueConfig"]

Wait = Annotated[float, Field(ge=0, le=7 * 24 * 3600)]
Waits = Annotated[tuple[Wait, ...], Field(max_length=50)]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEK: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class HoursConfig(Table):
    """[[queue.hours]]: when numbers may be called; the longest prefix that fits counts. Outside of these hours faxes wait."""

    prefix: Prefix = Field("", description="how the number begins, like +49; empty for all")
    days: tuple[Day, ...] = Field(WEEK, min_length=1, description="days on which it may be called")
    begin: str = Field("08:00", description="from when, HH:MM in `time_zone`")
    end: str = Field("21:00", description="until when, HH:MM; earlier than `begin` means the next day")
    time_zone: str = Field("", description="time zone of these hours, like Europe/Berlin (this machine's)")

    @field_validator("begin", "end")
    @classmethod
    def _time(cls, value: str) -> str:
        if not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]|24:00", value):
            raise ValueError("write a time as 08:00")
        return value

    @field_validator("time_zone")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            return value and str(ZoneInfo(value)) and value
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("there is no such time zone: use a name like Europe/Berlin") from None


class QueueConfig(Table):
    """[queue]: faxes that wait for their turn, and what is done when they fail."""

    calls: int = Field(0, ge=0, le=2000, description="calls of the queue at a time; 0 for as many as [sip] max_calls")
    calls_per_number: int = Field(1, ge=1, le=100, description="of these, to the same number")
    joined_faxes: int = Field(
        1,
        ge=1,
        le=20,
        description="faxes to one number that go in one call where they are due together; a receiver may make one document of"
        " them. 1: each has its own",
    )
    joined_pages: int = Field(50, ge=1, le=1000, description="pages of such a call, beyond the first of its faxes")
    attempts: int = Field(8, ge=1, le=100, description="calls for one fax before it has failed")
    retry_busy_s: Waits = Field((60, 180, 300, 600, 900), description="waits after busy; the last one repeats")
    retry_no_answer_s: Waits = Field((300, 900, 3600), description="waits after no answer")
    retry_training_s: Waits = Field((10, 60, 300), description="waits after failed training, then at 9600 bit/s")
    retry_broken_s: Waits = Field((30, 120, 600), description="waits after a fax that broke off; goes on where it was")
    retry_not_fax_s: Waits = Field(
        (1800,), description="waits after a call in which no fax was heard; then it has failed"
    )
    retry_unreachable_s: Waits = Field((30, 120, 600, 1800), description="waits after a network or server that failed")
    retry_refused_s: Waits = Field((), description="waits after a number that does not exist or declines; then failed")
    retry_ours_s: Waits = Field(
        (5, 30, 120), description="waits after a fault of ours, which does not count as an attempt"
    )
    on_uncertain: Literal["report", "resend"] = Field(
        "report",
        description="after a crash in the middle of a call: report: it ends as uncertain; resend: it is sent again from"
        " the first page that was not confirmed, and marked so",
    )
    give_up_s: Seconds = Field(2 * 24 * 3600.0, description="how long a fax is tried, if it has no deadline of its own")
    hours: tuple[HoursConfig, ...] = Field((), max_length=200, description="when numbers may be called")

    def waits(self, cause: str) -> tuple[float, ...]:
        """The waits after a cause (`softfax.model.Cause`); empty where it is not tried again."""
        found: tuple[float, ...] = getattr(self, f"retry_{cause.replace('-', '_')}_s", ())
        return found
