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


@pytest.mark.parametrize("hylafax", ["to-joined"], indirect=True)
def test_each_fax_of_one_call_is_a_file(hylafax: Outcome) -> None:
    assert [(event["state"], event["pages"]) for event in hylafax.events] == [("delivered", 1)] * 3
    assert len({event["call_id"] for event in hylafax.events}) == 1
    assert len(hylafax.received) == 3


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


@pytest.mark.parametrize("hylafax", ["polled-by"], indirect=True)
def test_hylafax_polls_us(hylafax: Outcome) -> None:
    check(hylafax)


@pytest.mark.parametrize("hylafax", ["turned"], indirect=True)
def test_hylafax_sends_and_then_polls(hylafax: Outcome) -> None:
    assert hylafax.exit_status == 0, hylafax.stderr
    ends = {one["direction"]: (one["success"], one["pages"]) for one in hylafax.results}
    assert ends == {"receive": (True, 1), "send": (True, 2)}
    (received,) = hylafax.received
    assert page_differences(read_tiff(Path(hylafax.sent)), read_tiff(Path(received))) == ""


@pytest.mark.parametrize("hylafax", ["to-refused"], indirect=True)
def test_a_page_that_hylafax_refuses_is_sent_again(hylafax: Outcome) -> None:
    _refused_once(hylafax)


@pytest.mark.parametrize("hylafax", ["from-refused"], indirect=True)
def test_a_page_that_we_refuse_comes_again(hylafax: Outcome) -> None:
    _refused_once(hylafax)
    (job,) = hylafax.peers
    assert job["npages"] == "1"
    (received,) = hylafax.received
    assert len(read_tiff(Path(received))) == 1, "the refused page has gone"


def _refused_once(hylafax: Outcome) -> None:
    """RTN to the first page, which is confirmed when it comes again, as all are; a busy machine may spoil it once more."""
    assert hylafax.exit_status == 0, hylafax.stderr
    pages = [event for event in hylafax.events if event["event"] == "page"]
    assert (pages[0]["number"], pages[0]["quality"]) == (1, "bad")
    count = len(read_tiff(Path(hylafax.sent)))
    assert [page["number"] for page in pages if page["quality"] != "bad"] == list(range(1, count + 1))
    assert (hylafax.result["success"], hylafax.result["pages"], hylafax.result["ecm"]) == (True, count, False)


@pytest.mark.parametrize("hylafax", ["to-cut", "from-cut"], indirect=True)
def test_we_hang_up_in_mid_page(hylafax: Outcome) -> None:
    assert hylafax.exit_status == 130
    assert (hylafax.result["success"], hylafax.result["pages"]) == (False, 0)
    _not_sent(hylafax)


@pytest.mark.parametrize("hylafax", ["to-hung-up", "from-hung-up"], indirect=True)
def test_the_far_end_is_gone_in_mid_page(hylafax: Outcome) -> None:
    assert hylafax.exit_status == 1
    result = hylafax.result
    assert (result["success"], result["pages"], result["error"]) == (False, 0, "HANGUP")
    assert result["ended_by"] == "far-end"
    _not_sent(hylafax)


def _not_sent(hylafax: Outcome) -> None:
    """HylaFAX does not say either that there was a page."""
    assert hylafax.received == [] or hylafax.case.startswith("from")
    for job in hylafax.peers:
        assert job.get("npages", "0") == "0"
