# SPDX-License-Identifier: GPL-2.0-or-later
"""The configuration of a station, a module for each group of tables."""

from __future__ import annotations

from softfax.station.config.accounts import AccountConfig, DialingConfig, RouteConfig, RuleConfig, SipTable, T38Config
from softfax.station.config.base import state_dir
from softfax.station.config.faxes import DataConfig, FaxConfig, InboxConfig
from softfax.station.config.gateways import GatewayConfig
from softfax.station.config.polled import PolledConfig
from softfax.station.config.station import StationConfig
from softfax.station.config.telling import AmiConfig, AmiUserConfig, CallbackConfig, CallbacksConfig

__all__ = [
    "AccountConfig",
    "AmiConfig",
    "AmiUserConfig",
    "CallbackConfig",
    "CallbacksConfig",
    "DataConfig",
    "DialingConfig",
    "FaxConfig",
    "GatewayConfig",
    "InboxConfig",
    "PolledConfig",
    "RouteConfig",
    "RuleConfig",
    "SipTable",
    "StationConfig",
    "T38Config",
    "state_dir",
]
