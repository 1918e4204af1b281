"""The keyboard reaches everything, in reading order, and each stop has a name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from churnkit_desktop.backend.facts import FormField
from churnkit_desktop.plots.frame import Plot
from churnkit_desktop.screens.catalog import SCREENS
from churnkit_desktop.widgets.empty import Empty
from churnkit_desktop.widgets.form import RowForm
from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible
from PySide6.QtWidgets import QAbstractButton, QAbstractSpinBox, QComboBox, QLineEdit, QWidget

from tests.desktop.conftest import WAIT_MS, Open

INPUTS = (QAbstractButton, QAbstractSpinBox, QComboBox, QLineEdit)
NEW = ("features", "rollout", "experiments", "overview", "train", "models")


def _stops(view: QWidget) -> list[QWidget]:
    """Where Tab stops within a screen, in its order."""
    stops = []
    widget = view.nextInFocusChain()
    seen = {view}
    while widget not in seen and widget is not None:
        seen.add(widget)
        if (
            view.isAncestorOf(widget)
            and widget.isVisible()
            and widget.isEnabled()
            and widget.focusPolicy() & Qt.FocusPolicy.TabFocus
            and widget.focusProxy() is None
        ):
            stops.append(widget)
        widget = widget.nextInFocusChain()
    return stops


@pytest.mark.parametrize("key", NEW)
def test_tab_stops_at_every_input_and_each_has_a_name(
    qtbot: Any, console: Open, folder: Any, key: str
) -> None:
    window = console(folder)
    assert key in [entry.key for entry in SCREENS]
    window.go(key)
    view: Any = window._views[key]
    if isinstance(view, Empty):
        return
    qtbot.waitUntil(lambda: not view.presenter.busy, timeout=WAIT_MS)
    if key == "rollout":
        view.presenter.begin_start()
        qtbot.waitUntil(lambda: view.presenter.form is not None, timeout=WAIT_MS)
    if key == "experiments":
        view.presenter.begin_plan()
    qtbot.waitUntil(lambda: not view.presenter.busy, timeout=WAIT_MS)
    stops = _stops(view)
    nameless = []
    for widget in stops:
        found = QAccessible.queryAccessibleInterface(widget)
        if found is None or not found.text(QAccessible.Text.Name).strip():
            nameless.append(f"{type(widget).__name__} {widget.objectName()}")
    assert not [name for name in nameless if "QScrollArea" not in name]
    missing = [
        widget
        for kind in INPUTS
        for widget in view.findChildren(kind)
        if widget.isVisible()
        and widget.isEnabled()
        and not widget.objectName().startswith("qt_")
        and not isinstance(widget.parent(), INPUTS)
        and widget.focusPolicy() != Qt.FocusPolicy.NoFocus
        and widget not in stops
        and widget.focusProxy() is None
    ]
    assert not missing
    inputs = [w for w in stops if isinstance(w, QAbstractSpinBox | QLineEdit)]
    places = [w.mapTo(view, w.rect().topLeft()).y() for w in inputs]
    assert places == sorted(places), "from the top to the bottom"


def test_what_is_made_late_has_its_place_in_the_order(
    qtbot: Any, console: Open, folder: Any
) -> None:
    window = console(folder)
    window.go("models")
    models: Any = window._views["models"]
    qtbot.waitUntil(
        lambda: any(plot.isVisible() for plot in models.findChildren(Plot)), timeout=WAIT_MS
    )
    stops = _stops(models)
    chart = next(stop for stop in stops if isinstance(stop, Plot))
    assert stops.index(models.tabs.tabBar()) < stops.index(chart) < stops.index(models.why)
    window.go("score_one")
    view: Any = window._views["score_one"]
    qtbot.waitUntil(lambda: view.form.is_whole, timeout=WAIT_MS)
    behind = QLineEdit()
    view.entry.body.addWidget(behind)
    view.presenter.fields = view.presenter.fields[:3]
    view.show_state()

    def places() -> list[int]:
        return [w.mapTo(view, w.rect().center()).y() // 10 for w in _stops(view)[2:]]

    # Qt shows and places what was made in a later turn: then each line has a place of its own.
    qtbot.waitUntil(lambda: view.form.is_whole and len(set(places())) > 3, timeout=WAIT_MS)
    assert places() == sorted(places()), "from the top to the bottom"
    last: Any = view.presenter.fields[-1]
    narrow = replace(last, categories=("only",), kind="category")
    view.presenter.fields = (*view.presenter.fields[:-1], narrow)
    view.show_state()
    qtbot.waitUntil(lambda: view.form.is_whole, timeout=WAIT_MS)
    assert view.form.field(last.name).findData("only") > 0, "another model has learnt other words"


def test_in_a_narrow_form_a_slider_can_still_be_aimed_at(qtbot: Any) -> None:
    form = RowForm(lambda _name, _value: None)
    qtbot.addWidget(form)
    name = "Total_Relationship_Count"
    form.fill([FormField(name, "number", low=0.0, high=9.0)], {name: 3.0})
    form.resize(260, 300)
    form.show()
    qtbot.waitUntil(lambda: form.is_whole, timeout=WAIT_MS)
    assert form.field(name).slider.width() >= 80
