# SPDX-License-Identifier: GPL-2.0-or-later
"""[[polled]]: documents that far ends may fetch by calling (T.30 polling)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AwareDatetime, Field

from softfax.options import Digits
from softfax.station.config.base import Table, matching
from softfax.station.config.mailboxes import NumberPattern

__all__ = ["PolledConfig"]


class PolledConfig(Table):
    """[[polled]]: documents that far ends fetch by calling a number, which goes on taking faxes. Of several
    at a number, the far end chooses by `poll_document` and `poll_password`."""

    name: Annotated[str, matching(r"[A-Za-z0-9_.-]{1,40}", "use up to 40 letters, digits and _.-")] = Field(
        description="what lists and logs call it"
    )
    numbers: tuple[NumberPattern, ...] = Field(
        min_length=1, max_length=100, description="called numbers at which it is fetched, +4930* for all that begin so"
    )
    callers: tuple[NumberPattern, ...] = Field(
        (), max_length=100, description="numbers that may fetch it; all where there are none"
    )
    documents: tuple[Path, ...] = Field(
        min_length=1, max_length=20, description="files, in order, of any kind that is sent"
    )
    poll_document: Digits = Field("", description="number that the far end has to name (SEP); any where it is empty")
    poll_password: Digits = Field("", repr=False, description="password that it has to give (PWD)")
    until: AwareDatetime | None = Field(None, description="when it ends, like 2027-01-31T18:00:00Z; never if left out")
