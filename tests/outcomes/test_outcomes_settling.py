"""Many predictions are settled by column as each would be by the rule, on both databases."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from churnkit.domain.moments import from_us
from churnkit.domain.outcomes import Outcome, settle
from churnkit.ledger.outcomes import outcomes_of, record_outcomes
from churnkit.ledger.scored_columns import Wanted, scored_columns
from churnkit.usecases.outcomes.label_spans import label_spans
from churnkit.usecases.outcomes.maturing import matured_pairs
from churnkit.usecases.outcomes.settling import settle_all
from tests.outcomes.projects import DAY, MARCH, bare_project, prediction

ZONE = "Europe/Berlin"
CUSTOMERS = 150


def _moment(rng: np.random.Generator, start: datetime, days: float) -> datetime:
    """Often a whole day, so that bounds are met exactly."""
    span = rng.uniform(0, days)
    return start + timedelta(days=round(span) if rng.random() < 0.5 else span)


def _outcome(rng: np.random.Generator, name: str) -> Outcome:
    value = None if rng.random() < 0.5 else float(rng.integers(1, 9))
    known = _moment(rng, MARCH, 90)
    churned = rng.choice([True, False, None])
    if rng.random() < 0.5:
        as_of = _moment(rng, MARCH, 20)
        return Outcome(name, churned, "t", as_of=as_of, value=value, known_at=known)
    left = _moment(rng, MARCH - 10 * DAY, 90) if rng.random() < 0.5 else None
    return Outcome(
        name,
        left is not None,
        "t",
        observed_from=None if rng.random() < 0.5 else _moment(rng, MARCH - 10 * DAY, 30),
        observed_to=None if rng.random() < 0.5 else _moment(rng, MARCH, 90),
        churned_at=left,
        value=value,
        known_at=known,
    )


@pytest.mark.parametrize("match_days", [0, 2])
def test_columns_say_what_the_rule_says(tmp_path: Path, ledger_url: str, match_days: int) -> None:
    rng = np.random.default_rng(match_days)
    url = "" if ledger_url.startswith("sqlite") else ledger_url
    now = MARCH + 70 * DAY
    with bare_project(tmp_path / "p", url, project={"name": "p", "zone": ZONE}) as project:
        names = [f"c{i}" for i in range(CUSTOMERS)]
        made = [
            prediction(f"p{name}-{k}", name, _moment(rng, MARCH, 20), as_of=None)
            for name in names
            for k in range(rng.integers(1, 3))
        ]
        project.ledger.record_predictions(made)
        told = [_outcome(rng, name) for name in names for _ in range(rng.choice([0, 1, 1, 1, 2]))]
        record_outcomes(project.ledger.engine, told, now=now)
        engine = project.ledger.engine
        rows = scored_columns(engine, Wanted())
        assert sorted(rows.prediction_id) == sorted(row.prediction_id for row in made)
        windows = label_spans(project).windows(rows.us)
        found = settle_all(
            engine, Wanted(), rows.customer_id, rows.us, windows,
            now=now, zone=ZONE, match_days=match_days,
        )  # fmt: skip
        known = outcomes_of(engine, names)
        kinds = set()
        for i, name in enumerate(rows.customer_id):
            one = settle(
                known.get(name, []),
                as_of=from_us(int(rows.us[i])),
                opens=from_us(int(windows.opens_us[i])),
                closes=from_us(int(windows.closes_us[i])),
                now=now,
                zone=ZONE,
                match_days=match_days,
            )
            assert found.settled[i] == (one is not None), name
            label = -1 if one is None or one.churned is None else int(one.churned)
            assert found.label[i] == label, name
            value = np.nan if one is None or one.value is None else one.value
            np.testing.assert_equal(found.value[i], value)
            kinds.add((one is None, label))
        assert len(kinds) == 4  # open, left, stayed, no label: all were met


def test_a_later_part_is_that_part_of_all(tmp_path: Path, ledger_url: str) -> None:
    """A look reads what is new: ordinals count what came before, in the same rollout."""
    url = "" if ledger_url.startswith("sqlite") else ledger_url
    with bare_project(tmp_path / "p", url) as project:
        rows = []
        for day in range(6):
            for name in ("a", "b", f"new-{day}"):
                at, given = MARCH + day * DAY, f"{name}-{day}"
                rows.append(prediction(given, name, at, 0.2, rollout_id="r1"))
                shadow = prediction(f"{given}-s", name, at + DAY, 0.4, rollout_id="r1")
                rows.append(shadow.model_copy(update={"shadow_of": given, "model_version": "v2"}))
        project.ledger.record_predictions(rows)
        now = MARCH + 60 * DAY
        record_outcomes(
            project.ledger.engine,
            [Outcome(row.customer_id, False, "t", as_of=row.made_at) for row in rows],
            now=now,
        )
        whole = matured_pairs(project, now=now, rollout_id="r1")
        assert len(whole) == 18
        assert whole.shadow_probability.tolist() == [0.4] * 18
        assert max(whole.ordinal) == 6
        since = MARCH + 4 * DAY
        part = matured_pairs(project, now=now, rollout_id="r1", since=since)
        assert part.prediction_id.tolist() == whole.prediction_id[12:].tolist()
        assert part.ordinal.tolist() == whole.ordinal[12:].tolist()
        assert [one.day for one in part.cohorts] == [one.day for one in whole.cohorts[4:]]
