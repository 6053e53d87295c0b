"""One model request on its way, and the same request for another model."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, replace

from aiohttp import web

from paid.gateway.access import Grant
from paid.gateway.caller import Caller
from paid.gateway.estimate import Ask
from paid.gateway.routes import Route
from paid.gateway.scan import Scan
from paid.gateway.spool import Body, Edit, Spool
from paid.gateway.usage_request import PassingEdits


@dataclass(frozen=True)
class Job:
    """What came, what it asks for, and as whom. `edits` are what must differ from the bytes."""

    request: web.BaseRequest
    caller: Caller
    route: Route
    grant: Grant
    spool: Spool
    scan: Scan
    ask: Ask
    edits: Sequence[Edit] = ()

    def body_until(self, go_on: Awaitable[object]) -> Body:
        """What is sent, with its end from the last brace on held back until `go_on` is done."""
        closing = self.scan.closing
        assert closing is not None  # noqa: S101 - the scan is done
        return self.spool.body_until(self.edits, self.spool.size - closing, go_on)

    def models(self) -> list[str]:
        """The model that was asked for, then the project's fall-backs at the same vendor."""
        prefix = f"{self.route.vendor}/"
        names = [name.removeprefix(prefix) for name in self.grant.fallback_models]
        return [self.ask.model, *(n for n in names if "/" not in n and n != self.ask.model)]

    def with_model(self, model: str) -> Job:
        """The same for another model: in the path, or in the body's one member."""
        if model == self.ask.model:
            return self
        ask = replace(self.ask, model=model)
        if self.route.model is not None:
            upstream = self.route.upstream.replace(f"/{self.route.model}:", f"/{model}:", 1)
            return replace(self, ask=ask, route=replace(self.route, upstream=upstream, model=model))
        place = self.scan.members["model"]
        edit = Edit(place.start, place.end, json.dumps(model).encode())
        return replace(self, ask=ask, edits=[*self.edits, edit])


def may_leave_early(route: Route, scan: Scan, grant: Grant) -> bool:
    """Whether a body may be on its way before all of it was seen.

    Its model has to be known and allowed, for what is sent is told to the vendor.
    """
    named = scan.members.get("model")
    model = route.model or (named.value if named is not None else None)
    return isinstance(model, str) and grant.allows(route.vendor, model)


def followed(
    route: Route, scan: Scan, spool: Spool, length: int | None, go_on: Awaitable[object]
) -> Body:
    """A body that is sent as it comes; `length` is what its client said, or None.

    Room is left for what may have to be put in, because the vendor is told the length first.
    """
    passing = PassingEdits(route, scan, spool)
    room = passing.room()
    return spool.followed(passing.ready, None if length is None else length + room, go_on)
