# SPDX-License-Identifier: GPL-2.0-or-later
"""The campaigns of all cases that the selected tests need, with Asterisk and with HylaFAX: started as soon as the tests are
collected, so that the calls run beside the other tests; these here come last, and each waits for its own case."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.interop.campaign import CASE_LIMIT_S
from tests.interop.hylafax import LIMIT_S as HYLAFAX_LIMIT_S
from tests.interop.outcome import Outcome
from tests.peer.asterisk import PeerAddress
from tests.support import background, peer


def _case(item: pytest.Item, campaign: str = "outcome") -> str | None:
    callspec = getattr(item, "callspec", None)
    return callspec.params.get(campaign) if callspec else None


#: By the fixture that gives their cases: a name, and the module that runs them.
CAMPAIGNS = {
    "outcome": ("campaign", "tests.interop.campaign"),
    "hylafax": ("hylafax", "tests.interop.hylafax"),
}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: bool(_case(item) or _case(item, "hylafax")))


def pytest_collection_finish(session: pytest.Session) -> None:
    if session.config.option.collectonly:
        return
    for fixture, (campaign, module) in CAMPAIGNS.items():
        cases = sorted({case for item in session.items if (case := _case(item, fixture))})
        if cases:
            peer.start()
            folder = str(_folder(campaign))
            background.start_once(
                campaign,
                module,
                lambda folder=folder, cases=cases: [  # type: ignore[misc]
                    *("--peer", str(peer.state_file()), "--folder", folder, "--owner", str(background.owner())),
                    *cases,
                ],
            )


@pytest.fixture
def outcome(request: pytest.FixtureRequest, asterisk: PeerAddress) -> Outcome:
    """Return the outcome of a case; to be parametrized with its name, indirectly."""
    return _outcome("campaign", request.param, 2 * CASE_LIMIT_S)


@pytest.fixture
def hylafax(request: pytest.FixtureRequest, asterisk: PeerAddress) -> Outcome:
    """Return the outcome of a case with HylaFAX; to be parametrized with its name, indirectly."""
    # Making its chroot, the first time on a machine, takes two minutes.
    return _outcome("hylafax", request.param, 2 * HYLAFAX_LIMIT_S + 300)


def _outcome(campaign: str, case: str, limit_s: float) -> Outcome:
    folder = _folder(campaign)
    if not background.wait_for(campaign, Outcome.path(folder, case), limit_s):
        log = (background.run_folder() / f"{campaign}.log").read_text(errors="replace")
        pytest.fail(f"the campaign ended without the case {case}:\n{log[-3000:]}", pytrace=False)
    result = Outcome.load(folder, case)
    if result.problem:
        pytest.fail(f"{result.problem}\n{result.stderr}", pytrace=False)
    return result


def _folder(campaign: str) -> Path:
    folder = background.run_folder() / ("interop" if campaign == "campaign" else campaign)
    folder.mkdir(exist_ok=True)
    return folder
