# SPDX-License-Identifier: GPL-2.0-or-later
"""T.30 control frames in words: names and fields (ITU-T T.30 §5.3.6, table 2). Takes any octets."""

from __future__ import annotations

from dataclasses import dataclass, field

from softfax.engine.listener import maker_of
from softfax.outside import clean

__all__ = ["Frame", "decode", "dis_bit"]

#: Facsimile control fields as T.30 §5.3.6.1 writes them; in all but the first octets of DTC's kind the top bit is X, which tells
#: who was the last to get a DIS.
_COMMANDS = {
    0x01: "DIS", 0x02: "CSI", 0x04: "NSF",
    0x81: "DTC", 0x82: "CIG", 0x84: "NSC", 0x83: "PWD", 0x85: "SEP", 0x86: "PSA",
    0x87: "CIA", 0x88: "ISP",
    0x41: "DCS", 0x42: "TSI", 0x44: "NSS", 0x43: "SUB", 0x45: "SID", 0x46: "TSA", 0x47: "IRA",
    0x24: "CSA",
    0x21: "CFR", 0x22: "FTT",
    0x71: "EOM", 0x72: "MPS", 0x74: "EOP", 0x79: "PRI-EOM", 0x7A: "PRI-MPS", 0x7C: "PRI-EOP", 0x78: "EOS",
    0x31: "MCF", 0x33: "RTP", 0x32: "RTN", 0x35: "PIP", 0x34: "PIN",
    0x3D: "PPR", 0x37: "RNR", 0x38: "ERR", 0x23: "CTR", 0x48: "CTC", 0x73: "EOR", 0x76: "RR", 0x7D: "PPS",
    0x3F: "FDM", 0x53: "FNV", 0x57: "TNR", 0x77: "TR", 0x58: "CRP", 0x5F: "DCN", 0x61: "RCP", 0x60: "FCD",
}  # fmt: skip
_MEANINGS = {
    "DIS": "what the receiver can do", "DTC": "what the receiver can do, and wants to fetch", "DCS": "what the sender has chosen",
    "CSI": "the receiver's identity", "TSI": "the sender's identity", "CIG": "the fetching side's identity",
    "NSF": "the maker's own features", "NSS": "the maker's own set-up", "NSC": "the maker's own command",
    "CFR": "training was good", "FTT": "training failed", "MCF": "page confirmed", "RTP": "page confirmed, train again",
    "RTN": "page refused, train again", "MPS": "end of page, another follows", "EOM": "end of page, back to phase B",
    "EOP": "end of the last page", "PPS": "end of a block of frames", "PPR": "frames are missing", "CTC": "goes on with the rest",
    "CTR": "agreed", "EOR": "gives up on the rest", "ERR": "agreed", "RNR": "not ready", "RR": "ready?",
    "DCN": "hangs up", "CRP": "say it again", "FCD": "image frame", "RCP": "end of image frames", "PWD": "password",
    "SUB": "subaddress", "SID": "the sender's number", "SEP": "which document is fetched", "PSA": "part of a document to fetch",
    "PIP": "page confirmed, wants the operator", "PIN": "page refused, wants the operator",
    "PRI-MPS": "end of page, another follows, wants the operator", "PRI-EOM": "end of page, back to phase B, wants the operator",
    "PRI-EOP": "end of the last page, wants the operator",
    "CSA": "the receiver's internet address", "TSA": "the sender's internet address",
    "CIA": "the fetching side's internet address",
    "IRA": "internet address for this fax", "ISP": "internet address of what is fetched",
}  # fmt: skip
#: Frames that carry digits, last one first (T.30 §5.3.6.2.4).
_TEXTS = {"CSI", "TSI", "CIG", "PWD", "SUB", "SEP", "SID", "PSA"}
#: Frames that carry an internet address, and its kinds (T.30 §5.3.6.2.12): a number, a kind, a length, the address.
_ADDRESSES = {"CSA", "TSA", "CIA", "IRA", "ISP"}
_SAID_BESIDE = ((47, "SEP"), (49, "SUB"), (50, "SID or PWD"))
_KINDS = {1: "e-mail", 2: "URL", 3: "IPv4", 4: "IPv6", 5: "telephone number"}
#: Bits 11 to 14 of a DCS (table 2).
_RATES = {0: "2400 V.27ter", 1: "9600 V.29", 2: "4800 V.27ter", 3: "7200 V.29", 8: "14400 V.17", 10: "12000 V.17",
          9: "9600 V.17", 11: "7200 V.17"}  # fmt: skip
