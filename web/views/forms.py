"""Forms as a page shows them: with what is stored, or with what was typed and refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from paid.errors import BadInputError


@dataclass(frozen=True)
class Form:
    """One form of a page; `trouble` is why it was refused, None when it was not."""

    trouble: BadInputError | None = None
    typed: Mapping[str, str] = field(default_factory=dict)

    def text(self, name: str, stored: object = "") -> object:
        """What a field shows."""
        return self.typed.get(name, "") if self.trouble else stored

    def on(self, name: str, stored: bool) -> bool:
        """How a switch stands; browsers leave one out that is off."""
        return name in self.typed if self.trouble else stored


@dataclass(frozen=True)
class Refusal:
    """A form that was refused; its page shows it again as it was sent."""

    name: str
    form: Form

    @classmethod
    def of(cls, name: str, error: BadInputError, sent: Mapping[str, Any]) -> Refusal:
        """Keep what was sent; a field that came twice, or as a file, is not of our making."""
        typed = {key: value for key, value in sent.items() if isinstance(value, str)}
        return cls(name, Form(error, typed))


def form_of(refusal: Refusal | None, name: str) -> Form:
    """The form of that name, after this refusal."""
    return refusal.form if refusal and refusal.name == name else Form()
