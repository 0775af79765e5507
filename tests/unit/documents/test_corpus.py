# SPDX-License-Identifier: GPL-2.0-or-later
"""The corpus that `make corpus` reads has documents of every kind, and each of them opens; what is on them is read there."""

from __future__ import annotations

from pathlib import Path

import pytest

from softfax.documents.load import open_document
from softfax.documents.sources import gather
from softfax.documents.types import DocumentLimits
from tests.corpus import DOCUMENTS, Item, damaged, office, others, pdfs, pictures
from tests.corpus.measure import write

KINDS = (damaged, office, others, pdfs, pictures)
WRITTEN = [item for item in DOCUMENTS if not item.needs]


def test_there_are_many_and_each_has_a_name_of_its_own() -> None:
    names = [item.name for item in DOCUMENTS]
    assert len(names) >= 60
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("item", WRITTEN, ids=lambda item: item.name)
def test_it_opens(tmp_path: Path, item: Item) -> None:
    sources = gather([write(item, tmp_path)], tmp_path / "work", limits=DocumentLimits(), password=item.password)
    assert all(len(open_document(source, DocumentLimits())) >= 1 for source in sources)
