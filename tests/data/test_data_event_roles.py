"""A log is told from a table of customers; columns are guessed with a ground, or not at all."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from churnkit import errors
from churnkit.data.column_facts import Sample, read_sample
from churnkit.data.event_roles import LogRoles, Told, guess_log, recognise
from churnkit.data.fact_roles import guess_attributes, guess_subscriptions
from churnkit.data.fact_sources import find_parts
from churnkit.data.samples.locate import cdnow_path, telco_path
from tests.data.event_logs import written


def _sample(path: Path) -> Sample:
    return read_sample(find_parts([str(path)]))


def _guess(path: Path, **told: object) -> LogRoles:
    return guess_log(_sample(path), find_parts([str(path)]), Told(**told))  # type: ignore[arg-type]


def _csv(folder: Path, head: str, *lines: str) -> Path:
    return written(folder / "log.csv", head, *lines)


def test_a_log_is_told_from_a_snapshot(tmp_path: Path) -> None:
    assert recognise(_sample(cdnow_path()), 1)[0] == "events"
    assert recognise(_sample(cdnow_path()), 3)[0] == "events"
    assert recognise(_sample(telco_path()), 1) == ("snapshot", "the column 'Churn' says who left")
    people = _csv(tmp_path, "customer_id,signup_date,plan", "1,2024-01-01,a", "2,2024-01-02,b")
    assert recognise(_sample(people), 1)[0] == "snapshot"
    panel = _csv(tmp_path, "customer_id,as_of,churned", "1,2024-01-01,yes", "1,2024-02-01,no")
    assert recognise(_sample(panel), 1)[0] == "snapshot"


def test_cdnow() -> None:
    roles = _guess(cdnow_path())
    assert (roles.customer_id, roles.event_time, roles.event_type) == ("customer_id", "date", "")
    assert roles.time_format == "yyyymmdd"
    assert roles.values == {"number_of_cds": 0, "dollar_value": 2}
    assert all(guess.ground for guess in roles.guesses)


def test_every_role(tmp_path: Path) -> None:
    log = _csv(
        tmp_path, "event_id;user_id;occurred_at;ingested_at;event;amount;channel;zip;note",
        "e1;u1;2024-01-01T10:00Z;2024-01-02T10:00Z;buy;12,50;web;01067;x y",
        "e2;u1;2024-01-01T11:00Z;2024-01-02T10:00Z;login;;app;01067;",
        "e3;u2;2024-01-03T11:00Z;2024-01-03T11:00Z;buy;7,125;web;99999;",
    )  # fmt: skip
    roles = _guess(log)
    assert (roles.customer_id, roles.event_time, roles.known_at) == (
        "user_id", "occurred_at", "ingested_at"
    )  # fmt: skip
    assert (roles.event_type, roles.decimal_mark, roles.values) == ("event", ",", {"amount": 3})
    assert "channel" in roles.categories
    assert not {"zip", "event_id"} & {*roles.values}


@pytest.mark.parametrize(
    ("values", "form"),
    [
        (["1700000000", "1700000001"], "epoch_s"), (["1700000000123", "1700000000124"], "epoch_ms"),
        (["45000.5", "45001"], "excel"), (["13/02/2024", "14/02/2024"], "dd/mm/yyyy"),
        (["02/13/2024", "02/14/2024"], "mm/dd/yyyy"), (["1.2.2024", "31.12.2024"], "dd.mm.yyyy"),
        (["2024-01-01 10:00", "2024-01-02"], ""), (["20240101", "20240102"], "yyyymmdd"),
        (["2024/1/2", "2024/12/31"], "yyyy/mm/dd"),
    ],
)  # fmt: skip
def test_how_times_are_written(tmp_path: Path, values: list[str], form: str) -> None:
    lines = [f"{i // 2},{value},3" for i, value in enumerate(values * 2)]
    log = _csv(tmp_path, "customer,timestamp,n", *lines)
    roles = _guess(log)
    assert (roles.customer_id, roles.time_format) == ("customer", form)


@pytest.mark.parametrize(
    ("head", "line", "option", "choices"),
    [
        ("customer_id,user_id,time", "1,2,2024-01-01", "--id", "customer_id, user_id"),
        ("customer_id,pay_date,ship_date", "1,2024-01-01,2024-01-02", "--time",
         "pay_date, ship_date"),
        ("customer_id,time", "1,03/04/2024", "--time-format", "dd/mm/yyyy, mm/dd/yyyy"),
        ("who,time", "1,2024-01-01", "--id", "who, time"),
        ("customer_id,what", "1,x", "--time", "what"),
        ("customer_id,time,known_at,received_at", "1,2024-01-01,2024-01-01,2024-01-01",
         "--known-at", "known_at, received_at"),
    ],
)  # fmt: skip
def test_unclear_is_not_guessed(
    tmp_path: Path, head: str, line: str, option: str, choices: str
) -> None:
    with pytest.raises(errors.AmbiguousLog) as caught:
        _guess(_csv(tmp_path, head, line, line))
    assert (caught.value.where["option"], caught.value.where["choices"]) == (option, choices)


def test_a_named_column_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(errors.ColumnMissing, match="Did you mean 'time'"):
        _guess(_csv(tmp_path, "customer_id,time", "1,2024-01-01"), event_time="tine")


def test_single_broken_values_do_not_hide_a_role(tmp_path: Path) -> None:
    lines = [f"{i % 9},2024-01-{i % 28 + 1:02d},{i}.5" for i in range(200)]
    lines[50] = "x,yesterday,abc"
    roles = _guess(_csv(tmp_path, "customer_id,time,amount", *lines))
    assert (roles.event_time, roles.values) == ("time", {"amount": 1})


def test_decimals_come_from_all_rows_of_all_files(tmp_path: Path) -> None:
    for i, amount in enumerate([1.0, 2.5, 3.125, 1 / 3]):
        table = pa.table(
            {
                "customer_id": [1, 1],
                "time": pa.array([0, 1], pa.timestamp("s")),
                "amount": [amount] * 2,
            }
        )
        parquet.write_table(table, tmp_path / f"{i}.parquet")
    for pattern, decimals, rounded in (("[0-2].parquet", 3, False), ("*.parquet", 6, True)):
        parts = find_parts([str(tmp_path / pattern)])
        roles = guess_log(read_sample(parts), parts, Told())
        assert (roles.values, roles.round_values) == ({"amount": decimals}, rounded)


def test_attributes_and_subscriptions(tmp_path: Path) -> None:
    facts = _csv(tmp_path, "user_id,valid_from,plan,price", "1,2024-01-01,a,5", "1,2024-02-01,b,6")
    told, guesses = guess_attributes(_sample(facts), "x", query="", id_column="customer")
    assert (told.customer_id, told.valid_from, told.columns) == (
        "user_id",
        "valid_from",
        ("plan", "price"),
    )
    assert all(guess.ground for guess in guesses)
    planned = _csv(tmp_path, "user_id,start_date,end_date", "1,01.02.2024,28.02.2024")
    periods, _ = guess_subscriptions(_sample(planned), "x", query="", id_column="user_id")
    assert (periods.start, periods.end, periods.ends, periods.time_format) == (
        "start_date", "end_date", "planned", "dd.mm.yyyy"
    )  # fmt: skip
    some_open = _csv(
        tmp_path, "user_id,start_date,end_date", "1,2024-01-01,2024-02-01", "2,2024-01-01,"
    )
    assert (
        guess_subscriptions(_sample(some_open), "x", query="", id_column="user_id")[0].ends
        == "observed"
    )
    unclear = _csv(
        tmp_path, "user_id,start_date,stop,end_date", "1,2024-01-01,2024-02-01,2024-02-01"
    )
    with pytest.raises(errors.AmbiguousLog, match="stop, end_date"):
        guess_subscriptions(_sample(unclear), "x", query="", id_column="user_id")
