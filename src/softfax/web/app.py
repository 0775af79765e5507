# SPDX-License-Identifier: GPL-2.0-or-later
"""The application: the endpoints, what they work with, and what guards them."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from softfax.web.access import Access
from softfax.web.guard import Guard
from softfax.web.openapi import describe
from softfax.web.page import PageFiles
from softfax.web.pictures import Pictures
from softfax.web.problems import add_handlers
from softfax.web.routes import (
    broadcasts,
    deliveries,
    documents,
    events,
    faxes,
    lists,
    login,
    page,
    polled,
    station,
    swml,
    uploads,
)
from softfax.web.runs import Runs
from softfax.web.seam import FaxQueueLike, StationLike
from softfax.web.state import Web
from softfax.web.store import WebStore
from softfax.web.stream import Streams
from softfax.web.uploads import Uploads

__all__ = ["create_app", "create_web", "guarded"]

COOKIE = "softfax"
_ROUTERS = (faxes, broadcasts, deliveries, documents, uploads, events, station, polled, lists, swml, login, page)


def create_web(station: StationLike, queue: FaxQueueLike, store: WebStore, **more: Any) -> Web:
    """Make the state of the endpoints by the station's configuration. `more` are other fields of `Web`."""
    config = station.config.http
    return Web(
        station=station,
        queue=queue,
        access=Access(config, store),
        store=store,
        uploads=Uploads(
            station.config.data.dir / "uploads", conversions=config.conversions, kept_s=config.uploads_hours * 3600
        ),
        pictures=Pictures(config.page_cache_mb * 1_000_000),
        streams=Streams(config.max_streams),
        swml=Runs(station, queue, store),
        **{"cookie": COOKIE, **more},
    )


def create_app(web: Web) -> FastAPI:
    """The endpoints, unguarded: `guarded` is what is served."""
    app = FastAPI(
        title="softfax",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        # What is asked of a fax machine is nobody else's: no traces of requests go anywhere.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.state.web = web
    app.state.page = PageFiles()
    app.state.page.load()
    for module in _ROUTERS:
        app.router.routes.extend(module.router.routes)
    add_handlers(app)
    described: dict[str, Any] = {}

    def openapi() -> dict[str, Any]:
        if not described:
            described.update(describe(app))
        return described

    app.openapi = openapi  # type: ignore[method-assign]
    return app


def guarded(app: FastAPI) -> Guard:
    """The application that is served, behind its guard."""
    web: Web = app.state.web
    return Guard(app, web.access, web.cookie, web.station.links)
