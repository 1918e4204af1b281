"""A project of events as its user sees it: init, import, labels, and what goes wrong."""

from __future__ import annotations

import io
import json
import sqlite3
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from churnkit.cli.main import run
from churnkit.data.samples.locate import cdnow_path
from churnkit.errors import ProjectBusy, SettingsInvalid
from churnkit.project import open_project
from churnkit.settings.file import FILE_NAME, read_settings, write_settings
from churnkit.usecases.features.labels import labels
from churnkit.usecases.projects.create_events import create_event_project
from churnkit.usecases.projects.event_importing import import_facts
from churnkit.usecases.projects.log_settings import LogOptions
from tests.data.event_logs import written

HEAD = "customer_id,time,event_type,amount"


@dataclass
class Ran:
    """What a command printed."""

    stdout: str
    stderr: str


Churnkit = Callable[..., Ran]


@pytest.fixture
def churnkit(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Churnkit:
    """Run a command as the program does, in this process; nobody is at the keyboard."""

    def run_words(*words: object, fails: bool = False) -> Ran:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["churnkit", *map(str, words)])
        monkeypatch.setattr(sys, "stdin", io.StringIO())
        with pytest.raises(SystemExit) as ended:
            run()
        ran = Ran(*capsys.readouterr())
        assert (ended.value.code or 0) == (2 if fails else 0), ran
        return ran

    return run_words


def _log(path: Path, first_month: int = 1, months: int = 8) -> Path:
    lines = [
        f"{customer},2025-{month:02d}-{customer % 27 + 1:02d} 10:00,{kind},{customer}.5"
        for month in range(first_month, first_month + months)
        for customer in range(1, 41)
        for kind in ("login", "purchase")
        if customer % 8 >= month - first_month
    ]
    return written(path, HEAD, *lines)


def test_cdnow_from_the_file_to_labels(tmp_path: Path, churnkit: Churnkit) -> None:
    home = tmp_path / "cdnow"
    made = churnkit("init", home, "--data", cdnow_path(), "--horizon", 180)
    assert "255 repeated in this import" in made.stdout
    assert "its values can be read so and in no other way" in made.stdout
    shown = churnkit("-C", home, "labels").stdout
    assert "1998-01-01" in shown and "77.3%" in shown and "not matured" in shown
    assert "tested at 2 dates, 1997-12-02 … 1998-01-01" in shown
    plain = json.loads(churnkit("-C", home, "labels", "--horizon", 90, "--json").stdout)
    assert plain["churn"]["horizon_days"] == 90
    matured = [rate for rate in plain["rates"] if rate["matured"]]
    assert all(rate["interval"][0] < rate["rate"] < rate["interval"][1] for rate in matured)
    assert plain["n_not_matured"] == sum(
        r["n_eligible"] for r in plain["rates"] if not r["matured"]
    )
    again = json.loads(churnkit("-C", home, "import", cdnow_path(), "--json").stdout)
    assert (again["changed"], again["tables"][0]["merged"]["n_new"]) == (False, 0)


def test_new_files_are_added_and_remembered(tmp_path: Path, churnkit: Churnkit) -> None:
    home = tmp_path / "shop"
    _log(tmp_path / "events" / "a.csv", months=4)
    churnkit("init", home, "--data", tmp_path / "events" / "*.csv", "--activity", "purchase")
    assert read_settings(home).churn.activity == ("purchase",)
    more = _log(tmp_path / "late" / "b.csv", first_month=5, months=4)
    more.write_text(more.read_text() + "1,2025-08-30,refund,1\n,2025-08-30,refund,1\n")
    compared = churnkit("-C", home, "import", more, "--compare").stdout
    assert "Only compared" in compared
    told = churnkit("-C", home, "import", more).stdout
    told = "".join(told.split())  # without the breaks of lines
    for part in ("1setaside", "refund", "hasnocustomer", "rejected/events-1.csv", "row263"):
        assert part in told, told
    first = json.loads(churnkit("-C", home, "import", "--json").stdout)
    assert not first["changed"]
    rebuilt = json.loads(churnkit("-C", home, "import", "--rebuild", "--json").stdout)
    assert rebuilt["log"]["fingerprint"] == first["log"]["fingerprint"]
    _log(tmp_path / "events" / "c.csv", first_month=9, months=2)
    assert json.loads(churnkit("-C", home, "import", "--json").stdout)["changed"]


