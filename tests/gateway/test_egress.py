from __future__ import annotations

import asyncio
import base64
import json
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from paid.errors import ConfigurationError
from paid.gateway import private_hosts, registries, registry_files
from paid.gateway.access import Access
from paid.gateway.addresses import is_listed, is_name, is_public
from paid.gateway.egress import MOST_REFUSALS_TOLD_A_RUN, Egress
from paid.gateway.front import Front, Gate
from paid.gateway.lines import make_pool
from paid.gateway.registries import Registries
from paid.models import Event
from paid.store import events, project_settings, tokens
from paid.store.database import Database, libpq_url
from paid.store.events import NewEvent
from paid.store.project_settings import ProjectChanges
from tests.gateway.conftest import Bench
from tests.gateway.test_relay import set_policy
from tests.ledger.rows import Rows, add_rows
from tests.waiting import HANGS_SECONDS, happens

pytestmark = pytest.mark.anyio


def _head(token: str, target: str) -> bytes:
    pair = base64.b64encode(f"run:{token}".encode()).decode()
    return (
        f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\nProxy-Authorization: Basic {pair}\r\n\r\n"
    ).encode()


async def _told(database: Database, run_id: int, kind: str) -> list[Event]:
    """The run's events of a kind, once there is one."""

    def found() -> list[Event]:
        with database.session() as session:
            return [event for event in events.of_run(session, run_id) if event.kind == kind]

    await happens(found, f"an event {kind}")
    return found()


# --- through the whole gateway: what is refused ---------------------------------------------------

