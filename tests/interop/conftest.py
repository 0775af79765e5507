# SPDX-License-Identifier: GPL-2.0-or-later
"""The campaign of all cases that the selected tests need: started as soon as the tests are collected, so that the calls
run beside the other tests; these here come last, and each waits for its own case."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.interop.campaign import CASE_LIMIT_S
from tests.interop.outcome import Outcome
from tests.peer.asterisk import PeerAddress
from tests.support import background, peer


def _case(item: pytest.Item) -> str | None:
    callspec = getattr(item, "callspec", None)
    return callspec.params.get("outcome") if callspec else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: _case(item) is not None)


def pytest_collection_finish(session: pytest.Session) -> None:
    cases = sorted({case for item in session.items if (case := _case(item))})
    if not cases or session.config.option.collectonly:
        return
    peer.start()
    background.start_once(
        "campaign",
        "tests.interop.campaign",
        lambda: [
            *("--peer", str(peer.state_file()), "--folder", str(_folder()), "--owner", str(background.owner())),
            *cases,
        ],
    )


@pytest.fixture
def outcome(request: pytest.FixtureRequest, asterisk: PeerAddress) -> Outcome:
    """What became of a case; to be parametrized with its name, indirectly."""
    case: str = request.param
    if not background.wait_for("campaign", Outcome.path(_folder(), case), 2 * CASE_LIMIT_S):
        log = (background.run_folder() / "campaign.log").read_text(errors="replace")
        pytest.fail(f"the campaign ended without the case {case}:\n{log[-3000:]}", pytrace=False)
    result = Outcome.load(_folder(), case)
    if result.problem:
        pytest.fail(f"{result.problem}\n{result.stderr}", pytrace=False)
    return result


def _folder() -> Path:
    folder = background.run_folder() / "interop"
    folder.mkdir(exist_ok=True)
    return folder
