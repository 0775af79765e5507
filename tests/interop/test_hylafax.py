# SPDX-License-Identifier: GPL-2.0-or-later
"""Faxes with HylaFAX, whose T.30 is its own, over G.711: both ways, each modem, page for page."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.interop.cases import IDENT
from tests.interop.outcome import Outcome
from tests.support.pages import page_differences, read_tiff

pytestmark = [pytest.mark.peer, pytest.mark.sip]

RATES = {"v29": 9600, "v27ter": 4800}


def check(hylafax: Outcome) -> None:
    """Success, with all pages; without error correction a busy machine may spoil rows, but loses no page."""
    name, result = hylafax.case, hylafax.result
    ecm = "noecm" not in name and name != "to-v27ter"  # that modem has none
    assert hylafax.exit_status == 0, hylafax.stderr
    assert (result["success"], result["mode"], result["ecm"]) == (True, "audio", ecm)
    assert result["bitrate"] <= RATES.get(name.partition("-")[2], 14400)
    assert result["local_station_id"] == IDENT
    sent = read_tiff(Path(hylafax.sent))
    assert result["pages"] == len(sent)
    if ecm:
        (received,) = hylafax.received
        assert page_differences(sent, read_tiff(Path(received))) == ""


@pytest.mark.parametrize("hylafax", ["to", "to-v29", "to-sizes", "to-noecm", "to-v27ter"], indirect=True)
def test_hylafax_receives(hylafax: Outcome) -> None:
    check(hylafax)
    # On a busy machine its modem makes a slightly bad line, and a CSI is not said again.
    assert hylafax.result["remote_station_id"] in ("", "HYLAFAX 0", "HYLAFAX 1")


@pytest.mark.parametrize("hylafax", ["from", "from-v29", "from-sizes", "from-noecm", "from-v27ter"], indirect=True)
def test_hylafax_sends(hylafax: Outcome) -> None:
    check(hylafax)
    (job,) = hylafax.peers
    assert job["npages"] == str(hylafax.result["pages"])


@pytest.mark.parametrize("hylafax", ["to-given-up"], indirect=True)
def test_we_give_up_after_a_page(hylafax: Outcome) -> None:
    assert hylafax.exit_status == 130
    assert hylafax.result["pages"] == 1


@pytest.mark.parametrize("hylafax", ["from-given-up"], indirect=True)
def test_we_give_up_after_a_page_that_came(hylafax: Outcome) -> None:
    assert hylafax.exit_status == 130
    assert hylafax.result["pages"] == 1
    (job,) = hylafax.peers
    assert job.get("npages") != "2", "HylaFAX takes the fax for sent"


@pytest.mark.parametrize("hylafax", ["nothing-to-poll"], indirect=True)
def test_there_is_nothing_to_poll(hylafax: Outcome) -> None:
    assert hylafax.exit_status == 1
    assert "nothing to poll" in hylafax.result["status_string"]
