# SPDX-License-Identifier: GPL-2.0-or-later
"""docs/events.md shows what the code says: its examples have the keys and types of events made here."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from softfax.model import CallEvent, CallState, FaxUpdate
from tests.unit.vocabularies.test_callbacks import IN, OUT, callbacks, page, result, types

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "events.md").read_text()
EXAMPLES = [json.loads(block) for block in re.findall(r"```json\n(.*?)\n```", PAGE, re.S)]


def shape(value: Any) -> Any:
    """Types, with numbers and absent texts alike whatever this fax had."""
    if isinstance(value, dict):
        return {k: shape(v) for k, v in value.items()}
    return "text" if value is None or isinstance(value, str) else type(value)


def made() -> list[dict[str, Any]]:
    events = [CallEvent(state=CallState.CALLING), page(1), result()]
    out = [c.body for e in events for d in ("signalwire", "simotel") for c in callbacks(d, FaxUpdate(OUT, e))]
    return out + [c.body for d in ("signalwire", "simotel") for c in callbacks(d, FaxUpdate(IN, result()))]


def test_the_callbacks_shown_are_those_that_are_made() -> None:
    shown = [e for e in EXAMPLES if "event" not in e]
    known = [shape(body) for body in made()]
    assert len(shown) == 6
    for example in shown:
        assert shape(example) in known, example
        assert list(types(example)), example


def test_the_lines_shown_have_the_fields_of_their_event() -> None:
    lines = {e["event"]: e for e in EXAMPLES if "event" in e}
    assert set(lines) == {"call", "session", "negotiated", "page", "result"}
    assert set(lines["result"]) <= set(result().to_json())
    assert set(lines["page"]) == set(page(1).to_json()) | {"fax_id"}
    assert lines["session"]["image_resolution"] == "8031x7700"


def test_every_language_is_there() -> None:
    for word in (
        "Event: Newchannel",
        "Event: FAXSession",
        "Event: FAXStatus",
        "Event: SendFAX",
        "calling.call.fax",
        "OutgoingFax",
    ):
        assert word in PAGE, word
