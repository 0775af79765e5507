# SPDX-License-Identifier: GPL-2.0-or-later
"""SignalWire's markup for calls (SWML), as far as it is about faxes: checked, interpreted without I/O, run on a station."""
