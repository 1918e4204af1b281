"""Every click is a line of Python: the panel that shows and exports them."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtGui import QFontDatabase, QGuiApplication
from PySide6.QtWidgets import (
    QDockWidget,
    QFileDialog,
    QHBoxLayout,
    QMessageBox,
    QPlainTextEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from churnkit.errors import ChurnkitError
from churnkit.files import storage_errors
from churnkit_desktop.language import tr
from churnkit_desktop.session.files import write_text
from churnkit_desktop.session.script import Script
from churnkit_desktop.widgets.layout import label


class ScriptPanel(QDockWidget):
    """The script of this session, as it grows."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(tr("Python behind the clicks"), parent)
        self.setObjectName("script")
        self._script = Script()
        self.text = QPlainTextEdit()
        self.text.setReadOnly(True)
        self.text.setAccessibleName(tr("Python script of this session"))
        self.text.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        copy, export = QPushButton(tr("Copy")), QPushButton(tr("Export script …"))
        copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(self._script.text()))
        export.clicked.connect(self.export)
        content = QWidget()
        layout = QVBoxLayout(content)
        bar = QHBoxLayout()
        bar.addWidget(label(tr("Run it to do the same again."), "faint"), 1)
        bar.addWidget(copy)
        bar.addWidget(export)
        layout.addLayout(bar)
        layout.addWidget(self.text)
        self.setWidget(content)

    def show_script(self, script: Script) -> None:
        """Follow this script from now on."""
        self._script.changed.disconnect(self._fill)
        self._script = script
        script.changed.connect(self._fill)
        self._fill()

    def export(self) -> None:
        """Ask for a file, and write the script."""
        name, _ = QFileDialog.getSaveFileName(
            self, tr("Export script"), "session.py", tr("Python (*.py)")
        )
        if name:
            try:
                with storage_errors(Path(name)):
                    write_text(Path(name), self._script.text())
            except ChurnkitError as error:
                QMessageBox.warning(self, tr("Export script"), f"{error.what}\n{error.fix}")

    def _fill(self) -> None:
        self.text.setPlainText(self._script.text())
