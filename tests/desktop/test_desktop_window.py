"""The window, its screens on a real project, and what outlives it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from churnkit_desktop.main_window import MainWindow
from churnkit_desktop.screens.catalog import SCREENS
from churnkit_desktop.session.memory import Memory
from churnkit_desktop.widgets.empty import Empty
from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible, QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QComboBox, QLineEdit, QTableView

import churnkit as ck
from tests.desktop.conftest import WAIT_MS, Open


def _presenter(window: MainWindow, key: str) -> Any:
    return window._views[key].presenter  # type: ignore[attr-defined]


def _open(qtbot: Any, window: MainWindow, key: str, subject: str = "") -> Any:
    window.go(key, subject)
    if isinstance(window._views[key], Empty):
        return None  # the project cannot fill it, and the screen says why
    presenter = _presenter(window, key)
    qtbot.waitUntil(lambda: not presenter.busy, timeout=WAIT_MS)
    return presenter


def _score(folder: Path) -> None:
    with ck.open_project(folder) as project:
        ck.score(project, output=project.store / "latest-scores.parquet")


def test_every_screen_opens_without_an_error(qtbot: Any, console: Open, folder: Path) -> None:
    _score(folder)
    window = console(folder)
    for entry in SCREENS:
        if window.desk.backend.why_not(entry.key):
            window.go(entry.key)
            continue
        presenter = _open(qtbot, window, entry.key)
        assert presenter is None or presenter.error is None, entry.key
        view = window._views[entry.key]
        assert view.isVisible()
        banner = getattr(view, "banner", None)
        assert banner is None or banner.isHidden(), entry.key


def test_what_one_works_with_has_a_name_for_screen_readers(
    qtbot: Any, console: Open, folder: Path
) -> None:
    _score(folder)
    window = console(folder)
    nameless = []
    for entry in SCREENS:
        if window.desk.backend.why_not(entry.key):
            continue
        _open(qtbot, window, entry.key)
        for kind in (QAbstractButton, QComboBox, QLineEdit, QTableView):
            for widget in window._views[entry.key].findChildren(kind):
                if not widget.isVisible() or widget.objectName().startswith("qt_"):
                    continue
                found = QAccessible.queryAccessibleInterface(widget)
                if found is None or found.text(QAccessible.Text.Name).strip():
                    continue
                if not isinstance(widget.parent(), QTableView):
                    nameless.append((entry.key, kind.__name__, widget.objectName()))
    assert not nameless


def test_the_overview_shows_who_waits_for_a_decision(
    qtbot: Any, console: Open, folder: Path
) -> None:
    window = console(folder)
    presenter = _open(qtbot, window, "overview")
    texts = [need.text for need in presenter.facts.needs]
    assert any("is waiting" in text for text in texts)
    assert any("Nobody has been scored" in text for text in texts)


def test_promoting_needs_a_reason_and_is_in_the_journal_and_the_script(
    qtbot: Any, console: Open, folder: Path
) -> None:
    window = console(folder)
    presenter = _open(qtbot, window, "models")
    before = presenter.listed.champion
    view = window._views["models"]
    assert not view.promote.isEnabled()
    qtbot.keyClicks(view.why, "better on March")
    assert view.promote.isEnabled()
    right = presenter.right
    qtbot.mouseClick(view.promote, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: presenter.listed.champion == right != before, timeout=WAIT_MS)
    with ck.open_project(folder) as project:
        last = ck.journal(project).entries
    assert any(e.why == "better on March" and e.version == right for e in last)
    assert window.desk is not None
    assert f"ck.promote(project, version='{right}', why='better on March')" in (
        window.desk.script.text()
    )


def test_a_customer_is_explained_and_rescored_as_values_change(
    qtbot: Any, console: Open, folder: Path
) -> None:
    _score(folder)
    window = console(folder)
    presenter = _open(qtbot, window, "customers")
    view = window._views["customers"]
    qtbot.waitUntil(lambda: view.model.customer_id(0) != "", timeout=WAIT_MS)
    view.table.selectRow(0)
    qtbot.waitUntil(lambda: presenter.detail is not None, timeout=WAIT_MS)
    name = view.model.customer_id(0)
    with ck.open_project(folder) as project:
        told = ck.explain(project, name).explanation
        number = next(r for r in told.reasons if isinstance(r.value, float))
        row = {r.column: r.value for r in told.reasons} | {number.column: number.value * 3 + 5}
        expected = ck.explain(project, row=row).explanation.probability
    assert presenter.detail.explanation.probability == told.probability
    presenter.change(number.column, number.value * 3 + 5)
    qtbot.waitUntil(lambda: presenter.what_if is not None, timeout=WAIT_MS)
    assert presenter.what_if.probability == expected


def test_filter_sort_and_copy(qtbot: Any, console: Open, folder: Path) -> None:
    _score(folder)
    window = console(folder)
    presenter = _open(qtbot, window, "customers")
    view = window._views["customers"]
    presenter.ask(bands=("high",))
    qtbot.waitUntil(
        lambda: not presenter.busy and presenter.view.n_rows < presenter.view.n_all, timeout=WAIT_MS
    )
    qtbot.waitUntil(lambda: view.model.customer_id(0) != "", timeout=WAIT_MS)
    view.table.selectRow(0)
    view.table.copy()
    head, first = QGuiApplication.clipboard().text().splitlines()
    assert head.split("\t")[:3] == ["Customer", "Probability of leaving", "Risk"]
    assert first.split("\t")[0] == view.model.customer_id(0)
    assert first.split("\t")[2] == "high"


def test_the_list_of_the_riskiest_is_written_whole(
    qtbot: Any, console: Open, folder: Path, tmp_path: Path
) -> None:
    _score(folder)
    window = console(folder)
    presenter = _open(qtbot, window, "customers")
    path = tmp_path / "contacts.csv"
    presenter.export_top(str(path), 7)
    qtbot.waitUntil(lambda: not presenter.busy, timeout=WAIT_MS)
    assert len(path.read_text(encoding="utf-8").splitlines()) == 8
    (tmp_path / "no folder").write_text("", encoding="utf-8")
    presenter.export_top(str(tmp_path / "no folder" / "contacts.csv"), 7)
    qtbot.waitUntil(lambda: presenter.error is not None, timeout=WAIT_MS)


def test_a_new_window_is_where_the_last_one_was(
    qtbot: Any, console: Open, folder: Path, memory: Memory
) -> None:
    window = console(folder)
    presenter = _open(qtbot, window, "score_one")
    column = presenter.fields[0].name
    presenter.change(column, 12.0)
    _open(qtbot, window, "train").set_why("half a sent")
    # No closing: a killed console saves nothing at its end.
    other = console("", Memory(memory.folder))
    qtbot.waitUntil(lambda: other.desk is not None, timeout=WAIT_MS)
    assert other.stack.shown == "train"
    assert _presenter(other, "train").why == "half a sent"
    assert _open(qtbot, other, "score_one").row[column] == 12.0


def test_a_folder_that_is_no_project_is_refused_in_place(
    qtbot: Any, console: Open, tmp_path: Path
) -> None:
    window = console()
    window.open_place(str(tmp_path))
    qtbot.waitUntil(lambda: window.welcome.banner.isVisible(), timeout=WAIT_MS)
    assert "churnkit.toml" in window.welcome.banner.what.text() + window.welcome.banner.fix.text()


def test_keys_reach_every_screen_and_dialogs_open(qtbot: Any, console: Open, folder: Path) -> None:
    window = console(folder)
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow, timeout=WAIT_MS)
    for number, entry in enumerate(SCREENS[:9], 1):
        # To the system's window: shortcuts are looked up before a widget sees the key.
        QTest.keyClick(
            window.windowHandle(),
            getattr(Qt.Key, f"Key_{number}"),
            Qt.KeyboardModifier.ControlModifier,
        )
        qtbot.waitUntil(lambda key=entry.key: window.stack.shown == key, timeout=5_000)
    window.show_palette()
    palette = window.findChild(object, "palette")
    assert palette is not None
    qtbot.keyClicks(palette.typed, "go to models")
    qtbot.keyClick(palette.typed, Qt.Key.Key_Return)
    assert window.stack.shown == "models"


def test_a_thousand_redraws_leave_the_process_alive(
    qtbot: Any, console: Open, folder: Path
) -> None:
    window = console(folder)
    _open(qtbot, window, "overview")
    view = window._views["overview"]
    for i in range(1000):
        if i % 250 == 0:
            window.theme.choose("light" if i % 500 else "dark")
        if i % 10 == 0:
            view.show_state()
        view.repaint()
        view.bar.repaint()
    assert view.isVisible()
    window.theme.choose("light")
