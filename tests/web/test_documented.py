# SPDX-License-Identifier: GPL-2.0-or-later
"""docs/http.md: each command that it shows after a $ is run as it stands there, against two stations of `softfax serve`; what it answers
has the keys, kinds and texts that are shown. The client's example is run too.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.background import REPOSITORY
from tests.support.command import environment, softfax_command
from tests.support.served import CONFIG, Served, serving, until

pytestmark = pytest.mark.sip

PAGE = (REPOSITORY / "docs" / "http.md").read_text()
LIMIT_S = 120.0
#: Keys of a call that a fax that was put off has not had, and of a state that none may be in.
BY_CHANCE = {"number", "sending"}
NEAR, FAR = "http://127.0.0.1:8038", "http://127.0.0.1:8039"


def commands() -> list[tuple[str, str]]:
    """The commands of the page, each with what it prints."""
    found: list[tuple[str, str]] = []
    going_on = False
    for line in PAGE.splitlines():
        if line.startswith("    $ "):
            found.append((line[6:], ""))
        elif going_on:
            found[-1] = (f"{found[-1][0]}\n{line}", "")
        elif line.startswith("    ") and found:
            found[-1] = (found[-1][0], f"{found[-1][1]}{line}\n")
        elif line and found and found[-1][0]:
            found.append(("", ""))
        going_on = (
            bool(found) and not found[-1][1] and (found[-1][0].endswith("\\") or found[-1][0].count("'") % 2 == 1)
        )
    return [one for one in found if one[0]]


@dataclass
class Walk:
    """Two stations, one that sends and one that receives, a third that wants tokens, and ids of the page with those that are real."""

    folder: Path
    ports: dict[str, str]
    ids: dict[str, str] = field(default_factory=dict)

    def real(self, command: str) -> str:
        """A command with our ports and ids."""
        for shown, url in self.ports.items():
            command = command.replace(shown, url)
        for shown, real in self.ids.items():
            command = command.replace(shown, real).replace(shown[:12], real[:12]).replace(shown[:6], real[:6])
        return command

    def run(self, command: str) -> str:
        """Output of a command."""
        command = self.real(command.replace("\\\n", " ").replace("curl -sN", "curl -sN --max-time 4"))
        command = command.replace("softfax ", f"{softfax_command()} ", 1) if command.startswith("softfax ") else command
        env = {**environment(), "SOFTFAX_URL": self.ports[NEAR]}
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
            env=env,
        )
        return done.stdout + done.stderr

    def learn(self, shown: str, answer: Any) -> None:
        """Ids that are shown stand for those of the answer, in their order."""
        real = re.findall(r'"id": ?"([0-9a-f]{24,32})"', json.dumps(answer))
        for one, other in zip(re.findall(r'"id":"([0-9a-f]{24,32})"', shown), real, strict=False):
            self.ids.setdefault(one, other)


def keys_of(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*map(keys_of, value.values()))
    return set().union(*map(keys_of, value)) if isinstance(value, list) else set()


def check(walk: Walk, command: str, shown: str, printed: str) -> None:
    """Hold the output of a command against the one that is shown."""
    if shown.lstrip().startswith("{"):
        answer, _ = json.JSONDecoder().raw_decode(printed)
        walk.learn(shown, answer)
        missing = set(re.findall(r'"(\w+)":', shown)) - keys_of(answer) - BY_CHANCE
        assert not missing, f"{command}\nanswers no {missing}: {printed[:800]}"
        for name in ("title", "status", "detail", "remedy") if "urn:softfax" in shown else ():
            said = re.search(rf'"{name}":("[^"]*"|\d+)', walk.real(shown))
            assert said is None or json.dumps(answer[name]) == said[1], (command, printed)
    else:
        for line in shown.splitlines():
            word = re.match(r" {4}([a-z_-]+)", line)
            assert word is None or word[1] in printed, f"{command}\nprints no {word and word[1]}: {printed[:800]}"


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Walk, Served, Served]]:
    folder = tmp_path_factory.mktemp("documented")
    for name in ("letter.pdf", "form.pdf", "report.pdf"):
        shutil.copy(REPOSITORY / "samples" / "form.pdf", folder / name)
    (folder / "x.yaml").write_text("sections:\n  main:\n    - send_fax: {document: http://127.0.0.1:1/nothing.pdf}\n")
    tokens = (
        '[[http.token]]\nname = "office"\nsecret = "7b1f0a96c2d84e55ab3390fe"\nscopes = ["read", "send", "cancel", "events"]\n'
        '[[http.token]]\nname = "monitor"\nsecret = "0e8cf5d9b7a64c3e9a51b2c0"\nscopes = ["metrics"]\n'
    )
    far_tables = '[[mailbox]]\nname = "sales"\nnumbers = ["7654321", "7654322"]\n'
    with serving(folder / "guarded", "GUARDED", tokens) as guarded, at_a_modems_pace(folder / "far", far_tables) as far:
        near_tables = (
            f'[dialing]\ncountry = "49"\nnational_prefix = "0"\n[[account]]\nname = "pbx"\nserver = "{far.sip}"\n'
        )
        with at_a_modems_pace(folder / "near", near_tables) as near:
            yield Walk(folder, {name: one.url.rstrip("/") for name, one in ((NEAR, near), (FAR, far))}), near, guarded


@contextmanager
def at_a_modems_pace(folder: Path, tables: str) -> Iterator[Served]:
    """A station whose calls last long enough to be looked at."""
    folder.mkdir()
    config = CONFIG.format(folder=folder, name="+49 89 7654321").replace("[http]", "direct = false\n[http]")
    (folder / "softfax.toml").write_text(config + tables)
    with serving(folder, folder.name) as station:
        yield station


def curl(walk: Walk, arguments: str) -> Any:
    return json.loads(walk.run(f"curl -s {arguments}"))


def test_each_command_answers_as_it_is_shown(walk: tuple[Walk, Served, Served]) -> None:
    w, _, guarded = walk
    far_url = w.ports[FAR]

    def ended(shown: str) -> None:
        until(lambda: curl(w, f"http://127.0.0.1:8038/v1/faxes/{shown}")["ended"], LIMIT_S)

    def received() -> None:
        ended("3dcba598d0c7a71ddd58b61a")
        until(lambda: curl(w, f"{FAR}/v1/faxes?state=received")["faxes"], LIMIT_S)
        w.ids["f0f7420808ddf2d32c72372b"] = curl(w, f"{FAR}/v1/faxes?state=received")["faxes"][0]["id"]

    def put_off(shown: str) -> Callable[[], None]:
        def make() -> None:
            later = (datetime.now(UTC) + timedelta(days=30)).isoformat().replace("+00:00", "Z")
            made = curl(w, f"-F to=7654321 -F file=@form.pdf -F not_before={later} {NEAR}/v1/faxes")
            w.ids[shown] = made["id"]

        return make

    def free() -> None:
        """The number is called by nobody else: one call at a time goes to it."""
        for fax in curl(w, f"'{NEAR}/v1/faxes?state=queued,preparing,sending,waiting'")["faxes"]:
            curl(w, f"-X DELETE {NEAR}/v1/faxes/{fax['id']}")
        until(lambda: not curl(w, f"'{NEAR}/v1/faxes?state=queued,preparing,sending,waiting'")["faxes"], LIMIT_S)

    def on_the_line() -> None:
        curl(w, "-F to=7654321 -F file=@form.pdf http://127.0.0.1:8038/v1/faxes")
        until(lambda: "page_number" in w.run("curl -s http://127.0.0.1:8038/v1/sessions"), LIMIT_S)

    def with_tokens() -> None:
        w.ports[FAR] = guarded.url.rstrip("/")

    def with_none() -> None:
        w.ports[FAR] = far_url

    before: dict[str, Callable[[], None]] = {
        "curl -s http://127.0.0.1:8038/v1/faxes/3dcba": lambda: ended("3dcba598d0c7a71ddd58b61a"),
        "curl -s -o in.pdf": received,
        "-X DELETE http://127.0.0.1:8038/v1/faxes/9c52": put_off("9c52cc781c97520e98e271b7"),
        "not_before": put_off("560c5724e7e4fd8ef0b66227"),
        "application/yaml": free,
        "/v1/swml/203e": lambda: until(
            lambda: curl(w, "http://127.0.0.1:8038/v1/swml/203e4bd5027f99dceb5954a3")["state"] == "ended"
        ),
        "/v1/sessions": on_the_line,
        "curl -s http://127.0.0.1:8039/v1/faxes": with_tokens,
        "jobs a8b01c": put_off("a8b01ce5a6458de727c33d92"),
        "softfax cancel": put_off("560c5724e7e4fd8ef0b66227"),
    }
    done: set[str] = set()
    wrong: list[str] = []
    for command, shown in commands():
        for words, prepare in before.items():
            if (words in command if not words.endswith("/v1/faxes") else command == words) and words not in done:
                done.add(words)
                try:
                    prepare()
                except AssertionError:
                    wrong.append(f"{words}: what it needs does not come")
        if "jobs a8b01c" in command:
            w.run(
                'curl -s --json \'{"not_before":"2026-01-01T00:00:00Z"}\' -X PATCH http://127.0.0.1:8038/v1/faxes/a8b01ce5a6458de727c33d92'
            )
        try:
            check(w, command, shown, w.run(command))
        except (AssertionError, ValueError) as error:
            wrong.append(f"{command}: {error}")
    with_none()
    assert not wrong, "\n\n".join(wrong)
    assert len(done) == len(before)


def test_the_clients_example_prints_what_is_shown(walk: tuple[Walk, Served, Served]) -> None:
    w, near, _ = walk
    example, shown = re.findall(r"## Python\n\n((?:    .*\n|\n)+?)\nprints\n\n((?:    .*\n)+)", PAGE)[0]
    code = re.sub(r"^    ", "", example, flags=re.M).replace(NEAR, near.url.rstrip("/"))
    shutil.copytree(REPOSITORY / "samples", w.folder / "samples", dirs_exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=w.folder, capture_output=True, text=True, timeout=LIMIT_S, check=False,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "src")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr

    def words(text: str) -> list[str]:
        return [re.sub(r"^\d+ ", "", line.strip()) for line in text.strip().splitlines()]

    assert words(done.stdout) == words(shown)
    assert (w.folder / "out.pdf").read_bytes().startswith(b"%PDF")
