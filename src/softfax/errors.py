# SPDX-License-Identifier: GPL-2.0-or-later
"""The errors softfax raises, each with an exit status and a remedy.

One tree, rooted in `SoftfaxError`. The classes tell apart who is at fault: the user (`UsageError`, `DocumentError`,
`ConfigError`), this machine (`LocalError`) and the call (`CallError`); how a fax ended is a `FaxResult`. A message is one
line: what is wrong, then what to do about it.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from enum import IntEnum
from typing import TypeVar

from softfax.outside import clean

__all__ = [
    "AuthenticationError",
    "CallError",
    "ConfigError",
    "DiskFullError",
    "DoNotFaxError",
    "DocumentEmptyError",
    "DocumentError",
    "DocumentInterruptedError",
    "DocumentPasswordError",
    "DocumentTooLargeError",
    "DocumentUnreachableError",
    "DocumentUnsupportedError",
    "ExitStatus",
    "LocalError",
    "NativeError",
    "NoRouteError",
    "OutOfHoursError",
    "PagesDiskFullError",
    "PortInUseError",
    "RegistrationError",
    "SoftfaxError",
    "StarvedError",
    "TransitionError",
    "UsageError",
    "in_short",
    "is_starved",
    "said",
    "unread_remedy",
]

T = TypeVar("T")


class ExitStatus(IntEnum):
    """Exit statuses of the command line."""

    OK = 0
    FAX_FAILED = 1
    USAGE = 2
    CALL_FAILED = 3
    INTERRUPTED = 130


class SoftfaxError(Exception):
    """Root of all errors of softfax: `problem` in one line, `remedy` saying what to do (may be empty)."""

    exit_status: ExitStatus = ExitStatus.FAX_FAILED

    def __init__(self, problem: str, remedy: str = "") -> None:
        self.problem, self.remedy = clean(" ".join(problem.split())), clean(" ".join(remedy.split()))
        super().__init__(f"{self.problem}; {self.remedy}" if self.remedy else self.problem)


class UsageError(SoftfaxError):
    """Invalid request: a bad URI, an option out of range, a missing value."""

    exit_status = ExitStatus.USAGE


class DoNotFaxError(UsageError):
    """The number is on the do-not-fax list."""

    def __init__(self, to: str) -> None:
        super().__init__(f"{to[:80]} is on the do-not-fax list", "take it off the list first")


class NoRouteError(UsageError):
    """A number that no account or route of the station takes."""


class ConfigError(UsageError):
    """The configuration file or environment is wrong."""


class DocumentError(SoftfaxError):
    """A document cannot be faxed; nothing was dialled."""

    exit_status = ExitStatus.USAGE


class DocumentUnsupportedError(DocumentError):
    """The file is no document softfax knows, or it is damaged."""


class DocumentPasswordError(DocumentError):
    """The document is encrypted and the password is missing or wrong."""


class DocumentEmptyError(DocumentError):
    """The document has no pages."""


class DocumentTooLargeError(DocumentError):
    """The document exceeds a limit on bytes, pixels, pages or time."""


class DocumentUnreachableError(DocumentError):
    """A URL that cannot be fetched now, and may be later: the network, or the server that has it."""


class DocumentInterruptedError(DocumentError):
    """Its pages could not be made by no fault of its own: what made them was killed, or the disk is full."""


class PagesDiskFullError(DocumentInterruptedError):
    """Lack of room on the disk for its pages."""


class LocalError(SoftfaxError):
    """This machine cannot do it: a port in use, a library missing, a full disk."""

    exit_status = ExitStatus.USAGE


class OutOfHoursError(LocalError):
    """The number may not be called at this hour ([[queue.hours]])."""

    def __init__(self, to: str) -> None:
        super().__init__(f"{to[:80]} may not be called at this hour", "see [[queue.hours]]; the queue waits for it")


class DiskFullError(LocalError):
    """A disk is full."""


class StarvedError(LocalError):
    """The system allows this process too little memory, or too few threads."""

    def __init__(self) -> None:
        super().__init__(
            "the system allows too little memory, or too few threads", "raise ulimit -v, MemoryMax or TasksMax"
        )


class TransitionError(SoftfaxError):
    """A transition that a state machine's table does not allow: a fault of this program."""


def is_starved(error: BaseException) -> bool:
    """Return True if an error means that; Python has none of its own for a thread that the system refuses."""
    refused = isinstance(error, RuntimeError) and "new thread" in str(error)
    return refused or isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM


def said(check: Callable[[], T]) -> T:
    """Run a check of ours; its UsageError becomes a ValueError, whose place in what was written pydantic knows."""
    try:
        return check()
    except UsageError as error:
        raise ValueError(str(error)) from None


def in_short(error: BaseException) -> str:
    """Return the first line of an error, without what SQLAlchemy puts around it; its class where it says nothing."""
    return next(iter(str(getattr(error, "orig", None) or error).strip().splitlines()), type(error).__name__)


class PortInUseError(LocalError):
    """The listening address is taken or not ours."""


class NativeError(LocalError):
    """The native engine or the SIP stack is missing, too old or refused an operation."""


class CallError(SoftfaxError):
    """The call could not be made. `sip_code` is the final SIP status, 0 where there was none; `retry_after_s` its Retry-After."""

    exit_status = ExitStatus.CALL_FAILED

    def __init__(self, problem: str, remedy: str = "", *, sip_code: int = 0, retry_after_s: int = 0) -> None:
        super().__init__(problem, remedy)
        self.retry_after_s = retry_after_s
        self.sip_code = sip_code


class AuthenticationError(CallError):
    """The far end rejected user or password (401, 403, 407)."""


class RegistrationError(CallError):
    """The registrar rejected or did not answer the registration."""


def unread_remedy(error: OSError, otherwise: str, who: str = "a user who may read it") -> str:
    """Return what to do about a file that cannot be read: one that this user may not read has no wrong name."""
    return f"run this as {who}" if isinstance(error, PermissionError) else otherwise
