"""A progress bar for long work, on standard error, when somebody looks."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

Advance = Callable[[int, int], None]
"""Told how many units of the whole are done, and how many rows that was."""


@contextmanager
def progress(title: str, total: int | None, *, shown: bool = True) -> Iterator[Advance]:
    """Share done, rows a second and remaining time; nothing at all where nobody looks or the whole is not known."""
    if not (shown and total and sys.stderr.isatty()):
        yield lambda done, rows: None
        return
    bar = Progress(
        TextColumn(title), BarColumn(), TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[rate]} rows/s"), TimeRemainingColumn(), console=Console(stderr=True),
    )  # fmt: skip
    with bar:
        task = bar.add_task(title, total=total, rate="")

        def advance(done: int, rows: int) -> None:
            elapsed = max(bar.tasks[0].elapsed or 0.0, 0.1)
            bar.update(task, completed=done, rate=f"{rows / elapsed:,.0f}")

        yield advance
