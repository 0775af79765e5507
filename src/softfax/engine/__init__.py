# SPDX-License-Identifier: GPL-2.0-or-later
"""Binding to the native engine: T.30 over G.711 and T.38, on threads and a clock of its own."""
