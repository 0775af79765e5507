# SPDX-License-Identifier: GPL-2.0-or-later
"""The API's description of itself holds: schemathesis asks for everything, with sense and without, and finds nothing wrong."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable

from softfax.model import Direction, FaxState
from tests.unit.web.fakes import SECRET, a_fax, site

FAX = "0123456789abcdef01234567"
ENDED = "76543210fedcba9876543210"
STREAMS = "/v1/events"
#: More of them find more; this many in few seconds.
EXAMPLES = int(os.environ.get("SOFTFAX_SCHEMA_EXAMPLES", "4"))


@pytest.fixture(scope="module")
def api() -> Iterator[Any]:
    """The application with a few faxes in it, and without limits on how often it may be asked."""
    folder = Path(tempfile.mkdtemp(prefix="softfax-"))
    limits = {"requests_per_minute": 0, "failed_logins_per_minute": 10_000, "max_upload_mb": 5}
    steps = site(folder, http={"token": [{"name": "tests", "secret": SECRET, "scopes": ["admin"]}], **limits})
    found = next(steps)
    found.queue.add(a_fax(id=FAX))
    found.queue.add(a_fax(id=ENDED, state=FaxState.RECEIVED, direction=Direction.RECEIVE, unread=True))
    try:
        yield found
    finally:
        next(steps, None)
        shutil.rmtree(folder, ignore_errors=True)


def test_what_is_described_is_what_is_answered(api: Any) -> None:
    config = schemathesis.config.SchemathesisConfig.from_dict(
        {
            "seed": 1,
            "checks": {
                # What fits the schema may still make no sense: a number that is none, an upload that is not there.
                "positive_data_acceptance": {"expected-statuses": ["2xx", 401, 403, 404, 409, 413, 422, 503]},
            },
        }
    )
    schema = schemathesis.openapi.from_asgi("/openapi.json", api.app, config=config)
    found = []
    for result in schema.exclude(path=STREAMS, method="GET").get_all_operations():
        operation = result.ok()
        try:
            _try(operation)
        except (Exception, BaseExceptionGroup) as error:
            found.append(f"{operation.label}: {error}")
    assert not found, "\n\n".join(found)


def _try(operation: Any) -> None:
    """Some requests that fit an operation, and some that do not."""
    for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE):

        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(
            max_examples=EXAMPLES,
            derandomize=True,
            deadline=None,
            database=None,
            phases=(Phase.explicit, Phase.generate),
            suppress_health_check=list(HealthCheck),
        )
        def check(case: Any) -> None:
            case.call_and_validate(headers={"Authorization": f"Bearer {SECRET}"})

        try:
            check()
        except Unsatisfiable:
            pass  # an operation without anything that could be wrong
