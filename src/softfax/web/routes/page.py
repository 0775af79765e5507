# SPDX-License-Identifier: GPL-2.0-or-later
"""/ and /assets/: the web page."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from softfax.web.page import PageFiles

__all__ = ["router"]

router = APIRouter(include_in_schema=False)


def _page(request: Request) -> PageFiles:
    page: PageFiles = request.app.state.page
    return page


@router.get("/")
async def index(request: Request) -> Response:
    """The page; files that were changed meanwhile are read anew."""
    await asyncio.to_thread(_page(request).load)
    return _page(request).response(request, "index.html")


@router.get("/favicon.ico")
async def icon(request: Request) -> Response:
    """The icon that browsers request by themselves."""
    return _page(request).response(request, "icon.svg")


@router.get("/assets/{name:path}")
async def asset(request: Request, name: str) -> Response:
    """A file of the page."""
    return _page(request).response(request, name if name != "index.html" else "")
