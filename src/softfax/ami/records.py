# SPDX-License-Identifier: GPL-2.0-or-later
"""The FAXSession record as fields of the manager interface."""

from __future__ import annotations

from softfax.vocabularies.asterisk import session_fields

__all__ = ["session_fields"]
