"""All scored customers."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import (
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLineEdit,
    QMenu,
    QPushButton,
    QSplitter,
    QStackedLayout,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from churnkit_desktop.desk import Desk
from churnkit_desktop.language import tr
from churnkit_desktop.screens.customers.campaign import CampaignPanel
from churnkit_desktop.screens.customers.detail import DetailPanel
from churnkit_desktop.screens.customers.presenter import CustomersPresenter
from churnkit_desktop.screens.customers.table_model import TITLES, CustomersModel
from churnkit_desktop.theme.style import Theme
from churnkit_desktop.widgets.banner import Banner
from churnkit_desktop.widgets.empty import Empty
from churnkit_desktop.widgets.layout import ScreenFrame, label
from churnkit_desktop.widgets.progress import JobCard
from churnkit_desktop.widgets.table import Table
from churnkit_desktop.words import ago, percent, whole

_BANDS = (
    (tr("All risks"), ()),
    (tr("High"), ("high",)),
    (tr("High and medium"), ("high", "medium")),
    (tr("Medium"), ("medium",)),
    (tr("Low"), ("low",)),
)
_TYPING_MS = 250
_WIDTHS = {"customer_id": 150, "probability": 200, "risk_band": 90}


class CustomersView(ScreenFrame):
    """Binds to its presenter."""

    def __init__(self, presenter: CustomersPresenter, theme: Theme, parent: QWidget) -> None:
        super().__init__(tr("Customers"), parent, scrolls=False)
        self.presenter = presenter
        word = tr("Score a file …") if presenter.scores_a_file else tr("Score all")
        self.score = QPushButton(word)
        self.score.clicked.connect(self._score)
        self.buttons.addWidget(self.score)
        self.banner = Banner()
        self.job_card = JobCard(presenter.cancel)
        self.above.addWidget(self.banner)
        self.above.addWidget(self.job_card)
        holder = QWidget()
        self.body.addWidget(holder, 1)
        self.pages = QStackedLayout(holder)
        self.empty = Empty(
            tr("Nobody has been scored yet"),
            tr("The model that serves says for each customer how probable it is that he leaves."),
            word if presenter.scores_a_file else tr("Score all customers"),
            self._score,
        )
        self.pages.addWidget(self.empty)
        self.tabs = QTabWidget()
        self.pages.addWidget(self.tabs)
        self.splitter = QSplitter(Qt.Orientation.Horizontal)
        self.tabs.addTab(self.splitter, tr("Table"))
        left = QWidget()
        self.splitter.addWidget(left)
        column = QVBoxLayout(left)
        column.setContentsMargins(10, 10, 10, 10)
        bar = QHBoxLayout()
        self.search = QLineEdit(presenter.query.search)
        self.search.setPlaceholderText(tr("Search a customer …"))
        self.search.setAccessibleName(tr("Search a customer"))
        self.search.setClearButtonEnabled(True)
        self.search.setMinimumWidth(130)
        self.band = QComboBox()
        self.band.setAccessibleName(tr("Risk"))
        for title, bands in _BANDS:
            self.band.addItem(title, bands)
        chosen = (
            [bands for _, bands in _BANDS].index(presenter.query.bands)
            if (presenter.query.bands in [bands for _, bands in _BANDS])
            else 0
        )
        self.band.setCurrentIndex(chosen)
        self.columns_button = QPushButton(tr("Columns"))
        self.columns_button.clicked.connect(self._choose_columns)
        self.export_button = QPushButton(tr("Export …"))
        self.export_button.setToolTip(tr("The table as it is sorted, filtered and shown, as CSV."))
        self.export_button.clicked.connect(self._export)
        self.found = label("", "faint")
        bar.addWidget(self.search, 1)
        bar.addWidget(self.band)
        bar.addWidget(self.columns_button)
        bar.addWidget(self.export_button)
        bar.addWidget(self.found)
        column.addLayout(bar)
        self.model = CustomersModel(presenter, theme)
        self.table = Table(tr("Customers"), self.model)
        self.table.horizontalHeader().setSectionsMovable(True)
        column.addWidget(self.table, 1)
        self.detail = DetailPanel(presenter, theme, self.splitter)
        self.splitter.addWidget(self.detail)
        self.splitter.setStretchFactor(0, 3)
        self.splitter.setStretchFactor(1, 2)
        self.campaign = CampaignPanel(presenter, theme, self.tabs)
        self.tabs.addTab(self.campaign, tr("Whom to contact"))
        self._writing = QTimer(self)
        self._writing.setInterval(_TYPING_MS)
        self._writing.timeout.connect(self._show_found)
        self._typing = QTimer(self)
        self._typing.setSingleShot(True)
        self._typing.setInterval(_TYPING_MS)
        self._typing.timeout.connect(lambda: presenter.ask(search=self.search.text().strip()))
        self.search.textChanged.connect(lambda _text: self._typing.start())
        self.band.activated.connect(
            lambda _i: presenter.ask(bands=tuple(self.band.currentData() or ()))
        )
        self.table.selectionModel().currentRowChanged.connect(self._row_chosen)
        header = self.table.horizontalHeader()
        header.setSectionsClickable(True)
        header.setSortIndicatorShown(True)
        header.sectionClicked.connect(self._sort)
        presenter.changed.connect(self.show_state)

    def show_state(self) -> None:
        """Draw what the presenter holds."""
        presenter = self.presenter
        self.banner.show_error(presenter.error)
        job = presenter.job
        running = bool(job and job.running)
        self.job_card.show_job(job)
        self.score.setEnabled(not running)
        self.empty.button.setEnabled(not running)
        view = presenter.view
        if view is None:
            self.subtitle.setText(tr("Reading …"))
            return
        if view.scored_at is None:
            self.subtitle.setText("")
        else:
            self.subtitle.setText(
                tr("{n_all} customers, scored by {model_version} {scored_at}.").format(
                    n_all=whole(view.n_all),
                    model_version=view.model_version,
                    scored_at=ago(view.scored_at),
                )
            )
        self.pages.setCurrentIndex(1 if view.n_all else 0)
        if not view.n_all:
            return
        fresh = self.model.columns != view.columns
        self.model.show_view()
        if fresh:
            for i, name in enumerate(view.columns):
                self.table.setColumnWidth(i, _WIDTHS.get(name, 190))
                self.table.setColumnHidden(i, name in presenter.draft("hidden", []))
        self._show_found()
        if presenter.query.sort in view.columns:
            self.table.horizontalHeader().setSortIndicator(
                view.columns.index(presenter.query.sort),
                Qt.SortOrder.DescendingOrder
                if presenter.query.descending
                else Qt.SortOrder.AscendingOrder,
            )

    def _show_found(self) -> None:
        presenter, view = self.presenter, self.presenter.view
        export = presenter.exporting
        self.export_button.setText(tr("Export …") if export is None else tr("Cancel the export"))
        if export is None:
            self._writing.stop()
        elif not self._writing.isActive():
            self._writing.start()
        if export is not None:
            self.found.setText(tr("writing, {done} …").format(done=percent(export.done, 0)))
        elif presenter.busy:
            self.found.setText(tr("sorting …"))
        elif view is not None:
            self.found.setText(
                presenter.said or tr("{n_rows} shown").format(n_rows=whole(view.n_rows))
            )

    def _export(self) -> None:
        if self.presenter.exporting is not None:
            self.presenter.cancel_export()
            return
        name, _ = QFileDialog.getSaveFileName(
            self, tr("Export the table"), "customers.csv", tr("CSV (*.csv)")
        )
        if name:
            self.presenter.export_table(name)

    def _score(self) -> None:
        if not self.presenter.scores_a_file:
            self.presenter.score_all()
            return
        name, _ = QFileDialog.getOpenFileName(
            self,
            tr("Customers to score"),
            "",
            tr("Tables (*.csv *.parquet *.ndjson *.jsonl);;All (*)"),
        )
        if name:
            self.presenter.score_file(name)

    def _sort(self, section: int) -> None:
        name = self.model.columns[section]
        view = self.presenter.view
        if view is not None and view.sortable and name not in view.sortable:
            self.show_state()  # the arrow goes back to where it was
            self.found.setText(
                tr("the service does not sort by “{name}”").format(name=TITLES.get(name, name))
            )
            return
        query = self.presenter.query
        descending = not query.descending if query.sort == name else name == "probability"
        self.presenter.ask(sort=name, descending=descending)

    def _row_chosen(self, current: object, _before: object) -> None:
        position = current.row()  # type: ignore[attr-defined]
        name = self.model.customer_id(position) if position >= 0 else ""
        if name and name != self.presenter.selected:
            self.presenter.select(name)

    def _choose_columns(self) -> None:
        menu = QMenu(self)
        for i, name in enumerate(self.model.columns):
            action = menu.addAction(TITLES.get(name, name))
            action.setCheckable(True)
            action.setChecked(not self.table.isColumnHidden(i))
            action.toggled.connect(lambda shown, i=i: self._show_column(i, shown))
        menu.exec(self.columns_button.mapToGlobal(self.columns_button.rect().bottomLeft()))
        menu.deleteLater()

    def _show_column(self, section: int, shown: bool) -> None:
        self.table.setColumnHidden(section, not shown)
        self.presenter.keep(
            "hidden",
            [n for i, n in enumerate(self.model.columns) if self.table.isColumnHidden(i)],
        )


def make(desk: Desk, theme: Theme, parent: QWidget) -> CustomersView:
    """The screen."""
    return CustomersView(CustomersPresenter(desk), theme, parent)
