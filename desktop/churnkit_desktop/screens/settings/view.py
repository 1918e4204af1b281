"""Theme, start, services and their keys, what is kept where."""

from __future__ import annotations

from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QPushButton,
    QSizePolicy,
    QWidget,
)

from churnkit_desktop import formats
from churnkit_desktop.desk import Desk
from churnkit_desktop.language import LANGUAGES, tr
from churnkit_desktop.screens.settings.presenter import SettingsPresenter
from churnkit_desktop.session.keys import NO_KEYRING
from churnkit_desktop.theme.choices import THEMES
from churnkit_desktop.theme.style import Theme
from churnkit_desktop.widgets.banner import Banner
from churnkit_desktop.widgets.layout import Card, ScreenFrame, label
from churnkit_desktop.widgets.table import Column, RowsModel, Table


class SettingsView(ScreenFrame):
    """Binds to its presenter."""

    def __init__(self, presenter: SettingsPresenter, theme: Theme, parent: QWidget) -> None:
        super().__init__(tr("Settings"), parent)
        self.presenter, self._theme = presenter, theme
        self.subtitle.setText(tr("Of this console on this computer; changes take effect at once."))
        self.banner = Banner()
        self.above.addWidget(self.banner)
        look = Card(tr("Look and start"), self.body)
        form = QFormLayout()
        form.setHorizontalSpacing(18)
        self.theme = QComboBox()
        for choice, word in THEMES.items():
            self.theme.addItem(word, choice)
        self.theme.setMaximumWidth(220)
        self.theme.activated.connect(
            lambda _i: presenter.choose_theme(str(self.theme.currentData()))
        )
        form.addRow(tr("Colours"), self.theme)
        self.language = QComboBox()
        for name, title in LANGUAGES.items():
            self.language.addItem(title, name)
        self.language.setCurrentIndex(max(self.language.findData(presenter.language), 0))
        self.language.setMaximumWidth(220)
        self.language.activated.connect(
            lambda _i: presenter.choose_language(str(self.language.currentData()))
        )
        form.addRow(tr("Language"), self.language)
        self.reopen = QCheckBox(tr("Open what was open last when the console starts"))
        self.reopen.setChecked(presenter.reopens)
        self.reopen.toggled.connect(presenter.set_reopens)
        form.addRow(tr("Start"), self.reopen)
        self.layout_button = QPushButton(tr("Forget size and panels"))
        self.layout_button.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.layout_button.clicked.connect(presenter.forget_layout)
        form.addRow(tr("Window"), self.layout_button)
        look.body.addLayout(form)
        self._formats(Card(tr("Units and formats"), self.body))
        services = Card(tr("Services"), self.body)
        self.keyring = label("", "faint", wrap=True)
        services.body.addWidget(self.keyring)
        self.rows = RowsModel((Column(tr("Address")), Column(tr("Key")), Column(tr("Connection"))))
        self.table = Table(tr("Services"), self.rows)
        self.table.activated.connect(lambda index: presenter.open(self.rows.rows[index.row()][0]))
        services.body.addWidget(self.table)
        self.none = label(tr("No service is known yet."), "faint")
        services.body.addWidget(self.none)
        bar = QHBoxLayout()
        self.add = QPushButton(tr("Add …"))
        self.add.clicked.connect(presenter.add)
        bar.addWidget(self.add)
        self.chosen = []
        for word, run in (
            (tr("Test"), presenter.test),
            (tr("Open"), presenter.open),
            (tr("Remove"), presenter.remove),
        ):
            button = QPushButton(word)
            button.clicked.connect(lambda _=False, run=run: self._with_chosen(run))
            bar.addWidget(button)
            self.chosen.append(button)
        bar.addStretch(1)
        services.body.addLayout(bar)
        kept = Card(tr("What is kept, and where"), self.body)
        folder = str(presenter.console.memory.folder)
        kept.body.addWidget(
            label(
                tr(
                    "Drafts, sizes and recent places are written as they change; keys "
                    "never are. Money, currency and roles of columns belong to the "
                    "project: its churnkit.toml."
                ),
                "faint",
                wrap=True,
            )
        )
        line = QHBoxLayout()
        line.addWidget(label(folder, wrap=True), 1)
        show = QPushButton(tr("Show the folder"))
        show.clicked.connect(lambda: QDesktopServices.openUrl(QUrl.fromLocalFile(folder)))
        line.addWidget(show)
        kept.body.addLayout(line)
        self.trouble = label("", "problemTitle", wrap=True)
        kept.body.addWidget(self.trouble)
        self.body.addStretch(1)
        self.table.selectionModel().selectionChanged.connect(lambda *_: self._enable())
        presenter.changed.connect(self.show_state)
        theme.changed.connect(self._show_theme)
        self.destroyed.connect(lambda: theme.changed.disconnect(self._show_theme))

    def _formats(self, card: Card) -> None:
        """One choice for each thing that can be written in several ways."""
        form = QFormLayout()
        card.body.addLayout(form)
        form.setHorizontalSpacing(18)
        self.formats: dict[str, QComboBox] = {}
        for what, title in (
            ("numbers", tr("Numbers")),
            ("shares", tr("Shares")),
            ("amounts", tr("Amounts")),
            ("dates", tr("Dates")),
        ):
            box = self.formats[what] = QComboBox()
            box.addItems(formats.CHOICES[what])
            box.setCurrentText(getattr(formats.in_use(), what))
            box.setMaximumWidth(220)
            box.textActivated.connect(
                lambda how, what=what: self.presenter.choose_format(what, how)
            )
            form.addRow(title, box)

    def show_state(self) -> None:
        """Draw what the presenter holds."""
        presenter = self.presenter
        if presenter.error is not None:
            self.banner.show_error(presenter.error)
        else:
            self.banner.show_notice(presenter.said)
        self._show_theme()
        if presenter.has_keyring is None:
            self.keyring.setText(tr("Looking for the system's keyring …"))
        elif presenter.has_keyring:
            self.keyring.setText(tr("Keys are kept in the system's keyring."))
        else:
            self.keyring.setText(NO_KEYRING)
        chosen = self._chosen()
        self.rows.fill([(one.url, one.key, one.state) for one in presenter.services])
        self.table.fit_columns()
        self.table.fit_rows(8)
        self.table.setVisible(bool(presenter.services))
        self.none.setVisible(not presenter.services)
        urls = [one.url for one in presenter.services]
        if chosen in urls:
            self.table.selectRow(urls.index(chosen))
        elif len(urls) == 1:
            self.table.selectRow(0)
        self.trouble.setText(presenter.console.memory.trouble)
        self.trouble.setVisible(bool(presenter.console.memory.trouble))
        self._enable()

    def _show_theme(self) -> None:
        self.theme.setCurrentIndex(self.theme.findData(self._theme.choice))

    def _chosen(self) -> str:
        rows = self.table.selectionModel().selectedRows()
        position = rows[0].row() if rows else -1
        return str(self.rows.rows[position][0]) if 0 <= position < len(self.rows.rows) else ""

    def _with_chosen(self, run: object) -> None:
        url = self._chosen()
        if url:
            run(url)  # type: ignore[operator]

    def _enable(self) -> None:
        for button in self.chosen:
            button.setEnabled(bool(self._chosen()))


def make(desk: Desk, theme: Theme, parent: QWidget) -> SettingsView:
    """The screen."""
    return SettingsView(SettingsPresenter(desk), theme, parent)
