# SPDX-License-Identifier: GPL-2.0-or-later
"""Scenarios of a machine that receives, against a scripted caller."""

from __future__ import annotations

import itertools

from tests.conformance.farend import FCF, FarEnd, Heard, dcs, dis
from tests.conformance.scenario import TSI, Steps, asked, mirrored, page_frames, page_rows, pps, require, scenario


def to_cfr(far: FarEnd, *, after: str = "DIS", **command: object) -> Steps:
    yield far.hears(after)
    yield far.waits(0.1)
    far.says(TSI, ("DCS", dcs(t6=bool(command.get("ecm", True)), **command)))  # type: ignore[arg-type]
    far.trains()
    yield far.hears("CFR")


def sends_page(far: FarEnd, then: str = "EOP", *, page: int = 0) -> Steps:
    """A page with ECM and its command, confirmed."""
    frames = page_frames()
    far.sends_frames(frames)
    far.says(pps(then, len(frames), page=page))
    yield far.hears("MCF")


def sends_rows(far: FarEnd, then: str = "EOP") -> Steps:
    """A page without ECM and its command, confirmed."""
    far.sends_rows(page_rows())
    far.says(then)
    yield far.hears("MCF")


def hangs_up(far: FarEnd) -> Steps:
    far.says("DCN")
    yield far.done_saying()


