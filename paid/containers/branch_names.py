"""What a run's branch is called: git has no `paid/x` beside a branch `paid`, nor two of one name.

Run numbers begin at 1 with every database, so another installation's branches may be there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

_Asked = Callable[[str], bool]


def free_name(issue: int, run_id: int, *, exists: _Asked, has_below: _Asked) -> str:
    """`paid/issue-ISSUE-RUN`, or the next name that git can make.

    `exists` says whether there is a branch of a name, `has_below` whether any begins with it and a
    slash.
    """
    prefix = "paid-" if exists("paid") else "paid/"
    names = _names(f"{prefix}issue-{issue}-{run_id}")
    return next(name for name in names if not (exists(name) or has_below(name)))


def _names(first: str) -> Iterator[str]:
    yield first
    for number in count(2):
        yield f"{first}-{number}"
