# SPDX-License-Identifier: GPL-2.0-or-later
"""The end of a call, by whom and why: a fax that failed says so as it was, and its cause follows from that."""

from __future__ import annotations

import pytest

from softfax.engine.abi import EventType
from softfax.fax.causes import classify
from softfax.fax.settings import Role
from softfax.model import CallState, Cause, Direction, EndedBy, FaxResult
from softfax.sip.ended import CallEnd
from tests.unit.fax.test_session import Rig, rig

REFRESH = CallEnd(by=EndedBy.SOFTFAX, code=408, why="No session refresh received.")


def ended(r: Rig, code: int, end: CallEnd) -> tuple[FaxResult, Cause | None]:
    r.session.call_state(CallState.ENDED, code, "OK", end)
    return r.result(), classify(r.result().to_json())


def test_a_call_that_we_end_is_not_told_as_the_far_ends_doing() -> None:
    r = rig()
    r.answered()
    r.negotiated()
    r.page(1)
    r.session.drain = lambda: r.happens(EventType.COMPLETE, 49, (1, 2))
    result, cause = ended(r, 200, REFRESH)
    assert result.status_string == "softfax ended the call: No session refresh received."
    assert (result.ended_by, result.sip_code, cause) == ("softfax", 408, Cause.BROKEN)
    assert result.pages == 1


def test_an_answer_that_cannot_be_used_is_not_a_person_who_answered() -> None:
    r = rig()
    r.session.begin()
    r.session.call_state(CallState.ANSWERED, 200, "OK")
    end = CallEnd(by=EndedBy.SOFTFAX, code=488, why="nothing is sent to 224.0.0.1")
    result, cause = ended(r, 488, end)
    assert result.status_string == "softfax ended the call: nothing is sent to 224.0.0.1"
    assert (result.ended_by, result.result_code, cause) == ("softfax", 1488, Cause.REFUSED)


def test_pages_that_all_went_through_are_not_lost_by_the_way_the_call_ends() -> None:
    r = rig()
    r.answered()
    r.negotiated()
    r.page(1)
    r.page(2)
    r.session.drain = lambda: r.happens(EventType.COMPLETE, 49, (2, 2))
    result, cause = ended(r, 200, REFRESH)
    assert (result.success, cause, result.ended_by) == (True, None, None)


@pytest.mark.parametrize(
    ("code", "end", "text"),
    [
        (487, CallEnd(), "the caller gave up"),
        (422, CallEnd(by=EndedBy.SOFTFAX), "softfax refused the call (422: Session Interval Too Small)"),
        (488, CallEnd(by=EndedBy.SOFTFAX, code=488, why="no T.38"), "softfax refused the call (488: no T.38)"),
        (408, CallEnd(), "the caller did not confirm the call (no ACK)"),
    ],
)
def test_a_call_that_was_not_taken(code: int, end: CallEnd, text: str) -> None:
    r = rig(Direction.RECEIVE, Role.ANSWERER)
    r.session.begin()
    assert ended(r, code, end)[0].status_string == text


@pytest.mark.parametrize(
    ("code", "end", "text", "cause"),
    [
        (480, CallEnd(EndedBy.FAR_END, q850=1), "there is no such number (480 Temporarily Unavailable; Q.850 cause 1, unallocated number)", Cause.REFUSED),
        (500, CallEnd(EndedBy.FAR_END, q850=17, words="In a call"), "the far end is busy (500 Server Internal Error; Q.850 cause 17, In a call)", Cause.BUSY),
        (503, CallEnd(EndedBy.FAR_END, words="trunk 7 is full"), "the far end is congested or cannot be reached (503 Service Unavailable; trunk 7 is full)", Cause.UNREACHABLE),
    ],
)  # fmt: skip
def test_the_cause_and_words_of_a_refusal_stand_in_its_text(code: int, end: CallEnd, text: str, cause: Cause) -> None:
    r = rig()
    r.session.begin()
    result, found = ended(r, code, end)
    assert (result.status_string, found) == (text, cause)
    assert (result.ended_by, result.q850) == ("far-end", end.q850 or None)


def test_a_server_that_does_not_listen_is_no_recipient_who_does_not_answer() -> None:
    for end, text, cause in (
        (CallEnd(), "the server does not answer", Cause.UNREACHABLE),
        (CallEnd(EndedBy.FAR_END), "no answer (408 Request Timeout)", Cause.NO_ANSWER),
    ):
        r = rig()
        r.session.begin()
        result, found = ended(r, 408, end)
        assert (result.status_string, found) == (text, cause)


def test_what_the_network_says_of_a_call_that_was_cut() -> None:
    r = rig()
    r.answered()
    r.negotiated()
    r.session.drain = lambda: r.happens(EventType.COMPLETE, 49, (0, 2))
    result, _ = ended(r, 200, CallEnd(EndedBy.FAR_END, q850=38, retry_after_s=9))
    assert result.status_string.endswith("(Q.850 cause 38, network out of order)")
    assert result.retry_after_s == 9


@pytest.mark.parametrize(("code", "asked"), [(0, []), (8, ["hangup"])])
def test_a_call_that_is_kept_is_hung_up_on_only_where_its_fax_failed(code: int, asked: list[str]) -> None:
    r = rig(mode="audio", keep=True)
    r.answered()
    r.negotiated()
    r.page(1)
    r.page(2, confirmed=not code)
    r.happens(EventType.COMPLETE, code, (2 - bool(code), 2, 14400, 1))
    r.clock.run(6)
    assert (r.result().success, r.session.keeps_call, r.call.asked) == (not code, not code, asked)
    assert r.engine.asked[-1] == "stop_media"


def test_a_call_that_the_far_end_has_ended_is_not_kept() -> None:
    r = rig(mode="audio", keep=True)
    r.answered()
    r.negotiated()
    r.page(1)
    r.page(2)
    r.happens(EventType.COMPLETE, 0, (2, 2, 14400, 1))
    r.session.call_state(CallState.ENDED, 200, "OK")
    assert (r.result().success, r.session.keeps_call) == (True, False)
