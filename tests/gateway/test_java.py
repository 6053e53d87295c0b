"""A real JVM on the way out: its proxy, its trust, and Maven's own settings."""

from __future__ import annotations

import asyncio
import os
import shutil
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from paid.containers.image.paid_step import jvm
from paid.store.database import Database
from tests.conftest import missing
from tests.gateway.test_egress import _told, _way

pytestmark = pytest.mark.anyio
HOST = "packages.example"
PARENT = b"""<project><modelVersion>4.0.0</modelVersion>
<groupId>corp</groupId><artifactId>parent</artifactId><version>1</version><packaging>pom</packaging>
</project>"""
CHILD = """<project><modelVersion>4.0.0</modelVersion>
<parent><groupId>corp</groupId><artifactId>parent</artifactId><version>1</version></parent>
<artifactId>child</artifactId><packaging>pom</packaging>
<repositories><repository><id>central</id><url>https://{host}:{port}/</url></repository></repositories>
</project>"""


def authority(folder: Path) -> tuple[Path, Path]:
    """A certificate for HOST that nobody knows yet, and its key."""
    key, name = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)]),
    )
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(b"# the company's\n" + certificate.public_bytes(pem))
    (folder / "key.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "ca.pem", folder / "key.pem"


@asynccontextmanager
async def mirror(certificate: Path, key: Path) -> AsyncIterator[int]:
    """A repository over TLS that has one file; its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            found = b"/corp/parent/1/parent-1.pom " in head
            body = PARENT if found else b""
            status = b"200 OK" if found else b"404 Not Found"
            writer.write(
                b"HTTP/1.1 %s\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s"
                % (status, len(body), body)
            )
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with server:
        yield int(server.sockets[0].getsockname()[1])


@asynccontextmanager
async def forwarder(path: Path) -> AsyncIterator[int]:
    """As in a container: TCP on loopback that ends at the gateway's socket."""

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_unix_connection(str(path))

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            with suppress(OSError):
                while chunk := await source.read(1 << 16):
                    sink.write(chunk)
                    await sink.drain()
            sink.close()

        await asyncio.gather(pump(reader, there_writer), pump(there_reader, writer))

    server = await asyncio.start_server(carry, "127.0.0.1", 0)
    async with server:
        yield int(server.sockets[0].getsockname()[1])


async def run(*argv: str, env: dict[str, str], folder: Path) -> str:
    process = await asyncio.create_subprocess_exec(
        *argv,
        env=env,
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed, _ = await process.communicate()
    assert process.returncode == 0, printed.decode()
    return printed.decode()


async def test_maven_finds_a_mirror_through_the_gateway_and_trusts_the_companys_authority(
    short_folder: Path, tmp_path: Path, database: Database
) -> None:
    maven = shutil.which("mvn") or missing("there is no Maven")
    certificate, key = authority(tmp_path)
    async with (
        mirror(certificate, key) as port,
        _way(short_folder, database, usual_ports=frozenset({port})) as way,
        forwarder(way.path) as entry,
    ):
        inherited = {"PATH": os.environ["PATH"]}
        proxy, store = ("127.0.0.1", entry), str(tmp_path / "trust.jks")
        jvm.keep_store(str(certificate), store)
        java = jvm.environment(inherited, str(tmp_path), proxy, way.token, store)
        assert way.token not in java["JAVA_TOOL_OPTIONS"], "every JVM prints it"
        java["JAVA_TOOL_OPTIONS"] += f" -Duser.home={tmp_path}"
        (tmp_path / "pom.xml").write_text(CHILD.format(host=HOST, port=port))
        env = inherited | java | {"HOME": str(tmp_path)}
        await run(str(maven), "-q", "-B", "validate", env=env, folder=tmp_path)
        (event, *_) = await _told(database, way.rows.run_id, "egress.connection")
    assert (event.data["host"], event.data["port"]) == (HOST, port)
    assert (tmp_path / ".m2/repository/corp/parent/1/parent-1.pom").read_bytes() == PARENT


async def test_javas_own_tool_reads_the_trust_store(tmp_path: Path) -> None:
    keytool = shutil.which("keytool") or missing("there is no JVM")
    certificate, _ = authority(tmp_path)
    store = tmp_path / "trust.jks"
    store.write_bytes(jvm.trust_store(certificate.read_text() * 3))
    printed = await run(
        str(keytool), "-list", "-keystore", str(store), "-storepass", jvm.PASSWORD,
        env={"PATH": os.environ["PATH"]}, folder=tmp_path,
    )  # fmt: skip
    assert printed.count("trustedCertEntry") == 3


def test_somebodys_own_settings_stay_and_ours_follow_the_run(tmp_path: Path) -> None:
    theirs, ours = tmp_path / ".m2/settings.xml", tmp_path / ".gradle/gradle.properties"
    theirs.parent.mkdir()
    theirs.write_text("<settings/>")
    proxy = ("127.0.0.1", 8377)
    jvm.environment({}, str(tmp_path), proxy, "first")
    made = jvm.environment({"JAVA_TOOL_OPTIONS": "-Xmx1g"}, str(tmp_path), proxy, "second")
    assert theirs.read_text() == "<settings/>"
    assert "second" in ours.read_text()
    assert "first" not in ours.read_text()
    assert made["JAVA_TOOL_OPTIONS"].endswith(" -Xmx1g")
    assert "trustStore" not in made["JAVA_TOOL_OPTIONS"], "there is no store"


def test_a_link_that_an_agent_left_is_not_written_through(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    target.write_text(f"# {jvm.MARK}\nkept")
    (tmp_path / ".gradle").mkdir()
    (tmp_path / ".gradle/gradle.properties").symlink_to(target)
    jvm.environment({}, str(tmp_path), ("127.0.0.1", 8377), "token")
    assert target.read_text().endswith("kept")


def test_a_step_without_a_way_out_gets_trust_alone(tmp_path: Path) -> None:
    assert jvm.environment({}, str(tmp_path), None, "token") == {}
    assert not (tmp_path / ".m2").exists()
