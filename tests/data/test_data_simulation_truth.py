"""The truth beside a simulated business is true: rates, effects of offers, and drift."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
import pytest

import churnkit as ck
from churnkit.data.simulation.behaviour import Behaviour, tickets_probability
from churnkit.data.simulation.hazard import TermEnds
from churnkit.data.simulation.months import Calendar
from churnkit.data.simulation.parameters import Drift, Simulation
from churnkit.data.simulation.population import Population, draw_population
from churnkit.data.simulation.streams import Streams

Floats = npt.NDArray[np.float64]

CUSTOMERS = 30_000
COVARIATE, CONCEPT = 250, 480
TOO_FAR = 4.5
"""Standard errors; 7 in a million honest figures are further off, and about 250 are looked at."""


def _with_outcomes(folder: Path) -> duckdb.DuckDBPyConnection:
    """Views of the files, and ``cases``: the truth with what happened, where that was watched."""
    base = duckdb.connect()
    base.execute("set timezone = 'UTC'")
    for name in ("customers", "subscriptions", "treatments", "outcomes", "truth"):
        base.execute(f"create view {name} as from '{folder / name}.parquet'")
    base.execute(f"create view events as from '{folder}/events/*.parquet'")
    end = json.loads((folder / "truth.json").read_text(encoding="utf-8"))["ends_at"]
    happened = ", ".join(
        f"coalesce(churned_at <= as_of + to_days({days}), false) y{days}" for days in (30, 60, 90)
    )
    base.execute(
        f"create table cases as select truth.*, {happened} from truth join outcomes "
        f"using (customer_id) where as_of + to_days(90) <= timestamptz '{end}'"
    )
    return base


def _columns(base: duckdb.DuckDBPyConnection, query: str) -> list[Floats]:
    return [
        np.asarray(column, dtype=np.float64) for column in base.execute(query).fetchnumpy().values()
    ]


@pytest.fixture(scope="module")
def steady(tmp_path_factory: pytest.TempPathFactory) -> duckdb.DuckDBPyConnection:
    """A business without drift."""
    folder = tmp_path_factory.mktemp("simulated") / "steady"
    ck.simulate(folder, customers=CUSTOMERS, seed=11, events_per_customer=0)
    return _with_outcomes(folder)


@pytest.fixture(scope="module")
def drifting(tmp_path_factory: pytest.TempPathFactory) -> duckdb.DuckDBPyConnection:
    """The same business with both drifts."""
    folder = tmp_path_factory.mktemp("simulated") / "drifting"
    drifts = (f"covariate@{COVARIATE}", f"concept@{CONCEPT}")
    ck.simulate(folder, customers=CUSTOMERS, seed=11, events_per_customer=0, drift=drifts)
    return _with_outcomes(folder)


# --- the probabilities ----------------------------------------------------------------------


@pytest.mark.parametrize("business", ["steady", "drifting"])
@pytest.mark.parametrize("days", [30, 60, 90])
def test_realised_rates_are_the_true_ones_in_every_tenth(
    business: str, days: int, request: pytest.FixtureRequest
) -> None:
    base = request.getfixturevalue(business)
    # Every third month: the windows do not overlap, so that the cases are independent. The
    # first series is that of the campaigns; the others see one to come within the horizon.
    for first in (1, 2, 0):
        chance, left = _columns(
            base,
            f"select churn_{days} p, y{days}::int y from cases where month(as_of) % 3 = {first}",
        )
        assert ((chance >= 0) & (chance < 1)).all()
        assert left[chance == 0].sum() == 0  # no term ends within the horizon
        possible = np.flatnonzero(chance > 0)
        tenths = np.array_split(possible[np.argsort(chance[possible])], 10)
        off = [_off(chance[tenth], left[tenth]) for tenth in tenths]
        assert np.abs(off).max() < TOO_FAR, off
        assert chance[tenths[-1]].mean() > 4 * chance[tenths[0]].mean()


def _off(chance: Floats, left: Floats) -> float:
    return float((left - chance).sum() / np.sqrt((chance * (1 - chance)).sum()))


@pytest.mark.parametrize(
    "group",
    ["has_offer", "holdout", "engagement", "contract_months", "age_band", "payment_method"],
)
def test_realised_rates_are_the_true_ones_in_groups(
    group: str, drifting: duckdb.DuckDBPyConnection
) -> None:
    drifting.execute(
        "create or replace view grouped as from cases join (select customer_id, "
        "any_value(contract_months) contract_months, any_value(age_band) age_band, "
        "any_value(payment_method) payment_method from customers group by 1) using (customer_id)"
    )
    for first in (1, 2, 0):
        found = drifting.execute(
            "select sum(y90::int - churn_90) / sqrt(sum(churn_90 * (1 - churn_90))), count(*) "
            f"from grouped where month(as_of) % 3 = {first} group by {group}"
        ).fetchall()
        assert len(found) >= 2
        assert all(abs(off) < TOO_FAR for off, _ in found), found


@pytest.mark.parametrize("kind", ["ticket", "payment_failed"])
def test_what_already_happened_in_the_month_is_in_the_probability(
    kind: str, steady: duckdb.DuckDBPyConnection
) -> None:
    # Windows of 30 days from the first of each month do not overlap.
    found = steady.execute(
        "with recent as (select distinct customer_id, as_of from events join truth "
        "using (customer_id) where event_type = ? and event_time < as_of "
        "and event_time >= as_of - interval 20 days) "
        "select (recent.as_of is not null)::int, "
        "sum(y30::int - churn_30) / sqrt(sum(churn_30 * (1 - churn_30))), avg(churn_30) "
        "from cases left join recent using (customer_id, as_of) group by 1 order by 1",
        [kind],
    ).fetchall()
    (_, without_off, without), (_, with_off, with_it) = found
    assert abs(without_off) < TOO_FAR
    assert abs(with_off) < TOO_FAR
    assert with_it > 1.15 * without


def test_longer_horizons_hold_the_shorter_ones(drifting: duckdb.DuckDBPyConnection) -> None:
    for what in ("", "_without_offer", "_with_offer"):
        (wrong,) = drifting.execute(
            f"select count(*) from truth where churn_30{what} > churn_60{what} + 1e-12 "
            f"or churn_60{what} > churn_90{what} + 1e-12"
        ).fetchone() or (None,)
        assert wrong == 0


def test_what_happened_is_one_of_the_two_potential_outcomes(
    drifting: duckdb.DuckDBPyConnection,
) -> None:
    (wrong,) = drifting.execute(
        "select count(*) from truth where churn_90 != case when has_offer "
        "then churn_90_with_offer else churn_90_without_offer end "
        "or abs(effect_90 - (churn_90_with_offer - churn_90_without_offer)) > 1e-12"
    ).fetchone() or (None,)
    assert wrong == 0


def test_the_hazard_is_the_sum_that_truth_json_tells() -> None:
    simulation = Simulation(customers=500, seed=3)
    people, ends = _laws(simulation)
    told = simulation.hazard
    month = 12  # January of the second year: the first price rise
    rows = np.flatnonzero(people.due(month))
    n = len(rows)
    chance = ends.probability(
        month,
        rows,
        offer=np.ones(n, dtype=np.int64),
        level=np.full(n, 3),
        tickets=np.full(n, 5),
        failed=np.ones(n, dtype=np.int64),
    )
    log_rise = np.log(1 + simulation.prices.yearly_rise)
    for row, found in zip(rows[:50], chance[:50], strict=True):
        age = people.age_band[row]
        rises = {1: 1, 12: 1, 24: 2}[int(people.contract_months[row])]
        logit = (
            told.contract[people.contract[row]]
            + told.price * (np.log(people.price_factor[row]) + log_rise)
            + told.rise * rises * log_rise
            + told.level[3]
            + told.tickets[3]
            + told.payment_failed
            + told.tenure * np.log(1 + month - people.joined[row])
            + told.age_band[age]
            + told.season[0]
            + people.frailty[row]
            - simulation.offers.effect
            - simulation.offers.effect_age_band[age]
            - simulation.offers.effect_level[3]
        )
        assert found == pytest.approx(1 / (1 + np.exp(-logit)), rel=1e-12)


def _laws(simulation: Simulation) -> tuple[Population, TermEnds]:
    calendar = Calendar(simulation)
    streams = Streams(simulation.seed, 0, simulation.customers)
    people = draw_population(simulation, calendar, streams, 0)
    behaviour = Behaviour(simulation, calendar, people)
    return people, TermEnds(simulation, calendar, people, behaviour)


def test_probabilities_of_tickets_add_up() -> None:
    means = np.array([0.0, 0.3, 2.0, 9.0])
    for already in range(5):
        found = tickets_probability(np.full(4, already), means)
        assert found.sum(axis=1) == pytest.approx(1.0)
        assert (found[:, : min(already, 3)] == 0).all()
    drawn = np.minimum(1 + np.random.default_rng(0).poisson(0.8, 200_000), 3)
    found = tickets_probability(np.array([1]), np.array([0.8]))[0]
    assert np.bincount(drawn, minlength=4) / 200_000 == pytest.approx(found, abs=0.005)


# --- offers ---------------------------------------------------------------------------------


def test_the_effect_of_an_offer_is_found_with_the_logged_probabilities(
    steady: duckdb.DuckDBPyConnection,
) -> None:
    offered, chance, left, effect, level = _columns(
        steady,
        "select (offer is not null)::int, assignment_probability, y90::int, effect_90, engagement "
        "from treatments join cases on cases.customer_id = treatments.customer_id "
        "and as_of = time where not treatments.holdout",
    )
    weighted = left * (offered / chance - (1 - offered) / (1 - chance))

    def estimate(chosen: npt.NDArray[np.bool_]) -> tuple[float, float]:
        some = weighted[chosen]
        return float(some.mean()), float(some.std() / np.sqrt(len(some)))

    found, error = estimate(np.ones(len(left), dtype=bool))
    assert abs(found - effect.mean()) < TOO_FAR * error
    assert found < -3 * error  # an effect that can be seen
    for one in range(5):
        found, error = estimate(level == one)
        assert abs(found - effect[level == one].mean()) < TOO_FAR * error
    assert effect[level == 0].mean() > 0 > effect[level == 2].mean()  # it harms those who sleep


def test_the_holdout_tells_the_truth_and_the_untreated_do_not(
    steady: duckdb.DuckDBPyConnection,
) -> None:
    offered, chance, held, left, without, effect = _columns(
        steady,
        "select (offer is not null)::int, assignment_probability, treatments.holdout::int, "
        "y90::int, churn_90_without_offer, effect_90 "
        "from treatments join cases on cases.customer_id = treatments.customer_id "
        "and as_of = time where time = (select min(time) from treatments)",
    )
    held_out = held == 1
    assert offered[held_out].sum() == 0
    assert abs(held_out.mean() - 0.1) < TOO_FAR * np.sqrt(0.09 / len(held))
    everyone = without.mean()
    error = np.sqrt(everyone * (1 - everyone) / held_out.sum())
    assert abs(left[held_out].mean() - everyone) < TOO_FAR * error
    untreated = ~held_out & (offered == 0)
    error = np.sqrt(everyone * (1 - everyone) / untreated.sum())
    assert left[untreated].mean() < everyone - 5 * error
    # What the campaign did in sum, by comparison with the hold-out.
    found = left[~held_out].mean() - left[held_out].mean()
    error = np.hypot(
        left[~held_out].std() / np.sqrt((~held_out).sum()),
        left[held_out].std() / np.sqrt(held_out.sum()),
    )
    assert abs(found - (chance * effect)[~held_out].mean()) < TOO_FAR * error
    # Those with an offer leave more often than those without: the offer looks harmful.
    assert left[offered == 1].mean() > left[untreated].mean()


def test_offers_are_made_with_the_logged_probability(steady: duckdb.DuckDBPyConnection) -> None:
    found = steady.execute(
        "select assignment_probability, avg((offer is not null)::int), count(*) "
        "from treatments group by 1 order by 1"
    ).fetchall()
    assert [row[0] for row in found] == [0.0, 0.15, 0.8]
    for chance, share, n in found:
        assert abs(share - chance) <= TOO_FAR * np.sqrt(chance * (1 - chance) / n)


# --- drift ----------------------------------------------------------------------------------


def _tickets_per_customer(base: duckdb.DuckDBPyConnection, begin: int, end: int) -> float:
    """In 30 days, between two days."""
    (tickets, days) = base.execute(
        "with span as (select timestamptz '2024-01-01' + to_days(?) a, "
        "timestamptz '2024-01-01' + to_days(?) b) select "
        "(select count(*) from events, span where event_type = 'ticket' "
        "and event_time >= a and event_time < b), "
        "(select sum(greatest(0, epoch(least(b, coalesce(churned_at, b))) "
        "- epoch(greatest(a, signed_up)))) / 86400 from span, outcomes join "
        "(select customer_id, min(signed_up) signed_up from customers group by 1) "
        "using (customer_id))",
        [begin, end],
    ).fetchone() or (0, 1)
    return float(tickets / days * 30)


def test_a_covariate_drift_is_seen_from_its_day_on(
    steady: duckdb.DuckDBPyConnection, drifting: duckdb.DuckDBPyConnection
) -> None:
    before = _tickets_per_customer(drifting, 0, COVARIATE)
    assert before == _tickets_per_customer(steady, 0, COVARIATE)
    assert before == pytest.approx(0.22, rel=0.05)
    after = _tickets_per_customer(drifting, COVARIATE, COVARIATE + 200)
    assert after == pytest.approx(0.22 * 1.8, rel=0.05)

    def engagement(base: duckdb.DuckDBPyConnection, day: int) -> float:
        (mean,) = base.execute(
            "select avg(engagement) from truth where as_of = "
            "(select max(as_of) from truth where as_of <= timestamptz '2024-01-01' + to_days(?))",
            [day],
        ).fetchone() or (np.nan,)
        return float(mean)

    assert engagement(drifting, COVARIATE) == engagement(steady, COVARIATE)
    assert engagement(drifting, COVARIATE + 200) < engagement(steady, COVARIATE + 200) - 0.4


def test_only_a_concept_drift_changes_why_customers_leave() -> None:
    def chances(month: int, *drifts: Drift, tickets: int) -> Floats:
        people, ends = _laws(Simulation(customers=800, seed=3, drifts=drifts))
        rows = np.flatnonzero(people.due(month) & (people.joined < 0))
        n = len(rows)
        return ends.probability(
            month,
            rows,
            offer=np.zeros(n, dtype=np.int64),
            level=np.full(n, 1),
            tickets=np.full(n, tickets),
            failed=np.zeros(n, dtype=np.int64),
        )

    concept, covariate = Drift(kind="concept", day=200), Drift(kind="covariate", day=200)
    for month, tickets in ((3, 0), (3, 3), (9, 0), (9, 3)):
        usual = chances(month, tickets=tickets)
        assert (usual == chances(month, covariate, tickets=tickets)).all()
        assert (usual == chances(month, concept, tickets=tickets)).all() == (month == 3)
    assert (chances(9, tickets=3) > chances(9, tickets=0)).all()
    assert (chances(9, concept, tickets=3) == chances(9, concept, tickets=0)).all()


def test_a_concept_drift_is_seen_in_who_leaves(drifting: duckdb.DuckDBPyConnection) -> None:
    def times(condition: str) -> float:
        """How much more often the sleeping leave than the busy, of those with monthly terms."""
        (ratio,) = drifting.execute(
            "select avg(y30::int) filter (engagement = 0) / avg(y30::int) filter (engagement = 3) "
            "from cases where customer_id in (select customer_id from customers "
            f"where contract_months = 1) and not has_offer and {condition}"
        ).fetchone() or (np.nan,)
        return float(ratio)

    day = f"timestamptz '2024-01-01' + to_days({CONCEPT})"
    assert times(f"as_of < {day} - to_days(31)") > 3
    assert times(f"as_of >= {day}") < 1.6


@pytest.mark.parametrize("kind", ["covariate", "concept"])
def test_nothing_moves_before_the_day(kind: str, tmp_path: Path) -> None:
    folders = {"plain": (), "drift": (f"{kind}@133",)}
    for name, drift in folders.items():
        ck.simulate(tmp_path / name, customers=600, days=200, seed=5, drift=drift)
    base = duckdb.connect()
    base.execute("set timezone = 'UTC'")
    plain, drift = (f"from '{tmp_path}/{name}/events/*.parquet'" for name in folders)
    early = "where event_time < timestamptz '2024-01-01' + to_days(133)"
    for one, other in ((plain, drift), (drift, plain)):
        for rows, equal in ((f"{one} {early}", True), (one, False)):
            (n,) = base.execute(
                f"select count(*) from (({rows}) except all ({other}))"
            ).fetchone() or (None,)
            assert (n == 0) is equal
