"""Random logs around a few days, with the moments where mistakes like to hide."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

from churnkit.domain.events import US_PER_DAY
from tests.features.event_logs import Event, Log, Period, Version, us

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata")
_ANCHORS = (
    us(2024, 3, 31, 0), us(2024, 3, 31, 1), us(2024, 3, 30, 23), us(2024, 10, 27, 1),
    us(2024, 3, 10, 7), us(2024, 3, 10, 5), us(2024, 4, 30, 18, 30), us(2024, 1, 1),
)  # fmt: skip
NAMES = ("ann", "bob", "cy")


def moments() -> st.SearchStrategy[int]:
    """Often the same few moments, one microsecond beside them, or whole days away."""
    return st.builds(
        lambda anchor, days, off: anchor + days * US_PER_DAY + off,
        st.sampled_from(_ANCHORS),
        st.sampled_from((0, 0, 0, -1, 1, -6, -7, -62, -63, -64, -200, -3000)),
        st.sampled_from((0, 0, -1, 1, 3_600_000_000)),
    )


_LAGS = st.sampled_from((0, 0, 0, 1, US_PER_DAY, 7 * US_PER_DAY))
_EVENT = st.builds(
    lambda customer, t_us, kind, lag, amount, channel: Event(
        customer, t_us, kind, t_us + lag, amount, channel
    ),
    st.sampled_from(NAMES),
    moments(),
    st.sampled_from(("buy", "login", "it's")),
    _LAGS,
    st.sampled_from((None, 0, 30, -250, 999_999_999_999, 1, 29)),
    st.sampled_from((None, "web", "app", "a\\b'c")),
)
_VERSION = st.builds(
    lambda customer, t_us, lag, plan, age, vip: Version(customer, t_us, t_us + lag, plan, age, vip),
    st.sampled_from(NAMES),
    moments(),
    _LAGS,
    st.sampled_from((None, "basic", "plus")),
    st.sampled_from((None, 1.5, 40.0)),
    st.sampled_from((None, True, False)),
)
_PERIOD = st.builds(
    lambda customer, t_us, days, lag: Period(
        customer, t_us, None if days is None else t_us + days * US_PER_DAY, t_us + lag
    ),
    st.sampled_from(NAMES),
    moments(),
    st.sampled_from((None, 0, 1, 30, 365)),
    _LAGS,
)


@dataclass(frozen=True)
class Case:
    """Many small logs as one (no customer is in two), and what is asked of them."""

    log: Log
    pairs: list[tuple[str, int]]


def cases(n_logs: int = 12, *, zone: str = "") -> st.SearchStrategy[Case]:
    """Logs of three customers each, some without any fact, and requests of four."""
    one = st.tuples(
        st.lists(_EVENT, max_size=25),
        # Import keeps one version per valid_from and known_at.
        st.lists(
            _VERSION, max_size=6, unique_by=lambda v: (v.customer, v.valid_from_us, v.known_us)
        ),
        st.lists(_PERIOD, max_size=6),
        st.lists(st.tuples(st.sampled_from((*NAMES, "zoe")), moments()), min_size=1, max_size=5),
    )

    def join(zone: str, parts: list[Any]) -> Case:
        log, pairs = Log(zone=zone), []
        for number, (events, versions, periods, asked) in enumerate(parts):
            facts = [
                replace(f, customer=f"{f.customer}{number}") for f in events + versions + periods
            ]
            log = log.plus(*facts)
            pairs += [(f"{name}{number}", moment) for name, moment in asked]
            log = replace(log, customers=(*log.customers, *(f"{name}{number}" for name in NAMES)))
        return Case(log, pairs)

    return st.builds(
        join,
        st.just(zone) if zone else st.sampled_from(ZONES),
        st.lists(one, min_size=n_logs, max_size=n_logs),
    )
