"""The customers that were scored: their latest scores, and what is known of one of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from churnkit.domain.outcomes import Outcome, Treatment
from churnkit.domain.predictions import PredictionRow
from churnkit.errors import UnknownCustomer
from churnkit.ledger import customers, prediction_pages
from churnkit.ledger.customers import (
    CustomerFilter,
    LatestScore,
    Place,
    ScoreBin,
    Sort,
    place_of,
)
from churnkit.ledger.outcomes import outcomes_of, treatments_of
from churnkit.ledger.refreshing import refreshed_at
from churnkit.project import Project

__all__ = ["CustomerFilter", "LatestScore", "Place", "Sort", "place_of"]
_MOST = 100
"""Outcomes and treatments of one customer that are shown."""


@dataclass(frozen=True)
class Counts:
    """How many customers there are."""

    total: int
    by_band: dict[str, int]
    by_version: dict[str, int]


@dataclass(frozen=True)
class CustomersPage:
    """Customers in order; ``refreshed_at`` says up to when predictions count."""

    rows: tuple[LatestScore, ...]
    refreshed_at: datetime | None
    counts: Counts | None


def customers_page(
    project: Project,
    wanted: CustomerFilter,
    *,
    sort: Sort,
    descending: bool,
    after: Place | None,
    limit: int,
    counts: bool,
    skip: int = 0,
) -> CustomersPage:
    """Latest scores; see ``ledger.customers``."""
    engine = project.ledger.engine
    moment = refreshed_at(engine)
    rows = customers.customers_page(
        engine, wanted, sort=sort, descending=descending, after=after, limit=limit, skip=skip
    )
    return CustomersPage(rows, moment, _counts(project, wanted) if counts else None)


SCORE_BINS = 2_000


def score_distribution(project: Project) -> tuple[ScoreBin, ...]:
    """All latest scores in bins of 1/2000, the highest first; empty ones are left out."""
    return customers.score_bins(project.ledger.engine, CustomerFilter(), SCORE_BINS)


def _counts(project: Project, wanted: CustomerFilter) -> Counts:
    by_band: dict[str, int] = {}
    by_version: dict[str, int] = {}
    for band, version, n in customers.count_customers(project.ledger.engine, wanted):
        by_band[band] = by_band.get(band, 0) + n
        by_version[version] = by_version.get(version, 0) + n
    return Counts(sum(by_band.values()), by_band, by_version)


@dataclass(frozen=True)
class Customer:
    """What is known of one customer; the newest first."""

    predictions: tuple[PredictionRow, ...]
    outcomes: tuple[Outcome, ...]
    treatments: tuple[Treatment, ...]


def one_customer(
    project: Project, customer_id: str, *, after: prediction_pages.Place | None, limit: int
) -> Customer:
    """A customer's predictions, outcomes and treatments.

    Raises
    ------
    UnknownCustomer : nothing is known
    """
    engine = project.ledger.engine
    rows = prediction_pages.predictions_page(
        engine, customer_id=customer_id, after=after, limit=limit
    )
    outcomes = outcomes_of(engine, [customer_id]).get(customer_id, [])
    treatments = treatments_of(engine, [customer_id]).get(customer_id, [])
    if not rows and not outcomes and not treatments and after is None:
        raise UnknownCustomer(
            "nothing is known of this customer.", fix="GET /v1/customers lists those scored."
        )
    return Customer(
        rows,
        tuple(sorted(outcomes, key=_known, reverse=True)[:_MOST]),
        tuple(sorted(treatments, key=lambda one: one.at, reverse=True)[:_MOST]),
    )


def _known(outcome: Outcome) -> float:
    return 0.0 if outcome.known_at is None else outcome.known_at.timestamp()
