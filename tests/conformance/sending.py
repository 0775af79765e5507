# SPDX-License-Identifier: GPL-2.0-or-later
"""Scenarios of a machine that sends, against a scripted answerer."""

from __future__ import annotations

import itertools

from tests.conformance.farend import Departure, FarEnd, Heard, dis
from tests.conformance.scenario import Steps, ppr, require, scenario


def ready(far: FarEnd, field: bytes | None = None) -> Steps:
    yield far.waits(1)
    far.says(("CSI", b"7654321".rjust(20)), ("DIS", field if field is not None else dis(31, octets=8)))
    yield far.hears("DCS")


def train(far: FarEnd) -> Steps:
    far.zeros = 0
    end_s = far.now_s + 8
    while far.now_s < end_s and not (far.indicators and far.indicators[-1][1] == 0 and far.zeros > 400):
        yield far.waits(0.02)
    require(far.zeros > 400, "no training check of zeros")
    yield far.waits(0.2)


def accepts(far: FarEnd) -> Steps:
    """A training check that is answered by CFR."""
    yield from train(far)
    far.frames.clear()
    far.says("CFR")


def to_page(far: FarEnd, field: bytes | None = None) -> Steps:
    yield from ready(far, field)
    yield from accepts(far)


def confirms(far: FarEnd, command: str = "PPS-EOP", answer: str = "MCF") -> Steps:
    """The last page is over, and is confirmed; so DCN follows."""
    yield far.hears(command)
    far.says(answer)
    yield far.hears("DCN", within_s=10)


@scenario("sends", "CNG, TSI, DCS, a training check, a page with ECM, DCN")
def sends_with_ecm(far: FarEnd) -> Steps:
    yield from to_page(far)
    require(any(kind == 1 for _, kind in far.indicators), "no CNG")
    require(far.heard[0].name == "TSI", "no TSI")
    yield far.hears("PPS-EOP")
    require([n for n, _ in far.frames] == list(range(len(far.frames))), "frames out of order")
    far.says("MCF")
    yield far.hears("DCN")


@scenario("sends", "a page without ECM to a receiver without", ecm=False)
def sends_without_ecm(far: FarEnd) -> Steps:
    yield from to_page(far, dis(ecm=False))
    yield from confirms(far, "EOP")


@scenario("sends", "DCS names ECM only to a receiver that has it")
def no_ecm_where_dis_has_none(far: FarEnd) -> Steps:
    yield from to_page(far, dis(ecm=False))
    field = far.heard[-1].octets[3:]
    require(len(field) < 4 or not field[3] & 4, "DCS with ECM")
    yield from confirms(far, "EOP")


@scenario("sends", "a receiver of V.27ter alone is not sent another modem")
def v27ter_alone(far: FarEnd) -> Steps:
    yield from ready(far, dis(modems=(12,)))
    require(far.heard[-1].octets[4] >> 2 & 15 == 2, "DCS of another modem")
    yield from accepts(far)
    yield far.hears("PPS-EOP", "EOP", within_s=90)
    far.says("MCF")
    yield far.hears("DCN")


@scenario("sends", "a machine that does not receive is sent DCN and no page", delivered=False)
def no_receiver(far: FarEnd) -> Steps:
    yield far.waits(1)
    far.says(("DIS", dis(receives=False)))
    yield far.hears("DCN")
    require(not far.frames, "a page was sent")


@scenario("sends", "a DIS that has grown is taken")
def long_dis(far: FarEnd) -> Steps:
    yield from to_page(far, dis(31, octets=16))
    yield from confirms(far)


@scenario("sends", "DCS without an answer is said three times, then DCN", delivered=False)
def dcs_three_times(far: FarEnd) -> Steps:
    yield from ready(far)
    for _ in range(2):
        yield far.hears("DCS", within_s=12)
    yield far.hears("DCN", within_s=12)


@scenario("sends", "FTT has it train again at a lower rate, and at last give up", delivered=False)
def ftt_lowers_the_rate(far: FarEnd) -> Steps:
    yield from ready(far)
    rates = []
    for _ in range(12):
        rates.append(far.heard[-1].octets[4] >> 2 & 15)
        yield from train(far)
        far.says("FTT")
        found: Heard = yield far.hears("DCS", "DCN")
        if found.name == "DCN":
            require(len(set(rates)) == len(rates) >= 4, f"rates {rates}")
            return
    raise Departure("never gave up")


