"""The form that raises the cap that a run waits for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal, InvalidOperation

from paid.errors import BadInputError
from paid.store import budgets
from paid.store.caps import Cap

LONGEST_HOURS = 24 * 365


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
    """`12`, `$12.50` or `1,200` in cents. Raises BadInputError."""
    try:
        amount = Decimal(dollars.strip().removeprefix("$").replace(",", ""))
        cents = amount * 100
    except InvalidOperation:
        raise _no_amount(dollars) from None
    if not amount.is_finite() or not 0 <= cents <= budgets.MOST_CENTS or cents != int(cents):
        raise _no_amount(dollars)
    return int(cents)


def duration_of(hours: str) -> timedelta | None:
    """Whole hours; None for an empty field. Raises BadInputError."""
    text = hours.strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= LONGEST_HOURS):
        raise BadInputError(
            "That is not a number of hours.", hint=f"Give 1 to {LONGEST_HOURS:,}, or nothing."
        )
    return timedelta(hours=int(text))


def _no_amount(given: str) -> BadInputError:
    return BadInputError(
        f"“{given[:20]}” is not an amount of money.", hint="Write dollars, as in 12.50."
    )
