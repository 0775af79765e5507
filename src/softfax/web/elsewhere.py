# SPDX-License-Identifier: GPL-2.0-or-later
"""Pictures that another station of the group has, asked of it with the credentials of who asks here: it knows them too."""

from __future__ import annotations

import asyncio
import http.client
import logging
import urllib.error
import urllib.request
from typing import Any

from starlette.requests import Request

from softfax.web.state import Web

__all__ = ["of_its_station"]

log = logging.getLogger("softfax.web")

#: In a request of another station, which is not passed on once more.
PASSED_ON = "Softfax-Passed-On"
TIMEOUT_S, BYTES_MAX = 5.0, 8 << 20


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Follow none: the credentials are for the station alone."""


#: Straight there, whatever proxy the environment names.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirects)


async def of_its_station(request: Request, web: Web, fax_id: str) -> bytes | None:
    """The answer to a GET of the station that has the call of a fax; None where that is this one, none, or it answers nothing."""
    call = next((one for one in web.queue.elsewhere.calls() if one.context.fax_id == fax_id), None)
    if call is None or not call.url or PASSED_ON in request.headers:
        return None
    headers = {name: request.headers[name] for name in ("Authorization", "Cookie") if name in request.headers}
    asked = urllib.request.Request(call.url + request.url.path, headers={**headers, PASSED_ON: "1"})
    return await asyncio.to_thread(_answer, asked, call.station)


def _answer(asked: urllib.request.Request, station: str) -> bytes | None:
    try:
        with _OPENER.open(asked, timeout=TIMEOUT_S) as answer:
            body: bytes = answer.read(BYTES_MAX + 1)
            return body if len(body) <= BYTES_MAX else None
    except urllib.error.HTTPError as error:
        if error.code != 404:
            log.warning("station %s answers %d where it is asked for a picture", station, error.code)
    except (OSError, http.client.HTTPException, ValueError) as error:
        log.warning("station %s cannot be asked for a picture: %s", station, error)
    return None
