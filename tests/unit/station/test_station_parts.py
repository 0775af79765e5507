# SPDX-License-Identifier: GPL-2.0-or-later
"""Parts of a station, without SIP: names, numbers, settings, events to many, registration, callbacks."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest

from softfax.delivery.targets import CallbackTarget
from softfax.errors import UsageError
from softfax.fax.settings import Role
from softfax.model import CallEvent, CallState, Direction, FaxContext, FaxUpdate, JobEvent
from softfax.options import ModePolicy
from softfax.station import FaxOrder, StationConfig
from softfax.station.callbacks import CallbackSink
from softfax.station.hub import Hub
from softfax.station.making import (
    Identities,
    failed,
    outgoing_settings,
)
from softfax.station.routes import Route
from softfax.station.rules import Rules
from softfax.vocabularies import CallbackBody

CONTEXT = FaxContext(
    fax_id="f" * 24,
    direction=Direction.SEND,
    outgoing=True,
    session_number=1,
    unique_id="1.0",
    channel="PJSIP/x-00000000",
)
UPDATE = FaxUpdate(CONTEXT, CallEvent(state=CallState.RINGING, fax_id=CONTEXT.fax_id))
PBX = StationConfig.checked(
    {"account": [{"name": "pbx", "server": "sip:pbx.example:5070", "user": "fax"}], "fax": {"ident": "OWN"}}, "test"
)


def test_channels_and_unique_ids_are_formed_as_asterisk_does() -> None:
    identities = Identities()
    first, second = identities.channel("pbx"), identities.channel("pbx")
    assert (first, second) == ("PJSIP/pbx-00000000", "PJSIP/pbx-00000001")
    assert re.fullmatch(r"\d{10,}\.1", identities.unique_id(second))


@pytest.mark.parametrize(
    ("destination", "uri"),
    [
        ("sip:1@host", "sip:1@host"),
        ("+49 30 / 1", None),
        ("+49 (30) 1-2", "sip:+493012@pbx.example:5070"),
        ("", None),
        ("a\nb", None),
    ],
)
def test_numbers_are_called_through_the_account(destination: str, uri: str | None) -> None:
    rules = Rules(lambda: PBX)
    if uri is None:
        with pytest.raises(UsageError):
            rules.routes(destination)
    else:
        assert rules.routes(destination)[0] == Route("pbx", uri)


def test_an_order_has_the_stations_defaults_where_it_says_nothing() -> None:
    plainly = outgoing_settings(FaxOrder(destination="1"), PBX, fax_id="f", document=Path("x"))
    assert (plainly.ident, plainly.ecm, plainly.max_rate_bps, plainly.mode) == ("OWN", True, 14400, ModePolicy.AUTO)
    assert (plainly.fax_id, plainly.role) == ("f", Role.CALLER)
    order = FaxOrder(
        destination="1",
        ident="me",
        ecm=False,
        modems=frozenset({"V27", "V29"}),
        mode=ModePolicy.T38,
        t38_timeout_s=5,
        answer_timeout_s=7,
    )
    asked = outgoing_settings(order, PBX, fax_id="f", document=Path("x"))
    assert (asked.ident, asked.ecm, asked.max_rate_bps, asked.mode) == ("me", False, 9600, ModePolicy.T38)
    assert (asked.timeouts.t38_s, asked.timeouts.answer_s) == (5, 7)


def test_every_sink_is_told_in_order_whatever_others_do() -> None:
    hub, told = Hub(), []

    def bad(update: FaxUpdate) -> None:
        told.append("bad")
        raise RuntimeError

    hub.subscribe(lambda update: told.append("first"))
    leave = hub.subscribe(bad)
    hub.subscribe(lambda update: told.append("last"))
    hub.publish(UPDATE)
    leave()
    leave()
    hub.publish(UPDATE)
    assert told == ["first", "bad", "last", "first", "last"]


class _Outbox:
    def __init__(self) -> None:
        self.put_: list[tuple[str, dict[str, Any]]] = []

    def put(self, target: CallbackTarget, *, fax_id: str, event_id: str, body: bytes, path_suffix: str = "") -> object:
        if "full" in target.url:
            raise UsageError("too large")
        self.put_.append((target.at(path_suffix).url, json.loads(body) | {"id": event_id}))
        return None


def test_callbacks_go_to_the_configured_and_to_those_of_the_fax_until_its_result() -> None:
    outbox = _Outbox()
    everybody, own = CallbackTarget(url="http://a/"), CallbackTarget(url="http://b/")
    sink = CallbackSink(outbox, [CallbackTarget(url="http://full/"), everybody])
    sink.watch(CONTEXT.fax_id, [own, everybody])
    sink(UPDATE)
    assert [url for url, _ in outbox.put_] == ["http://a/", "http://b/"]
    assert outbox.put_[0][1]["state"] == "ringing"
    assert outbox.put_[0][1]["id"]
    sink(FaxUpdate(CONTEXT, failed(CONTEXT, _failure(), 1.0)))
    outbox.put_.clear()
    sink(UPDATE)
    assert [url for url, _ in outbox.put_] == ["http://a/"]


def test_targets_of_a_fax_get_its_last_state_and_what_they_chose() -> None:
    """The queue says `delivered` after the result, and `cancelled` before it."""
    delivered, waiting = JobEvent(state="delivered"), JobEvent(state="waiting")
    again = dataclasses.replace(failed(CONTEXT, _failure(), 1.0), retry_at="2026-11-21T09:00:00Z")
    result = failed(CONTEXT, _failure(), 1.0)
    for events, told in (
        ((), ["result", "job", "result", "job"]),
        (("job",), ["job", "job"]),
        (("result",), ["result", "result"]),
    ):
        outbox = _Outbox()
        sink = CallbackSink(outbox)
        sink.watch(CONTEXT.fax_id, [CallbackTarget(url="http://b/", events=events)])
        for event in (again, waiting, result, delivered, delivered, result):
            sink(FaxUpdate(CONTEXT, event))
        assert [body["event"] for _, body in outbox.put_] == told


def test_the_event_name_is_in_the_path_only_where_that_is_the_style() -> None:
    outbox = _Outbox()

    def words(dialect: str, update: FaxUpdate) -> list[CallbackBody]:
        return [CallbackBody({"dialect": dialect}, "e1", "OutgoingFax")]

    targets = [CallbackTarget(url="http://a/x", style="url-event"), CallbackTarget(url="http://b/x")]
    CallbackSink(outbox, targets, words)(UPDATE)
    assert [url for url, _ in outbox.put_] == ["http://a/x/OutgoingFax", "http://b/x"]


def _failure() -> Any:
    from softfax.station.making import document_failure

    return document_failure("no such file")
