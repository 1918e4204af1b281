"""What a simulated business leaves behind: the same for all sizes, consistent, whole or absent."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

import churnkit as ck
from churnkit import errors
from churnkit.data.simulation import folder as folder_module
from churnkit.data.simulation.parameters import Drift, Simulation
from churnkit.data.simulation.streams import BLOCK, Purpose, Streams, poisson
from churnkit.data.simulation.tables import SCHEMAS
from churnkit.data.simulation.writing import customers_at_once, write_simulation
from churnkit.domain.progress import Cancel, Step

DRIFTS = ("covariate@100", "concept@150")
DAYS = 300


def _open(folder: Path) -> duckdb.DuckDBPyConnection:
    base = duckdb.connect()
    base.execute("set timezone = 'UTC'")
    for name in SCHEMAS:
        files = "events/part-*" if name == "events" else name
        base.execute(f"create view {name} as from '{folder}/{files}.parquet'")
    return base


def _write(folder: Path, *, at_once: int | None = None, **options: object) -> Path:
    told = {"days": DAYS, "seed": 4, "drifts": tuple(map(Drift.parse, DRIFTS)), **options}
    simulation = Simulation.model_validate(told)
    write_simulation(simulation, folder, command="", versions={}, at_once=at_once)
    return folder


def _count(base: duckdb.DuckDBPyConnection, query: str) -> int:
    (n,) = base.execute(query).fetchone() or (-1,)
    return int(n)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three blocks of customers, the last one not full."""
    return _write(tmp_path_factory.mktemp("written") / "business", customers=2_500)


@pytest.fixture
def base(written: Path) -> duckdb.DuckDBPyConnection:
    """The tables of ``written``."""
    return _open(written)


# --- the same customers ---------------------------------------------------------------------


def _difference(one: Path, other: Path, name: str, where: str = "true") -> int:
    files = "events/part-*" if name == "events" else name
    first, second = (f"from '{path}/{files}.parquet' where {where}" for path in (one, other))
    base = duckdb.connect()
    return sum(
        _count(base, f"select count(*) from (({a}) except all ({b}))")
        for a, b in ((first, second), (second, first))
    )


def test_the_same_seed_gives_the_same_bytes_and_another_seed_other_customers(
    written: Path, tmp_path: Path
) -> None:
    again = _write(tmp_path / "again", customers=2_500)
    files = sorted(path.relative_to(written) for path in written.rglob("*") if path.is_file())
    assert len(files) == 8
    for file in files:
        assert (written / file).read_bytes() == (again / file).read_bytes(), file
    other = _write(tmp_path / "other", customers=2_500, seed=5)
    for name in SCHEMAS:
        assert _difference(written, other, name) > 0, name


@pytest.mark.parametrize("name", list(SCHEMAS))
def test_how_many_are_simulated_at_once_changes_no_row(
    name: str, written: Path, tmp_path: Path
) -> None:
    assert customers_at_once(Simulation()) > 2_500  # so far in one piece
    pieces = _write(tmp_path / "pieces", customers=2_500, at_once=BLOCK)
    assert _difference(written, pieces, name) == 0
    more = _write(tmp_path / "more", customers=3_100, at_once=2 * BLOCK)
    assert _difference(written, more, name, "customer_id < 'C000002500'") == 0
    fewer = _write(tmp_path / "fewer", customers=700)
    assert _difference(written, fewer, name, "customer_id < 'C000000700'") == 0


@given(
    first=st.integers(0, 3).map(lambda block: block * BLOCK),
    n=st.integers(1, 2 * BLOCK),
    month=st.integers(-40, 300),
    seed=st.integers(0, 2**63 - 1),
)
def test_numbers_belong_to_a_customer(first: int, n: int, month: int, seed: int) -> None:
    one, all_of_them = Streams(seed, first, n), Streams(seed, 0, 6 * BLOCK)
    part = slice(first, first + n)
    expected = all_of_them.uniform(Purpose.CHURN, month)[part]
    assert (one.uniform(Purpose.CHURN, month) == expected).all()
    counts = np.arange(6 * BLOCK) % 3
    before = counts[:first].sum()
    inside = slice(before, before + counts[part].sum())
    mine = one.marks(counts[part], Purpose.INTERACTIONS, month)
    theirs = all_of_them.marks(counts, Purpose.INTERACTIONS, month)
    for one_mark, other in zip(mine, theirs, strict=True):
        assert (one_mark == other[inside]).all()
    # Others may do more: a customer's events stay what they were.
    busier = counts.copy()
    busier[0] += 5
    moved = all_of_them.marks(busier, Purpose.INTERACTIONS, month)
    assert (moved.place[5 + counts[0] :] == theirs.place[counts[0] :]).all()


