# SPDX-License-Identifier: GPL-2.0-or-later
"""Bad lines: cells by name, what counts as delivered and as never to be, the figure of merit, and packets through a relay."""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import replace
from pathlib import Path

import pytest

from softfax.cli.main import main
from softfax.errors import UsageError
from softfax.impair.cells import CELLS, cells_named
from softfax.impair.faxes import LineFax, draw_pages, fax_over, figure_of_merit
from softfax.impair.relay import Damage, OneWay, Relay, relay_pair

GOOD = LineFax(1, True, True, True, "", 3, 3, 60.0, 14400, "OK", "OK")


def test_cells_have_names_of_their_own() -> None:
    assert len({cell.name for cell in CELLS}) == len(CELLS)
    assert cells_named(["audio-1%"])[0].line.loss == 0.01
    assert [c.name for c in cells_named(["t38-burst"])] == ["t38-burst-200ms", "t38-burst-1s"]
    with pytest.raises(KeyError):
        cells_named(["telepathy"])


def test_the_options_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["impair", "--help"])
    assert ended.value.code == 0
    assert "--loss 2% " in capsys.readouterr().out


def test_an_outage_is_at_a_moment_of_its_own() -> None:
    (cell,) = cells_named(["audio-outage-2s"])
    lines = [cell.of(seed) for seed in range(1, 21)]
    assert len({line.loss_from_s for line in lines}) == 20
    assert all(line.loss_until_s - line.loss_from_s == pytest.approx(2) for line in lines)


@pytest.mark.parametrize(
    ("faxes", "merit"),
    [
        ([GOOD], 100),
        ([replace(GOOD, seconds=120.0)], 50),
        ([GOOD, replace(GOOD, delivered=False, pages=0)], 50),
        ([replace(GOOD, wrong="a confirmed page differs")], 0),
        ([], 0),
    ],
)
def test_merit_is_what_a_user_got(faxes: list[LineFax], merit: float) -> None:
    assert figure_of_merit(faxes, 60.0) == merit


def test_a_fax_over_a_good_line_is_delivered_and_one_over_none_is_not(tmp_path: Path) -> None:
    draw_pages(tmp_path / "sent.tif", 1)
    (clean,) = [c for c in CELLS if c.name == "t38"]
    fax = fax_over(clean, 1, tmp_path / "sent.tif")
    assert (fax.delivered, fax.identical, fax.received, fax.wrong) == (True, True, True, "")

    dead = replace(clean, line=replace(clean.line, loss=1.0))
    fax = fax_over(dead, 1, tmp_path / "sent.tif")
    assert (fax.delivered, fax.identical, fax.received, fax.wrong) == (False, False, False, "")


def test_a_loss_lasts_as_long_as_a_burst() -> None:
    way = OneWay(Damage(loss=0.5, burst_s=1.0), random.Random(1))
    fates = [bool(way.delays(i * 0.02)) for i in range(5000)]
    runs = "".join("x" if lost else "-" for lost in fates).split("x")
    assert min(len(run) for run in runs[1:-1] if run) >= 49
    assert way.counts.lost + way.counts.forwarded == 5000


def test_packets_pass_a_relay_both_ways() -> None:
    async def scene() -> tuple[bytes, bytes, int]:
        loop = asyncio.get_running_loop()
        got: asyncio.Queue[tuple[bytes, tuple[str, int]]] = asyncio.Queue()

        class End(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
                got.put_nowait((data, addr))

        far, _ = await loop.create_datagram_endpoint(End, local_addr=("127.0.0.1", 0))
        relay = Relay(("127.0.0.1", 0), far.get_extra_info("sockname")[:2], Damage(delay_ms=5), 1)
        listen = await relay.start()
        near, _ = await loop.create_datagram_endpoint(End, remote_addr=listen)
        near.sendto(b"there")
        there, source = await asyncio.wait_for(got.get(), 20)
        far.sendto(b"back", source)
        back, _ = await asyncio.wait_for(got.get(), 20)
        for transport in (near, far):
            transport.close()
        relay.close()
        return there, back, relay.out.counts.forwarded + relay.back.counts.forwarded

    assert asyncio.run(scene()) == (b"there", b"back", 2)


@pytest.mark.parametrize("text", ["", "127.0.0.1:1", "a:1=b", "a:1=b:99999", ":1=b:2"])
def test_what_is_no_relay_is_said(text: str) -> None:
    with pytest.raises(UsageError, match="not a relay"):
        relay_pair(text)


def test_the_verb_prints_an_object_for_each_cell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    draw_pages(tmp_path / "one.tif", 1)
    words = ["impair", "--json", "--faxes", "2", "--loss", "1%", "--document", str(tmp_path / "one.tif")]
    assert main([*words, "--config", "/dev/null"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(one["event"], one["cell"], one["faxes"], one["delivered"], one["wrong"]) for one in found] == [
        ("cell", "t38", 2, 2, 0),
        ("cell", "audio", 2, 2, 0),
    ]
