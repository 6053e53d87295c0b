"""The way out for Java programs, which read neither the proxy variables nor a bundle of PEM.

They are told by properties (`JAVA_TOOL_OPTIONS`, which every JVM reads), by a trust store that is
made of the bundle, and by Maven's and Gradle's own files, which alone may hold the run's token: a
JVM prints its options. All of it is there without a JVM, too: one may come with what a project
installs.
"""

from __future__ import annotations

import _hashlib
import binascii
import os

TYPE_CHECKING = False  # as `typing` has it, which is not loaded
if TYPE_CHECKING:
    from collections.abc import Mapping

TRUST_STORE = "/opt/paid/truststore.jks"
"""Made with the image, of the bundle that the image has."""
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
PASSWORD = "changeit"  # noqa: S105 - what Java's own store has; it guards nothing public
MARK = "Made by Paid for this run"
"""Files with it are made anew; a file without is somebody's, and stays."""
_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
_LOCAL = "localhost|127.*|[::1]"
_MAGIC, _VERSION, _TRUSTED = 0xFEEDFEED, 2, 2
_SALT = b"Mighty Aphrodite"
"""Java's documents have the format of a JKS store, and this word of its checksum, in KeyStore's
reference implementation."""


def environment(
    inherited: Mapping[str, str],
    home: str,
    proxy: tuple[str, int] | None,
    token: str,
    store: str = TRUST_STORE,
) -> dict[str, str]:
    """What a JVM needs beside the inherited environment; its files are written on the way.

    `proxy` is where the way out begins; None where the step has none. `store` is the trust store; a
    JVM has its own where there is none.
    """
    options = _trust_options(store) if os.path.exists(store) else []
    if proxy is not None:
        options += _proxy_options(*proxy)
        _write_own(f"{home}/.m2/settings.xml", _maven(*proxy, token))
        _write_own(f"{home}/.gradle/gradle.properties", _gradle(*proxy, token))
    given = inherited.get("JAVA_TOOL_OPTIONS", "")
    # what comes later wins: the image's own options do
    return {"JAVA_TOOL_OPTIONS": " ".join([*options, given]).strip()} if options else {}


def trust_store(bundle: str) -> bytes:
    """A JKS store of the certificates in a bundle of PEM, without keytool."""
    certificates = [binascii.a2b_base64(part) for part in _certificates(bundle)]
    entries = b"".join(
        _number(_TRUSTED)
        + _text(f"paid-{count}")
        + bytes(8)
        + _text("X.509")
        + _number(len(der))
        + der
        for count, der in enumerate(certificates)
    )
    whole = _number(_MAGIC) + _number(_VERSION) + _number(len(certificates)) + entries
    checked = PASSWORD.encode("utf-16-be") + _SALT + whole
    return whole + _hashlib.new("sha1", checked, usedforsecurity=False).digest()


def _entry(count: int, der: bytes) -> bytes:
    """A trusted certificate under a name of its own, made at the beginning of time."""
    name = _number(_TRUSTED) + _text(f"paid-{count}") + bytes(8)
    return name + _text("X.509") + _number(len(der)) + der


def _certificates(bundle: str) -> list[str]:
    return [part.partition(_END)[0] for part in bundle.split(_BEGIN)[1:] if _END in part]


def _number(value: int) -> bytes:
    return value.to_bytes(4, "big")


def _text(value: str) -> bytes:
    return len(value).to_bytes(2, "big") + value.encode()


def keep_store(bundle_file: str = BUNDLE, store: str = TRUST_STORE) -> None:
    """Make the trust store of a bundle; for the build of an image."""
    with open(bundle_file, encoding="utf-8", errors="replace") as file:
        content = trust_store(file.read())
    with open(store, "wb") as file_of_store:
        file_of_store.write(content)


def _trust_options(store: str) -> list[str]:
    return [
        f"-Djavax.net.ssl.trustStore={store}",
        "-Djavax.net.ssl.trustStoreType=JKS",
        f"-Djavax.net.ssl.trustStorePassword={PASSWORD}",
    ]


def _proxy_options(host: str, port: int) -> list[str]:
    """Java leaves Basic out of what it answers a proxy with, unless it is told not to."""
    return [
        f"-Dhttp.proxyHost={host}",
        f"-Dhttp.proxyPort={port}",
        f"-Dhttps.proxyHost={host}",
        f"-Dhttps.proxyPort={port}",
        f"-Dhttp.nonProxyHosts={_LOCAL}",
        "-Djdk.http.auth.tunneling.disabledSchemes=",
    ]


def _maven(host: str, port: int, token: str) -> str:
    """The user's settings of Maven; they stand beside those of the image and of the repository."""
    proxies = "".join(
        f"<proxy><id>paid-{scheme}</id><active>true</active><protocol>{scheme}</protocol>"
        f"<host>{host}</host><port>{port}</port><username>run</username>"
        f"<password>{token}</password><nonProxyHosts>{_LOCAL}</nonProxyHosts></proxy>\n"
        for scheme in ("https", "http")
    )
    return f"<!-- {MARK} -->\n<settings><proxies>\n{proxies}</proxies></settings>\n"


def _gradle(host: str, port: int, token: str) -> str:
    """Gradle's wrapper reads these too, for its own download."""
    lines = [f"# {MARK}", "systemProp.jdk.http.auth.tunneling.disabledSchemes="]
    for scheme in ("https", "http"):
        lines += [
            f"systemProp.{scheme}.proxyHost={host}",
            f"systemProp.{scheme}.proxyPort={port}",
            f"systemProp.{scheme}.proxyUser=run",
            f"systemProp.{scheme}.proxyPassword={token}",
        ]
    return "\n".join([*lines, f"systemProp.http.nonProxyHosts={_LOCAL}"]) + "\n"


def _write_own(place: str, text: str) -> None:
    """Write a file of ours; never over one of somebody's, nor through a link that an agent left."""
    try:
        with open(place, encoding="utf-8", errors="replace") as there:
            if MARK not in there.read(200):
                return
        os.unlink(place)
    except FileNotFoundError:
        pass
    except OSError:
        return
    try:
        os.makedirs(os.path.dirname(place), exist_ok=True)
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError:
        return
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
