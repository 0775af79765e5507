# SPDX-License-Identifier: GPL-2.0-or-later
"""[fax], [inbox] and [data]: what holds for every fax, where received ones go, what survives a restart."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator

from softfax.fax.settings import ModePolicy, check_ident
from softfax.station.config.base import Rate, Resolution, Seconds, Table, Unfit, matching, said, state_dir

__all__ = ["DataConfig", "FaxConfig", "InboxConfig"]


class FaxConfig(Table):
    """[fax]: what holds for every fax that is not ordered otherwise."""

    mode: ModePolicy = Field(ModePolicy.AUTO, description="auto: T.38, else G.711; t38: T.38 alone; audio: G.711 alone")
    ident: str = Field("", description="station identity (CSI/TSI), at most 20 characters")
    header: str = Field("", max_length=80, description="header line on each page sent")
    ecm: bool = Field(True, description="error correction mode")
    max_rate: Rate = Field(14400, description="highest rate in bit/s")
    resolution: Resolution = Field("fine", description="204x98, 204x196, 204x391, 300x300 or 408x391 dpi")
    answer_timeout_s: Seconds = Field(60.0, description="how long a call may ring")
    t38_timeout_s: Seconds = Field(40.0, description="in mode t38, how long until T.38 is agreed")
    receive: bool = Field(True, description="answer incoming calls; otherwise they get 480")
    allow_private_documents: bool = Field(False, description="fetch documents from private addresses too")

    @field_validator("ident")
    @classmethod
    def _ident(cls, value: str) -> str:
        return said(lambda: check_ident(value))


class InboxConfig(Table):
    """[inbox]: where received faxes go."""

    dir: Path | None = Field(None, description="folder for received faxes, one PDF each (DATA/received)")
    keep_tiff: bool = Field(False, description="keep the TIFF beside the PDF")


class DataConfig(Table):
    """[data]: what must survive a restart."""

    dir: Path = Field(default_factory=state_dir, description="folder for the station's data (~/.local/state/softfax)")
    url: str = Field(
        "", repr=False, description="database elsewhere: postgresql://USER@HOST/NAME (a SQLite file in dir)"
    )
    name: Annotated[str, matching(r"[A-Za-z0-9_.-]{1,40}", "use up to 40 letters, digits and _.-")] = Field(
        "softfax", description="this station in the records of its database"
    )

    @field_validator("url")
    @classmethod
    def _url(cls, value: str) -> str:
        if value and not re.match(r"postgres(ql)?(\+psycopg)?://.|sqlite:///.", value):
            raise Unfit("write postgresql://USER@HOST/NAME, or leave it out for a file in dir")
        return value
