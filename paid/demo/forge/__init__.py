"""A stand-in for GitHub on loopback: REST, git over HTTP, webhooks, small pages, and faults."""

from paid.demo.forge.faults import Fault
from paid.demo.forge.hands import PullSeen
from paid.demo.forge.server import Forge

__all__ = ["Fault", "Forge", "PullSeen"]
