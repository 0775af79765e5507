# SPDX-License-Identifier: GPL-2.0-or-later
"""The server with a station that has no calls: logins, rights, limits, and clients that do not behave."""

from __future__ import annotations

import asyncio
import hashlib
import random
import ssl
from pathlib import Path

import pytest

from softfax.ami import AmiServer, Networks, User, permissions
from softfax.ami.actions import ACTIONS
from softfax.errors import ConfigError, PortInUseError
from softfax.model import Direction
from softfax.station.config import AmiConfig, AmiUserConfig
from tests.support.certificate import self_signed
from tests.unit.ami.fakes import ALL, SEND, Octets, result, run, serving, settings, whole_fax


def test_before_login_only_login_logoff_and_challenge() -> None:
    async def test() -> None:
        async with serving() as (server, _):
            client = await Octets.connect(server)
            for action in ("Ping", "Nonsense", "Originate"):
                assert await client.say(Action=action) == "Response: Error\nMessage: Permission denied"
            assert await client.say(Foo="x") == "Response: Error\nMessage: Missing action in request"
            assert (await client.say(Action="Challenge", AuthType="MD5")).startswith("Response: Success\nChallenge: ")
            assert await client.say(Action="Challenge") == "Response: Error\nMessage: Must specify AuthType"
            gone = "Response: Goodbye\nActionID: z\nMessage: Thanks for all the fish."
            assert await client.say(Action="Logoff", ActionID="z") == gone
            assert await client.closed()

    run(test)


def test_login_plain_with_fully_booted_for_whom_it_concerns() -> None:
    async def test() -> None:
        async with serving(ALL, User("calls", "secret", permissions("call"), permissions("call"))) as (server, _):
            client = await Octets.connect(server)
            assert (
                await client.login(ActionID="1") == "Response: Success\nActionID: 1\nMessage: Authentication accepted"
            )
            booted = await client.next()
            assert booted.startswith("Event: FullyBooted\nPrivilege: system,all\nUptime: ")
            assert booted.endswith("Status: Fully Booted")
            assert await client.login() == "Response: Success\nMessage: Already authenticated"
            for headers in ({"Events": "off"}, {"Events": "call,user"}):
                other = await Octets.connect(server)
                await other.login("FAX", **headers)
                assert (await other.say(Action="Ping")).startswith("Response: Success\nPing: Pong\nTimestamp: ")
            other = await Octets.connect(server)
            await other.login("calls")
            assert (await other.say(Action="Ping")).startswith("Response: Success")

    run(test)


def test_login_with_an_md5_challenge() -> None:
    async def test() -> None:
        async with serving() as (server, _):
            client = await Octets.connect(server)
            challenge = (await client.say(Action="Challenge", AuthType="MD5")).rpartition(" ")[2]
            key = hashlib.md5((challenge + "secret").encode()).hexdigest()
            answer = await client.say(Action="Login", AuthType="MD5", Username="fax", Key=key)
            assert answer == "Response: Success\nMessage: Authentication accepted"
            for stale in (key, hashlib.md5(b"secret").hexdigest(), ""):
                client = await Octets.connect(server)
                answer = await client.say(Action="Login", AuthType="MD5", Username="fax", Key=stale)
                assert answer == "Response: Error\nMessage: Authentication failed"

    run(test)


def test_a_bad_login_waits_and_closes() -> None:
    async def test() -> None:
        async with serving(ALL, User("empty", ""), failure_delay_s=0.3) as (server, _):
            loop = asyncio.get_running_loop()
            for name, secret in (("fax", "wrong"), ("nobody", "secret"), ("empty", "")):
                client, began = await Octets.connect(server), loop.time()
                assert await client.login(name, secret) == "Response: Error\nMessage: Authentication failed"
                assert loop.time() - began >= 0.29
                assert await client.closed()

    run(test)


def test_networks_decide_who_may_log_in() -> None:
    async def test() -> None:
        near = User("near", "secret", networks=Networks(["0.0.0.0/0"], ["127.0.0.1/255.255.255.255"]))
        far = User("far", "secret", networks=Networks(["0.0.0.0/0"], ["192.0.2.0/24"]))
        async with serving(near, far) as (server, _):
            assert "accepted" in await (await Octets.connect(server)).login("near")
            assert "failed" in await (await Octets.connect(server)).login("far")

    run(test)


def test_after_some_failures_an_address_is_refused_even_with_the_right_secret() -> None:
    async def test() -> None:
        async with serving(max_failures=3, failure_delay_s=0) as (server, _):
            for _ in range(3):
                await (await Octets.connect(server)).login(secret="wrong")
            assert "failed" in await (await Octets.connect(server)).login()

    run(test)


