# SPDX-License-Identifier: GPL-2.0-or-later
"""Fixtures of all tests: the one Asterisk of a test session, and how many run at once."""

from __future__ import annotations

import os
from collections.abc import Iterator

import hypothesis
import pytest

from tests.peer.asterisk import PeerAddress
from tests.support import background, peer
from tests.support.absent import absent

# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile("softfax", deadline=None)
hypothesis.settings.load_profile("softfax")


def pytest_configure(config: pytest.Config) -> None:
    # The main process only: workers inherit its environment.
    if not hasattr(config, "workerinput"):
        background.begin_session()


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        background.stop_all()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """`-n auto`: a worker more than there are processors, because a test with a real-time call mostly waits."""
    return len(os.sched_getaffinity(0)) + 1


@pytest.fixture(autouse=True)
def _umask() -> Iterator[None]:
    """Restore the umask: a command that keeps what it writes to its user changes that of its process."""
    before = os.umask(0o022)
    os.umask(before)
    yield
    os.umask(before)


@pytest.fixture(scope="session")
def asterisk() -> PeerAddress:
    """A running Asterisk on loopback, the same for the whole session.

    That there is none is an error; a skip where only root is missing.
    """
    peer.start()
    try:
        return peer.address()
    except peer.PeerUnavailableError as error:
        absent(str(error), excused=os.geteuid() != 0)
