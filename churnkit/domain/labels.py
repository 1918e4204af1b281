"""Whether customers churned after a moment: windows, rates over time, and panels of dates."""

from __future__ import annotations

from churnkit.domain.frozen import Frozen


class LabelWindow(Frozen):
    """When a label looks, in microseconds UTC.

    A fact is in the window iff ``opens_us < time <= closes_us``; after ``decided_us`` nothing that
    arrives in time changes the label.
    """

    as_of_us: int
    opens_us: int
    closes_us: int
    decided_us: int


class LabelRate(Frozen):
    """Eligible and churned customers at a date; ``n_churned`` is None where it is not matured."""

    as_of_us: int
    n_eligible: int
    n_churned: int | None
    matured: bool

    @property
    def rate(self) -> float | None:
        """Share of the eligible that churned, in [0, 1]."""
        if self.n_churned is None or not self.n_eligible:
            return None
        return self.n_churned / self.n_eligible

    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of the rate (Wilson 1927)."""
        if self.rate is None:
            return None
        z, n = 1.959963984540054, self.n_eligible
        centre = (self.rate + z * z / (2 * n)) / (1 + z * z / n)
        half = z * ((self.rate * (1 - self.rate) + z * z / (4 * n)) / n) ** 0.5 / (1 + z * z / n)
        return max(centre - half, 0.0), min(centre + half, 1.0)


class HorizonEffect(Frozen):
    """What another horizon would mean: its rate at one date, and its latest matured date."""

    horizon_days: int
    at: LabelRate
    latest_us: int
    n_train_dates: int


class Panel(Frozen):
    """Dates to learn from and dates to test on, in microseconds UTC.

    The labels of all training dates were decided when the first test date came, so that nothing
    that a model is tested on was in what it learnt. ``later_us`` are further test dates, which
    show how quality decays.
    """

    train_us: tuple[int, ...]
    test_us: int
    later_us: tuple[int, ...] = ()
    ground: str

    @property
    def dates_us(self) -> tuple[int, ...]:
        """All of them, in order."""
        return (*self.train_us, self.test_us, *self.later_us)
