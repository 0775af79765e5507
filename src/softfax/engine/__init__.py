# SPDX-License-Identifier: GPL-2.0-or-later
"""Binding to the native engine: T.30 over G.711 and T.38, on threads and a clock of its own."""

from softfax.engine._abi import (
    DisVerdict,
    ErrorCorrection,
    EventType,
    HeardKind,
    Lacks,
    SessionStats,
    Signal,
    SrtpSuite,
)
from softfax.engine.core import (
    Engine,
    EngineEvent,
    EngineSession,
    LineSettings,
    PageFormat,
    PagePreview,
    T30Settings,
    ThreadLoad,
    UdptlSettings,
    completion_text,
    run_line,
)
from softfax.engine.gateway import Gateway, LegSettings, run_gateway_line
from softfax.engine.listener import Listener, write_page
from softfax.engine.srtp import SrtpSettings

__all__ = [
    "DisVerdict",
    "Engine",
    "EngineEvent",
    "EngineSession",
    "ErrorCorrection",
    "EventType",
    "Gateway",
    "HeardKind",
    "Lacks",
    "LegSettings",
    "LineSettings",
    "Listener",
    "PageFormat",
    "PagePreview",
    "SessionStats",
    "Signal",
    "SrtpSettings",
    "SrtpSuite",
    "T30Settings",
    "ThreadLoad",
    "UdptlSettings",
    "completion_text",
    "run_gateway_line",
    "run_line",
    "write_page",
]
