"""`churnkit simulate` as its user meets it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from pyarrow import parquet


def test_the_command_says_what_it_made(
    cli: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    options = ("--customers", 300, "--days", 90, "--seed", 3, "--drift", "concept@40")
    code, out, _ = cli("simulate", tmp_path / "business", *options, "--json")
    assert code == 0
    told = json.loads(out)
    events = parquet.read_table(tmp_path / "business" / "events")
    assert told["rows"]["events"] == events.num_rows
    outcomes = parquet.read_table(tmp_path / "business" / "outcomes.parquet")
    assert told["churned"] == 300 - outcomes.column("churned_at").null_count > 0
    delays = [
        (known - happened).total_seconds()
        for known, happened in zip(
            events["known_at"].to_pylist(), events["event_time"].to_pylist(), strict=True
        )
    ]
    assert told["late_events"] == sum(delay > 86_400 for delay in delays) > 0
    code, out, _ = cli("simulate", tmp_path / "again", *options)
    assert code == 0
    assert "concept from day 40 (2024-02-10)" in out
    assert f"{events.num_rows:,}" in out
    assert parquet.read_table(tmp_path / "again" / "events").equals(events)


def test_the_command_refuses_with_a_way_out(
    cli: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    (tmp_path / "mine.txt").touch()
    for arguments, said in (
        ((tmp_path,), "not empty"),
        ((tmp_path / "new", "--customers", -5), "1 or more"),
        ((tmp_path / "new", "--drift", "weather@3"), "covariate@DAY"),
    ):
        code, _, err = cli("simulate", *arguments)
        assert code == 2
        assert said in err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