@scenario("sends", "DIS after the training check has it train again")
def dis_after_training(far: FarEnd) -> Steps:
    yield from ready(far)
    yield from train(far)
    far.says(("DIS", dis(31, octets=8)))
    yield far.hears("DCS")
    yield from accepts(far)
    yield from confirms(far)


@scenario("sends", "frames that PPR asks for come again, and no others")
def ppr_is_obeyed(far: FarEnd) -> Steps:
    yield from to_page(far)
    yield far.hears("PPS-EOP")
    require(len(far.frames) > 3, "a page of few frames")
    far.frames.clear()
    far.says(ppr(1, 3))
    yield far.hears("PPS-EOP")
    require([n for n, _ in far.frames] == [1, 3], f"frames {[n for n, _ in far.frames]}")
    far.says("MCF")
    yield far.hears("DCN")


@scenario("sends", "a frame that PPR asks for anew comes again, though an earlier PPR did not ask for it")
def ppr_asks_anew(far: FarEnd) -> Steps:
    yield from to_page(far)
    yield far.hears("PPS-EOP")
    far.says(ppr(1))
    yield far.hears("PPS-EOP")
    far.frames.clear()
    far.says(ppr(0, 1))
    yield far.hears("PPS-EOP")
    require([n for n, _ in far.frames] == [0, 1], f"frames {[n for n, _ in far.frames]}")
    far.says("MCF")
    yield far.hears("DCN")


@scenario("sends", "the fourth PPR is answered by CTC, and CTR by the frames")
def fourth_ppr_brings_ctc(far: FarEnd) -> Steps:
    yield from to_page(far)
    yield far.hears("PPS-EOP")
    for missing in ((0, 1, 2, 3), (0, 1, 2), (0, 1)):
        far.says(ppr(*missing))
        yield far.hears("PPS-EOP")
    far.says(ppr(0))
    yield far.hears("CTC")
    far.frames.clear()
    far.says("CTR")
    yield far.hears("PPS-EOP")
    require([n for n, _ in far.frames] == [0], f"frames {[n for n, _ in far.frames]}")
    far.says("MCF")
    yield far.hears("DCN")


@scenario("sends", "CTC without an answer is said again")
def ctc_is_repeated(far: FarEnd) -> Steps:
    yield from to_page(far)
    yield far.hears("PPS-EOP")
    for missing in ((0, 1, 2, 3), (0, 1, 2), (0, 1)):
        far.says(ppr(*missing))
        yield far.hears("PPS-EOP")
    far.says(ppr(0))
    yield far.hears("CTC")
    yield far.hears("CTC", within_s=8)
    far.says("CTR")
    yield from confirms(far)


@scenario("sends", "RNR is answered by RR until MCF comes")
def rnr_is_answered_by_rr(far: FarEnd) -> Steps:
    yield from to_page(far)
    yield far.hears("PPS-EOP")
    for _ in range(3):
        far.says("RNR")
        yield far.hears("RR")
    far.says("MCF")
    yield far.hears("DCN")


@scenario("sends", "RNR for longer than T5 (60 s) ends by DCN", delivered=False)
def rnr_ends_by_t5(far: FarEnd) -> Steps:
    yield from to_page(far)
    yield far.hears("PPS-EOP")
    began = far.now_s
    while True:
        far.says("RNR")
        found: Heard = yield far.hears("RR", "DCN")
        if found.name == "DCN":
            require(55 < far.now_s - began < 80, f"T5 of {far.now_s - began:.0f} s")
            return
        require(far.now_s - began < 100, "never gave up")


@scenario("sends", "PPS without an answer is said three times, then DCN; the page is not delivered", delivered=False)
def pps_three_times(far: FarEnd) -> Steps:
    yield from to_page(far)
    times = []
    for _ in range(3):
        found: Heard = yield far.hears("PPS-EOP", within_s=15)
        times.append(found.time_s)
    yield far.hears("DCN", within_s=12)
    for first, second in itertools.pairwise(times):
        require(2.5 < second - first < 6, f"PPS after {second - first:.1f} s")


@scenario("sends", "an answer whose checksum is wrong has the command said again, and counts for nothing")
def damaged_answer(far: FarEnd) -> Steps:
    yield from to_page(far)
    yield far.hears("PPS-EOP")
    far.says("MCF", damaged=True)
    yield far.done_saying()
    yield far.hears("PPS-EOP", within_s=8)
    far.says("MCF")
    yield far.hears("DCN")


