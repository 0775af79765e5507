# SPDX-License-Identifier: GPL-2.0-or-later
"""Looks at a station's machine and configuration as somebody called for help would, and tells the remedy."""

from __future__ import annotations

from softfax.ops.doctor.examine import examine
from softfax.ops.doctor.findings import CheckArea, Finding, Status

__all__ = ["CheckArea", "Finding", "Status", "examine"]
