"""Every address that the forge mentions."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True)
class Links:
    """`html` is where people look, `api` where programs ask; neither ends with a slash."""

    html: str
    api: str

    def user(self, login: str) -> str:
        """A person, for programs."""
        return f"{self.api}/users/{quote(login)}"

    def repository(self, full_name: str) -> str:
        """A repository, for programs."""
        return f"{self.api}/repos/{full_name}"

    def issue(self, full_name: str, number: int) -> str:
        """An issue, for programs."""
        return f"{self.repository(full_name)}/issues/{number}"

    def pull(self, full_name: str, number: int) -> str:
        """A pull request, for programs."""
        return f"{self.repository(full_name)}/pulls/{number}"

    def issue_page(self, full_name: str, number: int, *, pull: bool) -> str:
        """An issue or a pull request, for people."""
        return f"{self.html}/{full_name}/{'pull' if pull else 'issues'}/{number}"
