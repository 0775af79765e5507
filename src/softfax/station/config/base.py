# SPDX-License-Identifier: GPL-2.0-or-later
"""What all tables of the configuration have in common."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from softfax.errors import UsageError

__all__ = ["Rate", "Resolution", "Seconds", "Table", "said", "state_dir"]

Seconds = Annotated[float, Field(gt=0, le=7 * 24 * 3600)]
Rate = Literal[2400, 4800, 7200, 9600, 12000, 14400]
Resolution = Literal["standard", "fine", "superfine", "300", "400"]
T = TypeVar("T")


def state_dir() -> Path:
    """Where a user's station keeps its data: $XDG_STATE_HOME/softfax, usually ~/.local/state/softfax."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "softfax"


def said(check: Callable[[], T]) -> T:
    """What a check of ours returns; what it objects to becomes an error that pydantic knows the place of."""
    try:
        return check()
    except UsageError as error:
        raise ValueError(str(error)) from None


class Table(BaseModel):
    """A table of the file: unknown keys are mistakes, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)
