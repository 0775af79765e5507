# SPDX-License-Identifier: GPL-2.0-or-later
"""A database that is away for a moment."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from softfax.delivery.retried import RetriedJobs

__all__ = ["first_puts_fail"]


def first_puts_fail(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Have the database away as the first two jobs are put; their keys, as they come."""
    put, lost = RetriedJobs.put, list[str]()

    def away(of: RetriedJobs, key: str, *args: Any, **values: Any) -> None:
        if len(lost) < 2:
            lost.append(key)
            raise sa.exc.OperationalError("INSERT", {}, Exception("server closed the connection"))
        put(of, key, *args, **values)

    monkeypatch.setattr(RetriedJobs, "put", away)
    return lost
