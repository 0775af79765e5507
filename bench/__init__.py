# SPDX-License-Identifier: GPL-2.0-or-later
"""What a call costs: `python -m bench`."""
