"""The form that raises the cap that a run waits for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from paid.errors import BadInputError
from paid.store import budgets
from paid.store.caps import Cap

LONGEST_HOURS = 24 * 365
LONGEST_AMOUNT = 20
"""More characters than the highest limit needs; numbers without an end cost time, or overflow."""
_DOLLARS = re.compile(r"\$?((?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]{1,2})?)")


@dataclass(frozen=True)
class BudgetRaise:
    """A new limit. `duration` of None means for good."""

    cents: int
    duration: timedelta | None

    @classmethod
    def read(cls, dollars: str, hours: str) -> BudgetRaise:
        """Read the form's two fields. Raises BadInputError."""
        return cls(cents_of(dollars), duration_of(hours))


def suggested_dollars(cap: Cap) -> str:
    """Enough for what waits and as much again, in whole dollars."""
    wanted = cap.spent_microdollars + 2 * cap.needed_microdollars
    least = max(wanted, cap.limit_microdollars * 2, 1_000_000)
    return f"{-(-least // 1_000_000)}.00"


def cents_of(dollars: str) -> int:
    """`12`, `$12.50` or `1,200` in cents. Raises BadInputError.

    A comma stands between thousands only: `10,00` is ten to some, and must not become a thousand.
    """
    text = dollars.strip()
    found = _DOLLARS.fullmatch(text) if len(text) <= LONGEST_AMOUNT else None
    if found is None:
        raise _no_amount(text)
    cents = int(Decimal(found[1].replace(",", "")) * 100)
    if cents > budgets.MOST_CENTS:
        raise _no_amount(text)
    return cents


def duration_of(hours: str) -> timedelta | None:
    """Whole hours; None for an empty field. Raises BadInputError."""
    text = hours.strip()
    if not text:
        return None
    number = int(text) if _is_short_number(text) else 0
    if not 1 <= number <= LONGEST_HOURS:
        raise BadInputError(
            "That is not a number of hours.", hint=f"Give 1 to {LONGEST_HOURS:,}, or nothing."
        )
    return timedelta(hours=number)


def _is_short_number(text: str) -> bool:
    """Python itself refuses to read thousands of digits, so they are counted first."""
    return text.isascii() and text.isdigit() and len(text) <= len(str(LONGEST_HOURS))


def _no_amount(given: str) -> BadInputError:
    return BadInputError(
        f"“{given[:20]}” is not an amount of money.",
        hint=f"Write dollars, as in 10 or 10.50; at most {budgets.MOST_CENTS // 100:,}.",
    )
