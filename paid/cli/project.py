"""`paid project`: the group, which five modules make."""

from __future__ import annotations

import typer

from paid.cli import project_add, project_check, project_set, projects, secrets

for part in (project_add, project_set, project_check):
    part.add_to(projects.commands)
secrets.add_to_project(projects.commands)


def add_to(app: typer.Typer) -> None:
    """Register the group."""
    app.add_typer(projects.commands, name="project")