REFUSED = {
    "not listed": ("evil.example:443", 403),
    "another port": ("packages.example:22", 403),
    "a port that is none": ("packages.example:99999", 400),
    "no port": ("packages.example", 400),
    "a number": ("127.0.0.1:443", 403),
    "a number in one": ("2130706433:443", 403),
    "a number in hex": ("0x7f000001:443", 403),
    "a number in brackets": ("[::1]:443", 403),
    "this machine": ("localhost:443", 403),
    "the cloud's own": ("169.254.169.254:443", 403),
    "a trailing dot": ("packages.example.:443", 403),
    "a user in front": ("packages.example@evil.example:443", 400),
    "a path behind": ("packages.example:443/x", 400),
    "a name below": ("packages.example.evil.example:443", 403),
    "a NUL in it": ("packages\x00.example:443", 400),
    "another alphabet": ("p\u0430ckages.example:443", 403),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_is_not_on_the_list_is_refused_and_told(bench: Bench, name: str) -> None:
    target, status = REFUSED[name]
    answer = await bench.raw(_head(bench.token, target))
    assert int(answer.split()[1]) == status, answer
    if status == 403:
        (event,) = await _told(bench.database, bench.rows.run_id, "egress.denied")
        assert event.data["reason"]


async def test_the_same_refusal_is_told_once(bench: Bench) -> None:
    for _ in range(5):
        await bench.raw(_head(bench.token, "evil.example:443"))
    await bench.raw(_head(bench.token, "last.example:443"))
    told = await _told(bench.database, bench.rows.run_id, "egress.denied")
    assert [event.data["host"] for event in told] == ["evil.example", "last.example"]


async def test_a_loop_over_names_does_not_fill_the_record(bench: Bench) -> None:
    tried = MOST_REFUSALS_TOLD_A_RUN + 20
    heads = [_head(bench.token, f"n{n}.example:443") for n in range(tried)]
    answers = [await bench.raw(head) for head in heads]
    assert all(answer.startswith(b"HTTP/1.1 403") for answer in answers)
    told = await _told(bench.database, bench.rows.run_id, "egress.denied")
    assert len(told) == MOST_REFUSALS_TOLD_A_RUN


@pytest.mark.parametrize("token", ["", "wrong", "paid_run_" + "x" * 300])
async def test_a_tunnel_needs_a_live_token(bench: Bench, token: str) -> None:
    answer = await bench.raw(_head(token, "packages.example:443"))
    assert answer.startswith(b"HTTP/1.1 407")


async def test_a_project_may_list_its_own_hosts_or_none(bench: Bench) -> None:
    set_policy(bench, egress_hosts=[])
    answer = await bench.raw(_head(bench.token, "packages.example:443"))
    assert answer.startswith(b"HTTP/1.1 403")
    assert b"not on this project's list" in answer


async def test_plain_proxy_requests_are_no_way_out(bench: Bench) -> None:
    data = b"GET http://packages.example/ HTTP/1.1\r\nHost: packages.example\r\n\r\n"
    answer = await bench.raw(data, quiet_seconds=0.5)
    assert answer.startswith(b"HTTP/1.1 404")


# --- a tunnel that opens --------------------------------------------------------------------------


class Way:
    """An egress proxy on a socket of its own, in front of an echo server."""

    def __init__(self, path: Path, token: str, port: int, rows: Rows) -> None:
        self.path, self.token, self.port, self.rows = path, token, port, rows

    async def open(
        self, host: str = "packages.example", early: bytes = b""
    ) -> tuple[bytes, asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_unix_connection(str(self.path))
        writer.write(_head(self.token, f"{host}:{self.port}") + early)
        return await reader.readuntil(b"\r\n\r\n"), reader, writer


Resolver = Callable[[str, int], Awaitable[list[str]]]


async def _loopback(host: str, port: int) -> list[str]:
    return ["127.0.0.1"]


@asynccontextmanager
async def _way(
    folder: Path,
    database: Database,
    *,
    most_bytes: int = 1 << 30,
    resolver: Resolver = _loopback,
    allowed: Callable[[str], bool] = bool,
    proxy: str | None = None,
    usual_ports: frozenset[int] | None = None,
    private: str = "",
) -> AsyncIterator[Way]:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while chunk := await reader.read(1 << 16):
                writer.write(chunk)
                await writer.drain()
        writer.close()

    rows = add_rows(database)
    with database.session() as session:
        token = tokens.issue(session, rows.run_id)
    url = libpq_url(database.url)
    pool = make_pool(url)
    await pool.open()
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    access = Access(url)
    egress = Egress(
        access=access,
        pool=pool,
        registries=lambda: ["packages.example", "*.mirror.example"],
        most_bytes=most_bytes,
        resolver=resolver,
        ports=usual_ports or frozenset({port}),
        is_allowed_address=allowed,
        proxy=proxy,
        private=private_hosts.read(private),
    )
    gate, listening = Gate(), asyncio.create_task(access.listen())
    path = folder / "egress.sock"
    front = await asyncio.get_running_loop().create_unix_server(
        lambda: Front(gate, asyncio.Protocol, egress.tunnel), str(path)
    )
    try:
        yield Way(path, token, port, rows)
    finally:
        front.close()
        server.close()
        await gate.close()
        assert gate.open == 0
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await access.close()
        await pool.close()


async def test_bytes_go_both_ways_and_are_on_record(short_folder: Path, database: Database) -> None:
    async with _way(short_folder, database) as way:
        answer, reader, writer = await way.open(early=b"early ")
        assert answer.startswith(b"HTTP/1.1 200")
        writer.write(b"bird" * 50_000)
        writer.write_eof()
        assert await reader.read(-1) == b"early " + b"bird" * 50_000
        writer.close()
        (event,) = await _told(database, way.rows.run_id, "egress.connection")
    assert event.data["host"] == "packages.example"
    assert (event.data["up_bytes"], event.data["down_bytes"]) == (200_006, 200_006)


async def test_a_pattern_covers_the_names_below_it(short_folder: Path, database: Database) -> None:
    async with _way(short_folder, database) as way:
        answer, _, writer = await way.open("a.b.mirror.example")
        assert answer.startswith(b"HTTP/1.1 200")
        writer.close()
        answer, _, writer = await way.open("mirror.example")
        assert answer.startswith(b"HTTP/1.1 403")
        writer.close()


@pytest.mark.parametrize("inside", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fe80::1"])
async def test_a_listed_name_that_leads_inside_is_refused(
    short_folder: Path, database: Database, inside: str
) -> None:
    async def resolver(host: str, port: int) -> list[str]:
        return ["93.184.215.14", inside]

    async with _way(short_folder, database, resolver=resolver, allowed=is_public) as way:
        answer, _, writer = await way.open()
        assert answer.startswith(b"HTTP/1.1 403")
        writer.close()


async def test_a_host_inside_that_the_operator_named_is_reached_where_it_may_be(
    short_folder: Path, database: Database
) -> None:
    """Loopback has to be named as the one address that it is; a network of it is not enough."""
    for private, status in {
        "packages.example=127.0.0.1": 200,
        "*.mirror.example=127.0.0.1 packages.example=127.0.0.1/32": 200,
        "packages.example=127.0.0.0/8": 403,
        "other.example=127.0.0.1": 403,
        "packages.example=127.0.0.2": 403,
        "": 403,
    }.items():
        async with _way(short_folder, database, allowed=is_public, private=private) as way:
            answer, _, writer = await way.open()
            assert answer.startswith(b"HTTP/1.1 %d" % status), private
            writer.close()


async def test_every_address_of_a_host_inside_has_to_be_named(
    short_folder: Path, database: Database
) -> None:
    async def several(host: str, port: int) -> list[str]:
        return ["127.0.0.1", "10.20.0.1"]

    private = "packages.example=127.0.0.1"
    async with _way(
        short_folder, database, allowed=is_public, private=private, resolver=several
    ) as way:
        answer, reader, writer = await way.open()
        assert answer.startswith(b"HTTP/1.1 403")
        assert b"PAID_EGRESS_PRIVATE" in await reader.read(-1)
        writer.close()


async def test_the_registries_and_a_mirror_can_stand_in_one_list(
    short_folder: Path, database: Database
) -> None:
    listed = ["registries", "mirror.corp"]
    async with _way(short_folder, database) as way:
        with database.session() as session:
            changes = ProjectChanges(egress_hosts=listed)
            project_settings.change(session, way.rows.project_id, changes, by="maria")
        for host, status in {
            "packages.example": 200,
            "mirror.corp": 200,
            "other.corp": 403,
        }.items():
            answer, _, writer = await way.open(host)
            assert answer.startswith(b"HTTP/1.1 %d" % status), host
            writer.close()


async def test_a_host_inside_is_reached_past_the_hosts_own_proxy(
    short_folder: Path, database: Database
) -> None:
    private = "packages.example=127.0.0.1"
    async with _way(
        short_folder, database, allowed=is_public, private=private, proxy="http://127.0.0.1:9"
    ) as way:
        answer, _, writer = await way.open()
        assert answer.startswith(b"HTTP/1.1 200")
        writer.close()


@pytest.mark.parametrize(
    ("entry", "address", "is_allowed"),
    [
        ("mirror.corp=10.20.0.0/16", "10.20.3.4", True),
        ("mirror.corp=10.20.0.0/16", "::ffff:10.20.3.4", True),
        ("mirror.corp=10.20.0.0/16", "10.21.0.1", False),
        ("mirror.corp=10.20.0.0/16", "192.168.0.1", False),
        ("Mirror.Corp=10.20.0.0/16", "10.20.3.4", True),
        ("a.mirror.corp=10.20.0.0/16", "10.20.3.4", False),
        ("*.corp=10.20.0.0/16", "10.20.3.4", True),
        ("mirror.corp=fd12:3456::/32", "fd12:3456::9", True),
        ("mirror.corp=169.254.0.0/16", "169.254.169.254", False),
        ("mirror.corp=169.254.169.254", "169.254.169.254", True),
        ("mirror.corp=fe80::/16", "fe80::1", False),
        ("mirror.corp=100.64.0.0/10", "100.100.100.200", False),
        ("mirror.corp=100.64.0.0/10", "100.64.0.9", True),
        ("mirror.corp=fd00::/16", "fd00:ec2::254", False),
        ("mirror.corp=127.0.0.0/8", "127.0.0.1", False),
        ("mirror.corp=127.0.0.1", "127.0.0.1", True),
        ("mirror.corp=127.0.0.1", "127.0.0.2", False),
        ("mirror.corp=0.0.0.0/8", "0.0.0.1", False),
    ],
)
def test_an_entry_allows_its_host_in_its_network_and_nothing_of_the_machines_own(
    entry: str, address: str, is_allowed: bool
) -> None:
    assert private_hosts.read(entry).allows("mirror.corp", address) is is_allowed


@pytest.mark.parametrize(
    "entry",
    [
        "mirror.corp", "=10.0.0.0/8", "10.0.0.1=10.0.0.0/8", "*=10.0.0.0/8", "mirror.corp=",
        "mirror.corp=10.20.0.1/16", "mirror.corp=0.0.0.0/0", "mirror.corp=::/0", "a.b=corp",
    ],
)  # fmt: skip
def test_an_entry_that_says_too_little_or_too_much_is_refused_with_its_form(entry: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        private_hosts.read(f"good.corp=10.0.0.0/8, {entry}")
    assert entry in str(raised.value)
    assert "mirror.corp=10.20.0.0/16" in str(raised.value)


def test_where_a_cloud_tells_its_secrets_is_never_public() -> None:
    """Azure's answers at an address that looks like anybody's."""
    assert not any(map(is_public, ("168.63.129.16", "169.254.169.254", "fd00:ec2::254")))


async def test_a_name_is_looked_up_once_and_that_address_is_used(
    short_folder: Path, database: Database
) -> None:
    asked: list[str] = []

    async def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.9.9.9"]

    async with _way(short_folder, database, resolver=rebinding) as way:
        answer, _, writer = await way.open()
        assert answer.startswith(b"HTTP/1.1 200")
        writer.close()
        (event,) = await _told(database, way.rows.run_id, "egress.connection")
    assert (asked, event.data["address"]) == (["packages.example"], "127.0.0.1")


async def test_the_next_address_is_tried_where_the_first_does_not_answer(
    short_folder: Path, database: Database
) -> None:
    async def several(host: str, port: int) -> list[str]:
        return ["::1", "127.9.9.9", "127.0.0.1"]

    async with _way(short_folder, database, resolver=several) as way:
        answer, _, writer = await way.open()
        assert answer.startswith(b"HTTP/1.1 200")
        writer.close()
        (event,) = await _told(database, way.rows.run_id, "egress.connection")
    assert event.data["address"] == "127.0.0.1"


@pytest.mark.parametrize(("own_port", "status"), [("", 403), (":{port}", 200), (":8443", 403)])
async def test_a_port_of_its_own_is_listed_with_its_host(
    short_folder: Path, database: Database, own_port: str, status: int
) -> None:
    async with _way(short_folder, database, usual_ports=frozenset({443})) as way:
        host = "packages.example" + own_port.format(port=way.port)
        with database.session() as session:
            change = ProjectChanges(egress_hosts=[host])
            project_settings.change(session, way.rows.project_id, change, by="ann")
        answer, _, writer = await way.open()
        assert answer.startswith(b"HTTP/1.1 %d" % status)
        writer.close()


async def test_a_run_moves_only_as_many_bytes_as_it_may(
    short_folder: Path, database: Database
) -> None:
    async with _way(short_folder, database, most_bytes=100_000) as way:
        _, reader, writer = await way.open()
        with suppress(ConnectionError):
            writer.write(b"x" * 400_000)
            await writer.drain()
        got = 0
        with suppress(ConnectionError):
            while chunk := await reader.read(1 << 16):
                got += len(chunk)
        assert got <= 100_000
        writer.close()
        answer, _, writer = await way.open()
        assert answer.startswith(b"HTTP/1.1 403")
        writer.close()


async def test_a_tunnel_ends_with_its_runs_token(short_folder: Path, database: Database) -> None:
    async with _way(short_folder, database) as way:
        _, reader, writer = await way.open(early=b"ping")
        assert await reader.readexactly(4) == b"ping"
        with database.session() as session:
            tokens.revoke(session, way.rows.run_id)
        assert await asyncio.wait_for(reader.read(), HANGS_SECONDS) == b""
        writer.close()
        (event,) = await _told(database, way.rows.run_id, "egress.connection")
        assert event.data["up_bytes"] == 4


async def test_what_was_moved_under_an_earlier_gateway_counts(
    short_folder: Path, database: Database
) -> None:
    async with _way(short_folder, database, most_bytes=1000) as way:
        with database.session() as session:
            moved = NewEvent("egress.connection", {"up_bytes": 600, "down_bytes": 400})
            events.append_to_run(session, way.rows.run_id, way.rows.project_id, moved)
        answer, _, writer = await way.open()
        assert answer.startswith(b"HTTP/1.1 403")
        writer.close()


async def test_a_host_that_cannot_be_reached_is_a_502(
    short_folder: Path, database: Database
) -> None:
    async def nowhere(host: str, port: int) -> list[str]:
        raise OSError("no such name")

    async with _way(short_folder, database, resolver=nowhere) as way:
        answer, _, writer = await way.open()
        assert answer.startswith(b"HTTP/1.1 502")
        writer.close()


async def test_this_hosts_own_proxy_is_used_where_there_is_one(
    short_folder: Path, database: Database
) -> None:
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nhello")
        writer.close()

    proxy = await asyncio.start_server(serve, "127.0.0.1", 0)
    address = f"http://user:word@127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
    async with _way(short_folder, database, proxy=address) as way:
        answer, reader, writer = await way.open()
        assert answer.startswith(b"HTTP/1.1 200")
        assert await reader.read() == b"hello"
        writer.close()
        assert seen[0].startswith(b"CONNECT packages.example:%d HTTP/1.1" % way.port)
        assert b"proxy-authorization: Basic dXNlcjp3b3Jk" in seen[0]
    proxy.close()


# --- names and addresses --------------------------------------------------------------------------

INSIDE = [
    "0.0.0.0",  # noqa: S104
    "10.1.2.3",
    "100.64.0.1",
    "127.0.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:10.0.0.1",
    "::10.0.0.1",
    "::ffff:0:10.0.0.1",
    "64:ff9b::a00:1",
    "64:ff9b:1::a00:1",
    "192.0.0.8",
    "192.88.99.1",
    "3fff::1",
    "5f00::1",
    "fec0::1",
    "2002:a00:1::",
    "fc00::1",
    "fe80::1%eth0",
    "ff02::1",
]


@pytest.mark.parametrize("address", INSIDE)
async def test_addresses_inside_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.215.14", "2606:4700::1111"])
async def test_addresses_outside_are_public(address: str) -> None:
    assert is_public(address)


async def test_names_are_names() -> None:
    assert all(map(is_name, ["a.example", "x-y.b2.example"]))
    assert not any(
        map(is_name, ["example", "1.2.3.4", "a..b", "-a.example", "a.example.", "a b.c"])
    )
    assert is_listed("x.example", 443, ["X.example"], {443})
    assert not is_listed("evilx.example", 443, ["*.x.example", "x.example"], {443})
    own = ["x.example:8443", "*.y.example:9000"]
    assert is_listed("x.example", 8443, own, {443})
    assert is_listed("a.y.example", 9000, own, {443})
    assert not is_listed("x.example", 443, own, {443})
    assert not is_listed("x.example", 9000, own, {443})


# --- the registries -------------------------------------------------------------------------------


async def test_the_package_clients_say_which_hosts_they_need(tmp_path: Path) -> None:
    said = {"python3": "https://index.example/simple\n", "npm": "https://npm.example:8443/\n"}
    said["go"] = "https://proxy.example,direct\nsum.example\n"
    file = tmp_path / "registries.json"
    found = Registries(file, lambda command: said[command[0]])
    assert found.hosts() == ()
    found.discover()
    names = ["index.example", "npm.example:8443", "proxy.example", "sum.example"]
    assert sorted(found.hosts()) == names
    file.write_text(json.dumps({"hosts": ["Mine.example"]}))
    found.discover()
    assert found.hosts() == ("mine.example",), "what a person wrote stays"
    file.write_text("no json")
    assert found.hosts() == ()


async def test_a_client_that_is_installed_later_is_asked_then(tmp_path: Path) -> None:
    said, files = {"python3": "https://index.example/simple", "npm": "", "go": ""}, {}
    file = tmp_path / "registries.json"
    found = Registries(file, lambda command: said[command[0]], lambda: files)
    found.discover()
    assert found.hosts() == ("index.example",)
    files["cargo"] = ["sparse+https://crates.example/", "https://static.example:8443/crates"]
    said["go"], said["python3"] = "https://proxy.example|direct", "https://other.example"
    found.discover()
    assert found.hosts() == (
        "crates.example", "index.example", "proxy.example", "static.example:8443",
    )  # fmt: skip
    edited = json.loads(file.read_text()) | {"hosts": ["mine.example"]}
    file.write_text(json.dumps(edited))
    found.discover()
    assert found.hosts() == ("mine.example",), "what was asked once is not asked again"


@pytest.fixture
def clients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of programs that is the whole path, and a home without configuration."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return programs


def program(place: Path, content: bytes = b"#!/bin/sh\n") -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)
    place.chmod(0o755)


def test_cargos_index_is_read_out_of_its_program_and_its_configuration(
    clients: Path, tmp_path: Path
) -> None:
    assert registry_files.addresses() == {}
    built_in = "sparse+https://crates.invalid/"
    program(clients / "cargo", b"\x7fELF\0" + built_in.encode() + b"\0rest")
    assert registry_files.addresses() == {"cargo": [built_in]}
    config = tmp_path / "home" / ".cargo" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text('[source.corp]\nregistry = "sparse+https://mirror.invalid/index/"\n')
    assert registry_files.addresses() == {"cargo": ["sparse+https://mirror.invalid/index/"]}


def test_mavens_repository_is_read_out_of_its_archive_and_its_settings(
    clients: Path, tmp_path: Path
) -> None:
    home = tmp_path / "maven"
    program(home / "bin" / "mvn")
    (clients / "mvn").symlink_to(home / "bin" / "mvn")
    (home / "lib").mkdir()
    with zipfile.ZipFile(home / "lib" / "maven-model-builder-3.9.jar", "w") as jar:
        pom = "<project><url>https://central.invalid/maven2</url></project>"
        jar.writestr("org/apache/maven/model/pom-4.0.0.xml", pom)
    assert registry_files.addresses() == {"mvn": ["https://central.invalid/maven2"]}
    settings = tmp_path / "home" / ".m2" / "settings.xml"
    settings.parent.mkdir(parents=True)
    settings.write_text(
        '<settings xmlns="urn:x"><mirrors><mirror><url>https://mirror.invalid/m2</url></mirror>'
        "<mirror><url>http://0.0.0.0/</url><blocked>true</blocked></mirror></mirrors></settings>"
    )
    assert registry_files.addresses() == {"mvn": ["https://mirror.invalid/m2"]}


async def test_a_client_that_is_missing_or_fails_says_nothing() -> None:
    assert registries._ask(("no-such-program-anywhere",)) == ""
    assert registries._ask(("python3", "-c", "import sys; print('x'); sys.exit(1)")) == ""
