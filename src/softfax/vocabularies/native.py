# SPDX-License-Identifier: GPL-2.0-or-later
"""The JSON lines of softfax itself, with the ids and numbers of the fax beside them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

from softfax.asjson import without_paths
from softfax.model import FaxResult, FaxUpdate
from softfax.vocabularies.callback import CallbackBody

__all__ = ["DIALECT", "callbacks"]

DIALECT = "json"


def callbacks(update: FaxUpdate) -> Iterator[CallbackBody]:
    """Every event, as `softfax --json` prints it, with `fax_id`, `caller`, `called` and the tags of the fax."""
    context = update.context
    body = without_paths(update.event.to_json())
    body["fax_id"] = context.fax_id
    # Of the event alone: what is known beside it may be more the second time.
    digest = hashlib.sha256(json.dumps(body, sort_keys=True, default=str).encode()).hexdigest()[:12]
    body["caller"], body["called"] = context.caller_number, context.called_number
    if context.tags:
        body["tags"] = dict(context.tags)
    if context.document_url is not None and update.event.event == FaxResult.event:
        body["document_url"] = context.document_url
    yield CallbackBody(body, f"{context.fax_id}-{update.event.event}-{digest}", update.event.event)
