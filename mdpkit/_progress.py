"""A bar on long work: the certified gap on its way, in decades; or so many of so many done."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def gap_bar(
    shown: bool, label: str = "certified gap"
) -> Iterator[Callable[[float, float], None]]:
    """Yield show(gap, goal), moving a bar on standard error from the first gap to the goal."""
    if not shown:
        yield lambda gap, goal: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn(label),
        BarColumn(),
        TextColumn("{task.fields[text]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=1.0, text="")
        first = math.inf

        def show(gap: float, goal: float) -> None:
            nonlocal first
            first = min(first, max(gap, goal)) if math.isinf(first) else first
            decades = math.log(first / goal) if 0 < goal < first < math.inf else 0.0
            done = math.log(first / max(gap, goal)) / decades if decades and gap > 0 else 0.0
            bar.update(task, completed=done, text=f"{gap:.2e} → {goal:.0e}")

        yield show


@contextmanager
def count_bar(shown: bool, label: str, total: int) -> Iterator[Callable[[int], None]]:
    """Yield show(done), moving a bar on standard error from 0 to `total`."""
    if not shown:
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    columns = TextColumn(label), BarColumn(), MofNCompleteColumn(), Remaining()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=total)
        yield lambda done: bar.update(task, completed=done)
