"""Event logs and labels in words and tables."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from churnkit.domain.events import Guess

_MOST = 60


def guesses_table(guesses: Sequence[Guess]) -> RenderableType:
    """What each part of an event project was taken to be, and why."""
    table = plain_table("what", "taken to be", "ground")
    for guess in guesses[:_MOST]:
        table.add_row(guess.what, Text(guess.value), Text(guess.ground))
    return table


def plain_table(*heads: str, numbers: Sequence[int] = ()) -> Table:
    """A table without lines."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for position, head in enumerate(heads):
        right = position in numbers
        table.add_column(head, justify="right" if right else "left", no_wrap=right, overflow="fold")
    return table
