"""Renders prompts from the files beside it, strictly.

A value that a template does not know, or one that it misses, is an error. Text of strangers goes
through the filter `data`: it is cut to a size and put between marks with a random word that the
text cannot contain, so that nothing in it can pretend to stand outside. What cannot be seen is
stripped before that, by paid.github.untrusted.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from functools import cache
from importlib import resources

from jinja2 import Environment, StrictUndefined, Template, meta, pass_context
from jinja2.runtime import Context

from paid import check_lines
from paid.errors import ConfigurationError
from paid.plain import plain

MAX_DATA_CHARS = 80_000
_MARK = "data_mark"
"""Under this name a template's filters find the word of this rendering."""


@dataclass(frozen=True)
class Prompt:
    """A rendered prompt; `template` and the `sha256` of its file say where it came from."""

    text: str
    template: str
    sha256: str


def render(name: str, **values: object) -> Prompt:
    """Render the prompt file NAME.md.j2 of this folder.

    Raises ConfigurationError when there is no such file, or the values are not exactly those that
    it uses.
    """
    file = _compiled(name)
    if file.wanted != values.keys():
        odd = ", ".join(sorted(file.wanted ^ values.keys()))
        raise ConfigurationError(f"The prompt {name} and its values do not agree: {odd}.")
    text = file.template.render(**values, **{_MARK: _mark(values)})
    return Prompt(text.strip() + "\n", name, file.sha256)


@dataclass(frozen=True)
class _Compiled:
    """A prompt file, read and compiled once: that costs ten times as much as rendering it."""

    template: Template
    wanted: frozenset[str]
    sha256: str


@cache
def _compiled(name: str) -> _Compiled:
    source, environment = _source(name), _environment()
    wanted = frozenset(meta.find_undeclared_variables(environment.parse(source)))
    sha256 = hashlib.sha256(source.encode()).hexdigest()
    return _Compiled(environment.from_string(source), wanted, sha256)


def _source(name: str) -> str:
    file = resources.files(__package__).joinpath(f"{name}.md.j2")
    if not name.isalpha() or not file.is_file():
        raise ConfigurationError(f"There is no prompt named {name!r}.")
    return file.read_text(encoding="utf-8")


def _environment() -> Environment:
    environment = Environment(
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701 - prompts are text, not HTML
    )
    environment.filters["data"] = _data
    environment.filters["command"] = _command
    environment.filters["word"] = _word
    return environment


def _mark(values: dict[str, object]) -> str:
    """A word that is in none of the values."""
    everything = repr(values)
    while (mark := secrets.token_hex(8)) in everything:
        pass
    return mark


@pass_context
def _data(context: Context, text: str, title: str) -> str:
    """The text between marks; empty text says that it is empty."""
    mark = context[_MARK]
    body = plain(text, MAX_DATA_CHARS).strip() or "(empty)"
    return f"<data {mark}: {title}>\n{body}\n</data {mark}>"


def _word(text: str) -> str:
    """A path or another name of people's, quoted, on one line and not long."""
    return repr(plain(text)[:200])


def _command(argv: list[str]) -> str:
    """An argument list as a person would type it, on one line."""
    return plain(check_lines.on_one_line(argv)).replace("\n", " ")