def test_contractual_from_subscriptions(tmp_path: Path, churnkit: Churnkit) -> None:
    log = _log(tmp_path / "log.csv")
    periods = written(
        tmp_path / "paid.csv", "customer_id,start_date,end_date",
        *(f"{c},2025-{m:02d}-01,2025-{m + 1:02d}-01" for m in range(1, 9) for c in range(1, 41)
          if c % 8 >= m - 1),
    )  # fmt: skip
    facts = written(
        tmp_path / "plans.csv", "customer_id,plan", *(f"{c},p{c % 3}" for c in range(1, 41))
    )
    home = tmp_path / "sub"
    churnkit("init", home, "--data", log, "--subscriptions", periods, "--attributes", facts,
             "--horizon", 31, "--grace", 5, "--zone", "Europe/Berlin")  # fmt: skip
    with open_project(home) as project:
        assert project.settings.churn.kind == "contractual"
        rates = {rate.as_of_us: rate for rate in labels(project).rates}
        matured = [rate for rate in rates.values() if rate.matured]
        # A customer of group g pays for g + 1 months, so one of eight groups leaves each month.
        assert [(rate.n_eligible, rate.n_churned) for rate in matured[:3]] == [
            (35, 5),
            (30, 5),
            (25, 5),
        ]


def test_a_mistyped_year_does_not_fill_the_screen(tmp_path: Path, churnkit: Churnkit) -> None:
    log = _log(tmp_path / "log.csv")
    with log.open("a", encoding="utf-8") as file:
        file.write("1,2019-01-01,login,\n")
    churnkit("init", tmp_path / "p", "--data", log, "--horizon", 30)
    shown = churnkit("-C", tmp_path / "p", "labels").stdout
    assert len(shown.splitlines()) < 90
    assert "earlier dates, from 2019-02-01 on, are not" in " ".join(shown.split())


def test_all_three_tables_from_a_database(tmp_path: Path, churnkit: Churnkit) -> None:
    url = f"sqlite:///{tmp_path / 'shop.sqlite'}"
    with sqlite3.connect(tmp_path / "shop.sqlite") as shop:
        shop.execute("create table log (customer_id, time)")
        shop.execute("create table plans (customer_id, valid_from, plan)")
        shop.execute("create table paid (customer_id, start_date, end_date)")
        for i in range(40):
            shop.execute("insert into log values (?, ?)", (i % 4, f"2025-0{i % 9 + 1}-11"))
            shop.execute("insert into plans values (?, ?, 'a')", (i % 4, f"2025-0{i % 9 + 1}-01"))
            shop.execute("insert into paid values (?, '2025-01-01', '2025-12-01')", (i,))
    shop.close()
    given = ("init", tmp_path / "p", "--data", url, "--query", "select * from log",
             "--attributes", url, "--subscriptions", url)  # fmt: skip
    unasked = churnkit(*given, "--subscriptions-query", "select * from paid", fails=True)
    assert "Give one with --attributes-query" in unasked.stderr
    queries = ("--attributes-query", "select * from plans",
               "--subscriptions-query", "select * from paid")  # fmt: skip
    made = churnkit(*given, *queries).stdout
    for table in ("36 new", "40 rows of attributes: 36 new", "40 rows of subscriptions: 40 new"):
        assert table in made
    assert "Nothing changed" in churnkit("-C", tmp_path / "p", "import").stdout


def test_a_snapshot_is_still_a_snapshot(tmp_path: Path, churnkit: Churnkit) -> None:
    lines = (f"{i},2024-01-01,{i % 9},{['yes', 'no'][i % 2]}" for i in range(60))
    table = written(tmp_path / "c.csv", "customer_id,joined,calls,churned", *lines)
    assert "60 customers" in churnkit("init", tmp_path / "p", "--data", table).stdout
    assert read_settings(tmp_path / "p").events is None
    wrong = churnkit("-C", tmp_path / "p", "labels", fails=True)
    assert "no project of events" in wrong.stderr


