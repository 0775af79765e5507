# SPDX-License-Identifier: GPL-2.0-or-later
"""Scenarios of T.30 in its own terms: a machine that receives against a scripted caller, one that sends against a scripted
answerer. They follow the procedures of T.30 §5.3 to §5.5 and annex A, as test suites of ITU-T TSB-85's kind do.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

from softfax.documents.tiff import encode_t4, encode_t6
from tests.conformance.farend import FCF, Condition, Departure, FarEnd, Heard, Script, dcs, dis

__all__ = ["SCENARIOS", "Scenario"]

Steps = Generator[Condition, object, None]
ECM_OCTETS = 256


@dataclass(frozen=True)
class Scenario:
    """One scenario: the machine's side, and what it has to have reached in the end; None where that is the script's to say."""

    name: str
    about: str
    side: Literal["receives", "sends"]
    script: Script
    delivered: bool | None = True
    pages: int = 1
    ecm: bool = True
    limit_s: float = 400.0


SCENARIOS: list[Scenario] = []


def _scenario(side: Literal["receives", "sends"], about: str, **more: object):  # type: ignore[no-untyped-def]
    def add(script: Script) -> Script:
        name = script.__name__.replace("_", "-")
        SCENARIOS.append(Scenario(name, about, side, script, **more))  # type: ignore[arg-type]
        return script

    return add


def _require(condition: object, otherwise: str) -> None:
    if not condition:
        raise Departure(otherwise)


def _page(number: int = 0) -> Image.Image:
    white = np.ones((120, 1728), dtype=bool)
    white[10 + number :: 9, 100:1600] = False
    return Image.fromarray(white)


def _frames() -> list[tuple[int, bytes]]:
    bits = encode_t6(_noisy())
    bits += b"\0" * (-len(bits) % ECM_OCTETS)
    return [(i, bits[i * ECM_OCTETS : (i + 1) * ECM_OCTETS]) for i in range(len(bits) // ECM_OCTETS)]


def _noisy() -> Image.Image:
    chance = np.random.default_rng(3)
    white = np.ones((120, 1728), dtype=bool)
    white[20:60, 200:1500] = chance.random((40, 1300)) > 0.05
    return Image.fromarray(white)


def _rows() -> bytes:
    return encode_t4(_page(), two_dimensional=False) + bytes.fromhex("001001001001001001") + bytes(8)


def _mirrored(octet: int) -> int:
    return int(f"{octet:08b}"[::-1], 2)


def _pps(then: str, frames: int, *, page: int = 0, block: int = 0) -> tuple[str, bytes]:
    return "PPS", bytes([_mirrored(FCF[then]) if then else 0, page, block, frames - 1])


def _asked(ppr: Heard) -> list[int]:
    return [8 * i + bit for i, octet in enumerate(ppr.octets[3:35]) for bit in range(8) if octet >> bit & 1]


def _ppr(*frames: int) -> tuple[str, bytes]:
    field = bytearray(32)
    for number in frames:
        field[number // 8] |= 1 << number % 8
    return "PPR", bytes(field)


TSI = ("TSI", b"4321 94+".ljust(20))

# ---- the machine receives --------------------------------------------------------------------------------------------


def _to_cfr(far: FarEnd, **command: object) -> Steps:
    yield far.hears("DIS")
    yield far.waits(0.1)
    far.says(TSI, ("DCS", dcs(t6=bool(command.get("ecm", True)), **command)))  # type: ignore[arg-type]
    far.trains()
    yield far.hears("CFR")


@_scenario("receives", "answers with CED, then DIS of a receiver with ECM, V.17 and T.6", delivered=False)
def answer_identifies_itself(far: FarEnd) -> Steps:
    found = yield far.hears("DIS")
    assert isinstance(found, Heard)
    _require(any(kind == 2 for _, kind in far.indicators), "no CED")
    body = found.octets[3:]
    for bit, what in ((10, "receiver"), (14, "V.17"), (15, "fine"), (27, "ECM"), (31, "T.6")):
        _require(body[(bit - 1) // 8] >> (bit - 1) % 8 & 1, f"DIS without {what}")
    far.says("DCN")
    yield far.done_saying()


@_scenario("receives", "says DIS again when nothing answers it (T4), and gives up by T1", delivered=False)
def dis_is_repeated_until_t1(far: FarEnd) -> Steps:
    times = []
    for _ in range(3):
        found = yield far.hears("DIS", within_s=15)
        assert isinstance(found, Heard)
        times.append(found.time_s)
    for first, second in itertools.pairwise(times):
        _require(3 < second - first < 9, f"DIS after {second - first:.1f} s")


@_scenario("receives", "a page with ECM, confirmed by MCF")
def page_with_ecm(far: FarEnd) -> Steps:
    yield from _to_cfr(far)
    frames = _frames()
    far.sends_frames(frames)
    far.says(_pps("EOP", len(frames)))
    yield far.hears("MCF")
    far.says("DCN")
    yield far.done_saying()


@_scenario("receives", "a page without ECM, confirmed by MCF", ecm=False)
def page_without_ecm(far: FarEnd) -> Steps:
    yield from _to_cfr(far, ecm=False)
    far.sends_rows(_rows())
    far.says("EOP")
    yield far.hears("MCF")
    far.says("DCN")
    yield far.done_saying()


@_scenario("receives", "a bad training check is answered by FTT, a good one at a lower rate by CFR")
def bad_training_is_refused(far: FarEnd) -> Steps:
    yield far.hears("DIS")
    far.says(TSI, ("DCS", dcs(t6=True)))
    far.trains(bad=True)
    yield far.hears("FTT")
    far.says(TSI, ("DCS", dcs(9600, t6=True)))
    far.trains(9600)
    yield far.hears("CFR")
    frames = _frames()
    far.sends_frames(frames)
    far.says(_pps("EOP", len(frames)))
    yield far.hears("MCF")
    far.says("DCN")
    yield far.done_saying()


@_scenario("receives", "a DCS said again, because CFR was lost, is answered by CFR again")
def dcs_again_after_cfr(far: FarEnd) -> Steps:
    yield from _to_cfr(far)
    yield far.waits(3)
    far.says(TSI, ("DCS", dcs(t6=True)))
    far.trains()
    yield far.hears("CFR")
    frames = _frames()
    far.sends_frames(frames)
    far.says(_pps("EOP", len(frames)))
    yield far.hears("MCF")
    far.says("DCN")
    yield far.done_saying()


@_scenario("receives", "frames that did not come are asked for by PPR, they and no others of the block")
def lost_frames_are_asked_for(far: FarEnd) -> Steps:
    yield from _to_cfr(far)
    frames = _frames()
    far.sends_frames(f for f in frames if f[0] not in (1, 2))
    far.says(_pps("EOP", len(frames)))
    found = yield far.hears("PPR")
    assert isinstance(found, Heard)
    _require([n for n in _asked(found) if n < len(frames)] == [1, 2], f"PPR asks for {_asked(found)[:8]}")
    far.sends_frames(f for f in frames if f[0] in (1, 2))
    far.says(_pps("EOP", 2))
    yield far.hears("MCF")
    far.says("DCN")
    yield far.done_saying()


@_scenario("receives", "a block without RCP at its end is judged by its PPS")
def block_without_rcp(far: FarEnd) -> Steps:
    yield from _to_cfr(far)
    frames = _frames()
    far.sends_frames(frames, clean_end=False)
    far.says(_pps("EOP", len(frames)))
    yield far.hears("MCF")
    far.says("DCN")
    yield far.done_saying()


@_scenario("receives", "PPS said again, because MCF was lost, is answered by MCF again")
def pps_again_after_mcf(far: FarEnd) -> Steps:
    yield from _to_cfr(far)
    frames = _frames()
    far.sends_frames(frames)
    for _ in range(2):
        far.says(_pps("EOP", len(frames)))
        yield far.hears("MCF")
        yield far.waits(3)
    far.says("DCN")
    yield far.done_saying()


@_scenario("receives", "EOP said again, because MCF was lost, is answered by MCF again", ecm=False)
def eop_again_after_mcf(far: FarEnd) -> Steps:
    yield from _to_cfr(far, ecm=False)
    far.sends_rows(_rows())
    for _ in range(2):
        far.says("EOP")
        yield far.hears("MCF")
        yield far.waits(3)
    far.says("DCN")
    yield far.done_saying()


@_scenario("receives", "two pages by MPS", pages=2)
def two_pages_by_mps(far: FarEnd) -> Steps:
    yield from _to_cfr(far)
    frames = _frames()
    for page, then in enumerate(("MPS", "EOP")):
        far.sends_frames(frames)
        far.says(_pps(then, len(frames), page=page))
        yield far.hears("MCF")
    far.says("DCN")
    yield far.done_saying()


@_scenario("receives", "a page in two blocks by PPS-NULL")
def two_blocks_by_null(far: FarEnd) -> Steps:
    yield from _to_cfr(far)
    frames = _frames()
    half = len(frames) // 2
    far.sends_frames(frames[:half])
    far.says(_pps("", half))
    yield far.hears("MCF")
    far.sends_frames((i, octets) for i, (_, octets) in enumerate(frames[half:]))
    far.says(_pps("EOP", len(frames) - half, block=1))
    yield far.hears("MCF")
    far.says("DCN")
    yield far.done_saying()


@_scenario("receives", "EOM leads back to phase B: DIS, a new DCS, a second page", pages=2)
def eom_leads_to_phase_b(far: FarEnd) -> Steps:
    yield from _to_cfr(far)
    frames = _frames()
    far.sends_frames(frames)
    far.says(_pps("EOM", len(frames)))
    yield far.hears("MCF")
    yield from _to_cfr(far)
    far.sends_frames(frames)
    far.says(_pps("EOP", len(frames), page=1))
    yield far.hears("MCF")
    far.says("DCN")
    yield far.done_saying()


@_scenario("receives", "PRI-EOP counts as EOP where there is no operator", ecm=False)
def pri_eop_is_eop(far: FarEnd) -> Steps:
    yield from _to_cfr(far, ecm=False)
    far.sends_rows(_rows())
    far.says("PRI-EOP")
    yield far.hears("MCF")
    far.says("DCN")
    yield far.done_saying()


@_scenario("receives", "CTC is answered by CTR, and the rest comes at the new rate")
def ctc_is_answered(far: FarEnd) -> Steps:
    yield from _to_cfr(far)
    frames = _frames()
    far.sends_frames(frames[1:])
    far.says(_pps("EOP", len(frames)))
    yield far.hears("PPR")
    far.says(("CTC", dcs((12000, "V.17"))[:2]))
    yield far.hears("CTR")
    far.sends_frames(frames[:1])
    far.says(_pps("EOP", 1))
    yield far.hears("MCF")
    far.says("DCN")
    yield far.done_saying()


@_scenario("receives", "EOR is answered by ERR, and the page is no page", delivered=False)
def eor_is_answered(far: FarEnd) -> Steps:
    yield from _to_cfr(far)
    frames = _frames()
    far.sends_frames(frames[1:])
    far.says(_pps("EOP", len(frames)))
    yield far.hears("PPR")
    far.says(("EOR", bytes([_mirrored(FCF["EOP"])])))
    yield far.hears("ERR")
    far.says("DCN")
    yield far.done_saying()


@_scenario("receives", "CRP has the last command said again")
def crp_has_dis_said_again(far: FarEnd) -> Steps:
    yield far.hears("DIS")
    far.says("CRP")
    yield from _to_cfr(far)
    frames = _frames()
    far.sends_frames(frames)
    far.says(_pps("EOP", len(frames)))
    yield far.hears("MCF")
    far.says("DCN")
    yield far.done_saying()


@_scenario("receives", "frames of choice before DCS change nothing: NSS, PWD, SUB, SID")
def frames_of_choice_before_dcs(far: FarEnd) -> Steps:
    yield far.hears("DIS")
    digits = b"4321".rjust(20)
    far.says(("NSS", b"\xad\0\x51"), ("PWD", digits), ("SUB", digits), ("SID", digits), TSI, ("DCS", dcs(t6=True)))
    far.trains()
    yield far.hears("CFR")
    frames = _frames()
    far.sends_frames(frames)
    far.says(_pps("EOP", len(frames)))
    yield far.hears("MCF")
    far.says("DCN")
    yield far.done_saying()


@_scenario("receives", "DCN in phase B ends the call without an answer", delivered=False)
def dcn_in_phase_b(far: FarEnd) -> Steps:
    yield far.hears("DIS")
    far.says("DCN")
    yield far.done_saying()
    yield far.hears_nothing(1)


@_scenario("receives", "silence in place of a page ends the call by T2, and no page is reported", delivered=False)
def silence_in_place_of_a_page(far: FarEnd) -> Steps:
    yield from _to_cfr(far)
    yield far.waits(1)


@_scenario("receives", "silence in place of PPS ends the call, and no page is reported", delivered=False)
def silence_in_place_of_pps(far: FarEnd) -> Steps:
    yield from _to_cfr(far)
    far.sends_frames(_frames())
    yield far.done_saying()


@_scenario("receives", "a command whose checksum is wrong is not answered, and its repetition is")
def damaged_command(far: FarEnd) -> Steps:
    yield from _to_cfr(far)
    frames = _frames()
    far.sends_frames(frames)
    far.says(_pps("EOP", len(frames)), damaged=True)
    yield far.done_saying()
    yield far.hears_nothing(2.5)
    far.says(_pps("EOP", len(frames)))
    yield far.hears("MCF")
    far.says("DCN")
    yield far.done_saying()


@_scenario("receives", "a confirmed last page is success, though DCN never comes")
def no_dcn_after_mcf(far: FarEnd) -> Steps:
    yield from _to_cfr(far)
    frames = _frames()
    far.sends_frames(frames)
    far.says(_pps("EOP", len(frames)))
    yield far.hears("MCF")


@_scenario("receives", "the frames of a caller whose X bits are set are taken")
def x_bits_are_set(far: FarEnd) -> Steps:
    yield far.hears("DIS")
    far.says(TSI, ("DCS", dcs(t6=True)), x_bit=True)
    far.trains()
    yield far.hears("CFR")
    frames = _frames()
    far.sends_frames(frames)
    far.says(_pps("EOP", len(frames)), x_bit=True)
    yield far.hears("MCF")
    far.says("DCN", x_bit=True)
    yield far.done_saying()


# ---- the machine sends -----------------------------------------------------------------------------------------------


def _ready(far: FarEnd, field: bytes | None = None) -> Steps:
    yield far.waits(1)
    far.says(("CSI", b"7654321".rjust(20)), ("DIS", field if field is not None else dis(31, octets=8)))
    found = yield far.hears("DCS")
    assert isinstance(found, Heard)


def _train(far: FarEnd) -> Steps:
    far.zeros = 0
    end_s = far.now_s + 8
    while far.now_s < end_s and not (far.indicators and far.indicators[-1][1] == 0 and far.zeros > 400):
        yield far.waits(0.02)
    _require(far.zeros > 400, "no training check of zeros")
    yield far.waits(0.2)


def _to_page(far: FarEnd, field: bytes | None = None) -> Steps:
    yield from _ready(far, field)
    yield from _train(far)
    far.frames.clear()
    far.says("CFR")


@_scenario("sends", "CNG, TSI, DCS, a training check, a page with ECM, DCN")
def sends_with_ecm(far: FarEnd) -> Steps:
    yield from _to_page(far)
    _require(any(kind == 1 for _, kind in far.indicators), "no CNG")
    _require(far.heard[0].name == "TSI", "no TSI")
    yield far.hears("PPS-EOP")
    _require([n for n, _ in far.frames] == list(range(len(far.frames))), "frames out of order")
    far.says("MCF")
    yield far.hears("DCN")


@_scenario("sends", "a page without ECM to a receiver without", ecm=False)
def sends_without_ecm(far: FarEnd) -> Steps:
    yield from _to_page(far, dis(ecm=False))
    yield far.hears("EOP")
    far.says("MCF")
    yield far.hears("DCN")


@_scenario("sends", "DCS names ECM only to a receiver that has it")
def no_ecm_where_dis_has_none(far: FarEnd) -> Steps:
    yield from _to_page(far, dis(ecm=False))
    field = far.heard[-1].octets[3:]
    _require(len(field) < 4 or not field[3] & 4, "DCS with ECM")
    yield far.hears("EOP")
    far.says("MCF")
    yield far.hears("DCN")


@_scenario("sends", "a receiver of V.27ter alone is not sent another modem")
def v27ter_alone(far: FarEnd) -> Steps:
    yield from _ready(far, dis(modems=(12,)))
    _require(far.heard[-1].octets[4] >> 2 & 15 == 2, "DCS of another modem")
    yield from _train(far)
    far.frames.clear()
    far.says("CFR")
    yield far.hears("PPS-EOP", "EOP", within_s=90)
    far.says("MCF")
    yield far.hears("DCN")


@_scenario("sends", "a machine that does not receive is sent DCN and no page", delivered=False)
def no_receiver(far: FarEnd) -> Steps:
    yield far.waits(1)
    far.says(("DIS", dis(receives=False)))
    yield far.hears("DCN")
    _require(not far.frames, "a page was sent")


@_scenario("sends", "a DIS that has grown is taken")
def long_dis(far: FarEnd) -> Steps:
    yield from _to_page(far, dis(31, octets=16))
    yield far.hears("PPS-EOP")
    far.says("MCF")
    yield far.hears("DCN")


@_scenario("sends", "DCS without an answer is said three times, then DCN", delivered=False)
def dcs_three_times(far: FarEnd) -> Steps:
    yield from _ready(far)
    for _ in range(2):
        yield far.hears("DCS", within_s=12)
    yield far.hears("DCN", within_s=12)


@_scenario("sends", "FTT has it train again at a lower rate, and at last give up", delivered=False)
def ftt_lowers_the_rate(far: FarEnd) -> Steps:
    yield from _ready(far)
    rates = []
    for _ in range(12):
        rates.append(far.heard[-1].octets[4] >> 2 & 15)
        yield from _train(far)
        far.says("FTT")
        found = yield far.hears("DCS", "DCN")
        assert isinstance(found, Heard)
        if found.name == "DCN":
            _require(len(set(rates)) == len(rates) >= 4, f"rates {rates}")
            return
    raise Departure("never gave up")


@_scenario("sends", "DIS after the training check has it train again")
def dis_after_training(far: FarEnd) -> Steps:
    yield from _ready(far)
    yield from _train(far)
    far.says(("DIS", dis(31, octets=8)))
    yield far.hears("DCS")
    yield from _train(far)
    far.frames.clear()
    far.says("CFR")
    yield far.hears("PPS-EOP")
    far.says("MCF")
    yield far.hears("DCN")


@_scenario("sends", "frames that PPR asks for come again, and no others")
def ppr_is_obeyed(far: FarEnd) -> Steps:
    yield from _to_page(far)
    yield far.hears("PPS-EOP")
    _require(len(far.frames) > 3, "a page of few frames")
    far.frames.clear()
    far.says(_ppr(1, 3))
    yield far.hears("PPS-EOP")
    _require([n for n, _ in far.frames] == [1, 3], f"frames {[n for n, _ in far.frames]}")
    far.says("MCF")
    yield far.hears("DCN")


@_scenario("sends", "a frame that PPR asks for anew comes again, though an earlier PPR did not ask for it")
def ppr_asks_anew(far: FarEnd) -> Steps:
    yield from _to_page(far)
    yield far.hears("PPS-EOP")
    far.says(_ppr(1))
    yield far.hears("PPS-EOP")
    far.frames.clear()
    far.says(_ppr(0, 1))
    yield far.hears("PPS-EOP")
    _require([n for n, _ in far.frames] == [0, 1], f"frames {[n for n, _ in far.frames]}")
    far.says("MCF")
    yield far.hears("DCN")


@_scenario("sends", "the fourth PPR is answered by CTC, and CTR by the frames")
def fourth_ppr_brings_ctc(far: FarEnd) -> Steps:
    yield from _to_page(far)
    yield far.hears("PPS-EOP")
    for missing in ((0, 1, 2, 3), (0, 1, 2), (0, 1)):
        far.says(_ppr(*missing))
        yield far.hears("PPS-EOP")
    far.says(_ppr(0))
    yield far.hears("CTC")
    far.frames.clear()
    far.says("CTR")
    yield far.hears("PPS-EOP")
    _require([n for n, _ in far.frames] == [0], f"frames {[n for n, _ in far.frames]}")
    far.says("MCF")
    yield far.hears("DCN")


@_scenario("sends", "CTC without an answer is said again")
def ctc_is_repeated(far: FarEnd) -> Steps:
    yield from _to_page(far)
    yield far.hears("PPS-EOP")
    for missing in ((0, 1, 2, 3), (0, 1, 2), (0, 1)):
        far.says(_ppr(*missing))
        yield far.hears("PPS-EOP")
    far.says(_ppr(0))
    yield far.hears("CTC")
    yield far.hears("CTC", within_s=8)
    far.says("CTR")
    yield far.hears("PPS-EOP")
    far.says("MCF")
    yield far.hears("DCN")


@_scenario("sends", "RNR is answered by RR until MCF comes")
def rnr_is_answered_by_rr(far: FarEnd) -> Steps:
    yield from _to_page(far)
    yield far.hears("PPS-EOP")
    for _ in range(3):
        far.says("RNR")
        yield far.hears("RR")
    far.says("MCF")
    yield far.hears("DCN")


@_scenario("sends", "RNR for longer than T5 (60 s) ends by DCN", delivered=False)
def rnr_ends_by_t5(far: FarEnd) -> Steps:
    yield from _to_page(far)
    yield far.hears("PPS-EOP")
    began = far.now_s
    while True:
        far.says("RNR")
        found = yield far.hears("RR", "DCN")
        assert isinstance(found, Heard)
        if found.name == "DCN":
            _require(55 < far.now_s - began < 80, f"T5 of {far.now_s - began:.0f} s")
            return
        _require(far.now_s - began < 100, "never gave up")


@_scenario("sends", "PPS without an answer is said three times, then DCN; the page is not delivered", delivered=False)
def pps_three_times(far: FarEnd) -> Steps:
    yield from _to_page(far)
    times = []
    for _ in range(3):
        found = yield far.hears("PPS-EOP", within_s=15)
        assert isinstance(found, Heard)
        times.append(found.time_s)
    yield far.hears("DCN", within_s=12)
    for first, second in itertools.pairwise(times):
        _require(2.5 < second - first < 6, f"PPS after {second - first:.1f} s")


@_scenario("sends", "an answer whose checksum is wrong has the command said again, and counts for nothing")
def damaged_answer(far: FarEnd) -> Steps:
    yield from _to_page(far)
    yield far.hears("PPS-EOP")
    far.says("MCF", damaged=True)
    yield far.done_saying()
    yield far.hears("PPS-EOP", within_s=8)
    far.says("MCF")
    yield far.hears("DCN")


@_scenario("sends", "CRP has the command said again")
def crp_has_pps_said_again(far: FarEnd) -> Steps:
    yield from _to_page(far)
    yield far.hears("PPS-EOP")
    far.says("CRP")
    yield far.hears("PPS-EOP", within_s=8)
    far.says("MCF")
    yield far.hears("DCN")


@_scenario("sends", "a page refused by RTN is sent again after a new training", ecm=False)
def rtn_has_the_page_sent_again(far: FarEnd) -> Steps:
    yield from _to_page(far, dis(ecm=False))
    yield far.hears("EOP")
    far.says("RTN")
    yield far.hears("DCS")
    yield from _train(far)
    far.says("CFR")
    yield far.hears("EOP")
    far.says("MCF")
    yield far.hears("DCN")


@_scenario("sends", "RTP confirms the last page", ecm=False)
def rtp_confirms(far: FarEnd) -> Steps:
    yield from _to_page(far, dis(ecm=False))
    yield far.hears("EOP")
    far.says("RTP")
    yield far.hears("DCN")


@_scenario("sends", "DCN instead of MCF is no delivery", delivered=False)
def dcn_instead_of_mcf(far: FarEnd) -> Steps:
    yield from _to_page(far)
    yield far.hears("PPS-EOP")
    far.says("DCN")
    yield far.done_saying()


@_scenario("sends", "no DIS at all ends the call by T0 or T1", delivered=False, limit_s=120)
def no_dis(far: FarEnd) -> Steps:
    yield far.hears_nothing(30)


@_scenario("sends", "the answers of a receiver whose X bits are set are taken")
def x_bits_of_answers(far: FarEnd) -> Steps:
    yield from _ready(far)
    yield from _train(far)
    far.says("CFR", x_bit=True)
    yield far.hears("PPS-EOP")
    far.says("MCF", x_bit=True)
    yield far.hears("DCN")
