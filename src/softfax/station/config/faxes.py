# SPDX-License-Identifier: GPL-2.0-or-later
"""[fax], [inbox] and [data]: what holds for every fax, where received ones go, what survives a restart."""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, create_model, field_validator

from softfax.options import FaxOptions, Option, outside_options
from softfax.station.config.base import Seconds, Table, Unfit, matching, state_dir

__all__ = ["DataConfig", "FaxConfig", "InboxConfig"]


def _defaults() -> dict[str, Option]:
    return {name: option for name, option in outside_options().items() if option.default is not None}


if TYPE_CHECKING:
    _Defaults = Table
else:
    _Defaults = create_model(
        "_Defaults",
        __base__=Table,
        **{o.name: (o.kind, Field(o.default, description=o.about)) for o in _defaults().values()},
    )


class FaxConfig(_Defaults):
    """[fax]: what holds for every fax that is not ordered otherwise."""

    answer_timeout_s: Seconds = Field(60.0, description="how long a call may ring")
    t38_timeout_s: Seconds = Field(40.0, description="in mode t38, how long until T.38 is agreed")
    receive: bool = Field(True, description="answer incoming calls; otherwise they get 480")
    allow_private_documents: bool = Field(False, description="fetch documents from private addresses too")

    @cached_property
    def options(self) -> FaxOptions:
        """The station's options, of which none is left open."""
        return FaxOptions(**{name: getattr(self, option.name) for name, option in _defaults().items()})


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
    documents: str = Field(
        "",
        description="store that several stations share for documents, pages and received faxes: s3://BUCKET/PREFIX, gs://…, "
        "az://…, file:///FOLDER (folders of this machine alone)",
    )
    name: Annotated[str, matching(r"[A-Za-z0-9_.-]{1,40}", "use up to 40 letters, digits and _.-")] = Field(
        "softfax", description="this station among others, and among the connections of a PostgreSQL server"
    )
    stations: Literal["one", "many"] = Field(
        "one", description="stations that work on the database; many need PostgreSQL and a name for each"
    )

    @field_validator("documents")
    @classmethod
    def _documents(cls, value: str) -> str:
        if value and not re.fullmatch(r"(s3|gs|az)://[^\s?#@]+|file:///[^\s?#]+", value):
            raise Unfit("write s3://BUCKET/PREFIX, gs://…, az://… or file:///FOLDER, or leave it out")
        return value.rstrip("/")

    @field_validator("url")
    @classmethod
    def _url(cls, value: str) -> str:
        if value and not re.match(r"postgres(ql)?(\+psycopg)?://.|sqlite:///.", value):
            raise Unfit("write postgresql://USER@HOST/NAME, or leave it out for a file in dir")
        return value
