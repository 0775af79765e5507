# SPDX-License-Identifier: GPL-2.0-or-later
"""One fax: its settings, its state machine, its runtime."""
