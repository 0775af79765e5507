# SPDX-License-Identifier: GPL-2.0-or-later
"""The queue: faxes that are kept until they are delivered."""
