# SPDX-License-Identifier: GPL-2.0-or-later
"""The record of all faxes: their rows, the log of their events, and what is known of the numbers that they went to."""
