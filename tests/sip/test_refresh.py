# SPDX-License-Identifier: GPL-2.0-or-later
"""Session timers (RFC 4028), of the shortest kind there is: we refresh a call without touching its media, and a call whose far end does
not is ended by us, and said to be.

It takes a minute, most of which is waiting.
"""

from __future__ import annotations

import pytest

from tests.sip.far_end import AUDIO, Agent, FarEnd

pytestmark = pytest.mark.sip


def test_calls_are_refreshed_and_ended_where_they_are_not() -> None:
    ours, theirs = FarEnd(), FarEnd()
    agent = Agent(
        f"""
async def main(agent):
    ours, theirs, calls = Side("ours"), Side("theirs"), []
    def incoming(call):
        calls.append(call); call.answer(t38=policy()); return theirs
    agent.incoming = incoming
    agent.call("{ours.uri}", ours, t38=policy())
    await theirs.until("ended", 90)
    end = calls[0].end
    print(end.by, end.code, end.why, flush=True)
    await ours.until("ended", 30)
    print(*ours.log, sep=", ", flush=True)
""",
        seconds=120,
    )
    # One call of ours, which we are to refresh, and one of theirs, which they do not.
    invite = ours.expect("INVITE")
    assert "timer" in invite.header("Supported")
    ours.respond(invite, "200 OK", "Session-Expires: 90;refresher=uac", "Require: timer", body=AUDIO)
    ours.expect("ACK")
    theirs.port_of_agent = agent.port
    answer = theirs.invite("Session-Expires: 90;refresher=uac", "Supported: timer", body=AUDIO)
    assert answer.header("Session-Expires") == "90;refresher=uac"

    refresh = ours.any_of("INVITE", "UPDATE", seconds=60)
    assert refresh.header("Session-Expires").startswith("90")
    ours.respond(refresh, "200 OK", "Session-Expires: 90;refresher=uac", "Require: timer", body=AUDIO)
    bye = theirs.expect("BYE", 60)
    theirs.respond(bye, "200 OK")
    agent.hear("softfax 408 No session refresh received.")
    ours.remote = ours.remote or invite.header("From")
    ours.bye()
    agent.hear("calling 0, audio PCMU, answered 200, ended 200")
    agent.output()
    ours.close()
    theirs.close()
