"""What a simulated business leaves behind, as typed tables."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from churnkit.data.simulation.business import Campaign, Outcomes, Terms, Versions, View
from churnkit.data.simulation.log import EVENT_TYPES, NOWHERE, Events
from churnkit.data.simulation.parameters import (
    AGE_BANDS,
    CHANNELS,
    PAYMENT_METHODS,
    PLANS,
    REGIONS,
    SOURCES,
)
from churnkit.data.simulation.population import Population
from churnkit.data.simulation.truth import HORIZONS

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_TEXT = pa.dictionary(pa.int32(), pa.string())
_MOMENT = pa.timestamp("us", tz="UTC")

SCHEMAS: dict[str, pa.Schema] = {
    "events": pa.schema(
        {
            "customer_id": _TEXT,
            "event_time": _MOMENT,
            "known_at": _MOMENT,
            "event_type": _TEXT,
            "value": pa.float64(),
            "channel": _TEXT,
        }
    ),
    "customers": pa.schema(
        {
            "customer_id": _TEXT,
            "valid_from": _MOMENT,
            "known_at": _MOMENT,
            "signed_up": _MOMENT,
            "region": _TEXT,
            "age_band": _TEXT,
            "source": _TEXT,
            "payment_method": _TEXT,
            "plan": _TEXT,
            "price": pa.float64(),
            "contract_months": pa.int64(),
        }
    ),
    "subscriptions": pa.schema(
        {
            "customer_id": _TEXT,
            "start": _MOMENT,
            "end": _MOMENT,
            "known_at": _MOMENT,
            "contract_months": pa.int64(),
            "is_renewal": pa.bool_(),
        }
    ),
    "treatments": pa.schema(
        {
            "customer_id": _TEXT,
            "time": _MOMENT,
            "campaign": _TEXT,
            "offer": _TEXT,
            "assignment_probability": pa.float64(),
            "holdout": pa.bool_(),
        }
    ),
    "outcomes": pa.schema({"customer_id": _TEXT, "churned_at": _MOMENT, "known_at": _MOMENT}),
    "truth": pa.schema(
        {
            "customer_id": _TEXT,
            "as_of": _MOMENT,
            **{f"churn_{days}": pa.float64() for days in HORIZONS},
            **{f"churn_{days}_without_offer": pa.float64() for days in HORIZONS},
            **{f"churn_{days}_with_offer": pa.float64() for days in HORIZONS},
            "effect_90": pa.float64(),
            "has_offer": pa.bool_(),
            "holdout": pa.bool_(),
            "engagement": pa.int64(),
            "frailty": pa.float64(),
        }
    ),
}


class Tables:
    """Tables of the customers of one population."""

    def __init__(self, people: Population, offer: str) -> None:
        self._people = people
        numbers = np.arange(people.first, people.first + people.n)
        self._ids = pa.array(np.char.mod("C%09d", numbers).tolist(), pa.string())
        self._offer = pa.array([offer])

    def events(self, events: Events) -> pa.Table:
        """The log."""
        return _table(
            "events",
            self._customer(events.customer),
            _moments(events.time_us),
            _moments(events.known_us),
            _named(events.kind, EVENT_TYPES),
            pa.array(events.value, mask=np.isnan(events.value)),
            _named(events.channel, CHANNELS),
        )

    def customers(self, versions: Versions) -> pa.Table:
        """Attributes with validity."""
        people, rows = self._people, versions.customer
        return _table(
            "customers",
            self._customer(rows),
            _moments(versions.valid_from_us),
            _moments(versions.known_us),
            _moments(people.signed_up_us[rows]),
            _named(people.region[rows], REGIONS),
            _named(people.age_band[rows], AGE_BANDS),
            _named(people.source[rows], SOURCES),
            _named(people.payment_method[rows], PAYMENT_METHODS),
            _named(versions.plan, PLANS),
            pa.array(versions.price),
            pa.array(people.contract_months[rows]),
        )

    def subscriptions(self, terms: Terms) -> pa.Table:
        """One row per term."""
        return _table(
            "subscriptions",
            self._customer(terms.customer),
            _moments(terms.start_us),
            _moments(terms.end_us),
            _moments(terms.known_us),
            pa.array(terms.months),
            pa.array(terms.renews),
        )

    def treatments(self, campaign: Campaign) -> pa.Table:
        """One row per customer and campaign, whether an offer was made or not."""
        n = len(campaign.customer)
        moment = np.datetime64(campaign.time_us, "us")
        name = pa.array([f"campaign-{str(moment)[:7]}"])
        return _table(
            "treatments",
            self._customer(campaign.customer),
            _moments(np.full(n, campaign.time_us)),
            pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, dtype=np.int32)), name),
            pa.DictionaryArray.from_arrays(
                pa.array(np.zeros(n, dtype=np.int32), mask=~campaign.offered), self._offer
            ),
            pa.array(campaign.probability),
            pa.array(self._people.holdout[campaign.customer]),
        )

    def outcomes(self, outcomes: Outcomes) -> pa.Table:
        """One row per customer."""
        return _table(
            "outcomes",
            self._customer(np.arange(self._people.n)),
            _moments(outcomes.churned_us, unknown=outcomes.churned_us < 0),
            _moments(outcomes.known_us),
        )

    def truth(self, view: View) -> pa.Table:
        """One row per customer with a running term."""
        rows, churn = view.customer, view.foreseen.churn
        happened = churn[np.arange(len(rows)), view.offer]
        return _table(
            "truth",
            self._customer(rows),
            _moments(np.full(len(rows), view.as_of_us)),
            *(pa.array(happened[:, at]) for at in range(len(HORIZONS))),
            *(pa.array(churn[:, 0, at]) for at in range(len(HORIZONS))),
            *(pa.array(churn[:, 1, at]) for at in range(len(HORIZONS))),
            pa.array(churn[:, 1, -1] - churn[:, 0, -1]),
            pa.array(view.offer.astype(bool)),
            pa.array(self._people.holdout[rows]),
            pa.array(view.level),
            pa.array(self._people.frailty[rows]),
        )

    def _customer(self, rows: Ints) -> pa.Array:
        return pa.DictionaryArray.from_arrays(pa.array(rows.astype(np.int32)), self._ids)


def _table(name: str, *columns: pa.Array) -> pa.Table:
    return pa.table(list(columns), schema=SCHEMAS[name])


def _moments(moments_us: Ints, unknown: Bools | None = None) -> pa.Array:
    return pa.array(moments_us, mask=unknown).cast(_MOMENT)


def _named(codes: Ints, names: tuple[str, ...]) -> pa.Array:
    nothing = codes == NOWHERE
    indices = pa.array(np.where(nothing, 0, codes).astype(np.int32), mask=nothing)
    return pa.DictionaryArray.from_arrays(indices, pa.array(names))
