"""A form from a model's schema: one row of raw values, each with its range or its words."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from PySide6.QtCore import QSignalBlocker, Qt, QTimer
from PySide6.QtWidgets import (
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QSlider,
    QWidget,
)

from churnkit_desktop.backend.facts import FormField
from churnkit_desktop.language import tr
from churnkit_desktop.widgets.layout import label
from churnkit_desktop.widgets.number_box import ShortNumberBox
from churnkit_desktop.widgets.tab_order import take_place
from churnkit_desktop.words import figure

_MISSING = tr("(missing)")
_STEPS = 200
_AT_ONCE = 4
"""Fields that are made in one turn of the event loop; each takes a millisecond or two."""


class RowForm(QWidget):
    """Fields for a row.

    Parameters
    ----------
    changed : told of each change: column and value
    """

    def __init__(self, changed: Callable[[str, object], None]) -> None:
        super().__init__()
        self._changed = changed
        self._layout = QFormLayout(self)
        self._layout.setHorizontalSpacing(14)
        self._layout.setVerticalSpacing(6)
        self._layout.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        self._filled: tuple[FormField, ...] = ()
        self._fields: dict[str, Any] = {}
        self._coming: deque[FormField] = deque()
        self._row: Mapping[str, object] = {}
        self._turn = QTimer(self)
        self._turn.setInterval(0)
        self._turn.timeout.connect(self._make_some)

    def fill(self, fields: Sequence[FormField], row: Mapping[str, object]) -> None:
        """Show these values; the widgets are made when the fields are others than before."""
        self._row = row
        if tuple(fields) != self._filled:
            self._filled = tuple(fields)
            while self._layout.rowCount():
                self._layout.removeRow(0)
            self._fields, self._coming = {}, deque(fields)
            self._turn.start()
        for name, made in self._fields.items():
            made.show_value(row.get(name))

    @property
    def is_whole(self) -> bool:
        """Whether all fields are there."""
        return bool(self._fields) and not self._coming

    def field(self, name: str) -> Any:
        """The widget of a column."""
        return self._fields[name]

    def _make_some(self) -> None:
        for _ in range(min(_AT_ONCE, len(self._coming))):
            field = self._coming.popleft()
            made = self._fields[field.name] = self._make(field)
            made.show_value(self._row.get(field.name))
        if not self._coming:
            self._turn.stop()
            take_place(self, [stop for made in self._fields.values() for stop in made.stops])

    def _make(self, field: FormField) -> Any:
        def changed(value: object) -> None:
            self._changed(field.name, value)

        made: Any = (
            NumberField(field, changed, self)
            if field.kind == "number"
            else ChoiceField(field, changed, self)
        )
        made.setAccessibleName(field.name)
        title = label(field.name, wrap=True)
        title.setBuddy(made)
        self._layout.addRow(title, made)
        return made


class NumberField(QWidget):
    """A number with a slider over the range that the model learnt on; may be missing."""

    def __init__(
        self, field: FormField, changed: Callable[[object], None], parent: QWidget
    ) -> None:
        super().__init__(parent)
        self._low = 0.0 if field.low is None else field.low
        self._high = self._low + 1.0 if field.high is None else field.high
        whole = self._low.is_integer() and self._high.is_integer() and self._high - self._low >= 2
        self.box = ShortNumberBox()
        self.box.setDecimals(0 if whole else 4)
        # One step below everything means "missing".
        reach = max(self._high - self._low, 1.0)
        self._none = self._low - 10 * reach
        self.box.setRange(self._none, self._high + 10 * reach)
        self.box.setSpecialValueText(_MISSING)
        self.box.setSingleStep(1.0 if whole else reach / 20)
        self.box.setKeyboardTracking(False)
        self.box.setToolTip(
            tr("learnt on {low} … {high}").format(
                low=figure(self._low, 6), high=figure(self._high, 6)
            )
        )
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, _STEPS)
        self.slider.setAccessibleName(tr("{name} (slider)").format(name=field.name))
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.addWidget(self.slider, 1)
        line.addWidget(self.box)
        self.box.setFixedWidth(120)
        self.setFocusProxy(self.box)
        self.stops = (self.slider, self.box)
        """Where Tab stops."""
        self.box.valueChanged.connect(self._typed)
        self.slider.valueChanged.connect(self._slid)
        self._tell = changed

    def value(self) -> float | None:
        """The number; None: missing."""
        number = self.box.value()
        return None if number <= self._none else number

    def show_value(self, value: object) -> None:
        """Show it without telling anybody."""
        missing = value is None or value != value  # NaN is the only value unequal to itself
        number = self._none if missing else float(value)  # type: ignore[arg-type]
        with QSignalBlocker(self.box):
            self.box.setValue(number)
        self._follow(number)

    def _follow(self, number: float) -> None:
        span = self._high - self._low or 1.0
        with QSignalBlocker(self.slider):
            self.slider.setValue(round((number - self._low) / span * _STEPS))

    def _typed(self, number: float) -> None:
        self._follow(number)
        self._tell(self.value())

    def _slid(self, step: int) -> None:
        number = self._low + (self._high - self._low) * step / _STEPS
        with QSignalBlocker(self.box):
            self.box.setValue(number)
        self._tell(self.value())


class ChoiceField(QComboBox):
    """One of the words that the model learnt, or missing; yes and no for a truth value."""

    def __init__(
        self, field: FormField, changed: Callable[[object], None], parent: QWidget
    ) -> None:
        super().__init__(parent)
        self.stops = (self,)
        self._truth = field.kind == "boolean"
        words = ("no", "yes") if self._truth else field.categories
        self.addItem(_MISSING, None)
        for word in words:
            self.addItem(word, word == "yes" if self._truth else word)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(12)
        self.activated.connect(lambda _i: changed(self.value()))

    def value(self) -> object:
        """The word, the truth value, or None."""
        return self.currentData()

    def show_value(self, value: object) -> None:
        """Show it; a word that the model does not know is added."""
        if self._truth and value is not None:
            value = bool(value)
        position = 0 if value is None else self.findData(value)
        if position < 0:
            self.addItem(tr("{value} (new)").format(value=value), value)
            position = self.count() - 1
        self.setCurrentIndex(position)
