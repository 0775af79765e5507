# SPDX-License-Identifier: GPL-2.0-or-later
"""pjsua2 as it is built here. Only the modules that run in the SIP thread import it."""

from __future__ import annotations

import errno
import os
import re
from typing import Any

from softfax import outside
from softfax.errors import NativeError
from softfax.reasons import (
    CERTIFICATE_UNTRUSTED,
    CONNECTION_CLOSED,
    CONNECTION_REFUSED,
    CONNECTION_TIMED_OUT,
    NO_ROUTE,
    NO_TRANSPORT,
)

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
    os.strerror(errno.ECONNRESET): CONNECTION_CLOSED,
    os.strerror(errno.EPIPE): CONNECTION_CLOSED,
    os.strerror(errno.ETIMEDOUT): CONNECTION_TIMED_OUT,
    os.strerror(errno.ENETUNREACH): NO_ROUTE,
    os.strerror(errno.EHOSTUNREACH): NO_ROUTE,
}
#: By the name that PJSIP puts behind its own words.
_PJSIP_REASONS = {
    "PJ_EEOF": CONNECTION_CLOSED,
    "PJSIP_EUNSUPTRANSPORT": NO_TRANSPORT,
    "PJSIP_TLS_ECERTVERIF": CERTIFICATE_UNTRUSTED,
}
_PJSIP_NAME = re.compile(r"\s*\((PJ\w+)\)")


def reason_of(error: Any) -> str:
    """Reason for PJSIP's refusal, in its words."""
    return _known(str(error.reason)) or _PJSIP_NAME.sub("", str(error.reason)) or "refused by the SIP stack"


def _known(reason: str) -> str:
    name = _PJSIP_NAME.search(reason)
    return _PJSIP_REASONS.get(name[1], "") if name else _SYSTEM_REASONS.get(reason, "")


def clean(text: Any) -> str:
    """A line of the far end's that can be printed and stored."""
    return outside.clean(str(text))


def status_reason(text: Any) -> str:
    """The reason of a status, which PJSIP has from the system where nothing got out to a far end."""
    reason = clean(text)
    return _known(reason) or reason


def message_of(text: Any) -> str:
    """A message of the far end's: octets that are no UTF-8 become question marks."""
    return str(text).encode("utf-8", "replace").decode()
