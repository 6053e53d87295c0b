"""The scripted model as a server: in a thread of this process, with its switches over HTTP too."""

from __future__ import annotations

import secrets

from aiohttp import web

from paid.demo.scripted_model.bill import Entry
from paid.demo.scripted_model.faults import Fault
from paid.demo.scripted_model.listings import key_of
from paid.demo.scripted_model.vendors import Received, Vendors
from paid.demo.server import MAX_BODY_BYTES, LoopbackServer


class ScriptedModel:
    """Speaks four vendors' protocols on one loopback port and solves the sample's issues.

    `key` of None makes a random one. `tokens_per_second` of None streams as fast as the
    connection takes it. `scenario` (see scenarios.py) overrides what prompts ask for.
    """

    def __init__(
        self, port: int = 0, key: str | None = None, tokens_per_second: float | None = None
    ) -> None:
        self._vendors = Vendors(key or f"scripted-{secrets.token_hex(16)}", tokens_per_second)
        self._server = LoopbackServer(self._application, port)

    @property
    def key(self) -> str:
        """What clients must send as their key."""
        return self._vendors.key

    @property
    def url(self) -> str:
        """The base address; empty before `start`."""
        return self._server.url

    @property
    def scenario(self) -> str | None:
        """The scenario for every request, such as "slow 20"; None reads it from the prompt."""
        return self._vendors.scenario

    @scenario.setter
    def scenario(self, scenario: str | None) -> None:
        self._vendors.scenario = scenario

    @property
    def requests(self) -> list[Received]:
        """What arrived last, with headers and bodies; the oldest are forgotten."""
        return self._vendors.requests

    def start(self) -> str:
        """Listen, and answer the base address."""
        return self._server.start()

    def stop(self) -> None:
        """Stop listening; a second call does nothing."""
        self._server.stop()

    def wait(self) -> None:
        """Block until stopped."""
        self._server.wait()

    def bill(self) -> list[Entry]:
        """What was charged so far, one entry a request."""
        return self._vendors.bill.entries()

    def fail(self, fault: Fault) -> None:
        """Switch a fault on."""
        self._vendors.faults.add(fault)

    def mend(self) -> None:
        """Switch all faults off."""
        self._vendors.faults.clear()

    def reset(self) -> None:
        """Forget bill, requests, faults and scenario."""
        self._vendors.bill.clear()
        self._vendors.faults.clear()
        self._vendors.requests.clear()
        self._vendors.scenario = None

    def settings_environment(self) -> dict[str, str]:
        """The environment that points Paid's gateway here instead of at the vendors."""
        return {
            "OPENAI_BASE_URL": f"{self.url}/v1",
            "OPENAI_API_KEY": self.key,
            "ANTHROPIC_BASE_URL": self.url,
            "ANTHROPIC_API_KEY": self.key,
            "GEMINI_BASE_URL": self.url,
            "GEMINI_API_KEY": self.key,
        }

    def _application(self) -> web.Application:
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.add_routes(self._vendors.routes())
        app.add_routes(
            [
                web.get("/_script/bill", self._show_bill),
                web.post("/_script/faults", self._add_fault),
                web.post("/_script/scenario", self._set_scenario),
                web.post("/_script/reset", self._reset),
            ]
        )
        return app

    async def _show_bill(self, _request: web.Request) -> web.Response:
        entries = self.bill()
        total = sum(entry.cost_microdollars or 0 for entry in entries)
        listed = [entry.as_json() for entry in entries]
        return web.json_response({"total_microdollars": total, "requests": listed})

    async def _add_fault(self, request: web.Request) -> web.Response:
        self._require_key(request)
        self.fail(Fault(**await request.json()))
        return web.json_response({})

    async def _set_scenario(self, request: web.Request) -> web.Response:
        self._require_key(request)
        self.scenario = (await request.json()).get("scenario")
        return web.json_response({})

    async def _reset(self, request: web.Request) -> web.Response:
        self._require_key(request)
        self.reset()
        return web.json_response({})

    def _require_key(self, request: web.Request) -> None:
        if key_of(request) != self.key:
            raise web.HTTPUnauthorized(text="The scripted model's key, please.")
