# SPDX-License-Identifier: GPL-2.0-or-later
"""Starting PJSIP, and failures of starts and registrations as our errors."""

from __future__ import annotations

import re
import resource

from softfax.errors import AuthenticationError, NativeError, PortInUseError, RegistrationError, SoftfaxError
from softfax.reasons import REASON_REMEDIES
from softfax.sip.binding import pj, reason_of
from softfax.sip.requests import RequestAnswer
from softfax.sip.types import FILES_WANTED, ONLY_ACCOUNT, SipAccount

__all__ = ["EADDRINUSE", "ERRNO_BASE", "raise_file_limit", "registration_error", "start_error", "user_agent"]

ERRNO_BASE = 120000
EADDRINUSE, EADDRNOTAVAIL, EACCES = 98, 99, 13


def start_error(error: BaseException, listen: str) -> SoftfaxError:
    """A failed start, in our errors; `listen` is the address that was being opened."""
    if isinstance(error, pj.Error):
        code = int(error.status) - ERRNO_BASE
        if code == EADDRINUSE:
            return PortInUseError(f"{listen} is in use", "choose another address or port with --listen")
        if code in (EADDRNOTAVAIL, EACCES):
            return PortInUseError(
                f"{listen} cannot be listened on ({reason_of(error)})", "choose another with --listen"
            )
        return NativeError(
            f"the SIP stack did not start: {reason_of(error)}", "`softfax doctor` looks at ports, libraries and limits"
        )
    return NativeError(f"the SIP stack did not start: {error}", "`softfax doctor` looks at ports, libraries and limits")


def registration_error(account: SipAccount, answer: RequestAnswer) -> RegistrationError | AuthenticationError:
    """Error for a failed registration. What no server said is not told as a server's."""
    code, reason = answer.code, answer.reason
    if code in (401, 407) and answer.unanswered:
        return AuthenticationError(
            f"{account.server} got no answer to its challenge ({code}): {answer.unanswered}",
            "see what its operator can change",
            sip_code=code,
            retry_after_s=answer.retry_after_s,
        )
    if code in (401, 403, 407):
        return AuthenticationError(
            f"{account.server} rejected the user or password ({code} {reason})",
            "check --user and SOFTFAX_PASSWORD"
            if account.name == ONLY_ACCOUNT
            else f"check user and password of account {account.name}",
            sip_code=code,
            retry_after_s=answer.retry_after_s,
        )
    problem, remedy = _registration_problem(account.server, answer)
    return RegistrationError(problem, remedy, sip_code=code, retry_after_s=answer.retry_after_s)


def _registration_problem(server: str, answer: RequestAnswer) -> tuple[str, str]:
    """The problem and the remedy of a registration that failed."""
    code, reason = answer.code, answer.reason
    if "PJ_ERESOLVE" in reason:
        return f"the name of {server} is not known", "check the server's name, and the name server"
    if not answer.answered and reason in REASON_REMEDIES:
        return f"{server}: {reason}", REASON_REMEDIES[reason]
    if code == 408 and not answer.answered:
        return f"{server} does not answer", "check its address and port, and the firewalls between"
    said = re.sub(r"\s*\(PJ\w+\)", "", reason)
    if not answer.answered:
        return (
            f"no REGISTER could be sent to {server} ({said})",
            "check its address, port and transport, and whether it can be reached from here",
        )
    if 300 <= code < 400:
        return (
            f"{server} sends registrations elsewhere ({code}{f', to {answer.target}' if answer.target else ''})",
            "set the account's server to that, if it is right: redirections are not followed",
        )
    if code == 200:
        return f"{server} answered 200 and registered nothing ({said})", "ask the operator of the server"
    return (
        f"{server} did not accept the registration ({code} {said})",
        "check the server's address, and whether it may be reached from here",
    )


def user_agent() -> str:
    """Our User-Agent."""
    from softfax._version import __version__

    return f"softfax/{__version__}"


def raise_file_limit() -> None:
    """Four descriptors a call: RTP, RTCP, UDPTL and a duplicate."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_WANTED if hard == resource.RLIM_INFINITY else min(FILES_WANTED, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
