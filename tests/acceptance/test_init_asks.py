"""On a terminal, init asks what is not clear; elsewhere it fails with the choices."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from churnkit.data.reading import read_arrow
from churnkit.errors import Ambiguous, AmbiguousLog, AmbiguousSheet
from churnkit.usecases.projects.create import create_project
from churnkit.usecases.projects.create_events import create_event_project
from churnkit.usecases.projects.log_settings import LogOptions
from tests.acceptance.conftest import Answer


def _log(path: Path, head: str, *, day: str = "2024-{month:02d}-{day:02d}") -> Path:
    """120 events of 9 customers; the columns after the second hold numbers."""
    more = head.count(",") - 1
    lines = [
        ",".join([f"c{i % 9}", day.format(month=i % 6 + 1, day=i % 12 + 1), *[str(i)] * more])
        for i in range(120)
    ]
    path.write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")
    return path


def _on_a_terminal(answers: str, *arguments: object) -> Answer:
    ours, theirs = pty.openpty()
    pipe = subprocess.PIPE
    command = [sys.executable, "-m", "churnkit", "init", *map(str, arguments)]
    with subprocess.Popen(command, stdin=theirs, stdout=pipe, stderr=pipe) as process:
        os.write(ours, answers.encode())
        out, err = process.communicate(timeout=120)
    os.close(ours)
    os.close(theirs)
    return Answer(process.returncode, out.decode(), err.decode())


def _settings(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "churnkit.toml").read_text(encoding="utf-8"))


def test_all_that_is_not_clear_is_asked_in_turn(tmp_path: Path) -> None:
    """Which kind of data, which column names the customer (by number), how days are written."""
    data = _log(tmp_path / "log.csv", "who,happened,points", day="{day:02d}/{month:02d}/2024")
    told = _on_a_terminal("events\n1\ndd/mm/yyyy\n", tmp_path / "p", "--data", data)
    assert told.code == 0, told.err
    for question in ("Is it a log of events", "\nno column names the customer", "several ways"):
        assert told.err.count(question) == 1
    events = _settings(tmp_path / "p")["events"]
    assert (events["customer_id"], events["event_time"], events["time_format"]) == (
        "who", "happened", "dd/mm/yyyy",
    )  # fmt: skip


def test_an_answer_that_is_none_of_the_choices_is_asked_again(tmp_path: Path) -> None:
    data = _log(tmp_path / "log.csv", "user_id,time,client_id")
    told = _on_a_terminal(
        "9\nnobody\nuser_id\n", tmp_path / "p", "--kind", "events", "--data", data
    )
    assert told.code == 0, told.err
    assert told.err.count("Which one") == 3
    assert _settings(tmp_path / "p")["events"]["customer_id"] == "user_id"


def test_nothing_is_drawn_over_a_question(tmp_path: Path) -> None:
    """On a terminal a bar shows progress; it rests while somebody reads and types."""
    data = _log(tmp_path / "log.csv", "user_id,time,client_id")
    command = [sys.executable, "-m", "churnkit", "init", str(tmp_path / "p"), "--kind", "events",
               "--data", str(data)]  # fmt: skip
    ours, theirs = pty.openpty()
    told = b""
    with subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs) as process:
        while b"Which one" not in told or not told.rstrip().endswith(b":"):
            assert select.select([ours], [], [], 60)[0], told
            told += os.read(ours, 4096)
        assert b"starting" in told or b"guessing" in told
        assert not select.select([ours], [], [], 0.5)[0], os.read(ours, 4096)
        os.write(ours, b"user_id\n")
        while process.poll() is None:
            if select.select([ours], [], [], 0.1)[0]:
                told += os.read(ours, 4096)
    os.close(ours)
    os.close(theirs)
    assert process.returncode == 0, told
    assert _settings(tmp_path / "p")["events"]["customer_id"] == "user_id"


@pytest.mark.parametrize("json_too", [False, True])
def test_without_a_terminal_nothing_is_asked(tmp_path: Path, json_too: bool) -> None:
    data = _log(tmp_path / "log.csv", "user_id,time,client_id")
    command = [sys.executable, "-m", "churnkit", "init", str(tmp_path / "p"), "--kind", "events",
               "--data", str(data), *(["--json"] if json_too else [])]  # fmt: skip
    ours, theirs = pty.openpty()  # with --json a terminal changes nothing
    ran = subprocess.run(
        command, stdin=theirs if json_too else subprocess.DEVNULL, capture_output=True, text=True,
        check=False, timeout=120,
    )  # fmt: skip
    os.close(ours)
    os.close(theirs)
    assert ran.returncode == 2
    assert "Which one" not in ran.stderr
    if json_too:
        where = json.loads(ran.stdout)["error"]["where"]
        assert (where["choices"], where["option"]) == ("user_id, client_id", "--id")
    else:
        assert "--id: user_id, client_id" in ran.stderr
    assert not (tmp_path / "p").exists()


def test_the_files_beside_the_log_are_asked_about_too(tmp_path: Path) -> None:
    log = _log(tmp_path / "log.csv", "user_id,time,points")
    plans = tmp_path / "plans.csv"
    plans.write_text(
        "user_id,updated_at,changed_at,plan\nc1,2024-01-01,2024-02-01,a\nc2,2024-01-01,2024-02-01,b\n"
    )
    paid = tmp_path / "paid.csv"
    paid.write_text("user_id,start,stop,end_date\nc1,2024-01-01,2024-02-01,2024-03-01\n")
    asked: list[str] = []

    def choose(error: Ambiguous) -> str:
        asked.append(error.question)
        return error.options[-1]

    options = LogOptions(attributes=str(plans), subscriptions=str(paid))
    with pytest.raises(AmbiguousLog):
        create_event_project(tmp_path / "p", log, options)
    create_event_project(tmp_path / "p", log, options, choose=choose).project.close()
    assert asked == ["attributes.valid_from", "subscriptions.end"]
    told = _settings(tmp_path / "p")
    assert told["attributes"]["valid_from"] == "changed_at"
    assert told["subscriptions"]["end"] == "end_date"


def test_a_question_that_its_answer_does_not_settle_ends(tmp_path: Path) -> None:
    """Nobody is asked the same for ever."""
    log = _log(tmp_path / "log.csv", "user_id,what,points", day="day {day}")
    asked: list[str] = []

    def choose(error: Ambiguous) -> str:
        asked.append(error.question)
        return error.options[0]

    with pytest.raises(AmbiguousLog, match="holds no times"):
        create_event_project(tmp_path / "p", log, choose=choose)
    assert asked == ["event_time"]
    assert not (tmp_path / "p").exists()


def _book(path: Path, *names: str) -> Path:
    """A workbook whose sheets hold customers; an empty one and a hidden one beside them."""
    book = openpyxl.Workbook()
    book.active.title = "notes"
    for name in (*names, "hidden"):
        page = book.create_sheet(name)
        page.append(["id", "visits", "churn"])
        for i in range(60):
            page.append([f"{name}{i}", i % 7, "yes" if i % 3 == 0 else "no"])
    book["hidden"].sheet_state = "hidden"
    book.save(path)
    return path


def test_which_sheet_is_asked_where_several_have_rows(tmp_path: Path) -> None:
    book = _book(tmp_path / "b.xlsx", "old", "new")
    with pytest.raises(AmbiguousSheet, match="several sheets have rows: old, new") as caught:
        create_project(tmp_path / "p", book)
    assert caught.value.options == ("old", "new")
    assert "--sheet" in caught.value.fix
    assert not (tmp_path / "p").exists()
    told = _on_a_terminal("new\n", tmp_path / "p", "--data", book)
    assert told.code == 0, told.err
    assert _settings(tmp_path / "p")["data"]["sheet"] == "new"


def test_the_only_sheet_with_rows_needs_no_question(tmp_path: Path) -> None:
    with create_project(tmp_path / "p", _book(tmp_path / "b.xlsx", "only")).project as project:
        ids = read_arrow(project.database)["id"].to_pylist()
    assert ids[0] == "only0"
