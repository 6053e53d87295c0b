"""A smaller maximum output for a request that sets none, so that it fits into what is left."""

from __future__ import annotations

from dataclasses import replace

from paid.gateway.estimate import LIMIT, Ask
from paid.gateway.prices import Tariff
from paid.gateway.routes import Route
from paid.gateway.scan import Scan
from paid.gateway.spool import Edit

SMALLEST_OUTPUT = 8_192
"""A request is not squeezed below this: an agent that is cut off in mid-thought wastes it all."""


def squeeze(
    route: Route, scan: Scan, ask: Ask, tariff: Tariff, room: int
) -> tuple[int, list[Edit]] | None:
    """A smaller maximum output that fits the room, for a request that sets none itself.

    It takes half of the room if that is enough: an agent may ask two things at once.
    None when even the smallest is too much, or when the client has set one: then it is a promise
    that it may rely on.
    """
    if ask.most_output is not None or ask.copies != 1:
        return None
    smallest, largest = SMALLEST_OUTPUT, tariff.max_output_tokens
    costs = [replace(ask, most_output=tokens).worst(tariff) for tokens in (smallest, largest)]
    if costs[0] > room or largest <= smallest:
        return None
    share = max(0.0, room / 2 - costs[0]) / max(1, costs[1] - costs[0])
    tokens = min(largest, int(smallest + share * (largest - smallest)))
    edit = _limit_edit(route, scan, tokens)
    return None if edit is None else (tokens, [edit])


def least(route: Route, scan: Scan, ask: Ask, tariff: Tariff) -> int:
    """The smallest reservation under which it can be sent, in micro-dollars: squeezed if it may."""
    smallest = min(SMALLEST_OUTPUT, tariff.max_output_tokens)
    may_shrink = ask.most_output is None and ask.copies == 1
    if may_shrink and _limit_edit(route, scan, smallest) is not None:
        return replace(ask, most_output=smallest).worst(tariff)
    return ask.worst(tariff)


def _limit_edit(route: Route, scan: Scan, tokens: int) -> Edit | None:
    """The maximum output put in; in the place of a null, which would be read after it."""
    if route.wire == "gemini":
        return _gemini_limit_edit(scan, tokens)
    name = LIMIT[route.wire][0]
    given = scan.members.get(name)
    if given is not None:
        return Edit(given.start, given.end, str(tokens).encode())
    return Edit(scan.opening + 1, scan.opening + 1, f'"{name}":{tokens},'.encode())


def _gemini_limit_edit(scan: Scan, tokens: int) -> Edit | None:
    """There the limit is in an inner object, which has its place but not its members'."""
    member = f'"maxOutputTokens":{tokens}'
    names = scan.members.keys() & {"generationConfig", "generation_config"}
    if not names:
        put_in = f'"generationConfig":{{{member}}},'
        return Edit(scan.opening + 1, scan.opening + 1, put_in.encode())
    config = scan.members[names.pop()]
    if not isinstance(config.value, dict):
        return Edit(config.start, config.end, f"{{{member}}}".encode())
    if config.value.keys() & {"maxOutputTokens", "max_output_tokens"}:
        return None
    comma = "," if config.value else ""
    return Edit(config.start + 1, config.start + 1, f"{member}{comma}".encode())
