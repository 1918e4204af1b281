"""The fields of one definition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PySide6.QtCore import QSignalBlocker
from PySide6.QtWidgets import QComboBox, QFormLayout, QLineEdit, QSpinBox, QWidget

from churnkit_desktop.backend.feature_facts import Definition, LogFacts
from churnkit_desktop.language import tr
from churnkit_desktop.screens.features.presenter import FeaturesPresenter
from churnkit_desktop.screens.features.state import (
    AGGREGATES,
    FIGURES,
    KINDS,
    FilterUnreadable,
    filter_text,
    find,
    plain_meaning,
    read_filter,
    takes_column,
)
from churnkit_desktop.widgets.layout import Card, label

_EVER = tr("since ever")
_ALL = tr("all")
_EVENT, _ATTRIBUTE = "event", "attribute"


class Editor(Card):
    """Binds to the selected definition; each finished entry is one edit."""

    def __init__(self, presenter: FeaturesPresenter, parent: QWidget) -> None:
        super().__init__(tr("Definition"), parent=parent)
        self._presenter = presenter
        self._name = ""
        self._form = QFormLayout()
        self.body.addLayout(self._form)
        self._form.setHorizontalSpacing(14)
        self.name = QLineEdit()
        self.kind, self.aggregate, self.column = QComboBox(), QComboBox(), QComboBox()
        self.first, self.second, self.figure = QComboBox(), QComboBox(), QComboBox()
        self.types, self.where = QLineEdit(), QLineEdit()
        self.types.setPlaceholderText(_ALL)
        self.types.setToolTip(tr("Types of events, with commas between them."))
        self.where.setPlaceholderText(tr("such as price >= 10; channel in web, shop"))
        self.window_days = QSpinBox()
        self.window_days.setRange(0, 36_500)
        self.window_days.setSpecialValueText(_EVER)
        self.window_days.setSuffix(tr(" days"))
        self.window_days.setKeyboardTracking(False)
        for box, words in (
            (self.kind, KINDS),
            (self.aggregate, AGGREGATES),
            (self.figure, FIGURES),
        ):
            _fill(box, words)
        self._rows: dict[str, QWidget] = {
            tr("Name"): self.name,
            tr("Kind"): self.kind,
            tr("Aggregate"): self.aggregate,
            tr("Of the column"): self.column,
            tr("Types of events"): self.types,
            tr("Filter"): self.where,
            tr("Window"): self.window_days,
            tr("Divide"): self.first,
            tr("by"): self.second,
            tr("Figure"): self.figure,
        }
        for title, field in self._rows.items():
            self._form.addRow(title, field)
            field.setAccessibleName(title)
        self.meaning = label("", "faint", wrap=True)
        self.wrong = label("", "problemTitle", wrap=True)
        self.body.addWidget(self.meaning)
        self.body.addWidget(self.wrong)
        self.body.addStretch(1)
        for box in (self.kind, self.aggregate, self.column, self.first, self.second, self.figure):
            box.activated.connect(lambda _i: self._entered())
        for line in (self.name, self.types, self.where):
            line.editingFinished.connect(self._entered)
        self.window_days.valueChanged.connect(lambda _n: self._entered())

    def show_state(self) -> None:
        """Draw the selected definition."""
        presenter = self._presenter
        definition = find(presenter.definitions, presenter.selected)
        self.setEnabled(definition is not None)
        if definition is None or presenter.facts is None:
            self._name = ""
            return
        self._name = str(definition["name"])
        self.wrong.setText("")
        self._fill(definition, presenter.facts.log)
        line = next((one for one in presenter.lines if one.name == self._name), None)
        self.meaning.setText(f"{plain_meaning(line.meaning)}  ({line.type})" if line else "")

    def _fill(self, definition: Definition, log: LogFacts) -> None:
        kind = str(definition.get("kind", _EVENT))
        aggregate = str(definition.get("aggregate", "count"))
        names = [str(one["name"]) for one in self._presenter.definitions]
        others = [name for name in names if name != self._name]
        columns: Sequence[str] = log.attributes
        if kind == _EVENT:
            columns = ("event_type", *log.categories) if aggregate == "distinct" else log.values
        _choose(self.kind, KINDS, kind)
        _choose(self.aggregate, AGGREGATES, aggregate)
        _choose(self.column, _same(columns), str(definition.get("column", "")))
        first, second = ("recent", "base") if kind == "trend" else ("numerator", "denominator")
        _choose(self.first, _same(others), str(definition.get(first, "")))
        _choose(self.second, _same(others), str(definition.get(second, "")))
        _choose(self.figure, FIGURES, str(definition.get("figure", next(iter(FIGURES)))))
        for line, text in (
            (self.name, self._name),
            (self.types, ", ".join(definition.get("event_types", ()))),
            (self.where, filter_text(definition.get("where", ()))),
        ):
            if not line.hasFocus() or not line.isModified():
                line.setText(text)
        with QSignalBlocker(self.window_days):
            self.window_days.setValue(int(definition.get("window_days") or 0))
        shown = {
            "event": (tr("Aggregate"), tr("Types of events"), tr("Filter"), tr("Window")),
            "ratio": (tr("Divide"), tr("by")),
            "trend": (tr("Divide"), tr("by")),
            "attribute": (tr("Of the column"),),
            "subscription": (tr("Figure"),),
        }[kind]
        if kind == _EVENT and takes_column(aggregate):
            shown = (*shown, tr("Of the column"))
        for title, field in self._rows.items():
            self._form.setRowVisible(field, title in (tr("Name"), tr("Kind"), *shown))

    def _entered(self) -> None:
        if not self._name:
            return
        kind = _chosen(self.kind)
        first, second = _chosen(self.first), _chosen(self.second)
        try:
            where = read_filter(self.where.text())
        except FilterUnreadable as error:
            self.wrong.setText(str(error))
            return
        for line in (self.name, self.types, self.where):
            line.setModified(False)
        entered = {
            "name": self.name.text().strip() or self._name,
            "aggregate": _chosen(self.aggregate),
            "column": self._column(kind),
            "event_types": [w.strip() for w in self.types.text().split(",") if w.strip()],
            "where": where,
            "window_days": self.window_days.value() or None,
            "numerator": first,
            "denominator": second,
            "recent": first,
            "base": second,
            "figure": _chosen(self.figure),
        }
        self._presenter.change(self._name, kind, entered)

    def _column(self, kind: str) -> str:
        """The column, or the first that fits when the kind or the aggregate was changed."""
        facts = self._presenter.facts
        if facts is None:
            return ""
        log, chosen = facts.log, _chosen(self.column)
        fitting: Sequence[str] = log.attributes
        if kind == _EVENT:
            distinct = _chosen(self.aggregate) == "distinct"
            fitting = ("event_type", *log.categories) if distinct else log.values
        return chosen if chosen in fitting else next(iter(fitting), "")


def _choose(box: QComboBox, words: Mapping[str, str], chosen: str) -> None:
    with QSignalBlocker(box):
        _fill(box, words)
        if chosen and chosen not in words:
            box.addItem(chosen, chosen)
        box.setCurrentIndex(box.findData(chosen) if chosen else -1)


def _chosen(box: QComboBox) -> str:
    return str(box.currentData() or "")


def _same(names: Sequence[str]) -> dict[str, str]:
    return {name: name for name in names}


def _fill(box: QComboBox, words: Mapping[str, str]) -> None:
    box.clear()
    for name, word in words.items():
        box.addItem(word, name)
