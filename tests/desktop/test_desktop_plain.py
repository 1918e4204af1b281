"""What the console decides without a window."""

from __future__ import annotations

import ast
import json
import os
import threading
from pathlib import Path
from typing import NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from churnkit_desktop.actions import Action, repeating
from churnkit_desktop.backend.facts import CustomerQuery, Money
from churnkit_desktop.backend.remote.experiments import assign
from churnkit_desktop.backend.remote.line import Line
from churnkit_desktop.backend.score_table import ScoreTable
from churnkit_desktop.palette import Command, matching
from churnkit_desktop.screens.customers.state import KEPT_PAGES, PAGE, Campaign, Pages, Scores
from churnkit_desktop.screens.train.state import SearchNews
from churnkit_desktop.session import behind
from churnkit_desktop.session.files import write_text
from churnkit_desktop.session.memory import Memory
from churnkit_desktop.session.script import Script
from churnkit_desktop.session.undo import History
from hypothesis import given
from hypothesis import strategies as st

from churnkit.domain.progress import Step
from churnkit.errors import ChurnkitError, DataUnreadable
from churnkit.measures.profit import contact_profit

plain = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=20)
)


@given(st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), plain, max_size=4))
def test_an_action_is_a_line_of_python_with_the_same_arguments(
    arguments: dict[str, object],
) -> None:
    line = Action("train", dict(arguments)).python()  # type: ignore[arg-type]
    call = ast.parse(line).body[0].value  # type: ignore[attr-defined]
    assert {word.arg: ast.literal_eval(word.value) for word in call.keywords} == arguments


def test_an_action_survives_being_written_down() -> None:
    action = Action("score", {"output": "a.csv", "names": ("a", "b"), "n": None}, "Scoring")
    assert Action.from_json(action.to_json()) == action


def test_a_script_opens_the_project_unless_its_first_action_makes_it() -> None:
    script = Script(place="/tmp/p")
    script.record(Action("train", {"budget_seconds": 5.0}))
    assert "project = ck.open_project('/tmp/p')" in script.text()
    made = Script(place="/tmp/p")
    made.record(Action("create_project", {"folder": "x", "data": "y.csv"}))
    assert "open_project" not in made.text()
    assert "else 'x'" in made.text()
    assert "project = ck.create_project(folder=folder, data='y.csv').project" in made.text()


def test_a_script_names_files_of_the_project_from_its_folder() -> None:
    script = Script(place="/tmp/p")
    script.record(Action("score", {"output": "/tmp/p/store/s.parquet"}))
    assert "output=project.folder / 'store/s.parquet'" in script.text()
    ast.parse(script.text())
    searched = Action("train", {"budget_seconds": 5.0, "why": "w"})
    assert repeating(searched, {"n_trials": 4}).arguments == {"why": "w", "max_trials": 4}
    assert repeating(Action("score"), {"n_trials": 4}) == Action("score")


def test_what_is_remembered_is_read_at_once_and_soon_on_the_disk(tmp_path: Path) -> None:
    memory = Memory(tmp_path)
    memory.place("/a").put("screen", "models")
    memory.opened("/a")
    memory.opened("/b")
    memory.opened("/a")
    again = Memory(tmp_path)
    assert again.place("/a").get("screen") == "models"
    assert again.place("/b").get("screen") is None
    assert again.recent() == ("/a", "/b")
    memory.settle()
    assert json.loads((tmp_path / "recent.json").read_text()) == {"places": ["/a", "/b"]}
    assert Memory(tmp_path).place("/a").get("screen") == "models"


