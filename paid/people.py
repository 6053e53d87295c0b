"""Who asked for something, as it may be told outside of the installation."""

from __future__ import annotations

_AT_THE_COMMAND_LINE = "command line"


def published(name: str) -> str:
    """The name as pages of GitHub may show it: not that of a user of the host."""
    if name == _AT_THE_COMMAND_LINE or name.endswith(f" ({_AT_THE_COMMAND_LINE})"):
        return "somebody at Paid's command line"
    return name
