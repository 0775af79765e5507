# SPDX-License-Identifier: GPL-2.0-or-later
"""The database of a station: its schema, the stations that work on it, and jobs that are due at a time."""
