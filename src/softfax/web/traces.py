# SPDX-License-Identifier: GPL-2.0-or-later
"""Traces of calls, in the forms in which they are asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from softfax.fax.trace import last_attempt, load_trace, pcap_path, text_of

__all__ = ["Form", "find_trace"]

Form = Literal["json", "text", "pcap"]


def find_trace(folder: Path, fax_id: str, attempt: int | None, form: Form) -> Any:
    """The trace of a call for a fax, of the last without `attempt`: an object, text, or the path of its packets; None where there
    is none. Blocks."""
    if form == "pcap":
        path = pcap_path(folder, fax_id, attempt or last_attempt(folder, fax_id))
        return path if path.is_file() else None
    found = load_trace(folder, fax_id, attempt)
    return text_of(found) if found is not None and form == "text" else found