#: Resolutions that machines say and softfax does not do.
_MORE_LINES = ((105, "600x600"), (106, "1200x1200"), (107, "300x600"), (108, "400x800"), (109, "600x1200"))
_MODEMS = {
    0: "V.27ter 2400",
    1: "V.29",
    2: "V.27ter",
    3: "V.27ter, V.29",
    11: "V.27ter, V.29, V.17",
    7: "V.27ter, V.29, V.33",
}
_WIDTHS = {0: "A4", 1: "A4, B4", 2: "A4, B4, A3", 3: "impossible"}
_DCS_WIDTHS = {0: "A4", 1: "B4", 2: "A3", 3: "impossible"}
_LENGTHS = {0: "A4", 1: "B4", 2: "any", 3: "impossible"}
_SCAN_MS = {0: "20 ms", 1: "5 ms", 2: "10 ms", 3: "20/10 ms", 4: "40 ms", 5: "40/20 ms", 6: "10/5 ms", 7: "0 ms"}
TEXT_MAX = 40
ADDRESS_MAX = 77


@dataclass(frozen=True)
class Frame:
    """A frame: its name, what it means, and its fields, in order."""

    name: str
    meaning: str = ""
    fields: dict[str, str] = field(default_factory=dict)


def decode(frame: bytes) -> Frame:
    """Decodes a frame from its address octet (0xFF) on, the bit that was sent first being the lowest of an octet; without its
    check sequence, and also if it was cut short.
    """
    if len(frame) < 3:
        return Frame("?", f"{len(frame)} octets")
    control = _mirrored(frame[2])
    name = _COMMANDS.get(control if 0x81 <= control <= 0x88 else control & 0x7F, "?")
    body = frame[3:]
    fields: dict[str, str] = {}
    if name in ("DIS", "DTC"):
        fields = _dis(body)
    elif name == "DCS":
        fields = _dcs(body)
    elif name in _TEXTS:
        fields = {"says": "not shown" if name == "PWD" else _text(body)}
    elif name in _ADDRESSES and len(body) >= 3:
        said = clean(body[3 : 3 + min(body[2], ADDRESS_MAX)].decode("ascii", "replace"))
        fields = {"kind": _KINDS.get(body[1], f"code {body[1]}"), "says": said}
    elif name in ("NSF", "NSS", "NSC"):
        fields = {"maker": maker_of(body), "octets": body[:16].hex(" ")}
    elif name == "PPS":
        name, fields = _pps(body)
    elif name == "PPR":
        missing = [str(8 * i + bit) for i, octet in enumerate(body[:32]) for bit in range(8) if octet >> bit & 1]
        fields = {"missing": ", ".join(missing[:40]) + (" …" if len(missing) > 40 else ""), "count": str(len(missing))}
    elif name == "CTC" and len(body) >= 2:
        fields = {"rate": _RATES.get(_bits(body, 11, 4), "?")}
    elif name == "EOR" and body:
        fields = {"then": _COMMANDS.get(_mirrored(body[0]) & 0x7F, "nothing")}
    elif name == "FCD" and body:
        fields = {"frame": str(body[0]), "octets": str(len(body) - 1)}
    elif name == "?":
        fields = {"octets": frame[:16].hex(" ")}
    meaning = _MEANINGS.get("PPS" if name.startswith("PPS") else name, "")
    return Frame(name, meaning, {key: value for key, value in fields.items() if value})


