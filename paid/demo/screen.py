"""The demo's screen: lines that scroll, and below them, in a terminal, what it costs right now."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.text import Text

from paid.demo.lines import Line
from paid.demo.story import RunState
from paid.github.titles import seen_title
from paid.plain import plain

MICRODOLLARS = 1_000_000
FRAMES_PER_SECOND = 8


def dollars(microdollars: int) -> str:
    """Money with as many digits as a run of some cents needs."""
    return f"${microdollars / MICRODOLLARS:.4f}"


class Screen:
    """A context manager; without a terminal there is no moving line, and each line has its time."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False, soft_wrap=True)
        self._shown_run: int | None = None
        self._live = Live(
            console=self.console, refresh_per_second=FRAMES_PER_SECOND, transient=True
        )

    def __enter__(self) -> Screen:
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def progress(self, text: str) -> None:
        """A part is ready."""
        self.console.print(Text.assemble(("  • ", "green"), text))

    def show(self, line: Line, run: RunState | None) -> None:
        """A line of the story; without a terminal, phases carry time and money."""
        if run is not None and run.id != self._shown_run:
            title = f"\nIssue {run.issue_number}: {seen_title(plain(run.issue_title))}"
            self.console.print(Text(title, "bold"))
            self._shown_run = run.id
        if not self.console.is_terminal and line.kind == "phase" and run is not None:
            text = f"{line.text}  ({run.seconds():.1f} s, {dollars(run.spent_microdollars)})"
            line = Line(line.kind, text, line.style)
        self.console.print(line.rendered())

    def money(self, run: RunState | None) -> None:
        """Renew the moving line."""
        if self.console.is_terminal:
            self._live.update(_footer(run) if run else Text("  waiting for a label …", "dim"))

    def table(self, rows: list[tuple[str, str]]) -> None:
        """A small summary."""
        width = max((len(name) for name, _ in rows), default=0)
        for name, value in rows:
            self.console.print(Text.assemble((f"  {name:<{width}}  ", "dim"), value))

    def say(self, text: str = "", style: str = "") -> None:
        """Plain words."""
        self.console.print(Text(text, style))


def _footer(run: RunState) -> Text:
    tokens = run.input_tokens + run.output_tokens
    state = run.status.replace("_", " ")
    return Text.assemble(
        ("\n  ● ", "green" if run.ended is None else "dim"),
        (f"run {run.id} · {state}", "bold"),
        f" · {run.seconds():5.1f} s · ",
        (dollars(run.spent_microdollars), "bold yellow"),
        f" · {tokens:,} tokens in {run.requests} requests ",
        ("· Ctrl-C stops everything", "dim"),
    )
