"""The imported table in figures."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog, QInputDialog, QPushButton, QWidget

from churnkit.domain.profiles import ColumnProfile
from churnkit_desktop.desk import Desk
from churnkit_desktop.language import tr
from churnkit_desktop.screens.data.presenter import DataPresenter
from churnkit_desktop.theme.style import Theme
from churnkit_desktop.widgets.banner import Banner
from churnkit_desktop.widgets.layout import Card, ScreenFrame, label
from churnkit_desktop.widgets.progress import JobCard
from churnkit_desktop.widgets.table import Column, RowsModel, Table
from churnkit_desktop.words import figure, percent, whole


class DataView(ScreenFrame):
    """Binds to its presenter."""

    def __init__(self, presenter: DataPresenter, theme: Theme, parent: QWidget) -> None:
        super().__init__(tr("Data"), parent)
        self.presenter = presenter
        self.newer = QPushButton(
            tr("Upload a file …") if presenter.uploads else tr("Import newer rows …")
        )
        self.newer.clicked.connect(self._ask)
        self.buttons.addWidget(self.newer)
        self.banner = Banner()
        self.job_card = JobCard(presenter.cancel)
        self.above.addWidget(self.banner)
        self.above.addWidget(self.job_card)
        self.summary = Card(tr("In short"), self.body)
        self.summary_text = label("", wrap=True)
        self.summary.body.addWidget(self.summary_text)
        self.nothing = Card(tr("Nothing to show yet"), self.body)
        self.nothing_text = label("", wrap=True)
        self.nothing.body.addWidget(self.nothing_text)
        self.nothing.hide()
        leaks = self.leaks_card = Card(tr("Columns that know the answer"), self.body)
        self.leak_text = label("", "faint", wrap=True)
        self.leaks = RowsModel(
            (Column(tr("Column")), Column(tr("Used for training?")), Column(tr("Evidence")))
        )
        self.leak_table = Table(tr("Columns that know the answer"), self.leaks)
        leaks.body.addWidget(self.leak_text)
        leaks.body.addWidget(self.leak_table)
        columns = self.columns_card = Card(tr("Columns"), self.body)
        self.columns = RowsModel(
            (
                Column(tr("Column")),
                Column(tr("Role")),
                Column(tr("Kind")),
                Column(
                    tr("Missing"), percent, number=True, hint=tr("Share of rows without a value.")
                ),
                Column(tr("Distinct"), whole, number=True),
                Column(tr("Lowest"), figure, number=True),
                Column(tr("Mean"), figure, number=True),
                Column(tr("Highest"), figure, number=True),
                Column(tr("Most frequent / notes")),
            )
        )
        self.table = Table(tr("Columns"), self.columns, sorts=True)
        columns.body.addWidget(self.table)
        self.body.addStretch(1)
        presenter.changed.connect(self.show_state)

    def show_state(self) -> None:
        """Draw what the presenter holds."""
        presenter = self.presenter
        self.banner.show_error(presenter.error)
        job = presenter.job
        self.job_card.show_job(job)
        self.newer.setEnabled(not (job and job.running))
        if presenter.asked is not None:
            self._choose_target(*presenter.asked)
        facts = presenter.facts
        if facts is None:
            self.subtitle.setText(tr("Looking at every column …") if presenter.busy else "")
            return
        profile = facts.profile
        self.summary.setVisible(profile is not None)
        self.leaks_card.setVisible(profile is not None)
        self.columns_card.setVisible(profile is not None)
        self.nothing.setVisible(profile is None)
        if profile is None:
            self.subtitle.setText("")
            self.nothing_text.setText(facts.why)
            return
        self.subtitle.setText(profile.source)
        self.summary_text.setText(
            tr(
                "{n_rows} customers, {columns} columns. {n_positive} left ({rate}: "
                "{target} is “{positive}”).\n{duplicates} rows repeat another one "
                "but for the name; {conflicting} groups of equal rows ended "
                "differently; {duplicate_ids} names occur twice."
            ).format(
                n_rows=whole(profile.n_rows),
                columns=len(profile.columns),
                n_positive=whole(profile.n_positive),
                rate=percent(profile.rate),
                target=profile.target,
                positive=profile.positive,
                duplicates=whole(profile.duplicates),
                conflicting=whole(profile.conflicting),
                duplicate_ids=whole(profile.duplicate_ids),
            )
        )
        self.leaks.fill(
            [
                (
                    leak.column,
                    tr("no, blocked") if leak.blocked else tr("yes, look at it"),
                    leak.evidence,
                )
                for leak in profile.leaks
            ]
        )
        self.leak_table.setVisible(bool(profile.leaks))
        self.leak_table.fit_columns()
        self.leak_table.fit_rows()
        self.leak_text.setText(
            tr(
                "Such a column is known only after the customer has left; a model "
                "that reads it is worthless in production."
            )
            if profile.leaks
            else tr("None was found.")
        )
        self.columns.fill([_row(column, profile.n_rows) for column in profile.columns])
        self.table.fit_columns()
        self.table.fit_rows(24)

    def _choose_target(self, name: str, binary: dict[str, tuple[str, ...]]) -> None:
        """Ask once which column, and which value, says who left."""
        self.presenter.asked = None
        said = [f"{column} = {value}" for column, values in binary.items() for value in values]
        dialog = QInputDialog(self)
        dialog.setWindowTitle(tr("Who left?"))
        dialog.setLabelText(tr("Which column and value mean that a customer left?"))
        dialog.setComboBoxItems(said)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)

        def chosen(text: str) -> None:
            column, _, value = text.partition(" = ")
            self.presenter.upload(name, column, value)

        dialog.textValueSelected.connect(chosen)
        dialog.open()

    def _ask(self) -> None:
        name, _ = QFileDialog.getOpenFileName(
            self, tr("Newer rows"), "", tr("Tables (*.csv *.parquet *.xlsx *.txt *.tsv);;All (*)")
        )
        if name:
            self.presenter.import_file(name)


def _row(column: ColumnProfile, n_rows: int) -> tuple[object, ...]:
    notes = ", ".join(f"{value} ({whole(n)})" for value, n in column.top[:3])
    if column.missing_words:
        words = ", ".join(column.missing_words)
        notes = (
            tr("looks missing: {words}; {notes}").format(words=words, notes=notes)
            if notes
            else tr("looks missing: {words}").format(words=words)
        )
    if column.note:
        notes = f"{column.note}; {notes}" if notes else column.note
    return (
        column.name,
        column.role,
        column.kind,
        column.missing / n_rows if n_rows else 0.0,
        column.distinct,
        column.low,
        column.mean,
        column.high,
        notes,
    )


def make(desk: Desk, theme: Theme, parent: QWidget) -> DataView:
    """The screen."""
    return DataView(DataPresenter(desk), theme, parent)
