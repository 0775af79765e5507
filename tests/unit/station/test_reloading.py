# SPDX-License-Identifier: GPL-2.0-or-later
"""Reading the configuration again: what can change does, what takes a restart stays and is named, and nothing else is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from softfax.errors import ConfigError
from softfax.station import StationConfig
from softfax.station.reloading import FIXED, reloading


def config(folder: Path, **tables: Any) -> StationConfig:
    return StationConfig.checked({"data": {"dir": folder}, **tables}, "")


@pytest.mark.parametrize(
    ("tables", "waiting", "applied"),
    [
        ({"sip": {"listen": "127.0.0.1:0", "max_calls": 30}}, ("sip.listen", "sip.max_calls"), ()),
        ({"workers": {"count": 2}, "fax": {"ident": "+49 1"}}, ("workers.count",), ("fax.ident",)),
        ({"queue": {"calls": 2}}, ("queue.calls",), ()),
        ({"http": {"enabled": False, "max_streams": 7}}, ("http.enabled",), ("http.max_streams",)),
        (
            {"http": {"tls_certificate": "a.pem", "tls_private_key": "a.key"}},
            ("http.tls_certificate", "http.tls_private_key"),
            (),
        ),
        ({"ami": {"listen": "127.0.0.1:0"}}, ("ami",), ()),
        ({"mail": {"listen": "127.0.0.1:0", "sender": [{"address": "*"}]}}, ("mail",), ()),
        ({"callbacks": {"workers": 2, "allow_private": True}}, ("callbacks.workers",), ("callbacks.allow_private",)),
        ({"account": [{"name": "pbx", "server": "sip:pbx.example"}]}, (), ("account",)),
        ({}, (), ()),
    ],
)
def test_what_waits_and_what_does_not(
    tmp_path: Path, tables: dict[str, Any], waiting: tuple[str, ...], applied: tuple[str, ...]
) -> None:
    running, wanted = config(tmp_path), config(tmp_path, **tables)
    new = reloading(running, wanted)
    assert (new.waiting, new.applied) == (waiting, applied)
    for key in FIXED:
        table, _, leaf = key.partition(".")
        before, now = getattr(running, table), getattr(new.config, table)
        assert now is before or (getattr(now, leaf) == getattr(before, leaf) if leaf else now == before), key
    # Read once more, what waits is named again, and what was applied is not.
    assert reloading(new.config, wanted).waiting == waiting
    assert reloading(new.config, wanted).applied == ()


def test_a_table_that_goes_stays_until_the_restart(tmp_path: Path) -> None:
    running = config(tmp_path, ami={"listen": "127.0.0.1:0", "user": [{"name": "a", "secret": "b"}]})
    new = reloading(running, config(tmp_path, fax={"ident": "1"}))
    assert new.config.ami == running.ami
    assert str(new) == "changed: fax.ident; ami waits for a restart"
    other_users = config(tmp_path, ami={"listen": "127.0.0.1:0", "user": [{"name": "c", "secret": "d"}]})
    assert str(reloading(running, other_users)) == "changed: ami.user"
    assert str(reloading(running, running)) == "nothing changed"


def test_another_certificate_is_taken_at_once(tmp_path: Path) -> None:
    running = config(tmp_path, http={"tls_certificate": "a.pem", "tls_private_key": "a.key"})
    wanted = config(tmp_path, http={"tls_certificate": "b.pem", "tls_private_key": "b.key"})
    assert reloading(running, wanted).config == wanted


def test_a_mixture_that_makes_no_sense_is_an_error(tmp_path: Path) -> None:
    """SIP listens on TLS only after the restart; what goes over TLS alone has to wait for it too."""
    try:
        new = reloading(
            config(tmp_path),
            config(
                tmp_path,
                sip={"listen": "127.0.0.1:0", "transport": "tls", "tls_certificate": "a", "tls_private_key": "b"},
                account=[{"name": "t", "server": "sips:pbx.example", "srtp": "required"}],
            ),
        )
    except ConfigError:
        return
    StationConfig.checked(new.config.model_dump(mode="json", by_alias=True), "")
