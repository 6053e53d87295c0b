"""The gateway, the dashboard, GitHub for every project, and the model vendors' keys."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import httpx
from pydantic import SecretStr

from paid import health
from paid.doctor import servers
from paid.doctor.findings import Case, Check, Finding, broken, ok, skipped, warning
from paid.errors import PaidError
from paid.github.client import GitHub
from paid.models import Project, ProjectState
from paid.registration import check_rights, check_usable
from paid.settings import Settings
from paid.store import notifications, projects, token_expiry
from paid.store.credentials import SecretBox
from paid.up import endpoints

ASK_SECONDS = 10.0
MOST_PROJECTS = 25
"""A doctor's visit must not use up a token's hourly allowance."""


def gateway(case: Case) -> Sequence[Finding]:
    """Its socket accepts."""
    where = case.settings.gateway_socket_path
    if health.gateway(case.settings, 0):
        return [ok("gateway", str(where))]
    return [broken("gateway", f"nobody answers on {where}", f"{servers.UP_MEND} Or `bin/gateway`.")]


def web(case: Case) -> Sequence[Finding]:
    """It says that it is well."""
    where = case.settings.dashboard_url
    if health.web(case.settings, 0):
        return [ok("dashboard", where)]
    return [warning("dashboard", f"nobody answers at {where}", f"{servers.UP_MEND} Or `bin/web`.")]


def github(case: Case) -> Sequence[Finding]:
    """Each project's token still works; with `online`, each right that a run needs is tried."""
    with servers.database(case.settings) as opened, opened.session() as session:
        box = SecretBox(case.settings.secret_key_path)
        found = [p for p in projects.listing(session) if p.state != ProjectState.REMOVED]
        tokens = [(project, projects.token(session, box, project)) for project in found]
    if not tokens:
        return [skipped("github", "no project yet: `paid project add OWNER/REPO`")]
    seen = [_project(*each, online=case.online) for each in tokens[:MOST_PROJECTS]]
    if len(tokens) > MOST_PROJECTS:
        seen.append(skipped("github", f"{len(tokens) - MOST_PROJECTS} further projects"))
    return seen


def _project(project: Project, token: str, *, online: bool) -> Finding:
    name = f"github {project.full_name}"
    client = GitHub(token, project.api_url)
    mend = f"Give it a good token: `paid project set {project.full_name} --token-file FILE`."
    try:
        found = client.repository(project.full_name)
        check_usable(found)
        if online:
            check_rights(found, client.missing_rights(found))
    except PaidError as error:
        if error.retryable:
            return warning(name, error.message, error.hint or "Try again when it answers.")
        return broken(name, error.message, error.hint or mend)
    finally:
        client.close()
    return _standing(name, project, client.token_expires_at(), online=online)


def _standing(name: str, project: Project, expires_at: datetime | None, *, online: bool) -> Finding:
    """What there is to say of a project whose token is good."""
    if project.state == ProjectState.PAUSED:
        return warning(
            name,
            f"paused: {project.paused_reason or 'no reason was given'}",
            f"Go on with `paid project resume {project.full_name}`.",
        )
    end = f"; it {token_expiry.ends(expires_at)}" if expires_at else ""
    if expires_at is not None and token_expiry.is_near(expires_at, datetime.now(UTC)):
        return warning(name, f"the token works{end}", token_expiry.mend(project))
    if not online:
        return ok(name, f"the token works{end}; `--online` tries each of its rights")
    return ok(name, f"the token works and may write{end}")


def keys(case: Case) -> Sequence[Finding]:
    """At least one vendor's key; with `online`, each vendor is asked for its models."""
    found = [vendor for vendor in _vendors(case.settings) if vendor[1]]
    running = endpoints.read(case.settings.data_dir)
    if not found and running is not None and running.vendors:
        return [ok("model keys", f"the gateway has those of {', '.join(running.vendors)}")]
    if not found:
        mend = "Set ANTHROPIC_API_KEY, OPENAI_API_KEY or GEMINI_API_KEY for the gateway."
        return [broken("model keys", "no vendor has a key here", mend)]
    if not case.online:
        names = ", ".join(f"{name} ({len(given)})" for name, given, *_ in found)
        return [ok("model keys", f"{names}; `--online` asks the vendors whether they work")]
    return [_ask(*vendor, number) for vendor in found for number in range(len(vendor[1]))]


def _vendors(settings: Settings) -> list[tuple[str, list[SecretStr], str, str]]:
    """Name, keys, the address that lists models, and the header that takes the key."""
    return [
        (
            "anthropic",
            settings.anthropic_api_key,
            f"{settings.anthropic_base_url.rstrip('/')}/v1/models",
            "x-api-key",
        ),
        (
            "openai",
            settings.openai_api_key,
            f"{settings.openai_base_url.rstrip('/')}/models",
            "authorization",
        ),
        (
            "gemini",
            settings.gemini_api_key,
            f"{settings.gemini_base_url.rstrip('/')}/v1beta/models",
            "x-goog-api-key",
        ),
    ]


def _ask(name: str, given: list[SecretStr], url: str, header: str, number: int) -> Finding:
    label = f"key {name}" if len(given) == 1 else f"key {name} {number + 1}"
    key = given[number].get_secret_value()
    headers = {header: f"Bearer {key}" if header == "authorization" else key}
    if name == "anthropic":
        headers["anthropic-version"] = "2023-06-01"
    try:
        answer = httpx.get(url, headers=headers, timeout=ASK_SECONDS)
    except httpx.HTTPError as error:
        return broken(
            label, f"{url}: {type(error).__name__}", "Check the network and the base URL."
        )
    if answer.status_code in {401, 403}:
        return broken(label, f"refused ({answer.status_code})", "Make a new key at the vendor's.")
    if answer.is_success:
        return ok(label, "works")
    return warning(label, f"answered {answer.status_code}", "Try again later.")


def email(case: Case) -> Sequence[Finding]:
    """Nobody waits for emails that no server would send."""
    with servers.database(case.settings) as opened, opened.session() as session:
        told = [t.address for t in notifications.listing(session) if t.kind == "email"]
    if not told:
        return [skipped("email", "nobody is told by email: `paid notify add EMAIL`")]
    if case.settings.smtp_url is None:
        detail = f"{len(told)} to be told by email, and PAID_SMTP_URL is not set here"
        mend = "Set PAID_SMTP_URL where `paid up` or the job runner starts, and start it anew."
        return [warning("email", detail, mend)]
    return [ok("email", f"{len(told)} to be told")]


KEYS = Check("model keys", keys, seconds=15)
CHECKS = (
    Check("gateway", gateway, mend=servers.UP_MEND),
    Check("dashboard", web, mend=servers.UP_MEND),
    Check("github", github, seconds=30),
    Check("email", email),
    KEYS,
)
