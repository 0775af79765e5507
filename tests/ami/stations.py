# SPDX-License-Identifier: GPL-2.0-or-later
"""The station the scenarios run on."""

from __future__ import annotations

from pathlib import Path

from softfax.station import StationConfig
from tests.peer.asterisk import PeerAddress

__all__ = ["station_config"]


def station_config(folder: Path, peer: PeerAddress) -> StationConfig:
    """A station that calls the peer by the account `out` and takes no calls."""
    values = {
        "sip": {"listen": "127.0.0.1:0"},
        "account": [{"name": "out", "server": f"sip:127.0.0.1:{peer.sip_port}"}],
        "fax": {"receive": False},
        "data": {"dir": str(folder)},
        "callbacks": {"enabled": False},
    }
    return StationConfig.checked(values, "the tests")
