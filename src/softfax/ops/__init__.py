# SPDX-License-Identifier: GPL-2.0-or-later
"""Running a station: logs, metrics, doctor, retention, backup."""
