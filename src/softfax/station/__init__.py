# SPDX-License-Identifier: GPL-2.0-or-later
"""The station: any number of faxes on one SIP listener, with accounts, an inbox, and one stream of events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from softfax.station.call import FaxCall
from softfax.station.orders import FaxOrder, FaxStats, SessionView

__all__ = ["FaxCall", "FaxOrder", "FaxStats", "SessionView", "Station", "StationConfig"]

if TYPE_CHECKING:
    from softfax.station.config import StationConfig
    from softfax.station.station import Station


def __getattr__(name: str) -> Any:
    """Loads the SIP stack and the configuration's machinery when they are used."""
    if name == "Station":
        from softfax.station.station import Station

        return Station
    if name == "StationConfig":
        from softfax.station.config import StationConfig

        return StationConfig
    raise AttributeError(f"module 'softfax.station' has no attribute {name!r}")
