"""What something cost, in words: most is a vendor's own count, the rest an upper bound."""

from __future__ import annotations

from collections.abc import Callable


def said(spent: int, estimated: int, money: Callable[[int], str]) -> str:
    """An amount of micro-dollars for people, with how much of it no vendor has counted."""
    if estimated <= 0:
        return money(spent)
    if estimated >= spent:
        return f"{money(spent)} at most (estimated)"
    return f"{money(spent)} at most ({money(estimated)} of it estimated)"
