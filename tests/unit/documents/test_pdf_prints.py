# SPDX-License-Identifier: GPL-2.0-or-later
"""A PDF is faxed as it prints: notes, fields and layers by their print state; what is only on the screen is said."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pikepdf
import pytest

from softfax.documents.pdf import PdfDocument
from softfax.documents.types import DocumentLimits, FaxImage, Source
from tests.support.pdf_pages import pdf, stream, text

HIDDEN, PRINT, NO_VIEW = 2, 4, 32
FONT = "/Resources << /Font << /F 5 0 R >> >>"
LOOK = stream(text(2, 4, 12, "Words"), f"/Type /XObject /Subtype /Form /BBox [0 0 160 20] {FONT}")
TEXT_FIELD = "/Subtype /Widget /FT /Tx /T (name) /V (Words) /DA (/F 12 Tf 0 g)"
BUTTON = "/Subtype /Widget /FT /Btn /Ff 65536 /T (button)"


def drawn(path: Path) -> tuple[bool, str, str]:
    """Return whether there is ink on a page, and what is said of the document and of the page."""
    document = PdfDocument(Source(path=path), DocumentLimits())
    # The document is closed after its last page.
    sheet = next(iter(document))
    assert not isinstance(sheet, FaxImage)
    page = np.asarray(sheet.render(595, 842))
    return bool((page < 128).any()), document.warning, sheet.warning  # type: ignore[attr-defined]


def note(path: Path, what: str, flags: int, catalog: str = "", look: str = "/AP << /N 7 0 R >>") -> Path:
    annotation = f"<< /Type /Annot {what} /F {flags} /Rect [20 700 180 720] {look} >>"
    return pdf(path, "", page="/Annots [8 0 R]", catalog=catalog, objects=[LOOK, annotation])


FORM = "/AcroForm << /Fields [8 0 R] /DR << /Font << /F 5 0 R >> >> >>"


@pytest.mark.parametrize(
    ("what", "catalog"),
    [
        ("/Subtype /Stamp", ""),
        ("/Subtype /Square", ""),
        (TEXT_FIELD, FORM),
        (BUTTON, FORM),
        ("/Subtype /Widget /FT /Sig /T (signature)", FORM),
        (TEXT_FIELD, "/AcroForm << /Fields [] >>"),
        (TEXT_FIELD, ""),
        ("/Subtype /Widget", FORM),
    ],
)
@pytest.mark.parametrize(
    ("flags", "prints"),
    [(0, False), (PRINT, True), (PRINT | NO_VIEW, True), (PRINT | HIDDEN, False), (PRINT | 1, True)],
)
def test_notes_and_fields_print_by_their_flags(
    tmp_path: Path, what: str, catalog: str, flags: int, prints: bool
) -> None:
    ink, _, _ = drawn(note(tmp_path / "note.pdf", what, flags, catalog))
    assert ink == prints


@pytest.mark.parametrize(
    ("what", "missed"), [(TEXT_FIELD, True), ("/Subtype /Stamp", True), (BUTTON, False), ("/Subtype /Link", False)]
)
def test_what_is_seen_and_does_not_print_is_said(tmp_path: Path, what: str, missed: bool) -> None:
    _, _, said = drawn(note(tmp_path / "note.pdf", what, 0, FORM))
    assert ("page 1 of note.pdf has a note or field that is set not to be printed" in said) == missed


@pytest.mark.parametrize(
    "what",
    [
        "/Subtype /Line /L [20 700 180 720] /C [0 0 0] /LE [/OpenArrow /None]",
        "/Subtype /Line /L [20 700 180 720] /C [0.1] /BS << /W 3 >>",
        "/Subtype /Polygon /Vertices [20 700 100 720 180 700] /C [0 0 0]",
        "/Subtype /Polygon /Vertices [20 700 100 720 180 700] /C [] /IC [0 0 0 1]",
        "/Subtype /PolyLine /Vertices [20 700 100 720 180 700] /C [0 0 0] /LE [/None /ClosedArrow]",
    ],
)
def test_lines_and_polygons_without_a_look_are_drawn(tmp_path: Path, what: str) -> None:
    ink, _, said = drawn(note(tmp_path / "note.pdf", what, PRINT, look=""))
    assert ink
    assert not said


@pytest.mark.parametrize("what", ["/Subtype /Stamp /Name /Approved", "/Subtype /Line /L [1 2 (x)] /C [0 0 0]"])
def test_a_note_that_nothing_can_be_drawn_of_is_said(tmp_path: Path, what: str) -> None:
    ink, _, said = drawn(note(tmp_path / "note.pdf", what, PRINT, look=""))
    assert not ink
    assert "page 1 of note.pdf has notes without an appearance, which are left out" in said


def test_colours_blend_as_colours(tmp_path: Path) -> None:
    """Cyan multiplied by red is black; their greys multiplied are not."""
    group = stream(
        "1 0 0 rg 0 0 200 200 re f /M gs 0 1 1 rg 0 0 200 200 re f",
        "/Type /XObject /Subtype /Form /BBox [0 0 200 200] /Group << /S /Transparency /I true >> "
        "/Resources << /ExtGState << /M << /BM /Multiply >> >> >>",
    )
    path = pdf(tmp_path / "blend.pdf", "/G Do", resources="/XObject << /G 7 0 R >>", objects=[group])
    sheet = next(iter(PdfDocument(Source(path=path), DocumentLimits())))
    assert not isinstance(sheet, FaxImage)
    assert np.asarray(sheet.render(595, 842))[-100, 100] == 0


def test_a_field_without_a_look_of_its_own_is_filled_in(tmp_path: Path) -> None:
    ink, _, _ = drawn(note(tmp_path / "field.pdf", TEXT_FIELD, PRINT, FORM, look=""))
    assert ink


def layer(path: Path, usage: str, config: str) -> Path:
    content = "/OC /L BDC " + text(60, 700, 20, "Layer") + " EMC"
    return pdf(
        path,
        content,
        catalog=f"/OCProperties << /OCGs [7 0 R] /D << {config} >> >>",
        resources="/Properties << /L 7 0 R >>",
        objects=[f"<< /Type /OCG /Name (L) {usage} >>"],
    )


BY_USAGE = "/AS [<< /Event /Print /Category [/Print] /OCGs [7 0 R] >>]"
ON_SCREEN = "/AS [<< /Event /View /Category [/View] /OCGs [7 0 R] >>]"


@pytest.mark.parametrize(
    ("usage", "config", "prints"),
    [
        ("", "", True),
        ("", "/OFF [7 0 R]", False),
        ("", "/BaseState /OFF", False),
        ("", "/BaseState /OFF /ON [7 0 R]", True),
        ("/Usage << /Print << /PrintState /OFF >> >>", BY_USAGE, False),
        ("/Usage << /Print << /PrintState /ON >> >>", "/OFF [7 0 R] " + BY_USAGE, True),
        # What a layer would like counts where the document asks for it, and for the use it is asked for.
        ("/Usage << /View << /ViewState /OFF >> >>", "", True),
        ("/Usage << /View << /ViewState /OFF >> >>", ON_SCREEN, True),
        ("/Usage << /View << /ViewState /OFF >> /Print << /PrintState /ON >> >>", BY_USAGE + ON_SCREEN[0:0], True),
        ("/Usage << /Print << /PrintState /ON >> >>", "/OFF [7 0 R]", False),
    ],
)
def test_layers_are_in_their_print_state(tmp_path: Path, usage: str, config: str, prints: bool) -> None:
    ink, _, _ = drawn(layer(tmp_path / "layer.pdf", usage, config))
    assert ink == prints


def test_a_form_that_waits_for_another_program_is_said(tmp_path: Path) -> None:
    path = pdf(
        tmp_path / "form.pdf",
        text(60, 700, 20, "Please wait..."),
        catalog="/NeedsRendering true /AcroForm << /Fields [] /XFA [(template) 7 0 R] >>",
        objects=[stream("<template/>")],
    )
    _, said, _ = drawn(path)
    assert "form.pdf is an XFA form" in said


@pytest.mark.parametrize(
    ("portfolio", "said"), [(True, "is a portfolio"), (False, "has files attached that are not faxed")]
)
def test_files_within_a_document_are_said(tmp_path: Path, portfolio: bool, said: str) -> None:
    with pikepdf.open(pdf(tmp_path / "plain.pdf", text(60, 700, 20, "Letter"))) as file:
        file.attachments["invoice.xml"] = b"<invoice/>"
        if portfolio:
            file.Root.Collection = pikepdf.Dictionary(Type=pikepdf.Name.Collection)
        file.save(tmp_path / "mail.pdf")
    _, line, _ = drawn(tmp_path / "mail.pdf")
    assert re.search(rf"mail\.pdf {said}.*invoice\.xml", line)
