# SPDX-License-Identifier: GPL-2.0-or-later
"""Outcome of one case of the campaign: all that its test looks at."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Outcome"]


@dataclass
class Outcome:
    """One run of `softfax` against the peer, as both sides saw it."""

    case: str
    exit_status: int | None = None
    """None: it had to be killed."""
    seconds: float = 0.0
    events: list[dict[str, Any]] = field(default_factory=list)
    noise: list[str] = field(default_factory=list)
    stderr: str = ""
    peers: list[dict[str, str]] = field(default_factory=list)
    """Asterisk's FaxResult events, or its OriginateResponse where a call was not answered."""
    sent: str = ""
    """The fax TIFF that was sent; empty where the document was not one."""
    received: list[str] = field(default_factory=list)
    """The TIFFs that the receiving side wrote."""
    problem: str = ""
    """Why the case itself could not be run."""

    @property
    def results(self) -> list[dict[str, Any]]:
        return [event for event in self.events if event["event"] == "result"]

    @property
    def result(self) -> dict[str, Any]:
        """The one result."""
        (result,) = self.results
        return result

    @property
    def peer(self) -> dict[str, str]:
        """The one result of Asterisk's."""
        (peer,) = self.peers
        return peer

    @property
    def complaints(self) -> list[str]:
        """Return the complaints of softfax: the lines of standard error under its name."""
        return [line for line in self.stderr.splitlines() if line.startswith("softfax: ")]

    def save(self, folder: Path) -> None:
        """Written whole or not at all: the test waits for the file."""
        new = folder / f"{self.case}.new"
        new.write_text(json.dumps(dataclasses.asdict(self), indent=1))
        new.rename(self.path(folder, self.case))

    @staticmethod
    def path(folder: Path, case: str) -> Path:
        return folder / f"{case}.json"

    @classmethod
    def load(cls, folder: Path, case: str) -> Outcome:
        return cls(**json.loads(cls.path(folder, case).read_text()))
