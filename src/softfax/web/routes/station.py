# SPDX-License-Identifier: GPL-2.0-or-later
"""The station: status, active calls, accounts, mailboxes; health and metrics for machines."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from softfax._version import __version__
from softfax.asjson import fields_json, rfc3339, without_paths
from softfax.diskspace import existing
from softfax.options import outside_options
from softfax.records.model import FaxRequest
from softfax.station import FaxCall
from softfax.station.load import LoadMeter
from softfax.web.openapi import problems
from softfax.web.problems import Problem
from softfax.web.state import Mine, answer, needs
from softfax.web.station_answers import AccountList, HealthOut, MailboxList, SessionList, StatusOut

__all__ = ["router"]

router = APIRouter(tags=["station"])

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@router.get(
    "/v1/status",
    operation_id="getStatus",
    summary="Status of the station",
    response_model=StatusOut,
    dependencies=[needs("read", "metrics")],
    responses=problems(401, 403),
)
async def status(web: Mine) -> Response:
    """Registrations, channel slots, queue, processes, disk, and how many faxes went through."""
    station = web.station
    config = station.config
    counts, disk = await asyncio.gather(web.queue.counts(), asyncio.to_thread(_disk, config.data.dir))
    return answer(
        {
            "version": __version__,
            "uptime_s": round(time.monotonic() - web.began, 1),
            "registrations": [fields_json(view) for view in station.registrations()],
            "lines": {"used": len(station.calls()), "max": config.sip.max_calls},
            "load": fields_json(LoadMeter.total([view.load for view in station.workers()])),
            "queue": {
                "by_state": {str(state): count for state, count in counts.by_state.items()},
                "due": counts.due,
                "oldest_s": round(counts.oldest_s, 1),
            },
            "workers": [
                {key: value for key, value in fields_json(view).items() if key not in ("address", "load")}
                for view in station.workers()
            ],
            "set_aside": [fields_json(view) for view in await asyncio.to_thread(web.queue.aside.views)],
            "disk": disk,
            **await asyncio.to_thread(web.store.history.counts),
        }
    )


def _disk(folder: Path) -> dict[str, int]:
    disk = shutil.disk_usage(existing(folder))
    # Without what the file system keeps back for root, as df counts it: used and free make up the total.
    return {"total_bytes": disk.used + disk.free, "used_bytes": disk.used, "free_bytes": disk.free}


@router.get(
    "/v1/sessions",
    operation_id="listSessions",
    summary="The calls under way",
    response_model=SessionList,
    dependencies=[needs("read", "events")],
    responses=problems(401, 403),
)
async def sessions(web: Mine) -> Response:
    """Active faxes, from the first page being made to the last being confirmed. Of a group, those of all its stations."""
    data = web.station.config.data
    own = data.name if data.stations == "many" else ""
    found = [_session(call, own) for call in web.station.calls()]
    return answer({"sessions": found + [_session(call, call.station) for call in web.queue.elsewhere.calls()]})


def _session(call: FaxCall, station: str) -> dict[str, Any]:
    context = call.context
    session = without_paths(call.session.to_json())
    del session["event"]
    return session | {
        "fax_id": context.fax_id,
        "station": station,
        "direction": str(context.direction),
        "attempt": context.attempt,
        "call_state": str(call.call_state) if call.call_state is not None else None,
        "mode": str(call.mode) if call.mode is not None else None,
        "account": call.account,
        "mailbox": context.mailbox,
        "caller": context.caller_number,
        "caller_name": context.caller_name,
        "called": context.called_number,
        "remote_station_id": call.remote_station_id,
        "started": rfc3339(call.began),
        "progress": call.progress.to_json() if call.progress is not None else None,
    }


@router.get(
    "/v1/accounts",
    operation_id="listAccounts",
    summary="PBXs and trunks",
    response_model=AccountList,
    dependencies=[needs("read", "send")],
    responses=problems(401, 403),
)
async def accounts(web: Mine) -> Response:
    """Accounts of the configuration, and defaults for what a fax leaves out."""
    config = web.station.config
    found = [
        {"name": account.label, "server": account.server, "user": account.user, "register": account.register_}
        for account in config.account
    ]
    defaults = {
        **{
            option.name: getattr(config.fax.options, name)
            for name, option in outside_options().items()
            if option.default is not None
        },
        "priority": FaxRequest.priority,
        "attempts": config.queue.attempts,
        "on_uncertain": config.queue.on_uncertain,
        "give_up_s": config.queue.give_up_s,
    }
    return answer({"accounts": found, "defaults": defaults})


@router.get(
    "/v1/mailboxes",
    operation_id="listMailboxes",
    summary="Mailboxes of received faxes",
    response_model=MailboxList,
    dependencies=[needs("read")],
    responses=problems(401, 403),
)
async def mailboxes(web: Mine) -> Response:
    """Mailboxes of the configuration."""
    found: Sequence[Any] = (
        web.mailboxes()
        if web.mailboxes is not None
        else [{"name": box.name, "numbers": list(box.numbers)} for box in web.station.config.mailbox]
    )
    return answer({"mailboxes": list(found)})


# ---- for machines --------------------------------------------------------------------------------------------------------


@router.get("/healthz", operation_id="health", summary="Liveness", response_model=HealthOut, responses=problems())
async def health() -> Response:
    """Liveness: always 200."""
    return answer({"status": "ok", "problems": []})


@router.get(
    "/readyz",
    operation_id="ready",
    summary="Readiness to send and receive",
    response_model=HealthOut,
    responses=problems() | {503: {"description": "Not ready", "model": HealthOut}},
)
async def ready(web: Mine) -> Response:
    """503 with what is the matter while it starts, stops, or has lost its database or a worker."""
    found = ["the station is stopping"] if web.stopping else []
    found += [problem for check in web.ready if (problem := check())]
    found += [f"worker {view.number} is {view.state}" for view in web.station.workers() if view.state != "running"]
    try:
        async with asyncio.timeout(5.0):
            await web.queue.counts()
    except Exception:
        found.append("the database does not answer")
    return answer({"status": "not ready" if found else "ok", "problems": found}, 503 if found else 200)


@router.get(
    "/metrics",
    operation_id="metrics",
    summary="Metrics for Prometheus",
    response_class=Response,
    dependencies=[needs("metrics")],
    responses=problems(401, 403, 404)
    | {200: {"description": "The metrics", "content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(web: Mine) -> Response:
    """Metrics in Prometheus' text format."""
    if web.metrics is None:
        raise Problem(404, "There are no metrics", kind="not-found")
    return Response(await web.metrics.text(), media_type=METRICS_TYPE)


@router.get(
    "/openapi.json",
    operation_id="openapi",
    summary="This description",
    response_model=dict[str, Any],
    responses=problems(),
)
async def openapi(request: Request) -> Response:
    """OpenAPI 3.1."""
    return answer(request.app.openapi())