@scenario("sends", "CRP has the command said again")
def crp_has_pps_said_again(far: FarEnd) -> Steps:
    yield from to_page(far)
    yield far.hears("PPS-EOP")
    far.says("CRP")
    yield far.hears("PPS-EOP", within_s=8)
    far.says("MCF")
    yield far.hears("DCN")


@scenario("sends", "CRP in place of CFR has DCS and the training check said again")
def crp_has_dcs_said_again(far: FarEnd) -> Steps:
    yield from ready(far)
    yield from train(far)
    far.says("CRP")
    yield far.hears("DCS", within_s=8)
    yield from accepts(far)
    yield from confirms(far)


@scenario("sends", "a page refused by RTN is sent again after a new training", ecm=False)
def rtn_has_the_page_sent_again(far: FarEnd) -> Steps:
    yield from to_page(far, dis(ecm=False))
    yield far.hears("EOP")
    far.says("RTN")
    yield far.hears("DCS")
    yield from train(far)
    far.says("CFR")
    yield from confirms(far, "EOP")


@scenario("sends", "RTP confirms the last page", ecm=False)
def rtp_confirms(far: FarEnd) -> Steps:
    yield from to_page(far, dis(ecm=False))
    yield from confirms(far, "EOP", answer="RTP")


@scenario("sends", "DCN instead of MCF is no delivery", delivered=False)
def dcn_instead_of_mcf(far: FarEnd) -> Steps:
    yield from to_page(far)
    yield far.hears("PPS-EOP")
    far.says("DCN")
    yield far.done_saying()


@scenario("sends", "no DIS at all ends the call by T0 or T1", delivered=False, limit_s=120)
def no_dis(far: FarEnd) -> Steps:
    yield far.hears_nothing(30)


@scenario("sends", "the answers of a receiver whose X bits are set are taken")
def x_bits_of_answers(far: FarEnd) -> Steps:
    yield from ready(far)
    yield from train(far)
    far.says("CFR", x_bit=True)
    yield far.hears("PPS-EOP")
    far.says("MCF", x_bit=True)
    yield far.hears("DCN")


@scenario("sends", "PIP confirms the last page where there is no operator", ecm=False)
def pip_confirms_the_last_page(far: FarEnd) -> Steps:
    yield from to_page(far, dis(ecm=False))
    yield from confirms(far, "EOP", answer="PIP")


@scenario("sends", "PIP confirms the last page with ECM")
def pip_confirms_with_ecm(far: FarEnd) -> Steps:
    yield from to_page(far)
    yield from confirms(far, answer="PIP")


@scenario("sends", "after PIP the next page follows, as after MCF", ecm=False, pages=2)
def pip_goes_on(far: FarEnd) -> Steps:
    yield from to_page(far, dis(ecm=False))
    yield far.hears("MPS")
    far.says("PIP")
    yield from confirms(far, "EOP")


@scenario("sends", "a page refused by PIN is sent again, as after RTN", ecm=False)
def pin_refuses(far: FarEnd) -> Steps:
    yield from to_page(far, dis(ecm=False))
    yield far.hears("EOP")
    far.says("PIN")
    yield far.hears("DCS")
    yield from train(far)
    far.says("CFR")
    yield from confirms(far, "EOP")


@scenario("sends", "a page refused by PIN for good is not delivered, and the call ends", ecm=False, delivered=False)
def pin_for_good(far: FarEnd) -> Steps:
    yield from to_page(far, dis(ecm=False))
    for _ in range(10):
        found: Heard = yield far.hears("EOP", "DCN", within_s=200)
        if found.name == "DCN":
            return
        far.says("PIN")
        found = yield far.hears("DCS", "DCN")
        if found.name == "DCN":
            return
        yield from train(far)
        far.says("CFR")
    require(False, "sent the same page ten times")


@scenario("sends", "PIN with ECM is no success, and the call ends", delivered=False)
def pin_with_ecm(far: FarEnd) -> Steps:
    yield from to_page(far)
    for _ in range(10):
        found: Heard = yield far.hears("PPS", "DCN")
        if found.name == "DCN":
            return
        far.says("PIN")
        found = yield far.hears("DCS", "PPS", "DCN")
        if found.name == "DCN":
            return
        if found.name == "DCS":
            yield from train(far)
            far.says("CFR")
    require(False, "sent the same page ten times")
