# SPDX-License-Identifier: GPL-2.0-or-later
"""Routes of a gateway's call: by its rule, by the rules that every call of ours passes, and never back. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from softfax.errors import DoNotFaxError, LocalError, OutOfHoursError, SoftfaxError, UsageError
from softfax.model import CallState, Direction, FaxContext
from softfax.sip.types import split_uri
from softfax.station import wire
from softfax.station.call import FaxCall
from softfax.station.config import GatewayConfig, StationConfig
from softfax.station.routes import Route
from softfax.station.rules import Rules

__all__ = ["going_on", "routes_onward"]


#: So many calls from one number to another that wait for an answer at a time go in a circle, by machines that send back what they
#: got from us; and so many in all, by machines that answer before they do.
CIRCLE, ANSWERED_CIRCLE = 16, 128


def going_on(
    config: StationConfig, rules: Rules, name: str, call: FaxCall, calls: Sequence[FaxCall], down: Collection[str]
) -> wire.Bridge | wire.Refuse:
    """Order for a call that came in for the gateway `name`; `calls` are all under way, with it."""
    context = call.context
    same = [one for one in calls if _is_same(context, one.context)]
    waiting = [one for one in same if one.call_state is not CallState.ANSWERED]
    if len(waiting) > CIRCLE or len(same) > ANSWERED_CIRCLE:
        pair = f"from {context.caller_number} to {context.called_number}"
        return wire.Refuse(
            context.fax_id, 482, "CHANUNAVAIL", f"{len(same) - 1} calls {pair} are under way: they go in a circle"
        )
    active = Counter(account for one in calls if one.known for account in (one.account, one.onward) if account)
    try:
        rule = next((one for one in config.gateway if one.name == name), None)
        if rule is None:
            raise UsageError(f"there is no gateway {name}", "name one of the configuration")
        routes = routes_onward(config, rules, rule, context.entry_point, context.called_number, active, down)
    except SoftfaxError as error:
        return wire.Refuse(context.fax_id, _status(error), "CHANUNAVAIL", str(error))
    call.onward = routes[0].account
    return wire.Bridge(
        fax_id=context.fax_id,
        routes=routes,
        hand_on=rule.hand_on,
        answer_timeout_s=rule.answer_timeout_s,
        caller_number=context.caller_number,
        caller_name=context.caller_name,
    )


def _is_same(one: FaxContext, other: FaxContext) -> bool:
    return other.direction is Direction.GATEWAY and (one.caller_number, one.called_number) == (
        other.caller_number,
        other.called_number,
    )


def _status(error: SoftfaxError) -> int:
    if isinstance(error, (DoNotFaxError, OutOfHoursError)):
        return 403
    return 503 if isinstance(error, LocalError) else 404


def routes_onward(
    config: StationConfig,
    rules: Rules,
    rule: GatewayConfig,
    account: str,
    called: str,
    active: Mapping[str, int],
    down: Collection[str] = (),
) -> tuple[Route, ...]:
    """The routes of a call for `called` that came by `account`, best first.

    Raises DoNotFaxError, OutOfHoursError; UsageError where there is no route, LocalError where none has a channel slot left.
    """
    destination = rule.to or called
    rules.permit(destination)
    if rule.accounts:
        routes = tuple(r for name in rule.accounts for r in rules.routes(_at_server(config, name, destination), name))
    else:
        routes = rules.routes(destination)
    routes = tuple(route for route in routes if not _leads_back(config, route, account))
    if not routes:
        text = f"the call for {destination} would go back to {account}"
        raise UsageError(text, "add a [[route]] by another account, or name accounts in [[gateway]]")
    free = rules.free(routes, active, down)
    if not free:
        raise LocalError(f"all channel slots for {destination} are taken", "raise max_calls of the account, or wait")
    return free


def _at_server(config: StationConfig, account: str, destination: str) -> str:
    """A called name that no plan of numbers knows, like fax or reception, as a URI at an account's server; else as it is."""
    if not re.fullmatch(r"[A-Za-z_.-]{1,64}", destination):
        return destination
    server = next(one.server for one in config.account if one.label == account)
    scheme, _, host, port, parameters = split_uri(server)
    return f"{scheme}:{destination}@{host}{f':{port}' if port else ''}{parameters}"


def _leads_back(config: StationConfig, route: Route, account: str) -> bool:
    """Return True if a route leads to the account that the call came by, or straight to its server."""
    if route.account == account:
        return True
    server = next((one.server for one in config.account if one.label == account), "")
    return not route.account and bool(server) and split_uri(route.uri)[2:4] == split_uri(server)[2:4]
