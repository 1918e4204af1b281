"""Help → About: the version, and the licences of all parts."""

from __future__ import annotations

from importlib.metadata import version

from PySide6.QtCore import QModelIndex, Qt
from PySide6.QtWidgets import QDialog, QPlainTextEdit, QSplitter, QVBoxLayout, QWidget

from churnkit_desktop.language import tr
from churnkit_desktop.licences import Part, parts
from churnkit_desktop.runner import Runs
from churnkit_desktop.widgets.layout import label
from churnkit_desktop.widgets.table import Column, RowsModel, Table


class AboutDialog(QDialog):
    """All parts in a table, the licence of the chosen one below it.

    Parameters
    ----------
    runner : reads the licences, some hundred files
    """

    def __init__(self, runner: Runs, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("About churnkit"))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.resize(760, 640)
        self.parts: tuple[Part, ...] = ()
        self._open = True
        self.finished.connect(self._closed)
        self._model = RowsModel((Column(tr("Part")), Column(tr("Version")), Column(tr("Licence"))))
        self.table = Table(tr("Third-party licences"), self._model)
        self.table.setColumnWidth(0, 220)
        self.text = QPlainTextEdit()
        self.text.setReadOnly(True)
        self.text.setAccessibleName(tr("Text of the licence"))
        layout = QVBoxLayout(self)
        layout.addWidget(label(tr("churnkit {value}").format(value=version("churnkit")), "heading"))
        layout.addWidget(
            label(
                tr(
                    "Apache-2.0. It is built from these parts, each under its own "
                    "licence; Qt and PySide6 are used under the LGPL, version 3."
                ),
                "faint",
                wrap=True,
            )
        )
        halves = QSplitter(Qt.Orientation.Vertical)
        halves.addWidget(self.table)
        halves.addWidget(self.text)
        layout.addWidget(halves, 1)
        selection = self.table.selectionModel()
        selection.currentRowChanged.connect(self._show_text)
        runner.run("licences", parts, self._fill, lambda error: self.text.setPlainText(str(error)))

    def _closed(self) -> None:
        self._open = False

    def _fill(self, found: tuple[Part, ...]) -> None:
        if not self._open:  # closed before the licences were read
            return
        self.parts = found
        self._model.fill([(part.name, part.version, part.terms) for part in found])
        self.table.selectRow(0)

    def _show_text(self, current: QModelIndex, _before: QModelIndex) -> None:
        if current.isValid():
            part = self.parts[current.row()]
            head = "\n".join(word for word in (part.terms, part.home) if word)
            self.text.setPlainText("\n\n".join((head, *part.texts)))
