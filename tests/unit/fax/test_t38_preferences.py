# SPDX-License-Identifier: GPL-2.0-or-later
"""Preferences of T.38 are what is offered, answered and sent."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

from softfax.engine.abi import ErrorCorrection
from softfax.engine.core import UdptlSettings
from softfax.fax.active import ActiveFax
from softfax.fax.media import UdptlSockets, udptl_settings
from softfax.fax.settings import FaxSettings, Role, T38Preferences
from softfax.model import Direction
from softfax.options import ModePolicy
from softfax.sip.sdp import T38Parameters
from softfax.sip.types import T38Media, T38Policy


def settings(mode: str = "auto", *, role: Role = Role.CALLER, receive: bool = False, **wish: Any) -> FaxSettings:
    direction = Direction.RECEIVE if receive else Direction.SEND
    return FaxSettings(
        direction=direction, role=role, document=Path("x.tif"), mode=ModePolicy(mode), t38=T38Preferences(**wish)
    )


@pytest.mark.parametrize(
    ("made", "offers", "accepts", "on_v21", "delay_s"),
    [
        (settings(), True, True, True, None),
        (settings(role=Role.ANSWERER), True, True, True, 0.5),
        (settings(role=Role.ANSWERER, answered_after_s=None), True, True, True, None),
        (settings(receive=True), True, True, True, 3.0),
        (settings(role=Role.ANSWERER, offer=False), False, True, False, None),
        (settings("t38", offer=False, accept=False), False, False, False, None),
        (settings("audio", role=Role.ANSWERER), False, False, False, None),
    ],
)
def test_who_offers_and_when(
    made: FaxSettings, offers: bool, accepts: bool, on_v21: bool, delay_s: float | None
) -> None:
    assert (made.offers_t38, made.accepts_t38, made.offers_t38_on_v21, made.t38_offer_delay_s) == (
        offers,
        accepts,
        on_v21,
        delay_s,
    )


async def _asked(made: FaxSettings, far: T38Parameters | None) -> tuple[T38Policy, UdptlSettings | None, bool]:
    runtime: Any = SimpleNamespace(
        numbers=iter([1]),
        drain=Mock(),
        engine=Mock(),
        udptl_sockets=lambda: UdptlSockets(["127.0.0.1"], 0),
        agent=SimpleNamespace(config=SimpleNamespace(dscp_media=0)),
        on_event=Mock(),
        forget=Mock(),
        trace=None,
        traced=Mock(return_value=None),
    )
    line = ActiveFax(runtime, made, lambda event: None)
    policy = line.policy()
    agreed = T38Media(("127.0.0.1", 4000), far, policy.parameters) if far else None
    udptl = udptl_settings(agreed, made.t38.redundancy) if agreed else None
    has_socket = line._udptl is not None
    if line._udptl is not None:
        line._udptl.close()
    return policy, udptl, has_socket


def asked(made: FaxSettings, far: T38Parameters | None = None) -> tuple[T38Policy, UdptlSettings | None, bool]:
    return asyncio.run(_asked(made, far))


def test_what_we_say_of_ourselves() -> None:
    wish = {"version": 2, "error_correction": "fec", "max_datagram": 200, "max_rate_bps": 9600}
    policy, _, _ = asked(settings(**wish, first_invite=True))
    assert policy.parameters == T38Parameters(
        version=2, error_correction="fec", max_datagram=200, max_bitrate_bps=9600, direct=True
    )
    assert not asked(settings(direct=False))[0].parameters.direct
    assert (policy.accept, policy.first_invite, policy.may_be_audio) == (True, True, True)
    assert not asked(settings("t38", first_invite=True))[0].may_be_audio
    assert not asked(settings(first_invite=True, offer=False))[0].first_invite
    policy, _, has_socket = asked(settings(offer=False, accept=False))
    assert not policy.accept
    assert not has_socket


def test_what_both_said_is_sent() -> None:
    far = T38Parameters(version=0, error_correction="fec", max_datagram=120, max_bitrate_bps=7200)
    _, udptl, _ = asked(settings(version=3, redundancy=1), far)
    assert udptl == UdptlSettings(
        version=0, error_correction=ErrorCorrection.FEC, redundancy=1, max_datagram=120, max_rate_bps=7200
    )
    _, udptl, _ = asked(settings(error_correction="none"), far)
    assert udptl is not None
    assert udptl.error_correction is ErrorCorrection.NONE
    _, udptl, _ = asked(settings(), T38Parameters(error_correction="none", max_datagram=None))
    assert udptl is not None
    assert (udptl.error_correction, udptl.max_datagram) == (ErrorCorrection.NONE, 0)


def test_without_a_modem_between_nothing_is_paced() -> None:
    far = T38Parameters(max_datagram=400)
    assert not udptl_settings(T38Media(("127.0.0.1", 4000), far, far), 3).no_pacing
    direct = udptl_settings(T38Media(("127.0.0.1", 4000), far, far, True), 3)
    assert direct.no_pacing
    # Whole frames with three earlier ones.
    assert direct.max_datagram >= 4 * 264
