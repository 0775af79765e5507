# SPDX-License-Identifier: GPL-2.0-or-later
"""SIP: the user agent on pjsua2, with T.38."""
