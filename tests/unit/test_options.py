# SPDX-License-Identifier: GPL-2.0-or-later
"""An option of a fax has one definition: it is in requests, forms, configuration, command line, rows, orders and engine settings."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from softfax.cli.common import add_fax_options, fax_options
from softfax.engine.core import T30Settings
from softfax.fax.settings import FaxSettings, Role
from softfax.model import Direction
from softfax.options import STANDARD, FaxOptions, ModePolicy, Option, options_of, outside_options
from softfax.records.model import FaxRequest
from softfax.station import FaxOrder, StationConfig
from softfax.web.fields import PLAIN_FIELDS
from softfax.web.requests import FaxIn

SAID = FaxOptions(
    mode=ModePolicy.AUDIO, ident="+49 30", header="Clinic", ecm=False, max_rate_bps=9600, resolution="superfine",
    scan="off", account="pbx", caller_number="030", caller_name="Ada", cover={"subject": "x"}, tags={"matter": "17"},
    subaddress="42#7", sender_id="815", poll=True, poll_document="17", poll_password="99",
)  # fmt: skip
BODY = {
    "mode": "audio", "ident": "+49 30", "header": "Clinic", "ecm": False, "max_rate": 9600, "resolution": "superfine",
    "scan": "off", "account": "pbx", "from": "030", "from_name": "Ada", "cover": {"subject": "x"}, "tags": {"matter": "17"},
    "subaddress": "42#7", "sender_id": "815", "poll": True, "poll_document": "17", "poll_password": "99",
}  # fmt: skip


def test_what_is_asked_for_is_what_is_done() -> None:
    # A new option belongs into both of these.
    assert all(getattr(SAID, name) != getattr(FaxOptions(), name) for name in outside_options())
    assert set(BODY) == {option.name for option in outside_options().values()} | {"cover", "tags"}
    wanted = FaxIn.model_validate({"to": "1", **BODY})
    request = FaxRequest(to="1", documents=(), **wanted.options())
    assert options_of(request) == options_of(SAID)
    rows = TypeAdapter(FaxRequest)
    assert rows.validate_json(rows.dump_json(request)) == request
    order = FaxOrder(destination="1", **options_of(request))
    settings = FaxSettings(direction=Direction.SEND, role=Role.CALLER, document=Path("x"), **options_of(order))
    engine = T30Settings(caller=True, tx_file=Path("x"), **options_of(settings))
    assert options_of(engine) == options_of(SAID)


def test_what_is_not_said_is_the_configurations_and_then_the_standard() -> None:
    nothing = FaxIn.model_validate({"to": "1"}).options()
    assert FaxOptions(**nothing) == FaxOptions()
    table = {option.name: BODY[option.name] for option in outside_options().values() if option.default is not None}
    config = StationConfig.checked({"fax": table}, "the test").fax.options
    filled = FaxOptions(ecm=True, header="Mine").with_defaults(config)
    assert filled == dataclasses.replace(config, ecm=True, header="Mine")
    assert (config.mode, config.ecm, config.max_rate_bps) == (ModePolicy.AUDIO, False, 9600)
    assert StationConfig.checked({}, "the test").fax.options == STANDARD
    assert T30Settings(caller=True, tx_file=Path("x")).ecm is True


def test_a_form_and_the_command_line_have_them() -> None:
    assert {option.name for option in outside_options().values()} < PLAIN_FIELDS
    parser = argparse.ArgumentParser()
    add_fax_options(parser)
    typed = parser.parse_args(
        [
            "--mode",
            "audio",
            "--ident",
            "+49 30",
            "--no-ecm",
            "--max-rate",
            "9600",
            "--subaddress",
            "42#7",
            "--sender-id",
            "815",
        ]
    )
    assert fax_options(typed, header="Clinic") == {
        name: value
        for name, value in options_of(SAID).items()
        if name in ("mode", "ident", "ecm", "max_rate_bps", "header", "subaddress", "sender_id")
    }
    assert None not in vars(typed).values()


@pytest.mark.parametrize(
    ("name", "value"), [("ident", "é"), ("ident", "1" * 21), ("max_rate", 5000), ("mode", "x"), ("subaddress", "x")]
)
def test_limits_hold_in_requests_and_configuration(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=name):
        FaxIn.model_validate({"to": "1", name: value})
    with pytest.raises(Exception, match=name):
        StationConfig.checked({"fax": {name: value}}, "the test")


def test_a_switch_is_named_by_what_it_does_to_the_standard() -> None:
    on, off = (Option(name=name, kind=bool, about="", default=on) for name, on in (("ecm", True), ("quiet", False)))
    assert (on.flag, off.flag) == ("no_ecm", "quiet")