def test_limits_on_connections_and_on_the_time_to_log_in() -> None:
    async def test() -> None:
        async with serving(max_clients=3, max_unauthenticated=2, login_timeout_s=0.4) as (server, _):
            first = await Octets.connect(server)
            await first.login()
            await first.next()
            slow = [await Octets.connect(server) for _ in range(2)]
            with pytest.raises((ConnectionError, AssertionError)):
                await Octets.connect(server)
            for client in slow:
                client.writer.write(b"Action: Lo")
                assert await client.closed()
            assert "Pong" in await first.say(Action="Ping")
            assert "accepted" in await (await Octets.connect(server)).login()

    run(test)


def test_who_says_nothing_keeps_out_nobody_at_another_address() -> None:
    async def test() -> None:
        async with serving(max_unauthenticated=4, max_unauthenticated_of_one=3, max_clients=6) as (server, _):
            silent = [await Octets.connect(server) for _ in range(3)]
            with pytest.raises((ConnectionError, AssertionError)):
                await Octets.connect(server)
            # Held: from Python 3.13 on, a connection that nothing holds is closed.
            held = [await Octets.connect(server, source=f"127.0.0.{n}") for n in (2, 3, 4)]
            for client in held:
                assert "accepted" in await client.login()
            # Where strangers come from many addresses, the one that has most of them makes room.
            others = [await Octets.connect(server, source=f"127.0.1.{n}") for n in range(1, 3)]
            assert await silent[0].closed()
            assert await silent[1].closed()
            for client in others:
                assert "accepted" in await client.login()

    run(test)


def test_an_action_needs_its_class() -> None:
    async def test() -> None:
        reader = User("reader", "secret", permissions("all"), permissions("reporting"))
        async with serving(reader) as (server, station):
            client = await Octets.connect(server)
            await client.login("reader", Events="off")
            denied = "Response: Error\nActionID: o\nMessage: Permission denied"
            assert await client.say(**SEND, Data="/x.tif") == denied
            assert not station.orders
            assert await client.say(Action="FAXSessions") == "Response: Error\nMessage: Permission denied"
            assert "CurrentSessions: 0" in (await client.say(Action="FAXStats") + await client.next())
            listed = await client.say(Action="ListCommands")
            assert "FAXStats: Responds with fax statistics  (Priv: reporting,all)" in listed
            assert "Ping: Keepalive command.  (Priv: <none>)" in listed
            assert "Originate" not in listed

    run(test)


@pytest.mark.parametrize(
    ("mask", "answer"),
    [
        ("on", "Response: Success\nEvents: On"),
        ("off", "Response: Success\nEvents: Off"),
        ("call,user", "Response: Success\nEvents: On"),
        ("CALL", "Response: Success\nEvents: Off"),
        ("2", "Response: Success\nEvents: On"),
        ("-1", "Response: Success\nEvents: Off"),
        ("bogus", "Response: Success\nEvents: Off"),
        ("", "Response: Error\nMessage: Invalid event mask"),
    ],
)
def test_event_masks(mask: str, answer: str) -> None:
    async def test() -> None:
        async with serving() as (server, _):
            client = await Octets.connect(server)
            await client.login(Events="off")
            assert await client.say(Action="Events", EventMask=mask) == answer

    run(test)


def test_a_mask_lets_through_its_classes_alone() -> None:
    async def test() -> None:
        async with serving() as (server, station):
            calls, plan, none = [await Octets.connect(server) for _ in range(3)]
            await calls.login(Events="call")
            await plan.login(Events="dialplan")
            await none.login(Events="off")
            whole_fax(station, station.call(outgoing=False, direction=Direction.RECEIVE))
            heard = await calls.rest("Event: Hangup\n")
            assert all("\nPrivilege: call,all\n" in message for message in heard)
            assert "Event: VarSet\nPrivilege: dialplan,all\n" in await plan.next()
            assert "Pong" in await none.say(Action="Ping")

    run(test)


def test_what_is_wrong_is_said_in_asterisks_words() -> None:
    async def test() -> None:
        async with serving() as (server, _):
            client = await Octets.connect(server)
            await client.login(Events="off")
            unknown = "Invalid/unknown command: X. Use Action: ListCommands to show available commands."
            assert await client.say(Action="X", ActionID="1") == f"Response: Error\nActionID: 1\nMessage: {unknown}"
            for number, text in (
                ("", "Invalid session ID"),
                ("x", "Invalid session ID"),
                ("9999", "Session not found"),
            ):
                assert (
                    await client.say(Action="FAXSession", SessionNumber=number) == f"Response: Error\nMessage: {text}"
                )
            client.writer.write(b"Action: Ping\r\nX: " + b"y" * 2000 + b"\r\n\r\n")
            assert await client.next() == "Response: Error\nMessage: Failed to parse message: line too long"
            assert await client.say(Action="Hangup") == "Response: Error\nMessage: No channel specified"
            assert await client.say(Action="Hangup", Channel="x") == "Response: Error\nMessage: No such channel"

    run(test)


