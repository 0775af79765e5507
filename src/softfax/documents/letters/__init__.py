# SPDX-License-Identifier: GPL-2.0-or-later
"""E-mails as documents: what they have to be faxed, however they were put together."""
