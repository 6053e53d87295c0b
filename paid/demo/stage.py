"""Everything that the demo needs, started in order: forge, model, Paid, project."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType

from pydantic import SecretStr

from paid import polls
from paid.agents import install
from paid.containers.engine import DockerEngine
from paid.containers.reaper import Reaper
from paid.containers.workspace import Workspaces
from paid.demo import sample
from paid.demo.folder import demo_settings, make_anew
from paid.demo.forge import Forge
from paid.demo.forge.sample import OWNER, plant
from paid.demo.options import Options, chosen_agent
from paid.demo.scripted_model import ScriptedModel
from paid.errors import ConfigurationError
from paid.github.client import GitHub
from paid.models import DEFAULT_LABELS, LabelPurpose
from paid.registration import register
from paid.settings import Settings
from paid.store import project_settings
from paid.store.credentials import SecretBox
from paid.store.database import Database
from paid.store.project_settings import ProjectChanges
from paid.store.projects import GITHUB_API_URL
from paid.temporal import connect
from paid.up.installation import EmbeddedPaid

Say = Callable[[str], None]
TOKENS_PER_SECOND = 150
"""A pace at which a person can follow the scripted model."""
INTERVAL_SECONDS = {"forge": 2, "github": 15}
RUN_CENTS = 1000
"""More than any one request may cost at worst; the run itself needs some cents."""
BUILD_LABEL = DEFAULT_LABELS[LabelPurpose.BUILD]


class Stage:
    """The running demo; a context manager that leaves nothing running behind it."""

    def __init__(self, options: Options, found: Settings, say: Say) -> None:
        self.options = options
        self.agent = chosen_agent(options, found)
        self.forge: Forge | None = None
        self.model: ScriptedModel | None = None
        self.repository = options.github or sample.NAME
        self.project_id = 0
        self._token = ""
        self._found = found
        self._say = say
        self._closing = ExitStack()
        self._settings = demo_settings(found)
        self._paid: EmbeddedPaid | None = None
        self._database: Database | None = None

    def __enter__(self) -> Stage:
        try:
            self._set_up()
        except BaseException:
            self._closing.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing.close()

    @property
    def paid(self) -> EmbeddedPaid:
        """The running installation."""
        if self._paid is None:
            raise ConfigurationError("The demo has not been started.")
        return self._paid

    @property
    def database(self) -> Database:
        """The installation's database."""
        if self._database is None:
            raise ConfigurationError("The demo has not been started.")
        return self._database

    def issue_url(self, number: int) -> str:
        """Where a person reads an issue."""
        return f"{self._html_url}/{self.repository}/issues/{number}"

    def label(self, number: int) -> None:
        """Set the label that asks Paid for a pull request, as the repository's owner would."""
        if self.forge is not None:
            self.forge.add_label(self.repository, number, BUILD_LABEL, OWNER)
        else:
            github = GitHub(self._token)
            github.add_labels(self.repository, number, [BUILD_LABEL])
            github.close()

    def _set_up(self) -> None:
        make_anew(self._settings.data_dir)
        self._remove_containers()
        if self.options.github is None:
            self.forge = Forge(self._settings.data_dir / "forge")
            self.forge.start()
            self._closing.callback(self.forge.stop)
            self._token = plant(self.forge).token
            self._say(f"forge is ready ({self.forge.url}/{self.repository})")
        else:
            self._token = self._github_token()
        self._start_model()
        self._ensure_agent()
        self._start_paid()
        self._add_project()

    def _github_token(self) -> str:
        if self._found.github_token is None:
            raise ConfigurationError("--github needs a token.", hint="Set GITHUB_TOKEN.")
        return self._found.github_token.get_secret_value()

    def _start_model(self) -> None:
        if self.options.real_model:
            keys = ("anthropic_api_key", "openai_api_key", "gemini_api_key")
            urls = ("anthropic_base_url", "openai_base_url", "gemini_base_url")
            own = {name: getattr(self._found, name) for name in keys + urls}
            self._settings = self._settings.changed(**own)
            return
        self.model = ScriptedModel(tokens_per_second=TOKENS_PER_SECOND)
        url = self.model.start()
        self._closing.callback(self.model.stop)
        key = [SecretStr(self.model.key)]
        self._settings = self._settings.changed(
            anthropic_api_key=key,
            openai_api_key=key,
            gemini_api_key=key,
            anthropic_base_url=url,
            openai_base_url=f"{url}/v1",
            gemini_base_url=url,
        )
        self._say("scripted model is ready (no key is needed)")

    def _ensure_agent(self) -> None:
        """Build the agent's image where it is missing; of the engine's many lines one is told."""
        told: list[str] = []

        def progress(line: str) -> None:
            if not told:
                self._say(f"building the image of {self.agent}: some minutes, the first time")
            told.append(line)

        install.install(self.agent, self._settings, progress)

    def _start_paid(self) -> None:
        paid = EmbeddedPaid(self._settings, say=self._starting)
        self._closing.callback(self._remove_containers)
        self._closing.callback(paid.stop)
        paid.start()
        self._paid = paid
        url = paid.settings.database_url
        if url is None:
            raise ConfigurationError("Paid came up without a database.")
        self._database = Database(url.get_secret_value())
        self._closing.callback(self._database.close)

    def _starting(self, line: str) -> None:
        """Tell of parts that are ready; of their end only as one word at the end."""
        if not line.endswith("stopped"):
            self._say(line)

    def _remove_containers(self) -> None:
        """Remove what an interrupted run left, this time or the last: its database is gone."""
        engine = DockerEngine(self._settings)
        Reaper(engine, Workspaces(engine, self._settings)).reap(lambda: ())

    def _add_project(self) -> None:
        api_url = self.forge.api_url if self.forge else GITHUB_API_URL
        box = SecretBox(self.paid.settings.secret_key_path)
        github = GitHub(self._token, api_url)
        try:
            added = register(
                self.database,
                box,
                github,
                full_name=self.repository,
                api_url=api_url,
                token=self._token,
                by="bin/demo",
            )
        finally:
            github.close()
        self.project_id = added.project_id
        secret = secrets.token_hex(20)
        with self.database.session() as session:
            changes = self._changes(secret)
            project_settings.change(session, self.project_id, changes, by="bin/demo", box=box)
        if self.forge is not None:
            hook = f"{self.paid.dashboard_url}/webhooks/github/{self.project_id}"
            self.forge.webhook(self.repository, hook, secret)
        asyncio.run(self._watch())
        self._say(f"{self.repository} is watched")

    def _changes(self, webhook_secret: str) -> ProjectChanges:
        interval = INTERVAL_SECONDS["forge" if self.forge else "github"]
        if self.forge is None:
            return ProjectChanges(agent=self.agent, interval_seconds=interval)
        return ProjectChanges(
            agent=self.agent,
            interval_seconds=interval,
            checks=[list(sample.CHECK)],
            run_cents=RUN_CENTS,
            webhook_secret=webhook_secret,
        )

    async def _watch(self) -> None:
        client = await connect(self.paid.settings)
        await polls.start_poll(client, self.project_id, self.paid.settings.temporal_task_queue)

    @property
    def _html_url(self) -> str:
        return self.forge.url if self.forge else "https://github.com"
