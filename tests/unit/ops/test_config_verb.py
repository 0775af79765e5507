# SPDX-License-Identifier: GPL-2.0-or-later
"""`softfax config`: a sample that works, every mistake with its line, no secret shown."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from softfax.cli import config as config_verb
from softfax.cli.main import main
from softfax.ops.check import check_config, load_config, secrets_in
from softfax.ops.settings import sample, shown, tables, toml
from softfax.settings_file import read_toml
from softfax.station import StationConfig
from tests.support.certificate import self_signed

ACCOUNT = '[[account]]\nname = "pbx"\nserver = "sip:127.0.0.1"\npassword = "hidden"\n'


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration of this machine's."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("SOFTFAX_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)


def texts(path: Path, text: str, mode: int = 0o600) -> list[str]:
    path.write_text(text)
    path.chmod(mode)
    return [finding.text(path.name) for finding in check_config(path, {}).findings]


def test_the_sample_is_right_and_says_what_to_fill_in(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "etc" / "softfax.toml"
    assert main(["config", "init", str(file)]) == 0
    assert file.stat().st_mode & 0o777 == 0o600
    assert main(["config", "check", str(file)]) == 0
    out = capsys.readouterr().out
    assert "sip:pbx.example is the sample's; write your PBX" in out
    assert f"{file} is right" in out
    assert main(["config", "init", str(file)]) == 2, "it is not overwritten"
    assert "already exists" in capsys.readouterr().err


def test_the_sample_names_the_folder_of_the_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user's is the user's; the machine's is the same for whoever reads it, root or the station's user."""
    monkeypatch.setattr(config_verb, "MACHINE_CONFIG", tmp_path / "etc" / "softfax.toml")
    for file, folder in (("own.toml", tmp_path / "state" / "softfax"), ("etc/softfax.toml", Path("/var/lib/softfax"))):
        assert main(["config", "init", str(tmp_path / file)]) == 0
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "other"))
        assert StationConfig.load(tmp_path / file, {}).data.dir == folder


def test_the_sample_shows_what_holds_anyway(tmp_path: Path) -> None:
    """Uncommented, every line that shows a default changes nothing."""
    text = sample()
    known = {table.heading: {key.name: key for key in table.keys} for table in tables()}
    lines, heading, live = [], "", True
    for line in text.splitlines():
        if found := re.match(r"(#?)(\[.*\])$", line):
            heading, live = found[2], not found[1]
        key = re.match(r"#(\w+) = ", line)
        set_so = key is not None and live and known[heading][key[1]].default is not None
        lines.append(line[1:] if set_so else line)
    path = tmp_path / "all.toml"
    path.write_text("\n".join(lines))
    plain = tmp_path / "plain.toml"
    plain.write_text(text)
    assert StationConfig.load(path, {}) == StationConfig.load(plain, {})
    for table in tables():
        assert re.search(rf"^#?{re.escape(table.heading)}$", text, re.M), table.heading


def test_every_mistake_has_its_line(tmp_path: Path) -> None:
    text = '[sip]\nlissten = 1\nmax_calls = 0\n\n[[account]]\nname = "a b"\npassword = ["hidden"]\n'
    said = texts(tmp_path / "c.toml", text)
    assert said[0].startswith("c.toml:2: there is no key sip.lissten; did you mean listen?")
    assert said[1].startswith("c.toml:3: sip.max_calls cannot be 0; it has to be 1 to 2000")
    assert any(line.startswith("c.toml:5: account[1].server is missing; add it") for line in said)
    assert any(line.startswith("c.toml:6: account[1].name: use letters") for line in said)
    assert not any("hidden" in line for line in said)
    assert texts(tmp_path / "c.toml", "a = 1\n[sip\n") == [
        "c.toml:2: a bracket is missing; write [TABLE], or [[TABLE]] where there may be several"
    ]


