"""What a person expects of any program: the first page, menus, keys, layout, undo, exports."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from churnkit_desktop.main_window import MainWindow
from churnkit_desktop.plots.chart import Chart
from churnkit_desktop.screens.customers import table_export
from churnkit_desktop.session.memory import Memory
from churnkit_desktop.theme.style import Theme
from churnkit_desktop.widgets.table import Table
from churnkit_desktop.window_layout import FIRST_SIZE
from PySide6.QtCore import Qt, QTimer
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QMenu, QMessageBox, QPushButton, QWidget

import churnkit as ck
from tests.desktop.conftest import WAIT_MS, Open


@pytest.fixture
def scored(folder: Path) -> Path:
    """A project whose customers are scored."""
    with ck.open_project(folder) as project:
        ck.score(project, output=project.store / "latest-scores.parquet")
    return folder


def _menu_of(widget: QWidget) -> list[str]:
    """What its context menu offers, when a person opens it by the mouse or Shift+F10."""
    offered: list[str] = []

    def look() -> None:
        menu = QApplication.activePopupWidget()
        assert isinstance(menu, QMenu)
        offered.extend(action.text() for action in menu.actions() if action.text())
        menu.close()

    QTimer.singleShot(50, look)
    widget.customContextMenuRequested.emit(widget.rect().center())  # type: ignore[attr-defined]
    return offered


def _customers(qtbot: Any, window: MainWindow) -> Any:
    window.go("customers")
    view: Any = window._views["customers"]
    qtbot.waitUntil(lambda: view.presenter.campaign is not None, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: view.model.customer_id(0) != "", timeout=WAIT_MS)
    return view


def test_the_first_start_offers_sample_file_and_service(qtbot: Any, console: Open) -> None:
    window = console()
    assert window.welcome.isVisible() and not window.navigation.isVisible()
    offered = [button.accessibleName() for button in window.welcome.buttons]
    assert {"Open the sample", "Import a file", "Connect to a service"} <= set(offered)
    window.welcome.buttons[offered.index("Connect to a service")].click()
    dialog: Any = QApplication.activeModalWidget()
    assert dialog is not None and dialog.windowTitle()
    dialog.close()


def test_what_was_opened_before_is_offered(
    qtbot: Any, console: Open, folder: Path, memory: Memory
) -> None:
    console(folder)
    again = console(kept=Memory(memory.folder))
    qtbot.waitUntil(lambda: again.desk is not None, timeout=WAIT_MS)
    again.close_place()
    link = next(b for b in again.welcome.findChildren(QPushButton) if b.text() == str(folder))
    link.click()
    qtbot.waitUntil(lambda: again.desk is not None, timeout=WAIT_MS)


@pytest.mark.parametrize("key", [Qt.Key.Key_F1, Qt.Key.Key_Question])
def test_the_shortcuts_are_listed_by_a_key(qtbot: Any, console: Open, key: Qt.Key) -> None:
    window = console()
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow, timeout=WAIT_MS)
    QTest.keyClick(window.windowHandle(), key)
    qtbot.waitUntil(lambda: QApplication.activeModalWidget() is not None, timeout=WAIT_MS)
    dialog: Any = QApplication.activeModalWidget()
    keys = {row[0] for row in dialog.findChild(Table).model().rows}
    assert {"Ctrl+K", "F1", "Ctrl+O"} <= keys
    dialog.close()


def test_size_and_panels_are_remembered_and_forgotten(console: Open, memory: Memory) -> None:
    window = console()
    window.resize(950, 700)  # the screen of the tests is a small one
    window.script_panel.show()
    window.close()
    again = console(kept=Memory(memory.folder))
    assert again.height() == 700
    assert again.script_panel.isVisible()
    again.forget_layout()
    assert (again.width(), again.height()) == FIRST_SIZE
    assert not again.script_panel.isVisible()


def test_tables_and_charts_have_a_menu(qtbot: Any, console: Open, scored: Path) -> None:
    view = _customers(qtbot, console(scored))
    assert _menu_of(view.table)[:2] == ["Copy", "Select all"]
    view.tabs.setCurrentWidget(view.campaign)
    chart: Chart = view.campaign.chart
    chart.make_plot()
    offered = _menu_of(chart.plot)
    assert "Reset the view" in offered and "Export as PNG, SVG or CSV …" in offered
    assert "Copy the values" in offered and "Copy the picture" in offered


def test_campaign_terms_are_undone_redone_and_kept(
    qtbot: Any, console: Open, scored: Path, memory: Memory
) -> None:
    window = console(scored)
    view = _customers(qtbot, window)
    presenter, box = view.presenter, view.campaign.terms["contact_cost"]
    before = presenter.money.contact_cost
    best = presenter.campaign.best_profit
    box.setValue(before + 3)
    assert presenter.money.contact_cost == before + 3
    assert presenter.campaign.best_profit < best, "the curve follows"
    window.undo()
    assert presenter.money.contact_cost == before == box.value()
    assert presenter.campaign.best_profit == best
    window.redo()
    assert box.value() == before + 3
    # No closing: a killed console saves nothing at its end.
    other = console(kept=Memory(memory.folder))
    qtbot.waitUntil(lambda: other.desk is not None, timeout=WAIT_MS)
    assert _customers(qtbot, other).presenter.money.contact_cost == before + 3


def test_the_table_is_exported_as_it_is_shown(
    qtbot: Any, console: Open, scored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = _customers(qtbot, console(scored))
    presenter = view.presenter
    presenter.ask(bands=("high",), sort="customer_id", descending=False)
    qtbot.waitUntil(
        lambda: not presenter.busy and presenter.view.n_rows < presenter.view.n_all, timeout=WAIT_MS
    )
    hidden = presenter.view.columns[-1]
    view._show_column(len(presenter.view.columns) - 1, False)
    path = tmp_path / "shown.csv"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    monkeypatch.setattr(table_export, "CHUNK", 7)
    view.export_button.click()
    assert view.export_button.text() == "Cancel the export"
    qtbot.waitUntil(lambda: presenter.exporting is None, timeout=WAIT_MS)
    assert presenter.error is None and str(path) in view.found.text()
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == presenter.view.n_rows
    assert hidden not in rows[0]
    assert {row["risk_band"] for row in rows} == {"high"}
    names = [row["customer_id"] for row in rows]
    assert names == sorted(names)
    # The panel's line writes the same customers in the same order.
    line = view.presenter.desk.script.actions[-1].python()
    assert line.startswith("ck.contact_list(project, ")
    with ck.open_project(scored) as project:
        eval(line, {"ck": ck, "project": project})
    with path.open(encoding="utf-8", newline="") as stream:
        assert [row["customer_id"] for row in csv.DictReader(stream)] == names


def test_a_cancelled_export_leaves_no_file(
    qtbot: Any, console: Open, scored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = _customers(qtbot, console(scored))
    presenter = view.presenter
    monkeypatch.setattr(table_export, "CHUNK", 1)
    path = tmp_path / "shown.csv"
    presenter.export_table(str(path))
    presenter.cancel_export()
    qtbot.waitUntil(lambda: presenter.exporting is None, timeout=WAIT_MS)
    assert list(tmp_path.glob("*shown*")) == []
    assert "cancelled" in view.found.text() and presenter.error is None


def test_the_script_is_exported_whole_or_its_refusal_is_said(
    console: Open, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = console(folder)
    path, said = tmp_path / "session.py", []
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    monkeypatch.setattr(QMessageBox, "warning", lambda *told: said.append(told[-1]))
    window.script_panel.export()
    assert path.read_text(encoding="utf-8") == window.script_panel._script.text()
    path = tmp_path / "a file" / "session.py"
    path.parent.write_text("", encoding="utf-8")
    window.script_panel.export()
    assert len(said) == 1 and "Errno" not in said[0]


class _System:
    """An application whose system turns dark and light: the platform of the tests has neither."""

    def __init__(self, application: Any) -> None:
        self._application = application
        self.scheme = Qt.ColorScheme.Light
        self._heard: list[Callable[[Qt.ColorScheme], None]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._application, name)

    def styleHints(self) -> Any:  # noqa: N802 - Qt's name
        return SimpleNamespace(
            colorScheme=lambda: self.scheme,
            colorSchemeChanged=SimpleNamespace(connect=self._heard.append),
        )

    def turn(self, scheme: Qt.ColorScheme) -> None:
        self.scheme = scheme
        for listener in self._heard:
            listener(scheme)


def test_a_theme_follows_the_system_until_a_person_chooses(qapp: Any) -> None:
    system = _System(qapp)
    theme = Theme(system, "system")  # type: ignore[arg-type]
    assert theme.tokens.name == "light"
    system.turn(Qt.ColorScheme.Dark)
    assert theme.tokens.name == "dark"
    theme.choose("light")
    system.turn(Qt.ColorScheme.Dark)
    assert theme.tokens.name == "light"
    theme.choose("system")
    assert theme.tokens.name == "dark"
    theme.choose("light")
