# SPDX-License-Identifier: GPL-2.0-or-later
"""Cost of a call: `python -m bench`."""