def test_exit_status_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "c.toml"
    path.write_text("[fax]\nmax_rate = 1\n")
    assert main(["config", "check", str(path), "--json"]) == 2
    said = json.loads(capsys.readouterr().out)
    assert said["ok"] is False
    assert said["findings"][0] | {"problem": "", "remedy": ""} == {
        "kind": "mistake", "line": 2, "key": "fax.max_rate", "problem": "", "remedy": "",
    }  # fmt: skip
    assert main(["config", "check", str(tmp_path / "none.toml")]) == 2
    assert main(["config", "check"]) == 0, "the defaults are right"


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        (ACCOUNT + '[sip]\nlisten = "0.0.0.0:5060"\n', None),
        (ACCOUNT + '[sip]\nlisten = ["0.0.0.0:5060", "[::]:5060"]\n', None),
        (ACCOUNT + '[sip]\nlisten = ["127.0.0.1:5060", "[::1]:5060"]\n', None),
        (
            ACCOUNT.replace("127.0.0.1", "10.1.1.1") + '[sip]\nlisten = ["127.0.0.1:5060", "[::1]:5060"]\n',
            r"SIP is listened for at 127.0.0.1:5060 and \[::1\]:5060, which a PBX elsewhere",
        ),
        (
            '[sip]\nlisten = ["127.0.0.1:5060", "[::]:5060"]\n',
            r"c.toml:2: warning: calls from any address are answered at 127.0.0.1:5060 and \[::\]:5060",
        ),
        (
            ACCOUNT.replace("127.0.0.1", "[::1]"),
            r"c.toml:3: warning: account pbx cannot be reached: SIP is not listened for over IPv6",
        ),
        (
            ACCOUNT + '[sip]\npublic_address = "2001:db8::7"\n',
            r"c.toml:6: warning: 2001:db8::7 is shown to nobody: SIP is not listened for over IPv6",
        ),
        (ACCOUNT.replace("127.0.0.1", "10.1.1.1"), r"SIP is listened for at 127.0.0.1:5060, which a PBX elsewhere"),
        ('[sip]\nlisten = "0.0.0.0:5060"\n', r"c.toml:2: warning: calls from any address are answered at 0.0.0.0:5060"),
        (ACCOUNT + "[ami]\n", r"c.toml:5: warning: nobody can log in at the manager interface"),
        (ACCOUNT + '[ami]\nlisten = "[::]:5038"\n', r"c.toml:6: warning: AMI secrets cross the network in clear"),
        (ACCOUNT + '[inbox]\ndir = "/proc/x"\n', r"c.toml:6: warning: /proc/x cannot be made"),
        (ACCOUNT + '[inbox]\ndir = "/dev/null/x"\n', r"c.toml:6: warning: /dev/null is not a folder"),
        ('[sip]\ntransport = "tls"\n', r"c.toml:2: warning: without a certificate no call over TLS can be answered"),
    ],
)
def test_warnings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, warning: str | None) -> None:
    if warning and "/proc/x" in warning:
        monkeypatch.setattr("os.access", lambda path, mode: str(path) != "/proc")
    said = "\n".join(texts(tmp_path / "c.toml", text))
    assert re.search(warning, said) if warning else not said


