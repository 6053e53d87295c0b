"""Figures as benchmarks give them: medians, percentiles, one table, one JSON object."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from rich.console import Console
from rich.table import Table

__all__ = ["machine", "median", "p95", "show"]


def p95(values: Sequence[float]) -> float:
    """The 95th percentile; of fewer than two values, the value."""
    return quantiles(values, n=20, method="inclusive")[-1] if len(values) > 1 else values[0]


def machine() -> dict[str, Any]:
    """The size of the machine, without which no figure means anything."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(memory / 2**30),
        "load_before": Path("/proc/loadavg").read_text().split()[0]
        if Path("/proc/loadavg").exists()
        else None,
    }


def show(title: str, rows: Mapping[str, Mapping[str, Any]], *, as_json: bool, extra: Any) -> None:
    """Print a table with a row a subject; or everything as one JSON object."""
    if as_json:
        print(json.dumps({"machine": machine(), "rows": rows, "details": extra}))
        return
    table = Table(title=title)
    columns = list(next(iter(rows.values())))
    for column in ("", *columns):
        table.add_column(column, justify="left" if not column else "right")
    for name, row in rows.items():
        table.add_row(name, *(_text(row.get(column)) for column in columns))
    console = Console()
    console.print(table)
    for name, value in dict(extra).items():
        console.print(f"{name}: {json.dumps(value)}")


def _text(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value if value is not None else "-")
