"""What a backend tells the screens: frozen, plain, the same for a folder and for a service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from churnkit.domain.models import JournalEntry, ModelVersion
from churnkit.domain.predictions import Explanation, PredictionRow
from churnkit.domain.profiles import TableProfile
from churnkit.domain.runs import RunRecord

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Need:
    """Something that wants a person's decision, and the screen where it is made."""

    text: str
    screen: str
    button: str


@dataclass(frozen=True)
class RiskyCustomer:
    """A customer at the top of the latest scores, with the strongest reason in words."""

    customer_id: str
    probability: float
    risk_band: str
    reason: str = ""


@dataclass(frozen=True)
class Overview:
    """The first thing a person sees of a project."""

    name: str
    source: str
    n_customers: int
    champion: ModelVersion | None
    challenger: ModelVersion | None
    scored_at: datetime | None
    """When the latest scores were made; None: never."""
    n_scored: int
    bands: Mapping[str, int]
    riskiest: tuple[RiskyCustomer, ...]
    needs: tuple[Need, ...]
    recent: tuple[JournalEntry, ...]
    """The latest changes of who serves, the newest first."""


@dataclass(frozen=True)
class ModelList:
    """All versions, and who holds which alias."""

    versions: tuple[ModelVersion, ...]
    champion: str | None
    challenger: str | None
    journal: tuple[JournalEntry, ...]


@dataclass(frozen=True)
class ModelDetail:
    """One version and the run that made it."""

    version: ModelVersion
    record: RunRecord | None
    """None: it was made where this backend cannot look; ``why_no_record`` says so."""
    aliases: tuple[str, ...]
    why_no_record: str = ""


@dataclass(frozen=True)
class DataFacts:
    """What was imported."""

    profile: TableProfile | None
    """None: there is nothing to show; ``why`` says so."""
    why: str = ""


@dataclass(frozen=True)
class CustomerQuery:
    """Which scored customers, in which order.

    Parameters
    ----------
    sort : a column of the scores
    bands : risk bands to show; empty: all
    low, high : limits of the probability, both included
    search : part of the customer's id, upper and lower case alike
    """

    sort: str = "probability"
    descending: bool = True
    bands: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 1.0
    search: str = ""


@dataclass(frozen=True)
class CustomerView:
    """The answer to a query: how many, and under which name pages are asked for."""

    name: str
    n_rows: int
    n_all: int
    columns: tuple[str, ...]
    scored_at: datetime | None
    model_version: str
    sortable: tuple[str, ...] = ()
    """The columns that it can be sorted by; empty: all."""


@dataclass(frozen=True)
class CustomerDetail:
    """One customer: the probability, all reasons, and what was said before."""

    explanation: Explanation
    row: Mapping[str, object]
    history: tuple[PredictionRow, ...]
    why_no_what_if: str = ""
    """Why values cannot be changed; empty: they can."""


@dataclass(frozen=True)
class FormField:
    """One input of the form for a new customer."""

    name: str
    kind: str
    """number, boolean or category."""
    categories: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    example: object = None


@dataclass(frozen=True)
class Money:
    """What a customer and a campaign are worth, in one currency."""

    currency: str
    customer_value: float
    contact_cost: float
    offer_cost: float
    success_rate: float

    def changed(self, **terms: float) -> Money:
        """The same with other terms."""
        return Money(**{**asdict(self), **terms})


@dataclass(frozen=True)
class Answer:
    """What a short action said, in one line for a person."""

    text: str
    details: Mapping[str, Any] = field(default_factory=dict)
