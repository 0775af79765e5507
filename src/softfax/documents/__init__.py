# SPDX-License-Identifier: GPL-2.0-or-later
"""Documents into fax pages, faxes into documents."""
