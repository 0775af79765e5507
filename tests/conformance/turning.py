# SPDX-License-Identifier: GPL-2.0-or-later
"""Scenarios of turnaround polling: images go one way, and then the other. Pages counted are those after the turn."""

from __future__ import annotations

from tests.conformance.farend import FarEnd, Heard, dis
from tests.conformance.receiving import hangs_up, sends_page, sends_rows, to_cfr
from tests.conformance.scenario import Steps, require, scenario
from tests.conformance.sending import accepts, confirms, to_page

OUT = dis(9, 31, octets=8)


def _sends_after_dtc(far: FarEnd) -> Steps:
    """The machine fetches a page."""
    yield from to_cfr(far, after="DTC")
    yield from sends_page(far)
    yield from hangs_up(far)


def _is_sent_a_page(far: FarEnd) -> Steps:
    """The machine has been polled."""
    yield far.hears("DCS")
    yield from accepts(far)
    yield from confirms(far)
    require(far.frames, "no page")


@scenario("sends", "EOM where DIS has bit 9, DTC after the next DIS, and a page comes", turns=True)
def fetches_after_it_has_sent(far: FarEnd) -> Steps:
    yield from to_page(far, OUT)
    yield far.hears("PPS-EOM")
    far.says("MCF")
    yield far.waits(6)
    far.says(("DIS", OUT))
    yield from _sends_after_dtc(far)


@scenario("sends", "EOP where DIS has no bit 9", turns=True)
def eop_where_nothing_is_out(far: FarEnd) -> Steps:
    yield from to_page(far)
    yield from confirms(far)


@scenario("sends", "DCN where bit 9 has gone by the next DIS", turns=True, delivered=False)
def dcn_where_it_was_taken_back(far: FarEnd) -> Steps:
    yield from to_page(far, OUT)
    yield far.hears("PPS-EOM")
    far.says("MCF")
    yield far.waits(6)
    far.says(("DIS", dis(31, octets=8)))
    yield far.hears("DCN")


@scenario("sends", "a refused page is sent again before anything is fetched", turns=True, ecm=False, delivered=None)
def refused_page_comes_before_the_turn(far: FarEnd) -> Steps:
    out = dis(9, ecm=False)
    yield from to_page(far, out)
    yield far.hears("EOM")
    far.says("RTN")
    yield far.waits(6)
    yield from to_page(far, out)
    yield far.hears("EOM")
    far.says("MCF")
    yield far.waits(6)
    far.says(("DIS", out))
    yield far.hears("DTC")
    yield from hangs_up(far)


def _to_mcf(far: FarEnd, command: str) -> Steps:
    """Send a page and its command, to the MCF."""
    yield from to_cfr(far)
    yield from sends_page(far, command)


@scenario("receives", "DIS with bits 9 and 10; DTC after EOM and DIS is answered by DCS", turns=True)
def is_polled_after_it_has_received(far: FarEnd) -> Steps:
    yield from _to_mcf(far, "EOM")
    found: Heard = yield far.hears("DIS", within_s=12)
    require(found.octets[4] & 3 == 3, "DIS without bit 9 or 10")
    far.says(("DTC", dis(31, octets=8)))
    yield from _is_sent_a_page(far)


@scenario("receives", "DTC right after the MCF to EOM is answered", turns=True)
def dtc_without_another_dis(far: FarEnd) -> Steps:
    yield from _to_mcf(far, "EOM")
    yield far.waits(0.2)
    far.says(("DTC", dis(31, octets=8)))
    yield from _is_sent_a_page(far)


@scenario("receives", "DTC after EOP and its MCF is answered, as HylaFAX says it", turns=True)
def dtc_after_eop(far: FarEnd) -> Steps:
    yield from _to_mcf(far, "EOP")
    yield far.waits(1)
    far.says(("DTC", dis(31, octets=8)))
    yield from _is_sent_a_page(far)


@scenario("receives", "likewise without ECM", turns=True, ecm=False)
def dtc_after_eop_without_ecm(far: FarEnd) -> Steps:
    yield from to_cfr(far, ecm=False)
    yield from sends_rows(far)
    yield far.waits(1)
    far.says(("DTC", dis(ecm=False)))
    yield far.hears("DCS")
    yield from accepts(far)
    yield from confirms(far, "EOP")


@scenario("receives", "DTC at once is answered, too", turns=True)
def is_polled_alone(far: FarEnd) -> Steps:
    yield far.hears("DIS")
    far.says(("DTC", dis(31, octets=8)))
    yield from _is_sent_a_page(far)


@scenario("receives", "DCS to a DIS with bits 9 and 10 is a fax as any", turns=True)
def receives_though_something_is_out(far: FarEnd) -> Steps:
    yield from _to_mcf(far, "EOP")
    yield from hangs_up(far)