def test_who_does_not_read_is_dropped_and_holds_up_nobody() -> None:
    async def test() -> None:
        async with serving(queue_octets=200_000) as (server, station):
            deaf, good = await Octets.connect(server), await Octets.connect(server)
            await deaf.login()
            await good.login(Events="call")
            deaf.writer.transport.pause_reading()  # type: ignore[attr-defined]
            for _ in range(2000):
                if len(server._clients) == 1:
                    break
                whole_fax(station, station.call(outgoing=False, direction=Direction.RECEIVE))
                assert (await good.rest("Event: Hangup\n"))[-1].startswith("Event: Hangup")
            assert len(server._clients) == 1
            assert "Pong" in await good.say(Action="Ping")

    run(test)


def test_who_is_there_when_it_stops_is_told() -> None:
    async def test() -> None:
        async with serving() as (server, _):
            client = await Octets.connect(server)
            await client.login(Events="system")
            await client.next()
            await server.close()
            assert await client.rest() == ["Event: Shutdown\nPrivilege: system,all\nShutdown: Cleanly\nRestart: False"]

    run(test)


def test_garbage_before_and_after_the_login_disturbs_nobody(caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        dice = random.Random("garbage")
        names = [
            b"Action",
            b"ActionID",
            b"Channel",
            b"Variable",
            b"Data",
            b"SessionNumber",
            b"EventMask",
            b"Application",
        ]
        values = [name.encode() for name in ACTIONS] + [
            b"SendFAX",
            b"PJSIP/a/sip:b@c",
            b"\xff\0\r",
            b"x" * 1100,
            b"1",
            b"/a,f",
        ]
        async with serving() as (server, station):
            good = await Octets.connect(server)
            await good.login(Events="off")
            for number in range(40):
                client = await Octets.connect(server)
                if number % 2:
                    await client.login(Events="off")
                for _ in range(30):
                    pairs = [(dice.choice(names), dice.choice(values)) for _ in range(dice.randrange(6))]
                    lines = [name + b": " + value + dice.choice([b"\n", b"\r\n"]) for name, value in pairs]
                    client.writer.write(b"".join(lines) + dice.choice([b"\n", b"\r\n", dice.randbytes(20)]))
                    for call in station.calls():
                        station.say(call, result(call))
                client.writer.close()
            await asyncio.sleep(0.2)
            assert "Pong" in await good.say(Action="Ping")
        assert not [record for record in caplog.records if record.levelname == "ERROR"]

    run(test)


def test_over_tls(tmp_path: Path) -> None:
    async def test() -> None:
        certificate, key = self_signed(tmp_path)
        tls = {"tls_listen": "127.0.0.1:0", "tls_certificate": certificate, "tls_private_key": key}
        async with serving(**tls) as (server, _):
            context = ssl.create_default_context(cafile=str(certificate))
            context.check_hostname = False
            reader, writer = await asyncio.open_connection(*server.addresses[1], ssl=context)
            assert await reader.readline() == b"Asterisk Call Manager/5.0.4\r\n"
            client = Octets(reader, writer)
            assert "accepted" in await client.login()
            writer.close()
            # Who begins TLS and falls silent is counted too, and takes no place from others.
            host, port = server.addresses[1]
            silent = [await asyncio.open_connection(host, port) for _ in range(15)]
            cut = [reader for reader, _ in silent[server.settings.max_unauthenticated_of_one :]]
            assert [await reader.read() for reader in cut] == [b""] * 5
            reader, writer = await asyncio.open_connection(host, port, ssl=context, local_addr=("127.0.0.2", 0))
            assert await reader.readline() == b"Asterisk Call Manager/5.0.4\r\n"
            for _, other in [*silent, (reader, writer)]:
                other.close()

    run(test)


def test_what_cannot_be_listened_on() -> None:
    async def test() -> None:
        async with serving() as (server, station):
            host, port = server.addresses[0]
            with pytest.raises(PortInUseError):
                await AmiServer(station, settings(listen=f"{host}:{port}")).start()
            for changes in ({"listen": "example.org:1"}, {"tls_listen": "127.0.0.1:0"}):
                with pytest.raises(ConfigError):
                    await AmiServer(station, settings(**changes)).start()

    run(test)


def test_other_users_after_a_reload() -> None:
    async def test() -> None:
        async with serving() as (server, _):
            inside = await Octets.connect(server)
            assert "accepted" in await inside.login(Events="off")
            server.reload(AmiConfig(user=(AmiUserConfig(name="new", secret="other"),)))
            assert "accepted" in await (await Octets.connect(server)).login("new", "other")
            assert "failed" in await (await Octets.connect(server)).login()
            assert "Pong" in await inside.say(Action="Ping"), "who is inside stays"

    run(test)
