"""Which file or folder, asked with the system's own dialogs."""

from __future__ import annotations

from PySide6.QtWidgets import QFileDialog, QWidget

from churnkit_desktop.language import tr


def ask_project(parent: QWidget) -> str:
    """A project's folder; empty: none was chosen."""
    return QFileDialog.getExistingDirectory(parent, tr("Open a project"))


def ask_table(parent: QWidget) -> str:
    """A file of customers; empty: none was chosen."""
    kinds = tr("Tables (*.csv *.parquet *.xlsx *.txt *.tsv);;All (*)")
    name, _ = QFileDialog.getOpenFileName(parent, tr("Import customers"), "", kinds)
    return name
