# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes e-mails as Outlook saves them: a compound file ([MS-CFB]) of properties ([MS-OXMSG])."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

SECTOR, MINI, CUTOFF = 512, 64, 4096
FREE, END, FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD

Tree = dict[str, Any]
"""Streams as bytes, storages as trees."""


def compound(tree: Tree) -> bytes:
    """A compound file of 512-byte sectors."""
    entries: list[dict[str, Any]] = [{"name": "Root Entry", "kind": 5, "data": b"", "child": FREE}]
    _add(tree, entries, 0)
    mini, mini_fat = b"", []
    for entry in entries[1:]:
        if entry["kind"] == 2 and len(entry["data"]) < CUTOFF:
            count = -(-len(entry["data"]) // MINI)
            entry["start"] = len(mini_fat) if count else END
            mini_fat += [len(mini_fat) + step + 1 for step in range(count - 1)] + [END] * bool(count)
            mini += entry["data"].ljust(count * MINI, b"\0")
    entries[0]["data"] = mini
    fat: list[int] = []
    body = b""

    def put(data: bytes) -> int:
        nonlocal body
        count = -(-len(data) // SECTOR)
        start = len(fat)
        fat.extend([start + step + 1 for step in range(count - 1)] + [END] * bool(count))
        body += data.ljust(count * SECTOR, b"\0")
        return start if count else END

    for entry in entries:
        if entry["kind"] == 5 or (entry["kind"] == 2 and len(entry["data"]) >= CUTOFF):
            entry["start"] = put(entry["data"])
    mini_fat_at = put(struct.pack(f"<{len(mini_fat)}I", *mini_fat)) if mini_fat else END
    mini_sectors = -(-len(mini_fat) * 4 // SECTOR)
    directory = b"".join(map(_entry, entries))
    directory_at = put(directory.ljust(-(-len(directory) // SECTOR) * SECTOR, b"\0"))
    fat_sectors = 1
    while (len(fat) + fat_sectors) * 4 > fat_sectors * SECTOR:
        fat_sectors += 1
    fat_at = len(fat)
    fat += [FAT] * fat_sectors
    fat += [FREE] * (fat_sectors * SECTOR // 4 - len(fat))
    body += struct.pack(f"<{len(fat)}I", *fat)
    places = [fat_at + step for step in range(fat_sectors)]
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
    header += struct.pack("<IIIIIIIII", 0, fat_sectors, directory_at, 0, CUTOFF, mini_fat_at, mini_sectors, END, 0)
    header += struct.pack("<109I", *(places + [FREE] * (109 - len(places))))
    return header + body


def _add(tree: Tree, entries: list[dict[str, Any]], parent: int) -> None:
    """Siblings are a chain to the right: a tree that leans over, which readers take."""
    last = FREE
    for name, value in sorted(tree.items(), key=lambda item: (len(item[0]), item[0].upper()), reverse=True):
        index = len(entries)
        stream = isinstance(value, bytes)
        entries.append(
            {
                "name": name,
                "kind": 2 if stream else 1,
                "data": value if stream else b"",
                "child": FREE,
                "right": last,
                "start": 0,
            }
        )
        if not stream:
            _add(value, entries, index)
        last = index
    entries[parent]["child"] = last


def _entry(entry: dict[str, Any]) -> bytes:
    name = (entry["name"] + "\0").encode("utf-16-le")
    return (
        name.ljust(64, b"\0")
        + struct.pack("<HBBIII", len(name), entry["kind"], 1, FREE, entry.get("right", FREE), entry["child"])
        + bytes(16 + 4 + 16)
        + struct.pack("<IQ", entry.get("start", END), len(entry["data"]))
    )


def properties(header: int, fixed: dict[int, int] | None = None, **texts: str | bytes) -> Tree:
    """Properties by their number in hexadecimal, `x0037="Subject"`; octets where they are bytes."""
    tree: Tree = {}
    listed = bytes(header)
    for name, value in (fixed or {}).items():
        kind = 0x0040 if value > 1 << 32 else 0x0003
        listed += struct.pack("<HHIQ", kind, name, 6, value)
    for key, value in texts.items():
        kind, data = (0x001F, value.encode("utf-16-le")) if isinstance(value, str) else (0x0102, value)
        tree[f"__substg1.0_{key[1:].upper()}{kind:04X}"] = data
        listed += struct.pack("<HHIII", kind, int(key[1:], 16), 6, len(data), 0)
    tree["__properties_version1.0"] = listed
    return tree


def message(
    texts: dict[str, Any], *attachments: Tree, fixed: dict[int, int] | None = None, inner: bool = False
) -> Tree:
    """A message of its properties and attachments."""
    tree = properties(24 if inner else 32, fixed, **texts)
    for number, attachment in enumerate(attachments):
        tree[f"__attach_version1.0_#{number:08X}"] = attachment
    return tree


def attachment(name: str, data: bytes, **texts: str | bytes) -> Tree:
    """A file."""
    return properties(8, x3701=data, x3707=name, **texts)


def forwarded(inner: Tree) -> Tree:
    """A message within a message."""
    tree = properties(8, x3001="inner")
    tree["__substg1.0_3701000D"] = inner
    return tree


def msg(path: Path, *args: Any, **options: Any) -> Path:
    """Writes one."""
    path.write_bytes(compound(message(*args, **options)))
    return path
