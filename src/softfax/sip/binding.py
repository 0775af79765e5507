# SPDX-License-Identifier: GPL-2.0-or-later
"""pjsua2 as it is built here. Only the modules that run in the SIP thread import it."""

from __future__ import annotations

import errno
import os
import re
from typing import Any

from softfax import outside
from softfax.errors import NativeError
from softfax.model import CONNECTION_REFUSED, CONNECTION_TIMED_OUT, NO_ROUTE

try:
    from softfax._native import _pjsua2  # type: ignore[attr-defined]
    from softfax._native import pjsua2 as pj
except ImportError as error:  # pragma: no cover - an incomplete installation
    raise NativeError(
        f"the SIP stack cannot be loaded ({error})", "build it with `make build`, or install the wheel"
    ) from None

__all__ = ["clean", "library_path", "message_of", "pj", "reason_of", "status_reason"]

#: The library with pjsua2 and what is ours in it.
library_path = str(_pjsua2.__file__)


_SYSTEM_REASONS = {
    os.strerror(errno.ECONNREFUSED): CONNECTION_REFUSED,
    os.strerror(errno.ETIMEDOUT): CONNECTION_TIMED_OUT,
    os.strerror(errno.ENETUNREACH): NO_ROUTE,
    os.strerror(errno.EHOSTUNREACH): NO_ROUTE,
}


def reason_of(error: Any) -> str:
    """Reason for PJSIP's refusal, in its words."""
    return re.sub(r"\s*\(PJ\w+\)", "", str(error.reason)) or "refused by the SIP stack"


def clean(text: Any) -> str:
    """A line of the far end's that can be printed and stored."""
    return outside.clean(str(text))


def status_reason(text: Any) -> str:
    """The reason of a status, which PJSIP has from the system where nothing got out to a far end."""
    reason = clean(text)
    return _SYSTEM_REASONS.get(reason, reason)


def message_of(text: Any) -> str:
    """A message of the far end's: octets that are no UTF-8 become question marks."""
    return str(text).encode("utf-8", "replace").decode()