def test_marks_and_counts_have_their_laws() -> None:
    streams = Streams(9, 0, 64 * BLOCK)
    n = 64 * BLOCK
    marks = streams.marks(np.full(n, 3), Purpose.PAYMENTS, 1)
    for mark in marks:
        assert mark.min() >= 0
        assert mark.max() < 1
        shares = np.bincount((mark * 20).astype(int), minlength=20) / len(mark)
        assert np.abs(shares - 0.05).max() < 5 * np.sqrt(0.05 * 0.95 / len(mark))
    together = np.corrcoef([*marks, np.roll(marks.place, 1), np.roll(marks.value, 3)])
    assert np.abs(together - np.eye(6)).max() < 5 / np.sqrt(len(marks.place))
    for mean in (0.0, 0.4, 7.0, 59.0, 61.0, 2_500.0):
        counts = poisson(np.full(n, mean), streams.uniform(Purpose.TICKETS_EARLY))
        error = np.sqrt(mean / n)
        assert abs(counts.mean() - mean) <= 5 * error
        assert abs(counts.var() - mean) <= 5 * np.sqrt((2 * mean**2 + mean) / n)
    draw = np.array([0.0, 1e-300, 0.5, 1 - 2**-53])
    for mean in (1e-12, 0.3, 60.0, 60.1):
        found = poisson(np.full(4, mean), draw)
        assert (np.diff(found) >= 0).all()
        assert found[3] < mean + 12 * np.sqrt(mean) + 12


# --- consistent -----------------------------------------------------------------------------


def test_nothing_happens_after_leaving_or_before_joining(base: duckdb.DuckDBPyConnection) -> None:
    gone = "select count(*) from events join outcomes using (customer_id) where event_time >= "
    assert _count(base, gone + "churned_at") == 0
    assert _count(base, gone + "churned_at - interval 20 days") > 100  # until then they are active
    assert (
        _count(
            base,
            "select count(*) from events join (select customer_id, min(start) begin "
            "from subscriptions group by 1) using (customer_id) where event_time < begin",
        )
        == 0
    )
    outside = "event_time < timestamptz '2024-01-01' or event_time >= timestamptz '2024-10-27'"
    assert _count(base, f"select count(*) from events where {outside}") == 0


def test_facts_are_known_when_or_after_they_happen(base: duckdb.DuckDBPyConnection) -> None:
    for table, moment in (
        ("events", "event_time"), ("customers", "valid_from"), ("subscriptions", "start"),
        ("outcomes", "churned_at"),
    ):  # fmt: skip
        assert _count(base, f"select count(*) from {table} where known_at < {moment}") == 0, table
    late, n = base.execute(
        "select count(*) filter (known_at > event_time + interval 3 minutes), count(*) from events"
    ).fetchone() or (0, 0)
    assert abs(late / n - 0.05) < 5 * np.sqrt(0.05 * 0.95 / n)
    # Leaving is known late: a model that looks as if it were known at once would be flattered.
    (days,) = base.execute(
        "select avg(epoch(known_at - churned_at)) / 86400 from outcomes"
    ).fetchone() or (0,)
    assert 4.5 < days < 7.5


def test_a_term_without_renewal_is_a_customer_who_left(base: duckdb.DuckDBPyConnection) -> None:
    base.execute(
        "create view terms as select *, lead(start) over (partition by customer_id order by start) "
        "next_start, row_number() over (partition by customer_id order by start) number "
        "from subscriptions"
    )
    bad = "select count(*) from terms "
    assert _count(base, bad + 'where next_start != "end"') == 0
    assert _count(base, bad + "where is_renewal = (number = 1)") == 0
    assert _count(base, bad + 'where "end" != start + to_months(contract_months::int)') == 0
    end = "timestamptz '2024-10-27'"
    left = f'select customer_id, "end" from terms where next_start is null and "end" < {end}'
    told = "select customer_id, churned_at from outcomes where churned_at is not null"
    assert _count(base, f"select count(*) from (({left}) except ({told}))") == 0
    assert _count(base, f"select count(*) from (({told}) except ({left}))") == 0
    assert _count(base, f"select count(*) from ({told})") > 200
    kept = f"select count(*) from outcomes where churned_at is null and known_at != {end}"
    assert _count(base, kept) == 0


