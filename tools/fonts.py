#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes src/softfax/documents/fonts/ anew: DejaVu, cut to the scripts that fax pages are set in, hinting kept.

    pip install fonttools
    apt-get install fonts-dejavu-core fonts-dejavu-extra
    tools/fonts.py [FOLDER WITH THE DEJAVU FONTS]

The result is committed; nothing else in the build needs this.
"""

from __future__ import annotations

import sys
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont

HERE = Path(__file__).resolve().parent.parent / "src" / "softfax" / "documents" / "fonts"
DEBIAN = Path("/usr/share/fonts/truetype/dejavu")

LETTERS = [
    (0x0020, 0x024F),  # Latin, Latin-1, Extended A and B
    (0x0250, 0x036F),  # phonetic letters, modifiers, combining marks
    (0x0370, 0x03FF),  # Greek
    (0x0400, 0x052F),  # Cyrillic and its supplement
    (0x1E00, 0x1FFF),  # Latin additional, Greek extended
]
SIGNS = [
    (0x2000, 0x20CF),  # punctuation, super- and subscripts, currency
    (0x2100, 0x218F),  # letterlike signs, fractions, Roman numerals
    (0x2190, 0x21FF),  # arrows
    (0x2200, 0x22FF),  # mathematical operators
    (0x2300, 0x2335),  # technical signs
    (0x2500, 0x25FF),  # lines, blocks, shapes
    (0x2610, 0x2612),  # ballot boxes
    (0x2639, 0x2642),  # faces, planets
    (0x2660, 0x266F),  # cards, notes
    (0x2701, 0x27BE),  # scissors, telephone, ticks and crosses
    (0x260E, 0x260F),  # telephones
    (0x27E6, 0x27EB),  # brackets
    (0xFB00, 0xFB06),  # ligatures
    (0xFFFC, 0xFFFD),
]
RIGHT_TO_LEFT = [
    (0x0590, 0x05FF),  # Hebrew
    (0x0600, 0x06FF),  # Arabic, Persian
    (0x0750, 0x077F),
    (0xFB1D, 0xFDFF),  # presentation forms
    (0xFE70, 0xFEFF),
]
FONTS = {
    "DejaVuSans": LETTERS + SIGNS + RIGHT_TO_LEFT,
    "DejaVuSans-Bold": LETTERS + SIGNS + RIGHT_TO_LEFT,
    "DejaVuSans-Oblique": LETTERS,
    "DejaVuSansMono": LETTERS + SIGNS,
    "DejaVuSansMono-Bold": LETTERS,
}


def main(source: Path) -> None:
    """Writes the cut fonts and their licence."""
    HERE.mkdir(parents=True, exist_ok=True)
    options = subset.Options()
    options.hinting = True
    options.layout_features = ["*"]
    options.notdef_outline = True
    options.name_IDs = ["*"]
    options.drop_tables += ["MATH", "FFTM"]
    total = 0
    for name, ranges in FONTS.items():
        font = TTFont(source / f"{name}.ttf", recalcTimestamp=False)
        cutter = subset.Subsetter(options)
        cutter.populate(unicodes=[c for first, last in ranges for c in range(first, last + 1)])
        cutter.subset(font)
        path = HERE / f"{name}.ttf"
        font.save(path)
        total += path.stat().st_size
        print(f"  {path.name:28} {path.stat().st_size:8} bytes, {len(font.getBestCmap())} characters")
    # The fonts say their own licence (name 13): Bitstream Vera's and Arev's, both free.
    licence = TTFont(source / "DejaVuSans.ttf")["name"].getDebugName(13)
    lines = [line.rstrip() for line in licence.splitlines()]
    (HERE / "LICENSE.txt").write_text(f"DejaVu fonts 2.37, cut by tools/fonts.py.\n\n{chr(10).join(lines)}\n")
    print(f"  {total} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else DEBIAN)
