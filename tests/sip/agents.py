# SPDX-License-Identifier: GPL-2.0-or-later
"""Agents that call, answer or register, and the check of a digest."""

from __future__ import annotations

import hashlib
import re

from tests.sip.far_end import HERE, Agent, FarEnd

CHALLENGE = 'Digest realm="test", nonce="{}", algorithm=MD5, qop="auth"'
SECRET = "s3cret-Pa55"


def pbx(far: FarEnd, more: str = "") -> str:
    """The configuration of an agent that `far` knows as "fax"."""
    account = f'name="pbx", server="sip:{HERE}:{far.port}", user="fax", password="{SECRET}"'
    return f"accounts=(SipAccount({account}{more}),)"


def caller(far: FarEnd, then: str = "", config: str = "") -> Agent:
    """An agent that calls `far`, does `then` with its handler `a` and its `call`, and prints the handler's log at the end."""
    lines = "".join(f"    {line}\n" for line in then.strip().splitlines())
    return Agent(
        f'async def main(agent):\n    a = Side("caller")\n'
        f'    call = agent.call("{far.uri}", a, t38=policy(), account=agent.config.first_account)\n{lines}'
        f'    await a.until("ended", 30)\n    print(*a.log, sep="\\n")\n',
        config,
    )


def answerer(then: str = "", config: str = "", t38: str = "policy()") -> Agent:
    """An agent that answers one call, does `then` with its handler `b`, and prints the handler's log when it ended."""
    lines = "".join(f"    {line}\n" for line in then.strip().splitlines())
    return Agent(
        f'async def main(agent):\n    b, calls = Side("answerer"), []\n'
        f"    def incoming(call):\n        calls.append(call); call.answer(t38={t38}); return b\n"
        f"    agent.incoming = incoming\n{lines}"
        f'    await b.until("ended", 30)\n    print(*b.log, sep="\\n")\n',
        config,
    )


def check_digest(header: str, method: str, nonce: str) -> None:
    """The digest in `header` is the right one (RFC 2617 §3.2.2)."""
    value = dict(re.findall(r'(\w+)="?([^",]+)"?', header.removeprefix("Digest ")))

    def md5(text: str) -> str:
        return hashlib.md5(text.encode()).hexdigest()

    secret, what = md5(f"fax:test:{SECRET}"), md5(f"{method}:{value['uri']}")
    assert value["nonce"] == nonce
    middle = f"{nonce}:{value['nc']}:{value['cnonce']}:auth"
    assert value["response"] == md5(f"{secret}:{middle}:{what}")
