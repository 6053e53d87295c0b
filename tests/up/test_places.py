"""Ports that two installations would like to have."""

from __future__ import annotations

import socket

from paid.up.places import PortClaims
from tests.ports import free_ports


def test_a_port_that_another_installation_is_about_to_bind_is_not_had_twice() -> None:
    port, first, second = free_ports(1), PortClaims(), PortClaims()
    assert first.preferred(port) == port
    assert second.preferred(port) == 0
    first.release()
    assert second.preferred(port) == port
    second.release()


def test_a_port_that_is_taken_is_not_had() -> None:
    claims = PortClaims()
    with socket.create_server(("127.0.0.1", 0)) as other:
        assert claims.preferred(other.getsockname()[1]) == 0
    claims.release()
