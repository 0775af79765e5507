# SPDX-License-Identifier: GPL-2.0-or-later
"""`softfax stations`: who works on a database, and the slots of a station that will not come back."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import sqlalchemy as sa

from softfax.cli.main import main
from softfax.database.database import Database, database_url
from softfax.records import tables


def test_stations_are_listed_and_forgotten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "softfax.toml"
    config.write_text(f'[data]\ndir = "{tmp_path}"\n')
    database = Database(database_url(tmp_path), name="one")
    database.stations.facts["config_digest"] = "abc"
    database.prepare(tables.METADATA)
    try:
        assert main(["stations", "--json", "--config", str(config)]) == 0
        (line,) = capsys.readouterr().out.splitlines()
        shown = json.loads(line)
        assert (shown["name"], shown["state"], shown["config_digest"], shown["faxes"]) == ("one", "alone", "abc", 0)
        assert re.fullmatch(r"[0-9-]{10}T[0-9:]{8}\.[0-9]{6}Z", shown["started"])
        assert main(["stations", "--config", str(config)]) == 0
        assert "one" in capsys.readouterr().out
        ghost = {"fax_id": "f" * 24, "to": "1", "account": "trunk", "until": 5e9}
        with database.engine.begin() as connection:
            for fax_id, station in (("a", "two:x:1"), ("b", "two2:x:1")):
                connection.execute(tables.ghosts.insert().values(**ghost | {"fax_id": fax_id, "station": station}))
        # One that has its row still runs.
        assert main(["stations", "forget", "one", "--config", str(config)]) == 2
        assert main(["stations", "forget", "two", "--config", str(config)]) == 0
        assert "slots freed: 1" in capsys.readouterr().err
        # One that has nothing here may be a name that was mistyped.
        assert main(["stations", "forget", "too", "--config", str(config)]) == 2
        assert "a station too;" in capsys.readouterr().err
        with database.engine.connect() as connection:
            assert connection.execute(sa.select(tables.ghosts.c.station)).scalars().all() == ["two2:x:1"]
        assert main(["stations", "forget", "--config", str(config)]) == 2
    finally:
        database.close()
    assert main(["stations", "--config", str(config)]) == 0
    assert "no station" in capsys.readouterr().err