def test_what_the_user_must_mend(tmp_path: Path, churnkit: Churnkit) -> None:
    log = _log(tmp_path / "log.csv")
    home = tmp_path / "p"
    for words, parts in (
        (["--activity", "purchse"], ["purchse", "Did you mean 'purchase'"]),
        (["--time", "tim"], ["no column 'tim'", "Did you mean 'time'"]),
        (["--zone", "Europe/Berln"], ["Europe/Berln", "IANA"]),
        (["--time-format", "yyyymmdd"], ["rows cannot be used", "row 2, column time"]),
        (["--attributes", tmp_path / "none.csv"], ["no such file"]),
    ):
        ran = churnkit("init", home, "--data", log, *words, fails=True)
        for part in parts:
            assert part in ran.stderr, ran.stderr
        assert not home.exists()
    two = written(
        tmp_path / "two.csv", "customer_id,user_id,time", "1,2,2024-01-01", "1,2,2024-01-02"
    )
    asked = churnkit("init", home, "--data", two, "--json", fails=True)
    assert json.loads(asked.stdout)["error"]["where"]["choices"] == "customer_id, user_id"


def test_settings_of_events_survive_a_round_trip(tmp_path: Path) -> None:
    log = _log(tmp_path / "log.csv")
    told = LogOptions(
        zone="Europe/Berlin", eligible_days=60, key=("customer_id", "time"), grace_days=3
    )
    made = create_event_project(tmp_path / "p", log, told)
    settings = made.project.settings
    made.project.close()
    assert (settings.columns.target, settings.columns.positive) == ("churned", "true")
    assert (settings.columns.id, settings.columns.time) == ("customer_id", "as_of")
    text = (tmp_path / "p" / FILE_NAME).read_text(encoding="utf-8")
    assert 'zone = "Europe/Berlin" # The IANA zone in which days begin.' in text
    write_settings(tmp_path / "p", settings)
    assert (tmp_path / "p" / FILE_NAME).read_text(encoding="utf-8") == text
    assert read_settings(tmp_path / "p") == settings
    changed = read_settings(
        tmp_path / "p",
        {"CHURNKIT_CHURN_HORIZON_DAYS": "30", "CHURNKIT_CHURN_ACTIVITY": "login, purchase",
         "CHURNKIT_EVENTS_VALUES": "amount=3", "CHURNKIT_PROJECT_ZONE": "Asia/Tokyo"},
    )  # fmt: skip
    assert (changed.churn.horizon_days, changed.churn.activity) == (30, ("login", "purchase"))
    assert changed.events is not None
    assert (changed.events.values, changed.project.zone) == ({"amount": 3}, "Asia/Tokyo")


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ('zone = "UTC"', 'zone = "Mars/Base"', "project.zone"),
        ("horizon_days = ", "horizon_days = -", "churn.horizon_days"),
        ('kind = "non_contractual"', 'kind = "contractual"', "the file"),
        ("as_of = []", 'as_of = ["soon"]', "churn"),
        ("amount = 1", "amount = 9", "events.values.amount"),
        ('duplicates = "drop"', 'duplicates = "maybe"', "events.duplicates"),
        ("\n[events]", "\n[evnts]", "columns"),
    ],
)
def test_settings_that_cannot_be_used(tmp_path: Path, old: str, new: str, field: str) -> None:
    create_event_project(tmp_path / "p", _log(tmp_path / "log.csv", months=2)).project.close()
    path = tmp_path / "p" / FILE_NAME
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(SettingsInvalid) as caught:
        read_settings(tmp_path / "p")
    if field != "columns":
        assert caught.value.where["field"] == field


def test_one_writer_at_a_time(tmp_path: Path, churnkit: Churnkit) -> None:
    log = _log(tmp_path / "log.csv", months=2)
    made = create_event_project(tmp_path / "p", log)
    with made.project as project, project.lease("testing"):
        ran = churnkit("-C", tmp_path / "p", "import", log, fails=True)
        assert "another process is testing" in ran.stderr
    with pytest.raises(ProjectBusy), made.project.lease("a"):
        import_facts(open_project(tmp_path / "p"), log)


def test_a_damaged_log_says_so(tmp_path: Path, churnkit: Churnkit) -> None:
    home = tmp_path / "p"
    churnkit("init", home, "--data", _log(tmp_path / "log.csv", months=2))
    assert "events of" in churnkit("-C", home, "doctor").stdout
    (home / "store" / "churnkit.duckdb").write_bytes(b"no database")
    assert "damaged" in churnkit("-C", home, "labels", fails=True).stderr
    assert "damaged" in churnkit("-C", home, "import", fails=True).stderr
    assert json.loads(churnkit("-C", home, "import", "--rebuild", "--json").stdout)["log"][
        "n_events"
    ]
