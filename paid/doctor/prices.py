"""Prices: the file of one's own can be used, and every model that projects name has one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from sqlmodel import Session

from paid.agents import registry
from paid.doctor import servers
from paid.doctor.findings import Case, Check, Finding, broken, ok, warning
from paid.errors import ConfigurationError, PaidError, PriceUnknownError
from paid.gateway.first_request import first_request
from paid.gateway.prices import Prices, Tariff, check_prices
from paid.models import Project
from paid.settings import Settings
from paid.store import budgets, projects

FORM = "docs/budgets.md shows its form. Until it is mended, a gateway keeps the prices it has."
UNPRICED = "Choose another model, or give it a price in {}."
A_MILLION = 1_000_000


def prices(case: Case) -> Sequence[Finding]:
    """Every model that may be asked for costs something known."""
    file = case.settings.data_dir / "prices.json"
    try:
        check_prices(file)
    except ConfigurationError as error:
        return [broken("prices", error.message, FORM)]
    named = sorted(_named(case.settings))
    findings = [found for use in named if (found := _finding(file, *use)) is not None]
    findings += _budgets(case.settings, file)
    own = f"the list, and {file.name} over it" if file.exists() else "the list's"
    return [ok("prices", f"{own}; {len(named)} in use"), *findings]


def _named(settings: Settings) -> set[tuple[str, tuple[str, ...]]]:
    """Models by their names, each with the vendors that may have it; none without a database."""
    try:
        with servers.database(settings) as opened, opened.session() as session:
            return {use for each in projects.listing(session) for use in _models(session, each)}
    except PaidError:
        return set()


def _budgets(settings: Settings, file: Path) -> list[Finding]:
    """Projects whose limits let no request of their model pass."""
    findings = []
    try:
        with servers.database(settings) as opened, opened.session() as session:
            for project in projects.listing(session):
                request = first_request(file, project.agent, project.model)
                caps = budgets.limits(session, projects.number(project))
                cents = {name: cap.cents for name, cap in caps.items()}
                if request is not None and (said := request.warning(cents)):
                    what, _, how = said.partition(". Set ")
                    label = f"budget {project.full_name}"
                    findings.append(warning(label, what, f"Set {how}"))
    except PaidError:
        return []
    return findings


def _models(session: Session, project: Project) -> Iterable[tuple[str, tuple[str, ...]]]:
    agent = registry.get(project.agent)
    vendors = tuple(sorted({wire.vendor for wire in agent.wires}))
    policy = projects.policy(session, projects.number(project))
    named = [project.model or agent.default_model, *policy.fallback_models, *policy.allowed_models]
    for name in named:
        if name and not set(name) & set("*?["):
            vendor, slash, model = name.partition("/")
            yield (model, (vendor,)) if slash and vendor in _VENDORS else (name, vendors)


_VENDORS = {"anthropic", "openai", "gemini"}


def _finding(file: Path, model: str, vendors: tuple[str, ...]) -> Finding | None:
    """What is wrong, or worth knowing, about a model's price; None when it is the list's."""
    label = f"price {model}"
    own = _first(Prices(file), model, vendors)
    if own is None:
        return broken(label, "it has none, so runs that ask for it stop", UNPRICED.format(file))
    if own.rule is None:
        return None
    listed = _first(Prices(file.with_name("no-prices-of-ones-own")), model, vendors)
    if listed is None or _shown(listed) == _shown(own):
        return ok(label, f"{_shown(own)}, by {own.rule.pattern!r} in {file.name}")
    return warning(
        label,
        f"{_shown(own)}, by {own.rule.pattern!r} in {file.name}; the list says {_shown(listed)}",
        "Nothing to do if that is your contract; else take the line out of the file.",
    )


def _first(known: Prices, model: str, vendors: tuple[str, ...]) -> Tariff | None:
    for vendor in vendors:
        try:
            return known.tariff(vendor, model)
        except PriceUnknownError:
            continue
    return None


def _shown(tariff: Tariff) -> str:
    read = tariff.cost({"input_tokens": A_MILLION, "output_tokens": 0})
    written = tariff.cost({"input_tokens": A_MILLION, "output_tokens": A_MILLION}) - read
    return f"${read / A_MILLION:.2f} in, ${written / A_MILLION:.2f} out, a million tokens"


CHECKS = (Check("prices", prices, mend=FORM),)
