"""A form for a new customer, and what the model says of him."""

from __future__ import annotations

from PySide6.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from churnkit.errors import NoChampion
from churnkit_desktop.desk import Desk
from churnkit_desktop.language import tr
from churnkit_desktop.screens.score_one.presenter import ScoreOnePresenter
from churnkit_desktop.theme.style import Theme
from churnkit_desktop.widgets.banner import Banner
from churnkit_desktop.widgets.form import RowForm
from churnkit_desktop.widgets.layout import Card, ScreenFrame, label
from churnkit_desktop.widgets.reasons import ReasonBars
from churnkit_desktop.words import percent


class ScoreOneView(ScreenFrame):
    """Binds to its presenter."""

    def __init__(self, presenter: ScoreOnePresenter, theme: Theme, parent: QWidget) -> None:
        super().__init__(tr("Score one"), parent)
        self.presenter = presenter
        self.subtitle.setText(
            tr("Enter what is known of a customer; what is not known stays missing.")
        )
        self.clear = QPushButton(tr("Clear the form"))
        self.clear.clicked.connect(self._clear)
        self.buttons.addWidget(self.clear)
        self.banner = Banner()
        self.banner.offer(tr("Train"), lambda: presenter.desk.go("train", ""))
        self.above.addWidget(self.banner)
        line = QHBoxLayout()
        self.body.addLayout(line)
        line.setSpacing(14)
        self.entry = Card(tr("The customer"))
        line.addWidget(self.entry, 1)
        self.form = RowForm(presenter.change)
        self.entry.body.addWidget(self.form)
        self.entry.body.addStretch(1)
        right = QVBoxLayout()
        line.addLayout(right, 1)
        self.answer = Card(tr("What the model says"), right)
        self.figure = label("", "figure")
        self.text = label("", "faint", wrap=True)
        self.reasons = ReasonBars(theme)
        for part in (self.figure, self.text, self.reasons):
            self.answer.body.addWidget(part)
        right.addStretch(1)
        self._filled: tuple[object, ...] = ()
        presenter.changed.connect(self.show_state)

    def show_state(self) -> None:
        """Draw what the presenter holds."""
        presenter = self.presenter
        missing = isinstance(presenter.error, NoChampion)
        self.clear.setVisible(bool(presenter.fields))
        self.banner.button.setVisible(missing)
        if missing:
            self.banner.show_notice(tr("There is no model yet."), tr("Train one first."))
        else:
            self.banner.show_error(presenter.error)
        self.entry.setVisible(bool(presenter.fields))
        self.answer.setVisible(presenter.answer is not None)
        if presenter.fields and presenter.fields != self._filled:
            self._filled = presenter.fields
            self.form.fill(presenter.fields, presenter.row)
        answer = presenter.answer
        if answer is not None:
            self.figure.setText(percent(answer.probability))
            self.text.setText(
                "\n".join((f"{answer.risk_band} risk, says {answer.model_version}", *answer.notes))
            )
            self.reasons.show_explanation(answer)

    def _clear(self) -> None:
        self.presenter.clear()
        self.form.fill(self.presenter.fields, self.presenter.row)


def make(desk: Desk, theme: Theme, parent: QWidget) -> ScoreOneView:
    """The screen."""
    return ScoreOneView(ScoreOnePresenter(desk), theme, parent)
