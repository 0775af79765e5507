# SPDX-License-Identifier: GPL-2.0-or-later
"""T.30 between two others: what each says becomes entries, pages, and faults in words. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from softfax.fax import t30
from softfax.resolutions import ACROSS_PER_METRE, DOWN_PER_METRE

__all__ = ["CapturedEntry", "CapturedPage", "FaxConversation"]

ENTRIES_MAX = 20000
PAGE_BYTES_MAX = 8 << 20
PAGES_MAX = 2000
CALLER, ANSWERER = 0, 1
_WIDTHS = {"A4": (1728, 2592, 3456), "B4": (2048, 3072, 4096), "A3": (2432, 3648, 4864)}
_CODES = {"MH": 1, "MR": 2, "MMR": 3}
_COMMANDS = {"DIS", "DTC", "DCS", "MPS", "EOM", "EOP", "CTC", "EOR", "RR", "PPS"}


@dataclass(frozen=True)
class CapturedEntry:
    """One thing that was said. `side` is 0 for the caller, 1 for the answerer, None for neither."""

    time_us: int
    side: int | None
    kind: str
    title: str
    detail: str = ""


@dataclass(frozen=True)
class CapturedPage:
    """A page as its data were on the line; `verdict` is confirmed, refused or unanswered."""

    number: int
    data: bytes
    encoding: int
    width: int
    x_dpm: int
    y_dpm: int
    verdict: str


@dataclass
class FaxConversation:
    """One fax between two others. `expects` gets the modem a side uses next: DCS bits (None for none), short training, frames."""

    expects: Callable[[int, int | None, bool, bool], None] = lambda *_: None
    entries: list[CapturedEntry] = field(default_factory=list)
    pages: list[CapturedPage] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    commanded: bool = False
    trained: bool = False
    idents: dict[int, str] = field(default_factory=dict)
    rate: str = ""
    _sender: int = CALLER
    _dcs: dict[str, str] = field(default_factory=dict)
    _rate_bits: int = 0
    _ecm: bool = False
    _block: dict[int, bytes] = field(default_factory=dict)
    _page: bytearray = field(default_factory=bytearray)
    _pps: tuple[str, int] | None = None
    _command: str = ""
    _said_again: dict[str, int] = field(default_factory=dict)
    _again: int = 0
    _trainings_failed: int = 0
    _resent: int = 0
    _rates: list[str] = field(default_factory=list)
    _last_confirmed: bool = False
    _frames_seen: int = 0
    _damaged: int = 0
    _refused: int = 0

    def note(self, time_us: int, side: int | None, kind: str, title: str, detail: str = "") -> None:
        """Add an entry."""
        if len(self.entries) < ENTRIES_MAX:
            self.entries.append(CapturedEntry(time_us, side, kind, title, detail))

    def signal(self, time_us: int, side: int, name: str) -> None:
        """A signal that is no frame."""
        self.note(time_us, side, "signal", name)

    def damaged(self, time_us: int, side: int) -> None:
        """A frame whose checksum is wrong."""
        self._damaged += 1
        self.note(time_us, side, "t30", "a damaged frame", "its checksum is wrong; the far end cannot read it")

    def image(self, side: int, octets: bytes) -> None:
        """A frame of the modem of the page."""
        if len(octets) > 4 and octets[2] & 0x7F == 0x06 and side == self._sender:
            self._block[octets[3]] = octets[4:]

    def data(self, side: int, octets: bytes) -> None:
        """Data of a page without error correction; before CFR they are the training check."""
        if self.trained and side == self._sender and not self._ecm and len(self._page) < PAGE_BYTES_MAX:
            self._page += octets

    def frame(self, time_us: int, side: int, octets: bytes) -> None:
        """A control frame."""
        frame = t30.decode(octets)
        if frame.name in ("FCD", "RCP"):
            self.image(side, octets)
            return
        self._frames_seen += 1
        fields = "; ".join(f"{key} {value}" for key, value in frame.fields.items())
        self.note(time_us, side, "t30", frame.name, ": ".join(filter(None, (frame.meaning, fields))))
        name = "PPS" if frame.name.startswith("PPS") else frame.name
        if name in ("CSI", "TSI", "CIG"):
            self.idents[side] = frame.fields.get("says", "")
        if name in _COMMANDS:
            self._count_again(frame.name)
        handler = getattr(self, f"_on_{name.lower().replace('-', '_')}", None)
        if handler is not None:
            handler(side, frame, octets)
        if name not in _COMMANDS and name not in ("CSI", "TSI", "NSF", "NSS", "CIG", "CRP"):
            self._command = ""

    def _count_again(self, name: str) -> None:
        if name == self._command:
            self._said_again[name] = self._said_again.get(name, 0) + 1
        self._command = name

    # ---- frames --------------------------------------------------------------------------------------------------

    def _on_dcs(self, side: int, frame: t30.Frame, octets: bytes) -> None:
        self.commanded, self.trained, self._sender = True, False, side
        self._dcs = frame.fields
        self._ecm = frame.fields.get("ECM", "no") != "no"
        self.rate = frame.fields.get("rate", "?")
        self._rate_bits = octets[4] >> 2 & 15 if len(octets) > 4 else 0
        if not self._rates or self._rates[-1] != self.rate:
            self._rates.append(self.rate)
        self._block.clear()
        self._page.clear()
        self.expects(side, self._rate_bits, False, False)

    def _image_next(self, *, short: bool = True) -> None:
        self.expects(self._sender, self._rate_bits, short, self._ecm)

    def _on_cfr(self, side: int, frame: t30.Frame, octets: bytes) -> None:
        self.trained = True
        self._image_next()

    def _on_ftt(self, side: int, frame: t30.Frame, octets: bytes) -> None:
        self._trainings_failed += 1
        self.expects(self._sender, None, False, False)

    def _on_pps(self, side: int, frame: t30.Frame, octets: bytes) -> None:
        self._pps = frame.name.removeprefix("PPS-"), octets[6] + 1 if len(octets) > 6 else 0
        self.expects(side, None, False, False)

    def _end_of_page(self, side: int, frame: t30.Frame, octets: bytes) -> None:
        self._pps = None
        self.expects(side, None, False, False)

    _on_mps = _on_eom = _on_eop = _on_pri_mps = _on_pri_eom = _on_pri_eop = _end_of_page

    def _on_ppr(self, side: int, frame: t30.Frame, octets: bytes) -> None:
        self._resent += sum(1 for number in self._block if octets[3 + number // 8 : 4 + number // 8] and
                            octets[3 + number // 8] >> number % 8 & 1)  # fmt: skip
        self._again += 1
        self._image_next()

    def _on_ctr(self, side: int, frame: t30.Frame, octets: bytes) -> None:
        self._image_next(short=False)

    def _on_ctc(self, side: int, frame: t30.Frame, octets: bytes) -> None:
        self._rate_bits = octets[4] >> 2 & 15 if len(octets) > 4 else self._rate_bits

    def _on_mcf(self, side: int, frame: t30.Frame, octets: bytes) -> None:
        then = self._pps[0] if self._pps else self._command
        if self._pps:
            self._page += b"".join(octets for _, octets in sorted(self._block.items()))
            self._block.clear()
        if then != "NULL":
            self._finish_page("confirmed")
        self._last_confirmed = then in ("EOP", "PRI-EOP")
        self._pps = None
        if then in ("NULL", "MPS", "PRI-MPS"):
            self._image_next()

    _on_rtp = _on_mcf

    def _on_rtn(self, side: int, frame: t30.Frame, octets: bytes) -> None:
        self._refused += 1
        self._finish_page("refused")

    def _on_dcn(self, side: int, frame: t30.Frame, octets: bytes) -> None:
        self.expects(self._sender, None, False, False)

    # ---- pages and faults ----------------------------------------------------------------------------------------

    def _finish_page(self, verdict: str) -> None:
        if self._page and len(self.pages) < PAGES_MAX:
            x, _, y = self._dcs.get("resolution", "204x98").partition("x")
            scale = {"204": 0, "300": 1, "408": 2}.get(x, 0)
            widths = _WIDTHS.get(self._dcs.get("width", "A4"), _WIDTHS["A4"])
            self.pages.append(
                CapturedPage(
                    1 + sum(page.verdict == "confirmed" for page in self.pages), bytes(self._page),
                    _CODES.get(self._dcs.get("code", "MH"), 1), widths[scale], ACROSS_PER_METRE[int(x)], DOWN_PER_METRE[int(y)],
                    verdict,
                )
            )  # fmt: skip
        self._page.clear()

    @property
    def delivered(self) -> bool:
        """True if the last page was confirmed."""
        return self._last_confirmed

    def finish(self) -> None:
        """Judge what was heard: faults in words."""
        if self._block or self._page:
            self._page += b"".join(octets for _, octets in sorted(self._block.items()))
            self._finish_page("unanswered")
        say = self.faults.append
        if not self._frames_seen:
            return
        if not self.commanded:
            say("No DCS was said: the fax never began. One side did not hear the other, or was no fax.")
        elif not self.trained:
            say("No training check was answered by CFR: the fax never got to its first page.")
        if self._trainings_failed:
            rates = f"; the rate went {' → '.join(self._rates)}" if len(self._rates) > 1 else ""
            say(
                f"Training failed {_times(self._trainings_failed)} (FTT): the line is worse than the modems need{rates}."
            )
        if self._again:
            say(f"Frames were missing {_times(self._again)} (PPR): {self._resent} of them were sent again.")
        if self._refused:
            say(f"A page was refused {_times(self._refused)} (RTN): it had too many bad rows.")
        for name, count in self._said_again.items():
            say(f"{name} was said again {_times(count)}: what was said first was not heard, or its answer was not.")
        if self._damaged:
            say(f"{self._damaged} control frames were damaged on their way here.")
        if self.commanded and not self._last_confirmed:
            say("The last page was never confirmed: the sender cannot know that it came.")


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")
