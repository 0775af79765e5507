# SPDX-License-Identifier: GPL-2.0-or-later
"""Findings of the doctor."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["CheckArea", "Finding", "Status", "failed", "ok", "skipped", "warning"]


class Status(StrEnum):
    """Status of a finding."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


class CheckArea(StrEnum):
    """Areas that are examined, in the order in which they are shown."""

    CONFIGURATION = "configuration"
    LIBRARIES = "libraries"
    PORTS = "ports"
    NETWORK = "network"
    ACCOUNTS = "accounts"
    DISK = "disk"
    RECORDS = "records"
    CLOCK = "clock"
    DOCUMENTS = "documents"
    LIMITS = "limits"
    CALL = "call"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: a line for people, and what to do where it is not well."""

    area: CheckArea
    status: Status
    text: str
    remedy: str = ""

    def to_json(self) -> dict[str, str]:
        """Finding for `--json`."""
        return {"area": self.area, "status": self.status, "text": self.text, "remedy": self.remedy}


def ok(area: CheckArea, text: str) -> Finding:
    """A finding that all is well."""
    return Finding(area, Status.OK, text)


def warning(area: CheckArea, text: str, remedy: str) -> Finding:
    """A finding of something that works, with a reservation."""
    return Finding(area, Status.WARNING, text, remedy)


def failed(area: CheckArea, text: str, remedy: str) -> Finding:
    """A finding of something that does not work."""
    return Finding(area, Status.FAILED, text, remedy)


def skipped(area: CheckArea, text: str, remedy: str = "") -> Finding:
    """Could not be looked at, or was not asked for."""
    return Finding(area, Status.SKIPPED, text, remedy)