def test_a_disk_that_is_busy_stops_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory, busy, written = Memory(tmp_path), threading.Event(), []

    def write(path: Path, text: str) -> None:
        assert busy.wait(30)
        written.append(path.name)
        write_text(path, text)

    monkeypatch.setattr(behind, "write_text", write)
    for i in range(100):
        memory.place("/a").put("typed", i)
    memory.remember(theme="dark")
    assert Memory(tmp_path).place("/a").get("typed") == 99, "it is read as if it were written"
    assert not list(tmp_path.iterdir())
    busy.set()
    memory.settle()
    assert len(written) <= 3, "of several texts for one file the last is written"
    assert Memory(tmp_path).place("/a").get("typed") == 99
    assert Memory(tmp_path).general() == {"theme": "dark"}
    assert not [thread for thread in threading.enumerate() if thread.name == "memory"]


def test_two_windows_on_one_place_keep_what_the_other_remembers(tmp_path: Path) -> None:
    one, other = Memory(tmp_path).place("/a"), Memory(tmp_path).place("/a")
    one.put("draft", {"why": "more recall"})
    other.put("screen", "models")
    one.put("gone", 1)
    other.put("gone", 2)
    other.drop("gone")
    again = Memory(tmp_path).place("/a")
    assert (again.get("draft"), again.get("screen")) == ({"why": "more recall"}, "models")
    assert again.get("gone") is None
    Memory(tmp_path).settle()


def test_a_name_that_is_no_text_is_remembered_and_what_comes_after_it(tmp_path: Path) -> None:
    memory = Memory(tmp_path)
    folder = os.fsdecode(b"/caf\xe9")
    memory.place(folder).put("typed", "\ud83d")
    memory.settle()
    memory.opened(folder)
    memory.settle()
    assert Memory(tmp_path).place(folder).get("typed") == "\ud83d"
    assert Memory(tmp_path).recent() == (folder,) and not memory.trouble


def test_a_damaged_memory_is_set_aside_and_the_console_starts(tmp_path: Path) -> None:
    memory = Memory(tmp_path)
    memory.remember(theme="dark")
    memory.settle()
    (tmp_path / "general.json").write_text("{ half", encoding="utf-8")
    assert Memory(tmp_path).general() == {}
    assert (tmp_path / "general.damaged").read_text(encoding="utf-8") == "{ half"


