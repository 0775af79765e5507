# SPDX-License-Identifier: GPL-2.0-or-later
"""One measurement: N calls of one system in one mode, and how it is shown."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

__all__ = ["Measurement", "Side", "table"]

MODES = {"t38": "T.38", "audio": "G.711"}


@dataclass
class Side:
    """The process at one end of all the calls. `engine_cpu_s` is the part of softfax's native threads."""

    cpu_s: float
    memory_begin_bytes: int = 0
    memory_peak_bytes: int = 0
    engine_cpu_s: float | None = None


@dataclass
class Measurement:
    """`call_s` are the seconds from answer to end of each call; CPU time counts from before the first call to after the
    last one's end."""

    system: str
    mode: str
    calls: int
    pages: int
    sender: Side
    receiver: Side
    call_s: list[float] = field(default_factory=list)
    went_through: int = 0
    identical: int = 0
    wall_s: float = 0.0
    other_cpu_s: float = 0.0
    """CPU time that the rest of the machine took meanwhile: far from zero, the measurement was disturbed."""
    notes: list[str] = field(default_factory=list)

    def percent(self, side: Side) -> float:
        """CPU of one side in percent of a core per call, over the time the calls were up."""
        return 100 * side.cpu_s / sum(self.call_s) if self.call_s else float("nan")

    @property
    def mean_percent(self) -> float:
        return (self.percent(self.sender) + self.percent(self.receiver)) / 2

    def memory_per_call(self, side: Side) -> float:
        """Bytes a call."""
        return (side.memory_peak_bytes - side.memory_begin_bytes) / self.calls

    @property
    def whole(self) -> bool:
        """Every call went through and every page is identical."""
        return self.went_through == self.identical == self.calls

    def to_json(self) -> dict[str, object]:
        out: dict[str, object] = {
            "system": self.system,
            "mode": self.mode,
            "calls": self.calls,
            "pages": self.pages,
            "went_through": self.went_through,
            "identical": self.identical,
            "call_s_median": round(statistics.median(self.call_s), 2) if self.call_s else None,
            "call_s_max": round(max(self.call_s), 2) if self.call_s else None,
            "wall_s": round(self.wall_s, 2),
            "other_cpu_s": round(self.other_cpu_s, 2),
            "cpu_percent_mean": round(self.mean_percent, 4),
            "notes": self.notes,
        }
        for name, side in (("sender", self.sender), ("receiver", self.receiver)):
            out[name] = {
                "cpu_s": round(side.cpu_s, 3),
                "engine_cpu_s": None if side.engine_cpu_s is None else round(side.engine_cpu_s, 3),
                "cpu_percent_per_call": round(self.percent(side), 4),
                "memory_begin_bytes": side.memory_begin_bytes,
                "memory_peak_bytes": side.memory_peak_bytes,
                "memory_bytes_per_call": round(self.memory_per_call(side)),
            }
        return out


HEAD = (
    "",
    "calls",
    "",
    "call s",
    "sender %",
    "receiver %",
    "mean %",
    "x limit",
    "MB a call",
    "identical",
    "other CPU s",
)


def table(measurements: Iterable[Measurement]) -> str:
    """All measurements by mode and number of calls, as Markdown."""
    ordered = sorted(measurements, key=lambda m: (m.mode != "t38", m.system != "spandsp in memory", m.calls))
    limit = {m.mode: m.mean_percent for m in ordered if m.system == "spandsp in memory"}
    rows: list[Sequence[str]] = [HEAD]
    for m in ordered:
        memory = max(m.memory_per_call(m.sender), m.memory_per_call(m.receiver)) / 1e6
        rows.append(
            (
                MODES[m.mode],
                str(m.calls),
                m.system,
                f"{statistics.median(m.call_s):.1f}" if m.call_s else "-",
                f"{m.percent(m.sender):.3f}",
                f"{m.percent(m.receiver):.3f}",
                f"{m.mean_percent:.3f}",
                f"{m.mean_percent / limit[m.mode]:.1f}" if m.mode in limit else "",
                f"{memory:.2f}" if m.sender.memory_peak_bytes else "",
                f"{m.identical} of {m.calls}",
                f"{m.other_cpu_s:.1f}",
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEAD))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)