#: What people get wrong, and the one line that says so.
MISTAKES = [
    ("[spi]\n", "1: there is no key spi; did you mean sip?"),
    ('[account]\nserver = "sip:a"\n', "1: there may be several of account; write [[account]] above each"),
    ("[[sip]]\nmax_calls = 1\n", "1: sip is a table; write [sip] on a line of its own"),
    ('[sip]\nmax_calls = "many"\n', "2: sip.max_calls cannot be 'many'; it has to be a whole number"),
    ("[smtp]\nport = 70000\n", "2: smtp.port cannot be 70000; it has to be 1 to 65535"),
    ("[fax]\nident = 49301\n", '2: fax.ident cannot be 49301; it has to be text in quotes, as "49301234"'),
    ("[fax]\necm = 'maybe'\n", "2: fax.ecm cannot be 'maybe'; it has to be true or false"),
    ("[fax]\necm = yes\n", "2: this is no value; put text in quotes; yes is written true, no is written false"),
    ('[sip]\nlisten = "127.0.0.1:5060\n', "2: the closing quote is missing; add it"),
    ('[sip]\nlisten = "a', "2: the closing quote is missing; add it"),
    ("[sip]\nmax_calls 3\n", '2: there is no = behind the key; write KEY = VALUE, as listen = "127.0.0.1:5060"'),
    ("[sip]\nmax_calls = 1\nmax_calls = 1\n", "3: this key stands there twice; keep one of them"),
    ("[sip]\n[fax]\n[sip]\n", "3: [sip] stands there twice; put its keys under one of them"),
    ('[dialing]\n[[dialing.rule]]\nmatch = "\\d"\n', "3: a backslash in double quotes means something else; use single quotes, as '0(.*)'"),
    ("[sip]\nlisten = 127.0.0.1:5060\n", "2: there is more than one value; put text in quotes, and each key on a line of its own"),
    (ACCOUNT + ACCOUNT, "5: account[2]: another account is called pbx too; give each a name"),
    (ACCOUNT + '[[route]]\naccounts = ["pbxx"]\n', "6: route[1].accounts[1]: there is no account pbxx; did you mean pbx?"),
    (ACCOUNT + "[[route]]\naccounts = []\n", "6: route[1].accounts cannot be []; it has to be a list with at least one value"),
    (ACCOUNT + 'trusted = "192.0.2.1"\n', "5: account[1].trusted cannot be '192.0.2.1'; it has to be a list, as [\"192.0.2.1\"]"),
    (ACCOUNT + 'numbers = ["+49 (30) abc"]\n', "5: account[1].numbers[1] cannot be '+49 (30) abc'; write a number, like +49301234567"),
    (ACCOUNT + "proxy = 3\n", "5: account[1].proxy cannot be 3; it has to be true or false"),
    (ACCOUNT + "register = true\n", "1: account[1]: there is no user to register as; add user, the extension at the PBX"),
    (ACCOUNT + '[mail]\n[[mail.sender]]\naddress = "*"\naccount = "px"\n', "8: mail.sender[1].account: there is no account px; did you mean pbx?"),
    (ACCOUNT + 'transport = "tls"\ntls_certificate = "no.pem"\ntls_private_key = "/dev/null"\n', "6: no.pem cannot be read: No such file or directory; name a PEM file"),
    (ACCOUNT + '[sip]\ntls_ca = "none.pem"\n', "6: none.pem cannot be read: No such file or directory; name a PEM file"),
    (ACCOUNT + '[http]\nlisten = "127.0.0.1:5060"\n', "6: http.listen is at port 5060 like sip.listen; give it another port"),
    ('[http]\nlisten = "0.0.0.0:8038"\n', "2: http.listen: anyone who reaches 0.0.0.0:8038 could send faxes and read them; add a [[http.token]], or listen on 127.0.0.1"),
    ('[ami]\nlisten = "127.0.0.1:-1"\n', "2: ami.listen: not an address to listen on: '127.0.0.1:-1'; write HOST:PORT, port 0 for any free one"),
    ('[[ami.user]]\nname = "a"\n', "2: AMI user a has no secret and cannot log in; add secret, or set SOFTFAX_AMI_SECRET"),
    ('[[ami.user]]\nname = "a"\npermit = ["here"]\n', "3: ami.user[1].permit: not an address or network: 'here'; write 192.0.2.1 or 192.0.2.0/24"),
    ('[dialing]\ncountry = "+49"\n', "2: dialing.country cannot be '+49'; write its digits, like \"49\""),
    ('[data]\nurl = "mysql://u:hidden@h/d"\n', "2: data.url is wrong; write postgresql://USER@HOST/NAME, or leave it out for a file in dir"),
    ('[sip]\nlisten = ["127.0.0.1:1", "127.0.0.1:2"]\n', "2: sip.listen: 127.0.0.1:1 and 127.0.0.1:2 are both IPv4; name at most one address of IPv4 and one of IPv6, like 0.0.0.0:5060 and [::]:5060"),
    ('[sip]\npublic_address = ["192.0.2.1", "192.0.2.2"]\n', "2: sip.public_address: 192.0.2.1 and 192.0.2.2 are both shown over IPv4; name one of IPv4 and one of IPv6"),
    ('[sip]\npublic_address = "not a host"\n', "2: sip.public_address cannot be 'not a host'; write an address or a name alone, like \"203.0.113.7\""),
    ('[ami]\n[[ami.user]]\nname = "Ab"\n[[ami.user]]\nname = "ab"\n', "4: ami.user[2]: another user is called Ab too, and ab is the same; give each a name"),
    ('[[mailbox]]\nname = "a"\n[[mailbox]]\nname = "a"\n', "3: mailbox[2]: another mailbox is called a too; give each a name"),
    ('[[queue.hours]]\ndays = ["monday"]\n', "2: queue.hours[1].days[1] cannot be 'monday'; it has to be 'mon', 'tue', 'wed', 'thu', 'fri', 'sat' or 'sun'"),
    ("[fax]\nanswer_timeout_s = nan\n", "2: fax.answer_timeout_s cannot be nan; it has to be more than 0, 604800 at most"),
    ('[fax]\nheader = "M\udcfcller"\n', "2: this is not UTF-8; save the file as UTF-8"),
    ("a = " + "[" * 5000, "brackets are nested too deeply; write it flat"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line"), MISTAKES)
def test_a_mistake_is_one_line_with_its_place_and_remedy(tmp_path: Path, text: str, line: str) -> None:
    path = tmp_path / "c.toml"
    path.write_bytes(text.encode(errors="surrogateescape"))
    said = [f.text("c.toml") for f in check_config(path, {}).findings if f.mistake]
    assert said == [f"c.toml:{'' if line[0].isdigit() else ' '}{line}"]


def test_a_mistake_in_the_table_of_a_verb(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "c.toml"
    path.write_text(ACCOUNT + '[send]\nprxy = "sip:x"\n')
    path.chmod(0o600)
    assert main(["config", "check", str(path)]) == 2
    assert capsys.readouterr().out.endswith("c.toml:6: there is no key send.prxy; did you mean proxy?\n")
    assert main(["send", "--config", str(path), "sip:a@b", "x.pdf"]) == 2
    assert "c.toml: there is no key send.prxy; did you mean proxy?" in capsys.readouterr().err


def test_a_file_that_windows_wrote(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_bytes(b"\xef\xbb\xbf[sip]\r\nmax_calls = 0\r\n")
    assert check_config(path, {}).findings[0].line == 2


def test_a_pipe_is_read_once() -> None:
    """`softfax serve --config <(sops -d softfax.toml)`: it is not the defaults that hold the second time."""
    reading, writing = os.pipe()
    os.write(writing, b"[sip]\nmax_calls = 7\n")
    os.close(writing)
    path = Path(f"/dev/fd/{reading}")
    assert read_toml(path) == {"sip": {"max_calls": 7}}
    assert load_config(path).sip.max_calls == 7
    os.close(reading)


def test_secrets_that_everybody_can_read(tmp_path: Path) -> None:
    assert "can read the secrets in it (mode 644); chmod 640" in "\n".join(texts(tmp_path / "c.toml", ACCOUNT, 0o644))
    without = ACCOUNT.replace("hidden", "")
    assert "secrets" not in "\n".join(texts(tmp_path / "c.toml", without, 0o644))
    path = tmp_path / "c.toml"
    assert not check_config(path, {"SOFTFAX_PASSWORD_PBX": "hidden"}).findings, "those of the environment are elsewhere"


def test_certificates_that_do_not_go_together(tmp_path: Path) -> None:
    for name in ("a", "b"):
        self_signed(tmp_path, name=name)
    text = ACCOUNT + f'[sip]\ntls_certificate = "{tmp_path}/a.pem"\ntls_private_key = "{tmp_path}/%s.key"\n'
    assert not texts(tmp_path / "c.toml", text % "a")
    assert "do not go together" in texts(tmp_path / "c.toml", text % "b")[0]


def test_what_is_in_force_without_secrets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "c.toml"
    path.write_text(ACCOUNT + '[data]\nurl = "postgresql://u:hidden@h/d"\n[callbacks]\nsecret = "hidden"\n')
    assert main(["config", "show", str(path)]) == 0
    text = capsys.readouterr().out
    assert "hidden" not in text
    assert 'password = "***"' in text
    assert 'listen = "127.0.0.1:5060"' in text
    assert main(["config", "show", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["account"][0]["password"] == "***"
    path.write_text("[sip]\nx = 1\ny = 1\n")
    assert main(["config", "show", str(path)]) == 2
    assert "c.toml:2: there is no key sip.x" in capsys.readouterr().err


def test_what_is_shown_can_be_read_again(tmp_path: Path) -> None:
    config = StationConfig.checked(
        {"account": [{"server": "sip:x", "user": "u"}], "ami": {"user": [{"name": "n"}]}}, ""
    )
    path = tmp_path / "again.toml"
    path.write_text(toml(shown(config)))
    assert StationConfig.load(path, {}) == config
    assert not secrets_in(config)
