# SPDX-License-Identifier: GPL-2.0-or-later
"""The page's words and files, without a browser."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from softfax.model import Cause, FaxState

STATIC = Path(__file__).parents[2] / "src/softfax/web/static"
SOURCES = [p for p in STATIC.rglob("*.js") if "vendor" not in p.parts]
CODE = "\n".join(path.read_text() for path in SOURCES)
LANGUAGES = sorted(path.stem for path in (STATIC / "lang").glob("*.json"))


def words(language: str) -> dict[str, str | dict[str, str]]:
    return dict(json.loads((STATIC / f"lang/{language}.json").read_text()))


def shown(value: str | dict[str, str]) -> str:
    return value if isinstance(value, str) else " ".join(value.values())


def test_languages_are_there() -> None:
    assert LANGUAGES == ["en", "fa"]


def test_every_key_of_the_code_has_words() -> None:
    used = set(re.findall(r'\bt\(\s*"([^"]+)"', CODE))
    # A choice between two keys: t(x ? "a.b" : "c.d")
    for call in re.findall(r"\bt\(([^()`]*\?[^()`]*)", CODE):
        used |= set(re.findall(r'"([a-z]+\.[\w.-]+)"', call))
    assert not used - set(words("en"))
    prefixes = set(re.findall(r"\bt\(`([^`$]+)\$\{", CODE))
    assert all(any(key.startswith(prefix) for key in words("en")) for prefix in prefixes)


def test_every_state_and_cause_of_a_fax_has_words() -> None:
    for state in FaxState:
        assert f"state.{state}" in words("en")
    for cause in Cause:
        assert {f"cause.{cause}.what", f"cause.{cause}.do"} <= set(words("en"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_language_lacks_a_key(language: str) -> None:
    english, other = words("en"), words(language)
    assert set(other) == set(english)
    for key, value in english.items():
        assert type(other[key]) is type(value), key
        assert set(re.findall(r"\{\w+\}", shown(other[key]))) == set(re.findall(r"\{\w+\}", shown(value))), key
        assert shown(other[key]).strip(), key


def test_nothing_inline_and_no_other_host() -> None:
    html = (STATIC / "index.html").read_text()
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon\w+=", html)
    assert not re.search(r"https?://", html)
    for path in [*SOURCES, *(STATIC / "css").glob("*.css")]:
        found = re.findall(r"https?://[\w.]+|@import|url\(", path.read_text())
        assert not [f for f in found if f not in ("url(",) or path.suffix == ".css"], path.name
        assert not re.search(r'style="|innerHTML|\beval\(|new Function', path.read_text()), path.name


def test_files_are_small_and_say_their_licence() -> None:
    for path in [*SOURCES, *(STATIC / "css").glob("*.css")]:
        text = path.read_text()
        assert "SPDX-License-Identifier: GPL-2.0-or-later" in text.split("\n", 1)[0], path.name
        assert text.count("\n") < 500, path.name


def test_vendored_files_are_named() -> None:
    readme = (STATIC / "vendor/README.md").read_text()
    for path in (STATIC / "vendor").iterdir():
        assert path.name in readme or path.name == "README.md"
