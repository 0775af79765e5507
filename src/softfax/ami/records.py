# SPDX-License-Identifier: GPL-2.0-or-later
"""The FAXSession record as fields of the manager interface."""

from __future__ import annotations

from softfax.model import Operation, SessionEvent

__all__ = ["session_fields"]


def session_fields(session: SessionEvent, file_name: str) -> list[tuple[str, str]]:
    """The fields of FAXSession. A statistic the record has not is absent; `file_name` is the name outsiders know."""
    gateway = session.operation is Operation.GATEWAY
    values: list[tuple[str, object | None]] = [
        ("SessionNumber", session.session_number),
        ("Operation", session.operation.value),
        ("State", session.state.value),
        ("ErrorCorrectionMode", _yes(session.error_correction_mode, gateway)),
        ("DataRate", session.data_rate),
        ("ImageResolution", session.image_resolution),
        ("PageNumber", session.page_number),
        ("FileName", None if session.file_name is None else file_name or session.file_name),
        ("PagesTransmitted", session.pages_transmitted),
        ("PagesReceived", session.pages_received),
        ("TotalBadLines", session.total_bad_lines),
    ]
    return [(key, str(value)) for key, value in values if value is not None]


def _yes(ecm: bool | None, gateway: bool) -> str | None:
    """Asterisk writes a gateway's in small letters."""
    if ecm is None:
        return None
    word = "Yes" if ecm else "No"
    return word.lower() if gateway else word
