"""The screen Rollout on a project folder: start, watch, promote; two windows; charts' export."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from churnkit_desktop.main_window import MainWindow
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QGuiApplication, QImage, QMouseEvent
from PySide6.QtWidgets import QApplication

import churnkit as ck
from churnkit.project import Project
from churnkit.settings.file import write_settings
from tests.desktop.conftest import WAIT_MS, Open
from tests.rollout.worlds import World, world_project


@pytest.fixture
def project(served_folder: Path, tmp_path: Path) -> Iterator[Project]:
    """A project with a challenger, whose outcomes mature after ten days."""
    with world_project(served_folder, tmp_path / "world") as opened:
        write_settings(opened.folder, opened.settings)
        yield opened


def _open(qtbot: Any, window: MainWindow) -> Any:
    window.go("rollout")
    view: Any = window._views["rollout"]
    qtbot.waitUntil(lambda: not view.presenter.busy, timeout=WAIT_MS)
    return view


def _start(qtbot: Any, view: Any, why: str) -> None:
    presenter = view.presenter
    presenter.begin_start()
    qtbot.waitUntil(lambda: presenter.form is not None and not presenter.busy, timeout=WAIT_MS)
    view.start_page.why.setText(why)
    qtbot.mouseClick(view.start_page.begin, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: presenter.facts is not None and not presenter.busy, timeout=WAIT_MS)


def test_a_rollout_is_started_watched_and_promoted(
    qtbot: Any, console: Open, project: Project
) -> None:
    window = console(project.folder)
    view = _open(qtbot, window)
    presenter = view.presenter
    assert view.pages.currentIndex() == 0, "no rollout yet"
    presenter.begin_start()
    qtbot.waitUntil(lambda: presenter.form is not None and not presenter.busy, timeout=WAIT_MS)
    assert "No load is known yet" in view.start_page.forecast.text()
    view.start_page.customers.setValue(20_000)
    view.start_page.per_day.setValue(300.0)
    qtbot.waitUntil(lambda: "20,000 customers" in view.start_page.forecast.text(), timeout=WAIT_MS)
    _start(qtbot, view, "it knows more")
    assert presenter.facts.line.stage == "shadow"
    assert presenter.facts.journal[0].why == "it knows more"
    # Days pass; another process scores, records and looks. The console only watches.
    world = World(project, noise=0.4, per_day=300)
    for now in world.days(14):
        ck.advance_rollout(project, now=now)
    presenter.tick()
    qtbot.waitUntil(lambda: presenter.facts.pairs > 0, timeout=WAIT_MS)
    assert presenter.facts.line.stage != "shadow"
    assert len(presenter.course.x) >= 2
    assert {"bounds", "gain so far"} <= set(view.chart.names())
    assert view.gates.rowCount() == len(presenter.facts.readings)
    assert not view.moves["promote"].isEnabled()
    qtbot.keyClicks(view.why, "seen enough")
    qtbot.mouseClick(view.moves["promote"], Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not presenter.running, timeout=WAIT_MS)
    assert presenter.facts.line.outcome == "promoted"
    assert ck.list_models(project).holders["champion"] == "v2"
    assert not view.decide.isVisible()
    assert window.desk is not None
    script = window.desk.script.text()
    assert "ck.start_rollout(project, challenger='v2', customers=20000" in script
    assert "ck.promote_rollout(project, rollout_id='r1', why='seen enough')" in script
    _export(qtbot, view.chart, project.folder)


def _export(qtbot: Any, chart: Any, folder: Path) -> None:
    """Hover, zoom, reset, and every way to take the chart along."""
    chart.make_plot()
    box = chart.plot.getPlotItem().getViewBox()
    x = chart._series["gain so far"].x[-1]
    y = chart._series["gain so far"].y[-1]
    place = chart.plot.mapFromScene(box.mapViewToScene(QPointF(x, y)))
    move = QMouseEvent(
        QEvent.Type.MouseMove,
        QPointF(place),
        chart.plot.viewport().mapToGlobal(QPointF(place)),
        Qt.MouseButton.NoButton,
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
    )
    QApplication.sendEvent(chart.plot.viewport(), move)
    assert "gain so far" in chart._hover.text.toPlainText()
    before = box.viewRange()
    chart.plot.setFocus()
    qtbot.keyClick(chart.plot, Qt.Key.Key_Plus)
    closer = box.viewRange()
    assert closer[0][1] - closer[0][0] < before[0][1] - before[0][0]
    qtbot.keyClick(chart.plot, Qt.Key.Key_Home)
    assert box.viewRange()[1] == pytest.approx(before[1])
    for name in ("chart.png", "chart.svg", "chart.csv"):
        chart.save(folder / name)
    assert not QImage(str(folder / "chart.png")).isNull()
    assert "<svg" in (folder / "chart.svg").read_text(encoding="utf-8")
    with (folder / "chart.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream))
    assert rows[0] == ["series", "matured pairs", "gain in profit per customer (EUR)"]
    assert ["gain so far", str(x), str(y)] in rows
    qtbot.keyClick(chart.plot, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().text().startswith("series\tmatured pairs")
    both = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    qtbot.keyClick(chart.plot, Qt.Key.Key_C, both)
    assert not QGuiApplication.clipboard().image().isNull()
    qtbot.keyClick(chart.plot, Qt.Key.Key_Right)
    assert chart.plot.accessibleDescription()


def test_two_windows_do_not_decide_over_each_other(
    qtbot: Any, console: Open, project: Project
) -> None:
    first, second = console(project.folder), console(project.folder)
    one, two = _open(qtbot, first), _open(qtbot, second)
    _start(qtbot, one, "first")
    two.presenter.load()
    qtbot.waitUntil(lambda: two.presenter.facts is not None, timeout=WAIT_MS)
    two.presenter.leave()  # its timer looks no more, as on a laptop that slept
    one.presenter.set_why("something is odd")
    one.presenter.move("pause")
    qtbot.waitUntil(lambda: one.presenter.facts.line.condition == "paused", timeout=WAIT_MS)
    # The second window still shows it running, and would promote what was paused meanwhile.
    two.presenter.set_why("looks good")
    two.presenter.move("promote")
    qtbot.waitUntil(lambda: two.presenter.error is not None, timeout=WAIT_MS)
    assert "somebody changed r1" in two.presenter.error.what
    assert ck.rollout_status(project).position.condition == "paused"
    assert two.why.text() == "looks good", "the entry is not lost"
