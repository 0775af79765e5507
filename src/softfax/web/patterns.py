# SPDX-License-Identifier: GPL-2.0-or-later
"""Patterns of texts in requests, as regular expressions that JSON Schema knows too."""

from __future__ import annotations

__all__ = [
    "ANY_FAX_ID", "CURSOR", "EMAIL", "FAX_ID", "KINDS", "ONE", "SEVERAL", "TABLE", "TAG_KEY", "UPLOAD_ID", "URL", "WORDS",
]  # fmt: skip

FAX_ID = r"^[0-9a-f]{24}$"
#: Empty for any.
ANY_FAX_ID = r"^([0-9a-f]{24})?$"
UPLOAD_ID = r"^[0-9a-f]{32}$"
URL = r"^[Hh][Tt][Tt][Pp][Ss]?://[^\s]+$"
EMAIL = r"^[^\s@]+@[^\s@]+$"
TAG_KEY = r"^[A-Za-z0-9_.-]{1,64}$"
#: A number of a fax or an event in its list; empty for none.
CURSOR = r"^[0-9]{0,18}$"
#: What is looked for: one line.
WORDS = r"^[^\x00-\x1f\x7f]*$"

#: What a value is that may be of two kinds; never seen outside.
ONE, SEVERAL, TABLE = KINDS = ("(one)", "(several)", "(table)")
