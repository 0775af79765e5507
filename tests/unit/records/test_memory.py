# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory of numbers: what a call teaches, what follows for the next one, and how it is forgotten."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from softfax.model import Cause, Direction, FaxResult
from softfax.options import ModePolicy
from softfax.records.memory import NumberMemories, NumberMemory, learned
from softfax.records.tables import METADATA, numbers

NOW = 1_700_000_000.0
DAY = 24 * 3600.0
NEW = NumberMemory(number="+4930")


def result(**more: Any) -> FaxResult:
    values: dict[str, Any] = {
        "time": datetime.now(UTC), "session": 1, "direction": Direction.SEND, "success": True, "status": "SUCCESS",
        "error": "NO_ERROR", "status_string": "OK", "result_code": 0, "mode": "T38", "pages": 2, "pages_total": 2,
        "bitrate": 14400, "ecm": True, "encoding": "T.6", "resolution": "204x196", "local_station_id": "",
        "remote_station_id": "+49 30", "bad_rows": 0, "duration_s": 60.0, "documents": [], "call_id": "x",
        "fax_id": "0" * 24,
    }  # fmt: skip
    known = {field.name for field in dataclasses.fields(FaxResult)}
    return FaxResult(**{key: value for key, value in (values | more).items() if key in known})


def after(*calls: tuple[Cause | None, str], memory: NumberMemory = NEW) -> NumberMemory:
    for cause, mode in calls:
        memory = learned(memory, result(mode=mode, success=cause is None), cause, "pbx", NOW)
    return memory


def test_a_delivered_fax_teaches_how_it_went() -> None:
    memory = after((None, "T38"))
    assert (memory.calls, memory.delivered, memory.transport, memory.rate_bps) == (1, 1, "T38", 14400)
    assert (memory.account, memory.resolution, memory.ecm, memory.seconds_per_page) == ("pbx", "204x196", True, 30.0)
    assert memory.remote_station_id == "+49 30"


@pytest.mark.parametrize("cause", [Cause.OURS, Cause.DOCUMENT, Cause.CANCELLED, Cause.CRASH])
def test_our_own_faults_teach_nothing(cause: Cause) -> None:
    assert after((cause, "T38")) == NEW


def test_t38_that_broke_off_twice_is_left_out_for_a_day() -> None:
    once = after((Cause.BROKEN, "T38"))
    twice = after((Cause.BROKEN, "T38"), (Cause.BROKEN, "T38"))
    assert once.mode_for(ModePolicy.AUTO, NOW + 60) is ModePolicy.AUTO
    assert twice.mode_for(ModePolicy.AUTO, NOW + 60) is ModePolicy.AUDIO
    assert twice.mode_for(ModePolicy.AUTO, NOW + DAY + 60) is ModePolicy.AUTO
    assert twice.mode_for(ModePolicy.T38, NOW + 60) is ModePolicy.T38, "who asks for T.38 gets it"


@pytest.mark.parametrize("good", [(None, "T38")])
def test_t38_that_works_again_counts_anew(good: tuple[Cause | None, str]) -> None:
    memory = after((Cause.BROKEN, "T38"), good, (Cause.BROKEN, "T38"))
    assert memory.mode_for(ModePolicy.AUTO, NOW + 60) is ModePolicy.AUTO


def test_busy_says_nothing_about_t38() -> None:
    memory = after(*[(Cause.BUSY, "T38")] * 5)
    assert memory.mode_for(ModePolicy.AUTO, NOW) is ModePolicy.AUTO
    assert memory.calls == 5


@pytest.mark.parametrize(("wanted", "rate"), [(0, 9600), (14400, 9600), (4800, 4800)])
def test_training_that_failed_is_known_to_other_faxes(wanted: int, rate: int) -> None:
    memory = after((Cause.TRAINING, "audio"))
    assert memory.rate_for(wanted, NOW + 60) == rate
    assert memory.rate_for(wanted, NOW + DAY + 60) == wanted


def test_people_win() -> None:
    memory = dataclasses.replace(after(*[(Cause.BROKEN, "T38")] * 3), mode="t38", max_rate_bps=7200)
    assert memory.mode_for(ModePolicy.AUTO, NOW) is ModePolicy.T38
    assert memory.mode_for(ModePolicy.AUDIO, NOW) is ModePolicy.AUDIO
    assert memory.rate_for(14400, NOW) == 7200


@pytest.fixture
def table() -> NumberMemories:
    engine = sa.create_engine("sqlite://", poolclass=sa.StaticPool, connect_args={"check_same_thread": False})
    METADATA.create_all(engine)
    return NumberMemories(lambda: engine, str.strip)


def test_what_is_learned_is_there_after_a_restart(table: NumberMemories) -> None:
    table.learn("+4930", result(), None, "pbx")
    table.learn("+4930", result(mode="audio"), Cause.TRAINING, "pbx")
    found = NumberMemories(table._engine, str.strip).of("+4930")
    assert (found.calls, found.delivered, found.last_cause) == (2, 1, "training")
    assert [one.number for one in table.newest(10)] == ["+4930"]


def test_preferences_stay_when_more_is_learned(table: NumberMemories) -> None:
    table.prefer("+4930", "audio", 9600)
    table.learn("+4930", result(), None, "pbx")
    found = table.of("+4930")
    assert (found.mode, found.max_rate_bps, found.calls) == ("audio", 9600, 1)
    assert table.forget("+4930")
    assert not table.forget("+4930")
    assert table.of("+4930") == NumberMemory(number="+4930")


@pytest.mark.parametrize("data", ["", "x", "[]", '{"calls": "many", "mode": "smoke"}', '{"t38_failed": null}'])
def test_a_spoilt_row_is_none(table: NumberMemories, data: str) -> None:
    with table._engine().begin() as connection:
        connection.execute(numbers.insert().values(number="+4930", updated=NOW, data=data))
    assert table.of("+4930") == NEW
    table.learn("+4930", result(), None, "pbx")
    assert table.of("+4930").calls == 1


def test_old_numbers_are_forgotten(table: NumberMemories) -> None:
    table.learn("+4930", result(), None, "pbx")
    assert table.forget_before(NOW) == 0
    assert table.forget_before(NOW * 2) == 1


def test_a_database_that_fails_holds_up_no_fax() -> None:
    engine = sa.create_engine("sqlite://")  # no tables
    memory = NumberMemories(lambda: engine, str.strip)
    memory.learn(" 1 ", result(), None, "pbx")
    assert memory.of(" 1 ") == NumberMemory(number="1")
