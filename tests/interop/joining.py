# SPDX-License-Identifier: GPL-2.0-or-later
"""Faxes to one number that a `softfax serve` sends in one call."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from softfax.client import SoftfaxClient
from softfax.client.models import Fax
from tests.support.served import serving

__all__ = ["send_in_one_call"]

#: The orders are there before the first of them is due.
DUE_S = 5.0


def send_in_one_call(folder: Path, to: str, documents: Sequence[Path], mode: str, limit_s: float) -> list[Fax]:
    """Order a fax of each document, due at the same time; the faxes as they ended."""
    queue = f"[queue]\njoined_faxes = {len(documents)}\n"
    with serving(folder, "JOINED", queue) as station, SoftfaxClient(station.url) as client:
        due = datetime.now(UTC) + timedelta(seconds=DUE_S)
        faxes = [client.send(to, [document], mode=mode, not_before=due) for document in documents]
        return [client.wait(fax.id, timeout_s=limit_s) for fax in faxes]
