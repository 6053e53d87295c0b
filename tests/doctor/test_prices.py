"""The doctor on prices: of the file of one's own, and of the models that projects name."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from paid.doctor import Finding, State, examine
from paid.doctor.prices import CHECKS
from paid.models import Project
from paid.settings import Settings
from paid.store import project_settings
from paid.store.database import Database
from paid.store.project_settings import ProjectChanges
from tests.ledger.rows import add_project

Look = Callable[..., Sequence[Finding]]


@pytest.fixture
def look(tmp_path: Path, database: Database) -> Look:
    """Examines prices, with this file and with a project of these settings."""
    settings = Settings(data_dir=tmp_path, database_url=database.url)

    def look(file: object = None, **changes: object) -> Sequence[Finding]:
        if file is not None:
            text = file if isinstance(file, str) else json.dumps(file)
            (tmp_path / "prices.json").write_text(text)
        with database.session() as session:
            project_id = add_project(session)
            given = ProjectChanges(**changes)  # type: ignore[arg-type]
            project_settings.change(session, project_id, given, by="test")
            assert session.get_one(Project, project_id).state == "active"
        return examine(settings, checks=CHECKS)

    return look


def test_listed_prices_are_well(look: Look) -> None:
    (found,) = look(fallback_models=["openai/gpt-5"], allowed_models=["claude-*"])
    assert (found.state, found.detail) == (State.OK, "the list's; 2 in use")


@pytest.mark.parametrize("text", ["{", "[]", '{"models": {"m": {"input_mtok": -1}}}'])
def test_a_file_that_cannot_be_used_is_named_with_its_mend(look: Look, text: str) -> None:
    (found,) = look(text)
    assert found.state is State.BROKEN
    assert "prices.json" in found.detail
    assert "docs/budgets.md" in found.mend


def test_a_model_without_a_price_is_found_before_a_run_stops_at_it(look: Look) -> None:
    _, found = look(model="our-own-model")
    assert (found.name, found.state) == ("price our-own-model", State.BROKEN)
    assert "prices.json" in found.mend
    rule = {"models": {"our-own-*": {"input_mtok": 1, "output_mtok": 2}}}
    _, mended = look(rule, model="our-own-model")
    assert mended.state is State.OK
    assert "$1.00 in, $2.00 out" in mended.detail


def test_a_price_of_ones_own_that_differs_from_the_list_is_told(look: Look) -> None:
    rule = {"models": {"openai/gpt-5": {"input_mtok": 1.1, "output_mtok": 9}}}
    (found,) = [each for each in look(rule, model="gpt-5") if each.name == "price gpt-5"]
    assert found.state is State.WARNING
    assert "$1.10 in, $9.00 out" in found.detail
    assert "the list says $1.25 in, $10.00 out" in found.detail


def test_without_a_database_the_file_is_looked_at_all_the_same(tmp_path: Path) -> None:
    nowhere = "postgresql://nobody:x@127.0.0.1:1/x"
    (tmp_path / "prices.json").write_text("{")
    (found,) = examine(Settings(data_dir=tmp_path, database_url=nowhere), checks=CHECKS)
    assert found.state is State.BROKEN


def test_a_limit_under_which_no_request_fits_is_told_with_the_number_needed(look: Look) -> None:
    _, found = look(model="gpt-5.5", run_cents=20)
    assert found.state is State.WARNING
    assert "No request of gpt-5.5 fits under the run limit of $0.20" in found.detail
    assert "--run-cents" in found.mend
