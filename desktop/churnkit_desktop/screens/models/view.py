"""Two versions: figures with intervals, calibration, lift, segments; the journal; decisions."""

from __future__ import annotations

from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QStackedLayout,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from churnkit.domain.evaluation import Estimate
from churnkit_desktop.backend.facts import ModelDetail
from churnkit_desktop.desk import Desk
from churnkit_desktop.language import tr
from churnkit_desktop.screens.models.curves import Curves
from churnkit_desktop.screens.models.presenter import ModelsPresenter
from churnkit_desktop.theme.style import Theme
from churnkit_desktop.widgets.banner import Banner
from churnkit_desktop.widgets.empty import Empty
from churnkit_desktop.widgets.layout import Card, ScreenFrame, label
from churnkit_desktop.widgets.table import Column, RowsModel, Table
from churnkit_desktop.words import day, estimate, percent, plural, whole, with_unit

_FIGURES = (
    ("roc_auc", tr("ROC AUC"), tr("0.5 is chance, 1 perfect order; higher is better")),
    ("average_precision", tr("Average precision"), tr("higher is better")),
    ("brier", tr("Brier score"), tr("mean squared error of the probabilities; lower is better")),
    ("log_loss", tr("Log loss"), tr("lower is better")),
    (
        "ece",
        tr("Calibration error"),
        tr("how far probabilities are from what happened; lower is better"),
    ),
    (
        "profit",
        tr("Profit per customer"),
        tr("at the threshold that follows from the money settings"),
    ),
)


