# SPDX-License-Identifier: GPL-2.0-or-later
"""Docstrings, comments and messages are in the plain English of docs/contributing.md, as far as words can be looked for."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = REPOSITORY / "src" / "softfax"
#: Made by SWIG.
GENERATED = {"_native"}
#: A docstring begins with a verb or a noun.
FIRST = re.compile(
    r"(What|Who|Whom|Whose|Whether|That|Which|Where|When|How|Why|There|It|Those|The same|As|Of|In|By|From|For|Nothing|Until)\b"
)
WORDS = re.compile(
    r"\b(whoever|whomever|somebody|anybody|no such thing|what is said|is told|are told|was told|be told)\b", re.I
)
#: Python 3.12 has tokens of their own for the text in f-strings.
TEXT = {tokenize.STRING, tokenize.COMMENT, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}
SOURCES = sorted(path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).parts[0] not in GENERATED)
BESIDES = sorted(path for name in ("tests", "tools", "bench", "samples") for path in (REPOSITORY / name).rglob("*.py"))


def docstrings(source: str) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield getattr(node, "lineno", 1), ast.get_docstring(node) or ""


@pytest.mark.parametrize("path", [*SOURCES, *BESIDES], ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_a_docstring_begins_with_a_verb_or_a_noun(path: Path) -> None:
    found = [f"{line}: {text[:60]}" for line, text in docstrings(path.read_text()) if FIRST.match(text)]
    assert found == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_words_that_are_not_ours(path: Path) -> None:
    found = [
        f"{token.start[0]}: {token.string[:60]}"
        for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline)
        if token.type in TEXT and WORDS.search(token.string)
    ]
    assert found == []
