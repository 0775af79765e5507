# SPDX-License-Identifier: GPL-2.0-or-later
"""Asterisk's FAXSession: which of its fields are there when, and how they are written."""

from __future__ import annotations

from dataclasses import replace

from softfax.model import Operation, SessionEvent, SessionState

__all__ = ["present", "session_fields"]

_FAXING = (Operation.SEND, Operation.RECEIVE)


def present(record: SessionEvent) -> SessionEvent:
    """The record without what Asterisk leaves out: every statistic while Uninitialized; ErrorCorrectionMode, DataRate and
    PageNumber of what neither faxes nor is a gateway; the rest of what does not fax. PagesTransmitted is 0 when receiving, and
    the reverse.
    """
    set_up = record.state is not SessionState.UNINITIALIZED
    faxing = set_up and record.operation in _FAXING
    negotiates = faxing or (set_up and record.operation is Operation.GATEWAY)
    return replace(
        record,
        error_correction_mode=record.error_correction_mode if negotiates else None,
        data_rate=record.data_rate if negotiates else None,
        page_number=record.page_number if negotiates else None,
        image_resolution=record.image_resolution if faxing else None,
        file_name=record.file_name if faxing else None,
        pages_transmitted=(record.pages_transmitted if record.operation is Operation.SEND else 0) if faxing else None,
        pages_received=(record.pages_received if record.operation is Operation.RECEIVE else 0) if faxing else None,
        total_bad_lines=record.total_bad_lines if faxing else None,
    )


def session_fields(record: SessionEvent, file_name: str = "") -> list[tuple[str, str]]:
    """The fields of the AMI event FAXSession in order; `file_name` is the name outsiders know, where it is another."""
    session = present(record)
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
    """`Yes` of a fax, `yes` of a gateway: Asterisk's two spellings."""
    if ecm is None:
        return None
    word = "Yes" if ecm else "No"
    return word.lower() if gateway else word
