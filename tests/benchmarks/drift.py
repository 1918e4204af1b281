"""How soon drift is seen, and how often it is seen where there is none, against the usual rules.

Run it with ``python tests/benchmarks/drift.py [--streams 20] [--only PART]``. A year of 250
working days with 200 customers a day, twenty features and the score (as the tests' streams have
them), a reference of 5,000. The usual rules look at each day alone: PSI of ten bins above 0.2 for
any feature, and the two-sample Kolmogorov–Smirnov test at 5 % (numbers only), alone and with
Bonferroni over the features of the day. Both see the bins only, which makes KS cautious. A rule's
delay counts only in streams where it was still silent when the drift began, after 50 days (it then
lasts 100); where it alarmed before, that alarm was false.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.stats import kstwo

from churnkit.monitoring.baseline import Baseline
from churnkit.monitoring.counting import Counts, count_customers
from churnkit.monitoring.drift import DriftTest
from churnkit.monitoring.effects import kolmogorov_smirnov, population_stability_index
from tests.monitoring.streams import Change, Company

DAYS, AFTER, PER_DAY, BEFORE, REFERENCE = 250, 100, 200, 50, 5_000
CHANGES = {
    "nothing": Change(),
    "location + 0.1 sd": Change(location=0.1),
    "location + 0.2 sd": Change(location=0.2),
    "location + 0.5 sd": Change(location=0.5),
    "spread × 1.3": Change(spread=1.3),
    "missing + 3 points": Change(missing=0.03),
    "5 points of a category move": Change(plan=0.05),
    "1 % of an unseen category": Change(unseen=0.01),
    "4 % of an unseen category": Change(unseen=0.04),
}
OURS, PSI, KS, KS_BONFERRONI = "churnkit", "daily PSI > 0.2", "daily KS 5 %", "daily KS, Bonferroni"
RULES = (OURS, PSI, KS, KS_BONFERRONI)


def daily_rules(baseline: Baseline, day: Counts) -> dict[str, bool]:
    """What each usual rule says of one day."""
    psi, p_values = [], []
    for feature, counts in zip(baseline.features, day.bins, strict=True):
        reference, current = np.array(feature.counts, float), np.array(counts, float)
        psi.append(population_stability_index(reference, current))
        if feature.kind == "number":
            # Without the missing, as usual.
            n, m = reference[1:].sum(), current[1:].sum()
            distance = kolmogorov_smirnov(reference[1:], current[1:])
            p_values.append(float(kstwo.sf(distance, round(n * m / (n + m)))))
    return {
        PSI: max(psi) > 0.2,
        KS: min(p_values) < 0.05,
        KS_BONFERRONI: min(p_values) < 0.05 / len(p_values),
    }


def first_alarms(seed: int, change: Change, days: int) -> dict[str, int | None]:
    """The day, from 1, on which each rule spoke first; the change begins after ``BEFORE`` days."""
    company = Company(seed)
    baseline = company.baseline(REFERENCE)
    test = DriftTest(baseline, seed=seed)
    state = test.begin()
    found: dict[str, int | None] = dict.fromkeys(RULES)
    for day in range(1, days + 1):
        counts = company.counts(baseline, PER_DAY, change if day > BEFORE else Change())
        if state.alarm is None:  # it stays, once it is there
            state = test.look(state, counts)
        says = {OURS: state.alarm is not None, **daily_rules(baseline, counts)}
        for rule, alarm in says.items():
            if alarm and found[rule] is None:
                found[rule] = day
        if all(found.values()):
            break
    return found


def shown(days: list[int | None]) -> str:
    """The median delay in customers, over all streams; never counts as infinite."""
    if not days:
        return "–"
    delays = sorted(np.inf if day is None else (day - BEFORE) * PER_DAY for day in days)
    median = delays[(len(delays) - 1) // 2]
    missed = sum(day is None for day in days)
    text = "not found" if np.isinf(median) else f"{median:,.0f}"
    return f"{text} ({missed} of {len(days)} missed)" if missed else text


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=20)
    parser.add_argument("--only", choices=[*CHANGES, "seasons", "costs"], help="one part of it")
    streams, only = (args := parser.parse_args()).streams, args.only
    console = Console(width=130)
    table = Table(title=f"Customers until drift is seen: median of {streams} streams")
    table.add_column("what changes after 10,000 customers")
    for rule in RULES:
        table.add_column(rule, justify="right")
    for name, change in CHANGES.items():
        if only not in (None, name):
            continue
        days = DAYS if name == "nothing" else BEFORE + AFTER
        found = [first_alarms(seed, change, days) for seed in range(streams)]
        cells = []
        for rule in RULES:
            spoke = [alarms[rule] for alarms in found]
            if name == "nothing":
                wrong = sum(day is not None for day in spoke)
                cells.append(f"{wrong} of {streams} false alarms")
                continue
            quiet = [day for day in spoke if day is None or day > BEFORE]
            early = streams - len(quiet)
            cells.append(shown(quiet) + (f"; {early} false before" if early else ""))
        table.add_row("nothing, for a year" if name == "nothing" else name, *cells)
    if table.rows:
        console.print(table)
    if only in (None, "seasons"):
        seasons(console, streams)
    if only in (None, "costs"):
        sizes_and_times(console)


def seasons(console: Console, streams: int) -> None:
    """How often a year raises an alarm when one number swings about the year's mean.

    The reference is a whole year. Each day's customers do differ from it, so nothing is claimed.
    """
    table = Table(title=f"Alarms within a year of seasons, of {streams} streams")
    table.add_column("swing of one number, sd", justify="right")
    table.add_column(OURS, justify="right")
    for swing in (0.02, 0.05, 0.1):
        alarms = 0
        for seed in range(streams):
            company = Company(seed)
            days = company.rng.random(REFERENCE)
            baseline = company.baseline(
                REFERENCE, Change(location=swing * np.sin(2 * np.pi * days))
            )
            test = DriftTest(baseline, seed=seed)
            state = test.begin()
            for day in range(DAYS // 2):
                now = Change(location=swing * np.sin(4 * np.pi * day / DAYS))
                state = test.look(state, company.counts(baseline, 2 * PER_DAY, now))
                if state.alarm:
                    break
            alarms += state.alarm is not None
        table.add_row(f"{swing}", f"{alarms}")
    console.print(table)


def sizes_and_times(console: Console) -> None:
    """Memory of the state, and the cost of a look beside that of counting its customers."""
    company = Company(0)
    baseline = company.baseline(REFERENCE)
    test = DriftTest(baseline, seed=0)
    state = test.begin()
    columns = Table(title="The state, and what a look costs")
    for heading in (
        "customers",
        "state, bytes of JSON",
        "counting 1,000, ms",
        "a look, ms",
        "ratio",
    ):
        columns.add_column(heading, justify="right")
    counted, looked = [], []
    for k in range(1, 65):
        drawn = company.customers(1_000)
        start = time.perf_counter()
        new = count_customers(baseline, *drawn)
        middle = time.perf_counter()
        state = test.look(state, new)
        counted.append(middle - start)
        looked.append(time.perf_counter() - middle)
        if k in (1, 4, 16, 64):
            a, b = np.median(counted[-8:]) * 1e3, np.median(looked[-8:]) * 1e3
            size = len(state.model_dump_json())
            columns.add_row(f"{k * 1_000:,}", f"{size:,}", f"{a:.1f}", f"{b:.1f}", f"{b / a:.1f}")
    console.print(columns)


if __name__ == "__main__":
    main()