def test_payments_follow_the_price_of_the_attributes(base: duckdb.DuckDBPyConnection) -> None:
    paid = (
        "select count(*) from events asof join customers on events.customer_id = "
        "customers.customer_id and event_time >= valid_from "
        "where event_type in ('payment_failed', 'price_change') "
    )
    assert _count(base, paid) > 100
    assert _count(base, paid + "and value != price") == 0
    assert _count(base, "select count(*) from customers where price != round(price, 2)") == 0
    assert _count(base, "select count(*) from events where value != round(value, 2)") == 0
    twice = "select count(*) - count(distinct (customer_id, valid_from)) from customers"
    assert _count(base, twice) == 0
    changes = "select count(*) from events where event_type = 'price_change'"
    versions = "select count(*) from customers where valid_from >= timestamptz '2024-01-01' "
    joined = "and valid_from > signed_up"
    assert _count(base, changes) == _count(base, versions + joined) > 0


def test_the_truth_has_each_running_term_once(base: duckdb.DuckDBPyConnection) -> None:
    running = (
        "select customer_id, m as_of from subscriptions, generate_series(timestamptz "
        "'2024-01-01', timestamptz '2024-10-01', interval 1 month) t(m) "
        'where start <= m and "end" > m'
    )
    told = "select customer_id, as_of from truth"
    assert _count(base, f"select count(*) from (({running}) except all ({told}))") == 0
    assert _count(base, f"select count(*) from (({told}) except all ({running}))") == 0


def test_every_other_engine_reads_plain_types(written: Path) -> None:
    schema = parquet.read_schema(written / "events" / "part-00000.parquet")
    moment = pa.timestamp("us", tz="UTC")
    assert [(field.name, field.type) for field in schema] == [
        ("customer_id", pa.string()), ("event_time", moment), ("known_at", moment),
        ("event_type", pa.string()), ("value", pa.float64()), ("channel", pa.string()),
    ]  # fmt: skip


def test_the_readme_names_every_file_and_column(written: Path) -> None:
    text = (written / "README.md").read_text(encoding="utf-8")
    assert max(map(len, text.splitlines())) <= 100
    for name in SCHEMAS:
        assert f"`{name}" in text
    told = json.loads((written / "truth.json").read_text(encoding="utf-8"))
    assert told["drift_from"] == {
        "covariate": "2024-04-10T00:00:00+00:00",
        "concept": "2024-05-30T00:00:00+00:00",
    }
    assert Simulation.model_validate(told["parameters"]).days == DAYS


@pytest.mark.parametrize(
    ("start", "days", "customers"),
    [
        (date(2024, 1, 1), 1, 1),
        (date(2023, 10, 31), 2, 300),
        (date(2024, 2, 29), 366, 200),
        (date(1969, 12, 15), 40, 200),
    ],
)
def test_odd_calendars(start: date, days: int, customers: int, tmp_path: Path) -> None:
    made = ck.simulate(tmp_path / "odd", start=start, days=days, customers=customers)
    base = _open(made.folder)
    assert made.written.rows == {
        name: _count(base, f"select count(*) from {name}") for name in SCHEMAS
    }
    assert made.written.rows["outcomes"] == customers
    outside = (
        f"select count(*) from events where event_time < timestamptz '{start}' "
        f"or event_time >= timestamptz '{start}' + to_days({days})"
    )
    assert _count(base, outside) == 0
    assert (
        _count(base, f"select count(*) from outcomes where churned_at < timestamptz '{start}'") == 0
    )


def test_the_number_of_events_is_about_what_was_asked_for(tmp_path: Path) -> None:
    made = ck.simulate(tmp_path / "busy", customers=1_000, days=200, events_per_customer=40)
    kinds = made.written.events
    months = kinds["payment"]  # one a month, as everyone pays monthly
    assert (kinds["login"] + kinds["usage"]) / months == pytest.approx(40, rel=0.2)


# --- memory ---------------------------------------------------------------------------------

_PEAK = """
import sys
from pathlib import Path
from churnkit.data.simulation.parameters import Simulation
from churnkit.data.simulation.writing import write_simulation
told = Simulation(customers=int(sys.argv[1]), days=365, events_per_customer=12)
done = write_simulation(told, Path(sys.argv[2]), command="", versions={}, at_once=1024)
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line)
print(done.rows["events"], peak.split()[1])
"""


