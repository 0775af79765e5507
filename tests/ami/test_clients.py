# SPDX-License-Identifier: GPL-2.0-or-later
"""Clients that others wrote log in to softfax, list its sessions during a fax, originate one to a real Asterisk, and hear
how it went."""

from __future__ import annotations

import os
from typing import Any

import pytest

from tests.ami.node import ClientUnavailableError, modules
from tests.support.absent import absent

pytestmark = [pytest.mark.peer, pytest.mark.sip]

STATUSES = ["T.38 Negotiated", "Allocating Resources", "FAX Transmission In Progress"]
VARIABLES = {
    "FAXSTATUS": "SUCCESS",
    "FAXERROR": "",
    "FAXSTATUSSTRING": "OK",
    "FAXMODE": "T38",
    "FAXRESOLUTION": "8031x7700",
    "FAXBITRATE": "14400",
}


@pytest.fixture(scope="module", autouse=True)
def _node() -> None:
    """Fail where a client is missing; skip where the machine only lacks node."""
    try:
        modules()
    except ClientUnavailableError as error:
        absent(str(error), excused=os.geteuid() != 0)


def lower(fields: dict[str, str]) -> dict[str, str]:
    return {key.lower(): value for key, value in fields.items()}


@pytest.mark.parametrize(("heard", "pages"), [("panoramisk", 1), ("asterisk-manager", 2)], indirect=["heard"])
def test_a_fax_by_way_of(heard: dict[str, Any], pages: int) -> None:
    assert heard["queued"] == "Originate successfully queued"
    originated = lower(heard["originated"])
    assert (originated["response"], originated["reason"]) == ("Success", "4")
    assert heard["statuses"] == STATUSES
    row = next(row for row in map(lower, heard["sessions"]) if row["channel"] == originated["channel"])
    assert (row["operation"], row["sessiontype"], row["technology"]) == ("send", "T.38", "Spandsp")
    assert [name.rpartition("/")[2] for name in row["files"].split(",")] == ["side.tif"] * pages
    session = lower(heard["session"])
    assert session["sessionnumber"] == row["sessionnumber"]
    assert session["pagenumber"] == "1"
    sent = lower(heard["sendfax"])
    assert (sent["pagestransferred"], sent["resolution"]) == (str(pages), "8031x7700")
    assert (sent["localstationid"], sent["remotestationid"]) == (heard["variables"]["LOCALSTATIONID"], "ASTERISK 16")
    assert {**VARIABLES, "FAXPAGES": str(pages)}.items() <= heard["variables"].items()
    assert lower(heard["hangup"])["cause-txt"] == "Normal Clearing"
    assert heard["events"][:2] == ["Newchannel", "Newexten"]
    assert heard["events"][-2:] == ["SendFAX", "Hangup"]
    assert not heard.get("errors")
