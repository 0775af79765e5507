# SPDX-License-Identifier: GPL-2.0-or-later
"""SIP messages and media are marked for the network (DSCP): CS3 and EF, unless the configuration has it otherwise."""

from __future__ import annotations

import socket

import pytest

from tests.sip.far_end import AUDIO, HERE, Agent, FarEnd

pytestmark = pytest.mark.sip


@pytest.mark.parametrize(("config", "sip", "media"), [("", 24, 46), ("dscp_sip=0, dscp_media=0", 0, 0)])
def test_what_is_sent_is_marked(far: FarEnd, config: str, sip: int, media: int) -> None:
    far.sock.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
    agent = Agent(
        f"""
class Marked(Side):
    def on_audio(self, call, media):
        print(os.fstat(media.fd) and socket.socket(fileno=media.fd).getsockopt(socket.IPPROTO_IP, socket.IP_TOS), flush=True)
        self.note("audio")
async def main(agent):
    a = Marked("caller")
    agent.call("{far.uri}", a, t38=policy())
    await a.until("ended", 30)
""",
        f"dict({config})",
    )
    _, control, _, source = far.sock.recvmsg(65535, 64, socket.MSG_PEEK)
    assert source[0] == HERE
    assert [value[0] for level, kind, value in control if (level, kind) == (socket.IPPROTO_IP, socket.IP_TOS)] == [
        sip << 2
    ]
    far.answer(AUDIO)
    far.bye()
    assert agent.output() == [str(media << 2)]