@scenario("receives", "answers with CED, then DIS of a receiver with ECM, V.17 and T.6", delivered=False)
def answer_identifies_itself(far: FarEnd) -> Steps:
    found: Heard = yield far.hears("DIS")
    require(any(kind == 2 for _, kind in far.indicators), "no CED")
    body = found.octets[3:]
    for bit, what in ((10, "receiver"), (14, "V.17"), (15, "fine"), (27, "ECM"), (31, "T.6")):
        require(body[(bit - 1) // 8] >> (bit - 1) % 8 & 1, f"DIS without {what}")
    yield from hangs_up(far)


@scenario("receives", "says DIS again when nothing answers it (T4), and gives up by T1", delivered=False)
def dis_is_repeated_until_t1(far: FarEnd) -> Steps:
    times = []
    for _ in range(3):
        found: Heard = yield far.hears("DIS", within_s=15)
        times.append(found.time_s)
    for first, second in itertools.pairwise(times):
        require(3 < second - first < 9, f"DIS after {second - first:.1f} s")


@scenario("receives", "a page with ECM, confirmed by MCF")
def page_with_ecm(far: FarEnd) -> Steps:
    yield from to_cfr(far)
    yield from sends_page(far)
    yield from hangs_up(far)


@scenario("receives", "a page without ECM, confirmed by MCF", ecm=False)
def page_without_ecm(far: FarEnd) -> Steps:
    yield from to_cfr(far, ecm=False)
    yield from sends_rows(far)
    yield from hangs_up(far)


@scenario("receives", "a bad training check is answered by FTT, a good one at a lower rate by CFR")
def bad_training_is_refused(far: FarEnd) -> Steps:
    yield far.hears("DIS")
    far.says(TSI, ("DCS", dcs(t6=True)))
    far.trains(bad=True)
    yield far.hears("FTT")
    far.says(TSI, ("DCS", dcs(9600, t6=True)))
    far.trains(9600)
    yield far.hears("CFR")
    yield from sends_page(far)
    yield from hangs_up(far)


@scenario("receives", "a DCS said again, because CFR was lost, is answered by CFR again")
def dcs_again_after_cfr(far: FarEnd) -> Steps:
    yield from to_cfr(far)
    yield far.waits(3)
    far.says(TSI, ("DCS", dcs(t6=True)))
    far.trains()
    yield far.hears("CFR")
    yield from sends_page(far)
    yield from hangs_up(far)


@scenario("receives", "frames that did not come are asked for by PPR, they and no others of the block")
def lost_frames_are_asked_for(far: FarEnd) -> Steps:
    yield from to_cfr(far)
    frames = page_frames()
    far.sends_frames(f for f in frames if f[0] not in (1, 2))
    far.says(pps("EOP", len(frames)))
    found: Heard = yield far.hears("PPR")
    require([n for n in asked(found) if n < len(frames)] == [1, 2], f"PPR asks for {asked(found)[:8]}")
    far.sends_frames(f for f in frames if f[0] in (1, 2))
    far.says(pps("EOP", 2))
    yield far.hears("MCF")
    yield from hangs_up(far)


@scenario("receives", "a block without RCP at its end is judged by its PPS")
def block_without_rcp(far: FarEnd) -> Steps:
    yield from to_cfr(far)
    frames = page_frames()
    far.sends_frames(frames, clean_end=False)
    far.says(pps("EOP", len(frames)))
    yield far.hears("MCF")
    yield from hangs_up(far)


@scenario("receives", "PPS said again, because MCF was lost, is answered by MCF again")
def pps_again_after_mcf(far: FarEnd) -> Steps:
    yield from to_cfr(far)
    frames = page_frames()
    far.sends_frames(frames)
    for _ in range(2):
        far.says(pps("EOP", len(frames)))
        yield far.hears("MCF")
        yield far.waits(3)
    yield from hangs_up(far)


@scenario("receives", "EOP said again, because MCF was lost, is answered by MCF again", ecm=False)
def eop_again_after_mcf(far: FarEnd) -> Steps:
    yield from to_cfr(far, ecm=False)
    far.sends_rows(page_rows())
    for _ in range(2):
        far.says("EOP")
        yield far.hears("MCF")
        yield far.waits(3)
    yield from hangs_up(far)


@scenario("receives", "two pages by MPS", pages=2)
def two_pages_by_mps(far: FarEnd) -> Steps:
    yield from to_cfr(far)
    yield from sends_page(far, "MPS")
    yield from sends_page(far, page=1)
    yield from hangs_up(far)


@scenario("receives", "a page in two blocks by PPS-NULL")
def two_blocks_by_null(far: FarEnd) -> Steps:
    yield from to_cfr(far)
    frames = page_frames()
    half = len(frames) // 2
    far.sends_frames(frames[:half])
    far.says(pps("", half))
    yield far.hears("MCF")
    far.sends_frames((i, octets) for i, (_, octets) in enumerate(frames[half:]))
    far.says(pps("EOP", len(frames) - half, block=1))
    yield far.hears("MCF")
    yield from hangs_up(far)


@scenario("receives", "EOM leads back to phase B: DIS, a new DCS, a second page", pages=2)
def eom_leads_to_phase_b(far: FarEnd) -> Steps:
    yield from to_cfr(far)
    yield from sends_page(far, "EOM")
    yield from to_cfr(far)
    yield from sends_page(far, page=1)
    yield from hangs_up(far)


@scenario("receives", "PRI-EOP counts as EOP where there is no operator", ecm=False)
def pri_eop_is_eop(far: FarEnd) -> Steps:
    yield from to_cfr(far, ecm=False)
    yield from sends_rows(far, "PRI-EOP")
    yield from hangs_up(far)


@scenario("receives", "CTC is answered by CTR, and the rest comes at the new rate")
def ctc_is_answered(far: FarEnd) -> Steps:
    yield from to_cfr(far)
    frames = page_frames()
    far.sends_frames(frames[1:])
    far.says(pps("EOP", len(frames)))
    yield far.hears("PPR")
    far.says(("CTC", dcs((12000, "V.17"))[:2]))
    yield far.hears("CTR")
    far.sends_frames(frames[:1])
    far.says(pps("EOP", 1))
    yield far.hears("MCF")
    yield from hangs_up(far)


@scenario("receives", "EOR is answered by ERR, and the page is no page", delivered=False)
def eor_is_answered(far: FarEnd) -> Steps:
    yield from to_cfr(far)
    frames = page_frames()
    far.sends_frames(frames[1:])
    far.says(pps("EOP", len(frames)))
    yield far.hears("PPR")
    far.says(("EOR", bytes([mirrored(FCF["EOP"])])))
    yield far.hears("ERR")
    yield from hangs_up(far)


@scenario("receives", "CRP has the last command said again")
def crp_has_dis_said_again(far: FarEnd) -> Steps:
    yield far.hears("DIS")
    far.says("CRP")
    yield from to_cfr(far)
    yield from sends_page(far)
    yield from hangs_up(far)


@scenario("receives", "frames of choice before DCS change nothing: NSS, PWD, SUB, SID")
def frames_of_choice_before_dcs(far: FarEnd) -> Steps:
    yield far.hears("DIS")
    digits = b"4321".rjust(20)
    far.says(("NSS", b"\xad\0\x51"), ("PWD", digits), ("SUB", digits), ("SID", digits), TSI, ("DCS", dcs(t6=True)))
    far.trains()
    yield far.hears("CFR")
    yield from sends_page(far)
    yield from hangs_up(far)


@scenario("receives", "DCN in phase B ends the call without an answer", delivered=False)
def dcn_in_phase_b(far: FarEnd) -> Steps:
    yield far.hears("DIS")
    yield from hangs_up(far)
    yield far.hears_nothing(1)


@scenario("receives", "silence in place of a page ends the call by T2, and no page is reported", delivered=False)
def silence_in_place_of_a_page(far: FarEnd) -> Steps:
    yield from to_cfr(far)
    yield far.waits(1)


@scenario("receives", "silence in place of PPS ends the call, and no page is reported", delivered=False)
def silence_in_place_of_pps(far: FarEnd) -> Steps:
    yield from to_cfr(far)
    far.sends_frames(page_frames())
    yield far.done_saying()


@scenario("receives", "a command whose checksum is wrong is not answered, and its repetition is")
def damaged_command(far: FarEnd) -> Steps:
    yield from to_cfr(far)
    frames = page_frames()
    far.sends_frames(frames)
    far.says(pps("EOP", len(frames)), damaged=True)
    yield far.done_saying()
    yield far.hears_nothing(2.5)
    far.says(pps("EOP", len(frames)))
    yield far.hears("MCF")
    yield from hangs_up(far)


@scenario("receives", "a confirmed last page is success, though DCN never comes")
def no_dcn_after_mcf(far: FarEnd) -> Steps:
    yield from to_cfr(far)
    yield from sends_page(far)


@scenario("receives", "the frames of a caller whose X bits are set are taken")
def x_bits_are_set(far: FarEnd) -> Steps:
    yield far.hears("DIS")
    far.says(TSI, ("DCS", dcs(t6=True)), x_bit=True)
    far.trains()
    yield far.hears("CFR")
    frames = page_frames()
    far.sends_frames(frames)
    far.says(pps("EOP", len(frames)), x_bit=True)
    yield far.hears("MCF")
    far.says("DCN", x_bit=True)
    yield far.done_saying()


@scenario("receives", "DTC where there is nothing to poll is answered by DCN", delivered=False)
def dtc_with_nothing_to_poll(far: FarEnd) -> Steps:
    yield far.hears("DIS")
    far.says(("CSI", b"4321 94+".ljust(20)), ("DTC", dis(octets=4)))
    yield far.hears("DCN")


@scenario("receives", "PRI-MPS counts as MPS, PRI-EOM as EOM", ecm=False, pages=3)
def pri_mps_is_mps(far: FarEnd) -> Steps:
    yield from to_cfr(far, ecm=False)
    yield from sends_rows(far, "PRI-MPS")
    yield from sends_rows(far, "PRI-EOM")
    yield from to_cfr(far, ecm=False)
    yield from sends_rows(far, "PRI-EOP")
    yield from hangs_up(far)


@scenario("receives", "PPS-PRI-MPS and PPS-PRI-EOP count as without PRI", pages=2)
def pps_pri_is_pps(far: FarEnd) -> Steps:
    yield from to_cfr(far)
    yield from sends_page(far, "PRI-MPS")
    yield from sends_page(far, "PRI-EOP", page=1)
    yield from hangs_up(far)


@scenario("receives", "PPS-PRI-EOM counts as without PRI", pages=2)
def pps_pri_eom_is_eom(far: FarEnd) -> Steps:
    yield from to_cfr(far)
    yield from sends_page(far, "PRI-EOM")
    yield from to_cfr(far)
    yield from sends_page(far, "PRI-EOP", page=1)
    yield from hangs_up(far)
