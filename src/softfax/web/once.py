# SPDX-License-Identifier: GPL-2.0-or-later
"""Idempotency-Key: work that is asked for twice with the same key is done once."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Header
from starlette.requests import Request

from softfax.web.problems import Problem
from softfax.web.state import Web, principal_of

__all__ = ["REPLAYED", "Key", "digest_of", "erased", "key_of", "once", "remembered"]

#: Said where an earlier request is answered.
REPLAYED = {"Idempotency-Replayed": "true"}
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r'^"*[!#-~][!-~]{0,198}$',
        description="the same key with the same body does the work once, for a day",
        examples=["4f1c2d"],
    ),
]


def key_of(request: Request, given: str | None, work: str = "") -> str:
    """Key as stored: that of one token or user, and of one kind of work; empty for none."""
    if not given:
        return ""
    principal = principal_of(request)
    # A key has no blank, whatever a name has.
    return f"{principal.kind[0]}.{principal.name} {work}{' ' if work else ''}{given.strip(chr(34))}"


def digest_of(what: Any) -> str:
    """Digest that tells one request from another by what of it is JSON."""
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()


def erased(what: str) -> Problem:
    """Problem 410: the first request's result was erased."""
    return Problem(410, "Erased", f"The {what} that this key stood for is gone.", "Use another key.", kind="erased")


@asynccontextmanager
async def once(web: Web, key: str) -> AsyncIterator[None]:
    """One request with a key at a time. Raises Problem."""
    if not key:
        yield
        return
    if key in web.keys:
        raise Problem(
            409, "It is being done", "A request with this key is under way.", "Ask again in a moment.",
            kind="idempotency", headers={"Retry-After": "1"},
        )  # fmt: skip
    web.keys.add(key)
    try:
        yield
    finally:
        web.keys.discard(key)


async def remembered(web: Web, key: str, digest: str) -> str | None:
    """Record of an earlier request with this key; None where there was none. Raises IdempotencyError."""
    return await asyncio.to_thread(web.store.remembered, key, digest) if key else None
