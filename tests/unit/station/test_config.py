# SPDX-License-Identifier: GPL-2.0-or-later
"""A station's configuration: what is right is taken, what is wrong is named with its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softfax.ami.access import Permission
from softfax.cli.main import VERBS, build_parser
from softfax.cli.options import _names, _options_of
from softfax.errors import ConfigError
from softfax.ops.settings import documentation, tables
from softfax.station import StationConfig
from softfax.station.config.mistakes import tables_in
from softfax.station.config.station import OTHER_KEYS, OTHER_TABLES
from softfax.station.config.telling import AMI_CLASSES


def load(tmp_path: Path, text: str, **environ: str) -> StationConfig:
    path = tmp_path / "softfax.toml"
    path.write_text(text)
    return StationConfig.load(path, environ)


def test_an_empty_file_is_a_station_on_loopback(tmp_path: Path) -> None:
    config = load(tmp_path, "")
    assert config.sip.listen == "127.0.0.1:5060"
    assert config.inbox_dir == config.data.dir / "received"
    assert config.ami is None
    assert not config.targets()


def test_other_verbs_may_stand_in_the_same_file(tmp_path: Path) -> None:
    assert load(tmp_path, 'ident = "+49 30"\nno_ecm = true\n[send]\nproxy = "sip:x"\n').sip.listen
    options = {name for v in VERBS for action in _options_of(build_parser(v)[1][v]) for name in _names(action)}
    assert options - {"account", "mailbox", "data"} == OTHER_KEYS, "what other verbs know at the top"
    assert set(VERBS) == OTHER_TABLES
    assert {p.lower() for p in Permission.__members__} == set(AMI_CLASSES)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[sip]\nlissten = 1", r"there is no key sip\.lissten; did you mean listen"),
        ('colour = "x"', "there is no key colour; use one of sip, account, dialing, route"),
        ('[sip]\nlisten = "x"', r"sip\.listen: not an address to listen on: 'x'; write HOST:PORT"),
        ('[[account]]\nname = "x"', r"account\[1\]\.server is missing; add it"),
        ("[fax]\nmax_rate = 33600", r"fax\.max_rate cannot be 33600; it has to be 2400, 4800"),
        (
            '[fax]\nident = "123456789012345678901"',
            r"fax\.ident: the station identity .* cannot be sent; use at most 20",
        ),
        (
            '[[mailbox]]\nname = "a"\n[[mailbox.command]]\nargv = ["/bin/sh", "-ec", "echo {caller}"]',
            r"mailbox\[1\]\.command\[1\]\.argv: a caller could write a command into {caller}; in a script, use",
        ),
        ('[[callbacks.target]]\nurl = "ftp://x"', r"callbacks\.target\[1\]\.url: not a URL for callbacks"),
        ('[ami]\n[[ami.user]]\nname = "a"\nx = 1', r"there is no key ami\.user\[1\]\.x; use one of name, secret"),
        ("sip = 3", r"sip is a table; write \[sip\] on a line of its own"),
        ("[fax\n", "1: a bracket is missing"),
        ("[sip]\nmax_calls = 0\n[fax]\necm = 7", r"sip\.max_calls cannot be 0 \(and 1 more\)"),
    ],
)
def test_a_mistake_is_one_line_with_file_key_and_remedy(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=rf"^{tmp_path}/softfax\.toml:? ?.*{problem}") as error:
        load(tmp_path, text)
    assert "\n" not in str(error.value)


def test_no_secret_is_shown(tmp_path: Path) -> None:
    for text in (
        '[[callbacks.target]]\nurl = "http://x/"\nsecret = ["hidden"]',
        '[[account]]\nserver = "sip:x"\npassword = {a = "hidden"}',
    ):
        with pytest.raises(ConfigError) as error:
            load(tmp_path, text)
        assert "hidden" not in str(error.value)
    config = load(
        tmp_path, '[[account]]\nserver = "sip:x"\npassword = "hidden"\n[data]\nurl = "postgresql://u:hidden@h/d"'
    )
    assert "hidden" not in repr(config)


def test_secrets_come_from_the_environment(tmp_path: Path) -> None:
    text = '[[account]]\nserver = "sip:x"\n[ami]\n[[callbacks.target]]\nurl = "http://x/"\n'
    config = load(
        tmp_path,
        text,
        SOFTFAX_PASSWORD="p",
        SOFTFAX_AMI_USER="crm",
        SOFTFAX_AMI_SECRET="s",
        SOFTFAX_CALLBACK_SECRET="c",
        SOFTFAX_DATABASE_URL="postgresql://h/d",
    )
    assert config.account[0].password == "p"
    assert config.ami is not None
    assert [(user.name, user.secret) for user in config.ami.user] == [("crm", "s")]
    assert config.targets()[0].secret == "c"
    assert config.data.url == "postgresql://h/d"


def test_the_password_of_the_environment_is_that_of_the_account_without(tmp_path: Path) -> None:
    accounts = '[[account]]\nname = "a"\nserver = "sip:x"\nuser = "u"\n[[account]]\nname = "b-1"\nserver = "sip:y"\nuser = "u"\n'

    def passwords(text: str, **environ: str) -> list[str]:
        return [account.password for account in load(tmp_path, text, **environ).account]

    trunk = '[[account]]\nname = "trunk"\nserver = "sip:z"\n'
    assert passwords(accounts + trunk, SOFTFAX_PASSWORD="p") == ["", "", ""], "of which?"
    assert passwords(accounts + 'password = "f"\n' + trunk, SOFTFAX_PASSWORD="p") == ["p", "f", ""]
    assert passwords(accounts, SOFTFAX_PASSWORD="p", SOFTFAX_PASSWORD_B_1="q") == ["p", "q"]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file or directory; name another"):
        StationConfig.load(tmp_path / "none.toml", {})


def test_every_key_is_described() -> None:
    for field in StationConfig.model_fields.values():
        for table in tables_in(field.annotation):
            assert all(f.description or tables_in(f.annotation) for f in table.model_fields.values()), table


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["sip", "account", "fax", "ami", "user", "callbacks", "target", "url", "server", "listen", "dir"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_any_values_are_taken_or_refused_in_one_line(value: object) -> None:
    said = ""
    try:
        StationConfig.checked(value if isinstance(value, dict) else {"fax": value}, "the file")
    except ConfigError as error:
        said = str(error)
    assert "\n" not in said


def test_every_key_is_documented() -> None:
    page = (Path(__file__).parents[3] / "docs" / "settings.md").read_text()
    for table in tables():
        assert f"`{table.heading}`: " in page, f"{table.heading} is not in docs/settings.md; run tools/settings.py"
        for key in table.keys:
            assert f"| `{key.name}` |" in page, (
                f"{table.path}.{key.name} is not in docs/settings.md; run tools/settings.py"
            )
    assert documentation() in page, "docs/settings.md is not what tools/settings.py writes; run it"


def test_there_are_processes_for_all_calls_unless_fewer_are_named(tmp_path: Path) -> None:
    assert load(tmp_path, "[sip]\nmax_calls = 1000").processes == 1
    assert load(tmp_path, "[sip]\nmax_calls = 2000").processes == 2
    with pytest.raises(ConfigError, match="2000 calls want 2 processes"):
        load(tmp_path, "[sip]\nmax_calls = 2000\n[workers]\ncount = 1")
