# SPDX-License-Identifier: GPL-2.0-or-later
"""softfax: a fax machine that lives on SIP.

In a program: `result = await softfax.send("sip:recv@127.0.0.1:5070", ["letter.pdf"], on_event=print)`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from softfax._version import __version__

__all__ = ["LoopbackResult", "SoftfaxError", "Station", "StationConfig", "__version__", "loopback", "send"]

if TYPE_CHECKING:
    from softfax.api import LoopbackResult, loopback, send
    from softfax.errors import SoftfaxError
    from softfax.station import Station, StationConfig


def __getattr__(name: str) -> Any:
    """Loads the API when it is used: the document worker must start without the SIP stack."""
    if name in ("LoopbackResult", "loopback", "send"):
        from softfax import api

        return getattr(api, name)
    if name == "SoftfaxError":
        from softfax import errors

        return errors.SoftfaxError
    if name in ("Station", "StationConfig"):
        from softfax import station

        return getattr(station, name)
    raise AttributeError(f"module 'softfax' has no attribute {name!r}")
