# SPDX-License-Identifier: GPL-2.0-or-later
"""The manager interface (AMI): what an Asterisk 16 says of its faxes, said by a softfax station."""

from softfax.ami.access import Permission, permissions
from softfax.ami.auth import Networks, User
from softfax.ami.server import AmiServer
from softfax.ami.settings import AmiSettings, from_config

__all__ = ["AmiServer", "AmiSettings", "Networks", "Permission", "User", "from_config", "permissions"]
