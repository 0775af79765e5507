# SPDX-License-Identifier: GPL-2.0-or-later
"""Reports of the invite session about T.38, without one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from softfax.sip.call import Call
from softfax.sip.glue import GlueEvent, GlueEventType
from softfax.sip.offers import glue_event
from softfax.sip.sdp import T38Parameters, offer_t38


@pytest.mark.parametrize(("host", "told"), [("192.0.2.9", "_deliver_t38"), ("2001:db8::9", "_deliver_offer_result")])
def test_t38_is_agreed_over_the_version_of_ip_that_was_offered(host: str, told: str) -> None:
    ours, theirs = (offer_t38((one, 4000), T38Parameters()) for one in ("192.0.2.1", host))
    event = GlueEvent(GlueEventType.T38_ACTIVE, 1, 0, -1, 0, 0, 0, 0, 0, 0, 0, 0, "", ours, theirs)
    asked: list[str] = []
    agent: Any = SimpleNamespace(tell=lambda function, *args: asked.append(function.__name__))
    call = Call(agent, outgoing=True)
    call._may_send = lambda host, port: True

    unused: Any = None
    glue_event(agent, call, event, unused)

    assert asked[-1] == told
