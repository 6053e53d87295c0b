"""Spans of time as people type them."""

from timespan.parsing import parse
from timespan.wording import humanize

__all__ = ["humanize", "parse"]
