# SPDX-License-Identifier: GPL-2.0-or-later
"""Examines a station's machine and configuration, and names the remedy for what is wrong."""

from __future__ import annotations

from softfax.ops.doctor.examine import examine
from softfax.ops.doctor.findings import CheckArea, Finding, Status

__all__ = ["CheckArea", "Finding", "Status", "examine"]