class ModelsView(ScreenFrame):
    """Binds to its presenter."""

    def __init__(self, presenter: ModelsPresenter, theme: Theme, parent: QWidget) -> None:
        super().__init__(tr("Models"), parent)
        self.presenter = presenter
        self.banner = Banner()
        self.above.addWidget(self.banner)
        holder = QWidget()
        self.body.addWidget(holder)
        self.pages = QStackedLayout(holder)
        self.pages.addWidget(
            Empty(
                tr("No model yet"),
                tr("Train one; it will be judged on customers it never saw."),
                tr("Train"),
                lambda: presenter.desk.go("train", ""),
            )
        )
        content = QWidget()
        self.pages.addWidget(content)
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(14)

        choice = Card(tr("Compare"), column)
        line = QHBoxLayout()
        self.left, self.right = QComboBox(), QComboBox()
        self.left.setAccessibleName(tr("First version"))
        self.right.setAccessibleName(tr("Second version"))
        line.addWidget(self.left, 1)
        line.addWidget(label(tr("with"), "faint"))
        line.addWidget(self.right, 1)
        choice.body.addLayout(line)
        self.figures = RowsModel(
            (
                Column(tr("Figure (with its 95 % interval)")),
                Column("first", number=True),
                Column("second", number=True),
                Column(tr("What it says")),
            )
        )
        self.figure_table = Table(tr("Figures of both versions"), self.figures)
        choice.body.addWidget(self.figure_table)

        self.tabs = QTabWidget()
        self.tabs.setMinimumHeight(380)
        self.curves = Curves(theme, presenter.desk.currency)
        self.segments = RowsModel(
            (
                Column(tr("Segment")),
                Column(tr("Customers"), whole, number=True),
                Column(tr("Left"), percent, number=True),
                Column(tr("Predicted"), percent, number=True),
                Column(tr("ROC AUC"), number=True),
                Column(tr("Brier score"), number=True),
            )
        )
        self.segment_table = Table(tr("Segments"), self.segments, sorts=True)
        self.journal = RowsModel(
            (
                Column(tr("When"), day),
                Column(tr("What")),
                Column(tr("Before")),
                Column(tr("Who")),
                Column(tr("Why")),
            )
        )
        self.journal_table = Table(tr("Journal"), self.journal)
        for widget, title in (
            *self.curves.titled(),
            (self.segment_table, tr("Segments of the second")),
            (self.journal_table, tr("Journal")),
        ):
            self.tabs.addTab(widget, title)
        self.why_no_curves = label("", "faint", wrap=True)
        column.addWidget(self.why_no_curves)
        column.addWidget(self.tabs)

        decide = Card(tr("Decide"), column)
        self.standing = label("", wrap=True)
        decide.body.addWidget(self.standing)
        bar = QHBoxLayout()
        self.why = QLineEdit(presenter.why)
        self.why.setPlaceholderText(tr("Why? The reason is kept in the journal."))
        self.why.setAccessibleName(tr("Reason of the decision"))
        self.promote = QPushButton(tr("Promote"))
        self.promote.setObjectName("primary")
        self.roll_back = QPushButton(tr("Roll back"))
        bar.addWidget(self.why, 1)
        bar.addWidget(self.promote)
        bar.addWidget(self.roll_back)
        decide.body.addLayout(bar)
        column.addStretch(1)

        self.left.activated.connect(lambda _i: presenter.compare(left=self.left.currentData()))
        self.right.activated.connect(lambda _i: presenter.compare(right=self.right.currentData()))
        self.why.textChanged.connect(self._why_changed)
        self.promote.clicked.connect(presenter.promote)
        self.roll_back.clicked.connect(presenter.roll_back)
        presenter.changed.connect(self.show_state)

    def show_state(self) -> None:
        """Draw what the presenter holds."""
        presenter = self.presenter
        listed = presenter.listed
        if presenter.error is not None:
            self.banner.show_error(presenter.error)
        else:
            self.banner.show_notice(presenter.said)
        if listed is None:
            self.subtitle.setText(tr("Reading …"))
            return
        self.subtitle.setText(
            tr("{versions}. {champion} serves").format(
                versions=plural(len(listed.versions), "version"),
                champion=listed.champion or "Nobody",
            )
            + (
                tr("; {challenger} is the challenger.").format(challenger=listed.challenger)
                if listed.challenger
                else "."
            )
        )
        self.pages.setCurrentIndex(1 if listed.versions else 0)
        for box, chosen in ((self.left, presenter.left), (self.right, presenter.right)):
            box.blockSignals(True)
            box.clear()
            for version in reversed(listed.versions):
                role = {
                    listed.champion: tr(" – champion"),
                    listed.challenger: tr(" – challenger"),
                }.get(version.version, "")
                title = version.candidate.replace("_", " ")
                box.addItem(f"{version.version}{role} ({title})", version.version)
            box.setCurrentIndex(max(0, box.findData(chosen)))
            box.blockSignals(False)
        self.journal.fill(
            [
                (
                    e.at,
                    f"{e.action} {e.version or '–'} ({e.alias})",
                    e.previous_version or "–",
                    e.who,
                    e.why,
                )
                for e in reversed(listed.journal)
            ]
        )
        self.journal_table.fit_columns()
        self.standing.setText(
            tr("{right} would serve instead of {champion}.").format(
                right=presenter.right, champion=listed.champion or "nobody"
            )
            if presenter.right != listed.champion
            else tr("{right} serves already; choose another one to promote it.").format(
                right=presenter.right
            )
        )
        if self.why.text() != presenter.why:
            self.why.setText(presenter.why)
        self._enable()
        self._show_details()

    def _why_changed(self, text: str) -> None:
        self.presenter.set_why(text)
        self._enable()

    def _enable(self) -> None:
        self.promote.setText(tr("Promote {right}").format(right=self.presenter.right))
        self.promote.setEnabled(self.presenter.can_promote)
        self.roll_back.setEnabled(self.presenter.can_roll_back)
        hint = "" if self.why.text().strip() else tr("Give a reason first.")
        self.promote.setToolTip(hint)
        self.roll_back.setToolTip(hint)

    def _show_details(self) -> None:
        presenter = self.presenter
        pair = [presenter.details.get(name) for name in (presenter.left, presenter.right)]
        titles = (presenter.left, presenter.right)
        columns = self.figures.columns
        self.figures.columns = (
            columns[0],
            Column(titles[0] or "first", number=True),
            Column(titles[1] or "second", number=True),
            columns[3],
        )
        self.figures.fill(
            [
                (
                    with_unit(title, presenter.desk.currency if key == "profit" else ""),
                    _figure(pair[0], key),
                    _figure(pair[1], key),
                    hint,
                )
                for key, title, hint in _FIGURES
            ]
        )
        self.figure_table.fit_columns()
        self.figure_table.fit_rows()
        self.curves.clear()
        seen = {}
        for colour, (title, detail) in enumerate(zip(titles, pair, strict=True)):
            if detail is not None and detail.record is not None and title not in seen:
                seen[title] = detail
                self.curves.draw(title, detail.record.evaluation, colour)
        silent = [
            f"{title}: {detail.why_no_record}"
            for title, detail in zip(titles, pair, strict=True)
            if detail is not None and detail.record is None
        ]
        self.why_no_curves.setText("\n".join(dict.fromkeys(silent)))
        self.why_no_curves.setVisible(bool(silent))
        self.segments.fill([])
        if pair[1] is not None and pair[1].record is not None:
            self.segments.fill(
                [
                    (
                        f"{s.column} = {s.value}",
                        s.n,
                        s.rate,
                        s.mean_probability,
                        estimate(s.roc_auc) if s.roc_auc else tr("one class only"),
                        estimate(s.brier),
                    )
                    for s in pair[1].record.evaluation.slices
                ]
            )
            self.segment_table.fit_columns()


def _figure(detail: ModelDetail | None, key: str) -> str:
    figure: Estimate | None = detail.version.metrics.get(key) if detail else None
    return estimate(figure) if figure else "–"


def make(desk: Desk, theme: Theme, parent: QWidget) -> ModelsView:
    """The screen."""
    return ModelsView(ModelsPresenter(desk), theme, parent)