def test_a_memory_that_cannot_be_written_says_so_and_goes_on(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    memory = Memory(tmp_path / "file" / "below")
    memory.remember(theme="dark")
    memory.settle()
    assert "cannot save" in memory.trouble


def test_undo_and_redo_walk_through_the_values() -> None:
    history = History(1)
    history.edit("two", 2)
    history.edit("two", 2)
    history.edit("three", 3)
    history.undo()
    assert (history.value, history.undoable, history.redoable) == (2, "two", "three")
    history.redo()
    assert history.value == 3
    history.undo()
    history.edit("four", 4)
    assert history.redoable == ""
    history.undo()
    history.undo()
    assert history.value == 1


def test_pages_are_asked_for_once_and_the_oldest_are_let_go() -> None:
    pages = Pages("v", PAGE * 100)
    assert pages.wants(5) == 0
    assert pages.wants(7) is None
    pages.arrived(0, tuple((i,) for i in range(PAGE)))
    assert pages.row(7) == (7,)
    for page in range(1, KEPT_PAGES + 1):
        pages.arrived(page, ((page,),))
    assert pages.row(7) is None
    assert pages.wants(7) == 0


def test_the_campaign_is_the_profit_formula_over_the_scores() -> None:
    scores = np.array([0.9, 0.5, 0.2, 0.01])
    money = Money("EUR", 200.0, 1.0, 10.0, 0.3)
    campaign = Campaign.of(Scores.of(scores), money)
    terms = {"customer_value": 200.0, "contact_cost": 1.0, "offer_cost": 10.0, "success_rate": 0.3}
    gain, loss = contact_profit(np.array([True, False]), **terms)
    each = scores * gain + (1 - scores) * loss
    np.testing.assert_allclose(campaign.profit, np.concatenate([[0], np.cumsum(each)]))
    assert campaign.best_n == int((scores > campaign.threshold).sum()) == 3


def test_the_search_tells_its_trials() -> None:
    steps = [
        Step("looking"),
        Step(
            "searching models",
            0.1,
            "…",
            {"candidate": "a", "roc_auc": 0.7, "log_loss": 0.5, "seconds": 1.0},
        ),
        Step(
            "searching models",
            0.2,
            "…",
            {"candidate": "b", "roc_auc": 0.6, "log_loss": 0.6, "seconds": 1.0},
        ),
    ]
    news = SearchNews.of(steps)
    assert news.stages == ["looking", "searching models"]
    assert news.best_log_loss == [0.5, 0.5]


def test_the_palette_finds_by_words_and_prefers_the_beginning() -> None:
    commands = [
        Command("Open a project", "", list),
        Command("Go to Models", "", list, "promote"),
        Command("Models: compare", "", list),
    ]
    assert [c.title for c in matching(commands, "mod")] == ["Models: compare", "Go to Models"]
    assert [c.title for c in matching(commands, "promote go")] == ["Go to Models"]
    assert matching(commands, "zzz") == []


@pytest.fixture
def scores(tmp_path: Path) -> ScoreTable:
    """Scores of 1,000 customers."""
    p = np.random.default_rng(5).uniform(size=1000).round(3)
    path = tmp_path / "scores.parquet"
    table = pa.table(
        {
            "customer_id": [f"C-{i:04d}" for i in range(1000)],
            "probability": p,
            "risk_band": np.where(p >= 0.6, "high", np.where(p >= 0.3, "medium", "low")),
            "model_version": ["v1"] * 1000,
            "reason_1": ["tenure"] * 1000,
            "reason_1_value": ["3"] * 1000,
            "reason_1_points": [0.123] * 1000,
        }
    )
    pq.write_table(table, path)
    return ScoreTable(path)


def test_a_view_is_sorted_filtered_and_paged(scores: ScoreTable) -> None:
    view = scores.view(CustomerQuery(bands=("high",), low=0.7, search="c-0"))
    rows = [row for start in range(0, view.n_rows, 60) for row in scores.page(view.name, start, 60)]
    assert len(rows) == view.n_rows < view.n_all == 1000
    p = [row[1] for row in rows]
    assert p == sorted(p, reverse=True) and min(p) >= 0.7
    assert rows[0][view.columns.index("reason_1")] == "tenure: 3 (+12.3)"
    again = scores.view(CustomerQuery(sort="customer_id", descending=False))
    assert [r[0] for r in scores.page(again.name, 0, 2)] == ["C-0000", "C-0001"]
    scores.close()


def test_a_search_is_text_not_sql(scores: ScoreTable) -> None:
    assert scores.view(CustomerQuery(search="'; drop table scores; --")).n_rows == 0
    assert scores.view(CustomerQuery(sort="1; drop table scores")).n_rows == 1000
    scores.close()


def test_old_views_are_let_go_and_answer_with_nothing(scores: ScoreTable) -> None:
    first = scores.view(CustomerQuery())
    for band in ("high", "medium", "low"):
        scores.view(CustomerQuery(bands=(band,)))
    assert scores.page(first.name, 0, 10) == ()
    scores.close()


def test_damaged_scores_are_named(tmp_path: Path) -> None:
    path = tmp_path / "scores.parquet"
    path.write_bytes(b"PAR1 not really")
    with pytest.raises(DataUnreadable) as caught:
        ScoreTable(path).view(CustomerQuery())
    assert caught.value.where["file"] == path


def test_a_draw_that_the_service_does_not_answer_leaves_no_file(tmp_path: Path) -> None:
    class Lost(Line):
        def __init__(self) -> None: ...

        def ask(self, *_call: object, **_how: object) -> NoReturn:
            raise ChurnkitError("the service does not answer", fix="Try again.")

    (tmp_path / "customers.csv").write_text("customer_id\nc1\n")
    with pytest.raises(ChurnkitError, match="does not answer"):
        assign(Lost(), "e1", str(tmp_path / "customers.csv"), str(tmp_path / "arms.csv"))
    assert [path.name for path in tmp_path.iterdir()] == ["customers.csv"]
