# SPDX-License-Identifier: GPL-2.0-or-later
"""The scale of a fax page in a PDF. PDFium knows nothing of UserUnit, by which pages longer than 5.08 m are written."""

from __future__ import annotations

import math
from typing import Any

from softfax.documents.types import nominal_x_dpi

__all__ = ["dots_per_inch", "user_unit"]

#: How far a resolution may be from its nominal one.
TOLERANCE = 0.03


def user_unit(width: int, x_dpi: float) -> int:
    """The unit of a page whose picture is `width` dots wide and seems to have `x_dpi`: 1 but for very long fax pages."""
    nominal = nominal_x_dpi(width)
    if nominal is None:
        return 1
    unit = round(x_dpi / nominal)
    return unit if unit > 1 and abs(x_dpi / unit - nominal) <= TOLERANCE * nominal else 1


def dots_per_inch(picture: Any) -> tuple[float, float]:
    """Across and down, of a picture that stands upright on its page. Raises ValueError for one without a size."""
    width, rows = picture.get_px_size()
    matrix = picture.get_matrix()
    across, down = math.hypot(matrix.a, matrix.b), math.hypot(matrix.c, matrix.d)
    if not (width and rows and across and down):
        raise ValueError("a picture without a size")
    x_dpi, y_dpi = width * 72 / across, rows * 72 / down
    unit = user_unit(width, x_dpi)
    return x_dpi / unit, y_dpi / unit
