"""Event logs and labels in words and tables."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from churnkit.data.zones import shown_moment
from churnkit.domain.events import Guess
from churnkit.domain.labels import HorizonEffect, LabelRate

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


def rates_table(rates: Sequence[LabelRate], zone: str) -> RenderableType:
    """Churn over time."""
    table = plain_table("as of", "eligible", "churned", "rate", "95 %", "", numbers=(1, 2, 3))
    for rate in rates:
        interval = rate.interval()
        table.add_row(
            shown_moment(rate.as_of_us, zone),
            f"{rate.n_eligible:,}",
            "–" if rate.n_churned is None else f"{rate.n_churned:,}",
            "–" if rate.rate is None else f"{rate.rate:.1%}",
            "" if interval is None else f"{interval[0]:.1%} … {interval[1]:.1%}",
            "" if rate.matured else "not matured",
        )
    return table


def horizons_table(effects: Sequence[HorizonEffect], zone: str) -> RenderableType:
    """What other horizons would mean."""
    table = plain_table(
        "horizon", "churned", "rate", "95 %", "test date", "training dates", numbers=(0, 1, 2, 5)
    )
    for effect in effects:
        rate, interval = effect.at.rate, effect.at.interval()
        table.add_row(
            f"{effect.horizon_days} days",
            f"{effect.at.n_churned or 0:,}",
            "–" if rate is None else f"{rate:.1%}",
            "" if interval is None else f"{interval[0]:.1%} … {interval[1]:.1%}",
            shown_moment(effect.latest_us, zone),
            str(effect.n_train_dates) if effect.n_train_dates else "none",
        )
    return table
