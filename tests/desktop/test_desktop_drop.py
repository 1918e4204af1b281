"""Files and folders that are dragged onto the window."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from churnkit_desktop.session.memory import Memory
from PySide6.QtCore import QMimeData, QUrl

from churnkit.data.samples.locate import telco_path
from tests.desktop.conftest import WAIT_MS, Open
from tests.desktop.dragging import drag, drop, leave, mime_of


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A file of customers."""
    lines = telco_path().read_text(encoding="utf-8").splitlines(keepends=True)
    file = tmp_path / "my customers.csv"
    file.write_text("".join(lines[:300]), encoding="utf-8")
    return file


def test_a_file_that_is_dropped_is_looked_at_for_import(
    qtbot: Any, console: Open, table: Path
) -> None:
    window = console()
    assert drag(window, mime_of([table]))
    assert window.drops.hint.isVisible()
    assert "“my customers.csv”" in window.drops._promise.text()
    leave(window)
    assert not window.drops.hint.isVisible()
    assert drop(window, [table])
    assert not window.drops.hint.isVisible()
    page = window.welcome.import_page
    qtbot.waitUntil(lambda: page.roles.target.count() > 1, timeout=WAIT_MS)
    assert window.stack.currentWidget() is window.welcome
    assert window.welcome.currentWidget() is page
    assert page.subtitle.text() == str(table)
    assert page.roles.target.currentText() == "Churn"
    assert not window.drops.banner.isVisible()


def test_a_role_is_undone_and_redone_and_the_draft_follows(
    qtbot: Any, console: Open, table: Path
) -> None:
    window = console()
    assert drop(window, [table])
    page = window.welcome.import_page
    qtbot.waitUntil(lambda: page.roles.target.count() > 1, timeout=WAIT_MS)
    before = page.roles.chosen()
    assert before == {"target": "Churn", "positive": "Yes", "id_column": "customerID"}
    page.roles.target.setCurrentText("Partner")
    page.roles.identity.setCurrentIndex(0)
    assert page.undoable == "names of customers"

    def kept() -> dict[str, str]:
        draft = Memory(window.memory.folder).place("").get("import")
        return {name: draft[name] for name in before}

    assert kept() == {"target": "Partner", "positive": "Yes", "id_column": ""}
    window.undo()
    window.undo()
    assert page.roles.chosen() == before == kept()
    window.redo()
    assert page.roles.chosen()["target"] == kept()["target"] == "Partner"


@pytest.mark.parametrize("name", ["picture.png", "broken.csv", "empty.csv"])
def test_what_is_no_table_is_refused_in_place_and_the_project_stays_open(
    qtbot: Any, console: Open, folder: Path, tmp_path: Path, name: str
) -> None:
    window = console(folder)
    file = tmp_path / name
    file.write_bytes(b"" if name == "empty.csv" else bytes(range(256)))
    assert drop(window, [file])
    banner = window.drops.banner
    qtbot.waitUntil(banner.isVisible, timeout=WAIT_MS)
    assert name in banner.where.text()
    assert banner.what.text() and banner.fix.text(), "what, and what to do"
    assert "Traceback" not in banner.what.text()
    assert window.desk is not None and window.stack.shown == "overview"
    assert not window.memory.place("").get("import"), "and the next start does not come back to it"
    banner.button.click()
    assert not banner.isVisible()


def test_several_files_and_files_of_elsewhere_are_answered(console: Open, table: Path) -> None:
    window = console()
    for files, said in (
        ([table, table], "2 files at once"),
        ([QUrl("https://example.com/a.csv")], "not on this computer"),
    ):
        assert drag(window, mime_of(files))
        assert said in window.drops._promise.text()
        leave(window)


def test_several_files_are_refused_in_place(qtbot: Any, console: Open, table: Path) -> None:
    window = console()
    assert drop(window, [table, table])
    qtbot.waitUntil(window.drops.banner.isVisible, timeout=WAIT_MS)
    assert "Drop one" in window.drops.banner.fix.text()


def test_a_text_is_not_taken(console: Open) -> None:
    window = console()
    data = QMimeData()
    data.setText("hello")
    assert not drag(window, data)
    assert not window.drops.hint.isVisible()


@pytest.mark.parametrize("name", ["", "churnkit.toml"])
def test_a_project_that_is_dropped_is_opened(
    qtbot: Any, console: Open, folder: Path, name: str
) -> None:
    window = console()
    assert drag(window, mime_of([folder / name]))
    assert "open the project" in window.drops._promise.text()
    assert drop(window, [folder / name])
    qtbot.waitUntil(lambda: window.desk is not None, timeout=WAIT_MS)
    assert window.desk is not None and window.desk.backend.place == str(folder)