def test_memory_does_not_grow_with_the_number_of_customers(tmp_path: Path) -> None:
    def peak(customers: int) -> tuple[int, float]:
        """Events written, and the most memory that was used, in MB."""
        folder = tmp_path / str(customers)
        ran = subprocess.run(
            [sys.executable, "-c", _PEAK, str(customers), folder],
            capture_output=True,
            text=True,
            check=True,
        )
        n_events, kilobytes = map(int, ran.stdout.split())
        return n_events, kilobytes / 1024

    few, small = peak(3_072)
    many, large = peak(14_336)
    assert many > 3.8 * few
    assert many > 900_000  # six columns of eight bytes each would take 43 MB
    assert large - small < 25


# --- bad input ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"customers": 0}, "--customers"),
        ({"customers": -5}, "--customers"),
        ({"customers": 10**9}, "--customers"),
        ({"days": 0}, "--days"),
        ({"days": 10**6}, "--days"),
        ({"seed": -1}, "--seed"),
        ({"seed": 2**64}, "--seed"),
        ({"events_per_customer": -0.1}, "--events-per-customer"),
        ({"events_per_customer": float("nan")}, "--events-per-customer"),
        ({"start": date(1700, 1, 1)}, "--start"),
        ({"drift": ["concept@800"]}, "--drift"),
        ({"drift": ["concept@8", "concept@9"]}, "--drift"),
        ({"drift": ["weather@8"]}, "--drift"),
        ({"drift": ["concept"]}, "--drift"),
        ({"drift": ["concept@-8"]}, "--drift"),
    ],
)
def test_sizes_that_make_no_sense_are_refused(
    options: dict[str, object], where: str, tmp_path: Path
) -> None:
    with pytest.raises(errors.SettingsInvalid) as caught:
        ck.simulate(tmp_path / "new" / "business", **options)  # type: ignore[arg-type]  # on purpose
    assert caught.value.where["option"] == where
    assert caught.value.fix
    assert not list(tmp_path.iterdir())


def test_a_folder_in_use_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "letter.txt").write_text("dear", encoding="utf-8")
    for place in (mine, mine / "letter.txt"):
        with pytest.raises(errors.FolderNotEmpty):
            ck.simulate(place, customers=10, days=3)
    assert (mine / "letter.txt").read_text(encoding="utf-8") == "dear"
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    with pytest.raises(errors.FolderNotEmpty, match="current"):
        ck.simulate(".", customers=10, days=3)
    ck.simulate("../empty/deeper", customers=10, days=3)
    (tmp_path / "made").mkdir()
    assert ck.simulate(tmp_path / "made", customers=10, days=3).written.rows["outcomes"] == 10
    assert {path.name for path in tmp_path.iterdir()} == {"mine", "here", "empty", "made"}


@pytest.mark.parametrize(
    ("number", "expected"), [(errno.ENOSPC, errors.DiskFull), (errno.EROFS, errors.FolderReadOnly)]
)
@pytest.mark.parametrize("after", [0, 3])
def test_a_disk_that_refuses_leaves_nothing(
    number: int,
    expected: type[Exception],
    after: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    left = after

    class Refusing(parquet.ParquetWriter):  # type: ignore[misc]  # pyarrow ships no types
        def write_table(self, *arguments: object, **options: object) -> None:
            nonlocal left
            if not left:
                raise OSError(number, os.strerror(number))
            left -= 1
            super().write_table(*arguments, **options)

    monkeypatch.setattr(folder_module.parquet, "ParquetWriter", Refusing)
    with pytest.raises(expected):
        ck.simulate(tmp_path / "a" / "b", customers=500, days=90)
    assert not list(tmp_path.iterdir())


def test_stopped_work_leaves_nothing(tmp_path: Path) -> None:
    cancel = Cancel()
    seen: list[Step] = []

    def stop(step: Step) -> None:
        seen.append(step)
        if len(seen) == 5:
            cancel.cancel()

    with pytest.raises(errors.Cancelled):
        ck.simulate(tmp_path / "new", customers=500, days=900, progress=stop, cancel=cancel)
    assert len(seen) == 5
    assert not list(tmp_path.iterdir())
    shares = [step.done for step in seen]
    assert shares == sorted(shares)  # type: ignore[type-var]  # this stage knows its length


def test_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "churnkit", "simulate", str(tmp_path / "new")]
    running = subprocess.Popen(
        [*command, "--customers", "2000000"],
        stderr=subprocess.PIPE,
        text=True,
        # Tests that run in the background inherit that Ctrl-C is ignored; a person does not.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert running.stderr is not None
    try:
        for line in running.stderr:
            if "simulating" in line:
                break
        assert list(tmp_path.glob(".new-*"))  # it is at work
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=60)
    finally:
        running.kill()
    assert running.returncode == 130
    assert "Traceback" not in err
    assert not list(tmp_path.iterdir())
