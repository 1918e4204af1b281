"""The screen Features on a project of events: edits, undo, a dragged date, two windows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from churnkit_desktop.main_window import MainWindow
from churnkit_desktop.session.memory import Memory
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel

import churnkit as ck
from tests.copies import copy_project
from tests.desktop.conftest import WAIT_MS, Open


@pytest.fixture
def events(online_folder: Path, tmp_path: Path) -> Path:
    """A project of events that a test may change."""
    copy = tmp_path / "events"
    copy_project(online_folder, copy)
    return copy


def _open(qtbot: Any, window: MainWindow) -> Any:
    window.go("features")
    view: Any = window._views["features"]
    qtbot.waitUntil(lambda: view.presenter.facts is not None, timeout=WAIT_MS)
    return view


def test_a_definition_is_edited_undone_and_saved(
    qtbot: Any, console: Open, events: Path, memory: Memory
) -> None:
    window = console(events)
    window.activateWindow()
    view = _open(qtbot, window)
    presenter = view.presenter
    name = next(d["name"] for d in presenter.definitions if d.get("window_days"))
    presenter.select(name)
    view.editor.window_days.setValue(45)
    assert presenter.unsaved and view.save.isEnabled()
    view.table.setFocus()
    control = Qt.KeyboardModifier.ControlModifier
    QTest.keyClick(window.windowHandle(), Qt.Key.Key_Z, control)
    qtbot.waitUntil(lambda: not presenter.unsaved, timeout=5_000)
    QTest.keyClick(window.windowHandle(), Qt.Key.Key_Z, control | Qt.KeyboardModifier.ShiftModifier)
    qtbot.waitUntil(lambda: presenter.unsaved, timeout=5_000)
    # Nothing was saved: a killed console comes back with the edit.
    other = console("", Memory(memory.folder))
    qtbot.waitUntil(lambda: other.desk is not None, timeout=WAIT_MS)
    again = _open(qtbot, other)
    qtbot.waitUntil(lambda: again.presenter.unsaved, timeout=WAIT_MS)
    presenter.save()
    qtbot.waitUntil(lambda: not presenter.unsaved and not presenter.busy, timeout=WAIT_MS)
    with ck.open_project(events) as project:
        saved = {f["name"]: f for f in ck.list_features(project).to_json()["features"]}  # type: ignore[attr-defined,union-attr]
    assert saved[name]["window_days"] == 45
    assert window.desk is not None and "ck.set_features(project" in window.desk.script.text()


def test_what_cannot_be_used_is_said_kept_and_not_saved(
    qtbot: Any, console: Open, events: Path
) -> None:
    view = _open(qtbot, console(events))
    presenter = view.presenter
    first = presenter.definitions[0]
    presenter.change(
        first["name"],
        "event",
        {"name": first["name"], "aggregate": "sum", "column": "no_such_column"},
    )
    qtbot.waitUntil(lambda: presenter.problem is not None, timeout=WAIT_MS)
    assert "no_such_column" in view.banner.what.text()
    assert not view.save.isEnabled() and presenter.unsaved
    presenter.undo()
    qtbot.waitUntil(lambda: presenter.problem is None, timeout=WAIT_MS)


def test_the_values_follow_the_dragged_date(qtbot: Any, console: Open, events: Path) -> None:
    window = console(events)
    view = _open(qtbot, window)
    presenter = view.presenter
    qtbot.waitUntil(lambda: presenter.values is not None, timeout=WAIT_MS)
    page = view.customer_page
    end = presenter.as_of.timestamp()
    page.chart.make_plot()
    # As the mouse does it: many places on the way, the last one counts.
    for days in range(0, 200, 5):
        page.chart._series["as of"].item.sigDragged.emit(page.chart._series["as of"].item)
        presenter.look_from(end - days * 86_400)
    qtbot.waitUntil(lambda: presenter.values.as_of == presenter.as_of, timeout=WAIT_MS)
    with ck.open_project(events) as project:
        told = ck.show_features(project, presenter.customer, presenter.as_of, at_most=0)
    expected = {origin.feature.name: origin.value for origin in told.origins}
    assert {value.name: value.value for value in presenter.values.values} == expected
    assert page.date.date().toPython() == presenter.as_of.date()
    page.date.setDate(page.date.date().addDays(-30))
    qtbot.waitUntil(lambda: presenter.values.as_of == presenter.as_of, timeout=WAIT_MS)
    assert any(row[2] is not None for row in page.values.rows), "what changed is shown"


def test_two_windows_do_not_overwrite_each_other(
    qtbot: Any, console: Open, events: Path, tmp_path: Path
) -> None:
    one = _open(qtbot, console(events))
    two = _open(qtbot, console(events, Memory(tmp_path / "second")))
    for view, days in ((one, 31), (two, 62)):
        presenter = view.presenter
        first = presenter.definitions[1]
        presenter.change(first["name"], "event", {**first, "window_days": days})
    one.presenter.save()
    qtbot.waitUntil(lambda: not one.presenter.unsaved, timeout=WAIT_MS)
    two.presenter.save()
    qtbot.waitUntil(lambda: two.presenter.error is not None, timeout=WAIT_MS)
    assert "changed meanwhile" in two.presenter.error.what
    assert two.presenter.definitions[1]["window_days"] == 62, "the edit is kept"
    with ck.open_project(events) as project:
        saved = ck.list_features(project).features.features[1]
    assert saved.window_days == 31  # type: ignore[union-attr]


def test_a_project_without_events_says_why_there_is_nothing(
    qtbot: Any, console: Open, folder: Path
) -> None:
    window = console(folder)
    window.go("features")
    texts = [label.text() for label in window._views["features"].findChildren(QLabel)]
    assert any("one row per customer" in text for text in texts)
