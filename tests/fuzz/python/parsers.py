# SPDX-License-Identifier: GPL-2.0-or-later
"""Fuzzes the parsers in Python: each reads spoilt messages, and refuses them by the errors it promises or not at all.

    python -m tests.fuzz.python.parsers [--seconds 10] [--seed 1] [TARGET...]

Inputs follow from the seed and their number alone, so one that broke something is had again by what is printed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import shutil
import sys
import tempfile
import time
import tomllib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fastapi.exceptions import RequestValidationError

from softfax.ami import originate
from softfax.ami.wire import ActionError, Framer, encode
from softfax.documents.fetch import file_name, redacted
from softfax.documents.letters.message import read_message
from softfax.documents.letters.tnef import TnefError, read_tnef
from softfax.documents.ranges import parse_ranges, split_source
from softfax.errors import ConfigError, SoftfaxError
from softfax.fax import t30
from softfax.fax.pcap import Datagram, merged
from softfax.fax.trace import Trace, text_of
from softfax.mail.addresses import parse_recipient, passed
from softfax.mail.incoming import Incoming, Room
from softfax.netguard import check_host
from softfax.ops.doctor.sipping import read_answer
from softfax.ops.toml_lines import key_lines
from softfax.sip import sdes, sdp
from softfax.sip.headers import display_name, headers_of, number_of, sdp_of
from softfax.sip.redact import redact
from softfax.sip.stun import mapped_address
from softfax.station import wire
from softfax.station.config import StationConfig
from softfax.swml.document import load
from softfax.swml.expression import ExpressionError, evaluate, substitute
from softfax.web.body import read_form
from softfax.web.fields import form_values
from softfax.web.problems import Problem
from tests.sip.raw import AUDIO, T38

__all__ = ["TARGETS", "Broken", "campaign", "inputs"]

OCTETS_MAX = 6000
#: Of the processor, for one input: far more than any takes, far less than one that takes the square of its length.
CPU_S = 5.0
OWN = sdp.T38Parameters()
DESCRIPTION = "v=0\r\no=- 9 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
CRYPTO = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|2^20|1:4\r\n"
INVITE = (
    b'INVITE sip:100@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKab;rport\r\nFrom: "A \\" B" <sip:+4930@h>;tag=1\r\n'
    b"To: <sip:100@h;user=phone>\r\nP-Asserted-Identity: <tel:+49301>\r\nDiversion: <sip:1@h>\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n"
    b'Authorization: Digest username="a", response="b"\r\nContent-Type: application/sdp\r\nContent-Length: 200\r\n\r\n'
)
#: What spoils more than any octet does.
WORDS = [b"\r\n", b"\n", b"\r", b"\0", b"\x1b[", b"\xff", b"\xc2\x85", b"\xe2\x80\xa8", b'"', b"\\", b"<", b">", b"%00", b"=?utf-8?q?", b"?=",
         b"--b", b"--b--", b"boundary=", b"&", b"*", b"!", b"${", b"}", b"{", b"[" * 40, b"(" * 200, b"9" * 40, b"-1", b"4294967296", b"1e999",
         b"a" * 600, b": ", b";", b"m=image 9 udptl t38\r\n", b"a=T38FaxMaxBuffer:", b"=", b"\t", b" ", b"'''", b"NaN", b"\xed\xa0\x80"]  # fmt: skip


class Broken(AssertionError):
    """An input that a parser did not take as it promises."""


@dataclass(frozen=True)
class Target:
    """A parser: what it is given by, the errors it promises, and messages to spoil."""

    read: Callable[[bytes], object]
    seeds: tuple[bytes, ...]
    promised: tuple[type[BaseException], ...] = field(default=())


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _sdp(data: bytes) -> None:
    offer = sdp.parse(_text(data))
    for line in offer.media:
        sdp.is_direct(offer, line)
    if sdp.t38_line(offer) is not None:
        answer, _ = sdp.answer_t38(offer, ("192.0.2.9", 4000), OWN)
        sdp.parse(answer)


def _srtp(data: bytes) -> None:
    local = DESCRIPTION + AUDIO + CRYPTO
    with contextlib.suppress(sdp.SdpError):
        sdes.secured("optional", DESCRIPTION + AUDIO, _text(data), sdes.LocalKeys())
    sdes.agreed("optional", local, _text(data))


def _sip(data: bytes) -> None:
    head, _, body = _text(data).partition("\r\n\r\n")
    for value in headers_of(head).values():
        number_of(value), display_name(value)
    sdp_of(head, body)
    shown = redact(_text(data))
    trace = Trace("0" * 24)
    trace.sip(False, "far", shown)
    trace.sort()
    text_of(trace.to_json())
    read_answer(data, "ab")


def _ami(data: bytes) -> None:
    framer = Framer()
    for action in framer.feed(data) + framer.feed(b"\r\n\r\n"):
        with contextlib.suppress(ActionError):
            originate.read(action)
        encode(action.headers)


def _mail(data: bytes) -> None:
    letter = read_message(data)
    for attachment in letter.attachments:
        if "/" in attachment.name or attachment.name.startswith(("-", ".")):
            raise Broken(f"an attachment is called {attachment.name!r}")


def _smtp(data: bytes) -> None:
    incoming = Incoming(5000, Room(5000))
    for at in range(0, len(data), 7):
        if incoming.feed(data[at : at + 7]) is not None:
            incoming.content()
            break
    incoming.close()
    for text in _text(data).split("\n")[:20]:
        passed([text], "mx.example", "example.com")
        with contextlib.suppress(SoftfaxError):
            parse_recipient(text, ["fax.example"])


def _form(data: bytes) -> None:
    async def stream() -> AsyncIterator[bytes]:
        for at in range(0, len(data), 500):
            yield data[at : at + 500]

    folder = Path(tempfile.mkdtemp(prefix="softfax-fuzz-"))
    try:
        form_values(asyncio.run(read_form("multipart/form-data; boundary=b", stream(), folder, 3)))
        asyncio.run(read_form("application/x-www-form-urlencoded", stream(), folder, 3))
    finally:
        shutil.rmtree(folder)


def _swml(data: bytes) -> None:
    variables = {"a": 1, "b": {"c": "x"}, "send_fax_result": "success"}
    for line in _text(data).split("\n")[:10]:
        with contextlib.suppress(ExpressionError):
            evaluate(line, variables)
        with contextlib.suppress(ExpressionError):
            substitute(line, variables)
    load(data)


def _settings(data: bytes) -> None:
    text = _text(data)
    key_lines(text)
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError):
        return
    StationConfig.checked(table, "the configuration")


def _names(data: bytes) -> None:
    text = _text(data)
    for one in text.split("\n")[:10]:
        redacted(one)
        with contextlib.suppress(SoftfaxError):
            split_source(one)
        with contextlib.suppress(ValueError, SoftfaxError):
            check_host(one)
        with contextlib.suppress(SoftfaxError):
            parse_ranges(one)
        with contextlib.suppress(ValueError):
            name = file_name(one, f"http://h/{one}", "application/pdf")
            if "/" in name or name.startswith(("-", ".")):
                raise Broken(f"a file is called {name!r}")


def _octets(data: bytes) -> None:
    t30.decode(data)
    mapped_address(data, data[8:20])
    merged([data], [Datagram(1, ("192.0.2.1", 1), ("192.0.2.2", 2), data[:99])])
    with contextlib.suppress(ValueError):
        wire.decode(data)


_PCAP = (
    b"\xd4\xc3\xb2\xa1\x02\0\x04\0" + b"\0" * 8 + b"\xff\xff\0\0\x65\0\0\0" + b"\1\0\0\0\2\0\0\0\4\0\0\0\4\0\0\0abcd"
)
TARGETS: dict[str, Target] = {
    "sdp": Target(
        _sdp,
        (
            (DESCRIPTION + T38).encode(),
            (DESCRIPTION + AUDIO + T38).encode(),
            sdp.offer_t38(("192.0.2.1", 4000), sdp.T38Parameters(direct=True)).encode(),
        ),
        (sdp.SdpError,),
    ),
    "srtp": Target(
        _srtp,
        ((DESCRIPTION + AUDIO + CRYPTO).encode(), (DESCRIPTION + AUDIO).replace("AVP", "SAVP").encode()),
        (sdp.SdpError,),
    ),
    "sip": Target(
        _sip,
        (
            INVITE + (DESCRIPTION + T38).encode(),
            INVITE.replace(b"application/sdp", b"multipart/mixed;boundary=b")
            + b"--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--b--\r\n",
        ),
    ),
    "ami": Target(
        _ami,
        (
            b"Action: Originate\r\nChannel: PJSIP/out/sip:1@h\r\nApplication: SendFAX\r\nData: /a.tif&/b.pdf,zf\r\n"
            b'Variable: FAXOPT(ecm)=yes,FAXOPT(maxrate)=14400\r\nCallerID: "A" <1>\r\nTimeout: 1000\r\n\r\n',
        ),
    ),
    "mail": Target(
        _mail,
        (
            b"From: =?utf-8?q?A?= <a@b.example>\r\nSubject: s\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
            b"Content-Type: text/plain; charset=utf-8; format=flowed\r\n\r\nText \r\nmore\r\n--b\r\nContent-Type: text/html\r\n\r\n"
            b"<p>a&amp;b</p>\r\n--b\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment;\r\n filename*=utf-8''a%20b.pdf\r\n"
            b"Content-Transfer-Encoding: base64\r\n\r\nJVBERi0xLjc=\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nx\r\n--b--\r\n",
        ),
        (SoftfaxError,),
    ),
    "tnef": Target(
        lambda data: read_tnef(data),
        (bytes.fromhex("789f3e22") + b"\1\0\1\6\x90\x08\0\4\0\0\0\0\0\1\0\1\0" * 3,),
        (TnefError,),
    ),
    "smtp": Target(
        _smtp,
        (
            b"Subject: x\r\n\r\n..a\r\n.\r\nQUIT\r\n",
            b"mx.example; dmarc=pass header.from=example.com\n+4930+a=b@fax.example\n",
        ),
    ),
    "form": Target(
        _form,
        (
            b'--b\r\nContent-Disposition: form-data; name="to"\r\n\r\n1\r\n--b\r\nContent-Disposition: form-data; name="file"; '
            b'filename="a.pdf"\r\nContent-Type: application/pdf\r\n\r\n%PDF\r\n--b--\r\n',
            b"to=%2B49&tag.a=b&cover={}",
        ),
        (Problem, RequestValidationError),
    ),
    "swml": Target(
        _swml,
        (
            b"version: 1.0.0\nsections:\n  main:\n    - send_fax: {document: 'https://h/a.pdf', status_url: 'https://h'}\n"
            b"    - cond:\n        - when: send_fax_result == 'success' && a > 1\n          then: [hangup]\n",
            b'{"sections": {"main": [{"set": {"x": "%{a}"}}, "hangup"]}}',
            b"(a + 1) * 2 >= b.c || !x\n%{a}\n&a [*a, *a]\n",
        ),
        (SoftfaxError,),
    ),
    "settings": Target(
        _settings,
        (
            b'[sip]\nlisten = "127.0.0.1:5060"\n[[account]]\nname = "a"\nserver = "sip:h"\nmore = [1, "x"]\n'
            b'[[mailbox]]\nname = "m"\nnumbers = ["1*"]\n[[mailbox.folder]]\ndir = "/x"\n',
        ),
        (ConfigError,),
    ),
    "names": Target(
        _names,
        (
            b"https://user:secret@host.example:8080/a/b.pdf?x=1#y\n1-3,5-,last\na.pdf#pages=2-4\n"
            b"attachment; filename*=utf-8''%E2%82%AC.pdf; filename=\"x.pdf\"\n[::1]\n0x7f.1\n",
        ),
    ),
    "octets": Target(
        _octets,
        (
            b"\xff\xc8\x2c\x1f\x44\x44\x44\x44",
            b"\1\1\0\x0c\x21\x12\xa4\x42" + b"x" * 12 + b"\0\x20\0\x08\0\1\1\1\1\1\1\1",
            _PCAP,
            b'["Happened",{"fax_id":"0","what":"CallEvent","event":{"state":"ringing"}}]',
        ),
    ),
}


def spoil(data: bytes, dice: random.Random) -> bytes:
    """A message spoilt in some places."""
    out = bytearray(data)
    for _ in range(dice.choice((1, 1, 2, 3, 8, 30))):
        at, what = dice.randrange(len(out) + 1), dice.randrange(7)
        if what == 0 and out:
            out[at % len(out)] = dice.randrange(256)
        elif what == 1:
            out[at:at] = dice.choice(WORDS)
        elif what == 2:
            del out[at : at + dice.choice((1, 2, 10, 100))]
        elif what == 3:
            end = at + dice.randrange(1, 80)
            out[at:at] = out[at:end] * dice.choice((1, 2, 30))
        elif what == 4:
            lines = out.split(b"\n")
            dice.shuffle(lines)
            out = bytearray(b"\n".join(lines))
        elif what == 5:
            out[at : at + 4] = dice.choice(WORDS)
        else:
            del out[at:]
    return bytes(out[:OCTETS_MAX])


def inputs(target: Target, seed: int) -> Iterator[bytes]:
    """Messages whole, then spoilt ones without end."""
    yield from target.seeds
    number = 0
    while True:
        dice = random.Random(f"{seed}:{number}")
        yield spoil(dice.choice(target.seeds), dice)
        number += 1


def check(name: str, data: bytes) -> None:
    """Raises Broken where a parser raises what it does not promise, or takes very long."""
    target, began = TARGETS[name], time.process_time()
    try:
        target.read(data)
    except target.promised:
        pass
    except Broken:
        raise
    except BaseException as error:
        raise Broken(f"{name} raised {type(error).__name__}: {error}\nfor {data!r}") from error
    if time.process_time() - began > CPU_S:
        raise Broken(f"{name} took {time.process_time() - began:.1f} s\nfor {data!r}")


def campaign(name: str, *, seed: int = 1, count: int = 0, seconds: float = 0.0) -> int:
    """So many inputs, or as many as the time allows; returns how many. Raises Broken."""
    end, done = time.monotonic() + seconds, 0
    for data in inputs(TARGETS[name], seed):
        check(name, data)
        done += 1
        if done >= count and time.monotonic() >= end:
            break
    return done


def main() -> int:
    """Runs the campaigns, one after another."""
    parser = argparse.ArgumentParser(description="Fuzzes the parsers in Python.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"some of {', '.join(TARGETS)}; all by default")
    parser.add_argument("--seconds", type=float, default=10.0, help="for all together")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    names = options.targets or list(TARGETS)
    counts = {name: campaign(name, seed=options.seed, seconds=options.seconds / len(names)) for name in names}
    print("  ".join(f"{name} {count}" for name, count in counts.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