def _mirrored(octet: int) -> int:
    """An octet as T.30 writes it: the bit sent first on the left."""
    return int(f"{octet:08b}"[::-1], 2)


def dis_bit(body: bytes, number: int) -> bool:
    """A bit of the field of a DIS, DTC or DCS as table 2 counts, from 1, the lowest of an octet first."""
    octet = (number - 1) // 8
    return octet < len(body) and bool(body[octet] >> (number - 1) % 8 & 1)


def _bits(body: bytes, first: int, count: int) -> int:
    return sum(dis_bit(body, first + i) << i for i in range(count))


def _lines(body: bytes) -> str:
    """Resolutions."""
    names = ["204x98"]
    for number, name in ((15, "204x196"), (41, "204x391"), (42, "300x300"), (43, "408x391"), *_MORE_LINES):
        if dis_bit(body, number):
            names.append(name)
    return ", ".join(names)


def _codes(body: bytes) -> str:
    names = ["MH"]
    for number, name in ((16, "MR"), (31, "MMR"), (78, "JBIG"), (68, "JPEG")):
        if dis_bit(body, number):
            names.append(name)
    return ", ".join(names)


def _dis(body: bytes) -> dict[str, str]:
    return {
        "takes faxes": "yes" if dis_bit(body, 10) else "no",
        "has faxes to fetch": "yes" if dis_bit(body, 9) else "",
        "modems": _MODEMS.get(_bits(body, 11, 4), f"code {_bits(body, 11, 4)}"),
        "resolutions": _lines(body),
        "widths": _WIDTHS[_bits(body, 17, 2)],
        "lengths": _LENGTHS[_bits(body, 19, 2)],
        "codes": _codes(body),
        "ECM": "yes" if dis_bit(body, 27) else "no",
        "a row takes": _SCAN_MS[_bits(body, 21, 3)],
        "also takes": ", ".join(name for number, name in _SAID_BESIDE if dis_bit(body, number)),
        "T.37": "yes" if dis_bit(body, 1) else "",
        "T.38": "yes" if dis_bit(body, 3) else "",
    }


def _dcs(body: bytes) -> dict[str, str]:
    resolution = "204x196" if dis_bit(body, 15) else "204x98"
    for number, name in ((41, "204x391"), (42, "300x300"), (43, "408x391")):
        if dis_bit(body, number):
            resolution = name
    code = "MMR" if dis_bit(body, 31) else "MR" if dis_bit(body, 16) else "MH"
    ecm = dis_bit(body, 27)
    return {
        "rate": _RATES.get(_bits(body, 11, 4), f"code {_bits(body, 11, 4)}"),
        "resolution": resolution,
        "width": _DCS_WIDTHS[_bits(body, 17, 2)],
        "length": _LENGTHS[_bits(body, 19, 2)],
        "code": code,
        "ECM": (f"yes, frames of {64 if dis_bit(body, 28) else 256}") if ecm else "no",
        "a row takes": "" if ecm else _SCAN_MS[_bits(body, 21, 3)],
    }


def _pps(body: bytes) -> tuple[str, dict[str, str]]:
    """PPS-NULL, -MPS, -EOM, -EOP with page, block and number of frames (T.30 annex A §A.4.3)."""
    if not body:
        return "PPS", {}
    then = {0x00: "NULL", 0x71: "EOM", 0x72: "MPS", 0x74: "EOP", 0x78: "EOS"}.get(_mirrored(body[0]) & 0x7F, "?")
    fields = {}
    if len(body) >= 4:
        fields = {"page": str(body[1] + 1), "block": str(body[2] + 1), "frames": str(body[3] + 1)}
    return f"PPS-{then}", fields


def _text(body: bytes) -> str:
    """Digits and letters, sent last one first; filled up with blanks."""
    return clean(bytes(reversed(body[:TEXT_MAX])).decode("ascii", "replace").strip(" \0"))
