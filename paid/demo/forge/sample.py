"""The demo's repository: the sample project with its issues, owned by a person named maria."""

from __future__ import annotations

from dataclasses import dataclass

from paid.demo import sample
from paid.demo.forge.server import Forge

OWNER = "maria"
ROBOT = "paid-robot"


@dataclass(frozen=True)
class Planted:
    """The repository's name, and the token of the account that Paid acts as."""

    repository: str
    token: str


def plant(forge: Forge) -> Planted:
    """Make the repository, its labels, its issues and the two people."""
    forge.add_user(OWNER)
    forge.add_repository(sample.NAME, sample.files(), OWNER)
    token = forge.add_user(ROBOT)
    forge.set_permission(sample.NAME, ROBOT, "write")
    for issue in sample.issues():
        forge.add_issue(sample.NAME, issue.title, issue.body, OWNER)
    return Planted(sample.NAME, token)
