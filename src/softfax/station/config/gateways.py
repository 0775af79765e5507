# SPDX-License-Identifier: GPL-2.0-or-later
"""[[gateway]]: calls that are not answered here, but go on to another account, with their fax between T.38 and G.711; and numbers
for voice and fax, whose calls go on where no fax is heard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from softfax.station.config.accounts import AccountConfig, no_such_account
from softfax.station.config.base import Misplaced, Seconds, Table, alike, matching
from softfax.station.config.mailboxes import NumberPattern

__all__ = ["GatewayConfig", "check_gateways"]

Name = Annotated[str, matching(r"[A-Za-z0-9_.-]{1,40}", "use up to 40 letters, digits and _.-")]


class GatewayConfig(Table):
    """[[gateway]]: calls of some accounts that go on by others; the first that fits counts. Nothing is passed on without one."""

    name: Name = Field(description="what records and logs call it")
    from_: tuple[str, ...] = Field(
        alias="from",
        min_length=1,
        max_length=20,
        description="accounts whose calls go on; they have to come from there",
    )
    numbers: tuple[NumberPattern, ...] = Field(
        (), max_length=100, description="called numbers, +4930* for all that begin so; all where there are none"
    )
    callers: tuple[NumberPattern, ...] = Field(
        (), max_length=100, description="numbers that may call, in the same way; all where there are none"
    )
    to: str = Field("", max_length=200, description="number or SIP URI that is called instead of the one called")
    accounts: tuple[str, ...] = Field(
        (), max_length=20, description="accounts by which calls go on, the first one first (as [[route]] says)"
    )
    answer_timeout_s: Seconds = Field(60.0, description="how long it may ring")
    negotiate_both: bool = Field(
        False, description="ask T.38 of both sides once a fax is heard, instead of the one that does not speak"
    )
    listen: Literal["", "early", "answer"] = Field(
        "",
        description="listen first, in early media (183) or answered, and receive here if a fax is heard; empty: pass on at once",
    )
    listen_s: Seconds = Field(6.0, description="how long it is listened")
    hand_on: Literal["bridge", "refer", "redirect"] = Field(
        "bridge",
        description="pass the call on by one of ours, by REFER (after listening answered), or by 302 (before the answer)",
    )
    swml: str = Field(
        "",
        max_length=1000,
        description="file or http(s) URL of a SWML document that decides on the call, instead of passing it on",
    )


def check_gateways(gateways: Sequence[GatewayConfig], accounts: Sequence[AccountConfig]) -> None:
    """Check that accounts exist, and that no call goes back to where it came from. Raises Misplaced."""
    names = [account.label for account in accounts]
    alike([one.name for one in gateways], "gateway", "gateway")
    for index, one in enumerate(gateways):
        if one.swml and (one.listen or one.accounts or one.to):
            text = "a document decides on the call: leave out listen, to and accounts"
            raise Misplaced(text, "gateway", index, "swml")
        if one.hand_on == "refer" and one.listen != "answer":
            text = 'REFER is for a call that is answered; set listen = "answer"'
            raise Misplaced(text, "gateway", index, "hand_on")
        if one.hand_on == "redirect" and one.listen == "answer":
            text = 'a call that is answered cannot be redirected; set listen = "early"'
            raise Misplaced(text, "gateway", index, "hand_on")
        for key, wanted in (("from", one.from_), ("accounts", one.accounts)):
            for number, name in enumerate(wanted):
                if name not in names:
                    raise Misplaced(no_such_account(name, names), "gateway", index, key, number)
        for number, name in enumerate(one.accounts):
            if name in one.from_:
                text = f"calls of {name} would go back to it; name another account"
                raise Misplaced(text, "gateway", index, "accounts", number)
