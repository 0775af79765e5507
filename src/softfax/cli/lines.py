# SPDX-License-Identifier: GPL-2.0-or-later
"""Parts of what verbs say: lines of JSON that are no events of a fax, for programs; times, for people."""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from typing import Any

from softfax.asjson import rfc3339
from softfax.errors import DocumentError, ExitStatus, SoftfaxError, UsageError
from softfax.model import Direction, new_fax_id
from softfax.outside import escaped_json

__all__ = ["clock", "counted", "json_line", "json_text", "refusal"]


def clock(when: datetime | None) -> str:
    """A time as people here say it: of today by the clock, else with its date; empty for none."""
    if when is None:
        return ""
    local = when.astimezone()
    return local.strftime("%H:%M:%S" if local.date() == datetime.now().date() else "%Y-%m-%d %H:%M")


def counted(number: int, word: str) -> str:
    """A number of things: 1 page, 2 pages, 2 faxes."""
    return f"{number} {word}" + ("" if number == 1 else "es" if word.endswith("x") else "s")


def json_text(value: object, indent: int | None = None) -> str:
    """JSON as programs read it and a terminal can show it."""
    return escaped_json(json.dumps(value, ensure_ascii=False, default=str, indent=indent))


def json_line(event: str, **fields: Any) -> str:
    """An object as one line; `event` and `time` (RFC 3339, UTC, microseconds) come first, as in every object of ours."""
    return json_text({"event": event, "time": rfc3339(datetime.now(UTC)), **fields})


def refusal(options: argparse.Namespace, error: SoftfaxError) -> str:
    """The result of a fax, or of a conversion, that never began: why, in FAXERROR's words."""
    from softfax.fax import outcome

    word, code = "INIT_ERROR", outcome.T30_CALLDROPPED
    if isinstance(error, DocumentError):
        word, code = "FILE_ERROR", outcome.T30_FILE_ERROR
    elif isinstance(error, UsageError):
        word, code = "INVALID_ARGUMENTS", outcome.NO_T30
    elif error.exit_status is ExitStatus.CALL_FAILED:
        word, code = "CHANUNAVAIL", outcome.NO_T30
    if options.verb == "convert":
        return json_line("result", success=False, status="FAILED", error=word, status_string=str(error), result_code=code,
                         pages=0, pages_total=0, documents=list(options.files), output=options.output)  # fmt: skip
    files = list(options.items) if options.answer else list(options.items)[1:]
    result = outcome.Outcome(False, word, str(error), code).result(
        direction=Direction.SEND,
        fax_id=new_fax_id(),
        duration_s=0.0,
        local_station_id=options.ident or "",
        documents=files,
    )
    return json_text(result.to_json())
