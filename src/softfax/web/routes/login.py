# SPDX-License-Identifier: GPL-2.0-or-later
"""Sessions of the web page: a token for a cookie, and back."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from softfax.station.config.http import SCOPES
from softfax.web.access import Principal
from softfax.web.answers import LoginOut
from softfax.web.guard import cookie_of
from softfax.web.openapi import problems
from softfax.web.requests import LoginIn
from softfax.web.state import Mine, Web, answer, principal_of, requester_of

__all__ = ["router"]

router = APIRouter(tags=["login"])


def _who(principal: Principal) -> dict[str, object]:
    scopes = [scope for scope in SCOPES if principal.may(scope)]
    return {"name": principal.name, "kind": principal.kind, "scopes": scopes}


def _cookie(web: Web, request: Request, value: str, seconds: int) -> dict[str, str]:
    secure = "; Secure" if requester_of(request).secure else ""
    return {"Set-Cookie": f"{web.cookie}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}"}


@router.post(
    "/v1/login",
    operation_id="logIn",
    summary="Log in",
    response_model=LoginOut,
    responses=problems(400, 401, 403, 422),
)
async def log_in(request: Request, web: Mine, login: LoginIn) -> Response:
    """A token for a cookie that no script can read; a client that needs no token gets none."""
    if not web.config.protected:
        return answer(_who(principal_of(request)))
    cookie, principal = await web.access.log_in(requester_of(request), login.token)
    return answer(_who(principal), 200, _cookie(web, request, cookie, int(web.config.session_hours * 3600)))


@router.get(
    "/v1/login",
    operation_id="whoAmI",
    summary="Login of this request",
    response_model=LoginOut,
    responses=problems(401, 403),
)
async def who_am_i(request: Request) -> Response:
    """Name and scopes of the token or login that the request came with."""
    return answer(_who(principal_of(request)))


@router.post(
    "/v1/logout",
    status_code=204,
    operation_id="logOut",
    summary="Log out",
    response_class=Response,
    responses=problems(401, 403),
)
async def log_out(request: Request, web: Mine) -> Response:
    """The cookie is worth nothing any more."""
    cookie = cookie_of(request.headers, web.cookie)
    if cookie:
        await web.access.log_out(cookie)
    return Response(status_code=204, headers=_cookie(web, request, "", 0))
