"""A whole day at the console: import, train, score, export, report; and the script of it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from churnkit_desktop.main_window import MainWindow
from churnkit_desktop.session.memory import Memory
from PySide6.QtCore import Qt

import churnkit as ck
from churnkit.data.samples.locate import telco_path
from tests.desktop.conftest import WAIT_MS, Open
from tests.desktop.dragging import drop

ROWS = 700
LONG_MS = 300_000
"""Training records its run in MLflow, whose import alone takes long on a busy machine."""


def _customers(tmp_path: Path) -> Path:
    data = tmp_path / "customers.csv"
    lines = telco_path().read_text(encoding="utf-8").splitlines(keepends=True)
    data.write_text("".join(lines[: ROWS + 1]), encoding="utf-8")
    return data


def _import(qtbot: Any, window: MainWindow, file: Path, folder: Path) -> None:
    drop(window, [file])
    page = window.welcome.import_page
    qtbot.waitUntil(lambda: page.roles.target.count() > 1, timeout=WAIT_MS)
    _undo_a_role(page, window)
    page.folder.setText(str(folder))
    qtbot.mouseClick(page.start_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.desk is not None, timeout=WAIT_MS)


def _undo_a_role(page: Any, window: MainWindow) -> None:
    """A wrong choice is taken back; the file of drafts follows."""
    before = page.roles.chosen()
    other = next(
        i for i in range(page.roles.target.count()) if i != page.roles.target.currentIndex()
    )
    page.roles.target.setCurrentIndex(other)
    assert page.roles.chosen() != before and page.undoable == "who left"
    window.undo()
    assert page.roles.chosen() == before
    window.redo()
    assert page.roles.chosen() != before
    window.undo()
    assert Memory(window.memory.folder).place("").get("import")["target"] == before["target"]


@pytest.mark.long
def test_import_train_score_export_report_and_the_script_does_it_again(
    qtbot: Any, console: Open, memory: Memory, tmp_path: Path
) -> None:
    window = console()
    folder = tmp_path / "first"
    _import(qtbot, window, _customers(tmp_path), folder)
    assert memory.recent() == (str(folder),)
    window.go("train")
    train: Any = window._views["train"]
    train.budget.setValue(5)
    qtbot.mouseClick(train.start_button, Qt.MouseButton.LeftButton)
    job = train.presenter.job
    qtbot.waitUntil(lambda: not job.running, timeout=LONG_MS)
    assert job.state == "finished", job.error
    window.go("customers")
    customers: Any = window._views["customers"]
    customers.presenter.score_all()
    scoring = customers.presenter.job
    qtbot.waitUntil(lambda: not scoring.running, timeout=LONG_MS)
    assert scoring.state == "finished", scoring.error
    listed = folder / "contacts.csv"
    customers.presenter.export_top(str(listed), 25)
    qtbot.waitUntil(lambda: listed.exists(), timeout=WAIT_MS)
    window.go("overview")
    overview: Any = window._views["overview"]
    qtbot.waitUntil(lambda: overview.report.isEnabled(), timeout=WAIT_MS)
    qtbot.mouseClick(overview.report, Qt.MouseButton.LeftButton)
    report = overview.presenter.job
    qtbot.waitUntil(lambda: not report.running, timeout=LONG_MS)
    assert report.state == "finished", report.error
    html, pdf = (Path(name) for name in overview.presenter.report_files)
    page = html.read_text(encoding="utf-8")
    assert "What is it worth?" in page
    loaded = re.findall(r"""(?:src|href)="(?!#|data:)[^"]*|url\((?!["']?(?:#|data:))[^)]*""", page)
    assert not loaded, "the report needs nothing beside itself"
    assert pdf.read_bytes().startswith(b"%PDF")
    assert window.desk is not None
    script = tmp_path / "session.py"
    script.write_text(window.desk.script.text(), encoding="utf-8")
    again = tmp_path / "again"
    ran = subprocess.run(
        [sys.executable, str(script), str(again)],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ,
    )
    assert ran.returncode == 0, f"{ran.stderr}\n{script.read_text(encoding='utf-8')}"
    with ck.open_project(folder) as one, ck.open_project(again) as two:
        first, second = (ck.show_model(project).record for project in (one, two))
    assert first.predictions_hash == second.predictions_hash, "the same model"
    assert [t.params for t in first.trials] == [t.params for t in second.trials]
    assert (again / "contacts.csv").read_bytes() == listed.read_bytes(), "the same list"
    assert len(listed.read_text(encoding="utf-8").splitlines()) == 26


_CONSOLE = """
import sys
from pathlib import Path
from PySide6.QtCore import QTimer
from churnkit_desktop.app import make_application
from churnkit_desktop.main_window import MainWindow
from churnkit_desktop.session.memory import Memory
from churnkit_desktop.theme.style import Theme

app = make_application()
window = MainWindow(Theme(app, "light"), Memory(Path(sys.argv[2])))
window.show()
window.import_file(sys.argv[1])

def start():
    page = window.welcome.import_page
    if not page.start_button.isEnabled():
        return
    timer.stop()
    page.folder.setText(sys.argv[3])
    page.start()
    job = page.bench.job("create_project")
    job.changed.connect(lambda: print("step", flush=True))

timer = QTimer()
timer.timeout.connect(start)
timer.start(50)
app.exec()
"""


def test_kill_9_in_the_middle_of_an_import_comes_back_to_the_same_page(
    qtbot: Any, console: Open, memory: Memory, tmp_path: Path
) -> None:
    data, folder = _customers(tmp_path), tmp_path / "project"
    child = subprocess.Popen(
        [sys.executable, "-c", _CONSOLE, str(data), str(memory.folder), str(folder)],
        stdout=subprocess.PIPE,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"step\n"
    children = psutil.Process(child.pid).children(recursive=True)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    child.stdout.close()
    _, alive = psutil.wait_procs(children, timeout=30)
    assert not alive, "the importing process outlived its console"
    window = console("", Memory(memory.folder))
    page = window.welcome.import_page
    assert window.welcome.currentWidget() is page
    assert page.banner.isVisible() and "interrupted" in page.banner.what.text()
    qtbot.waitUntil(lambda: page.start_button.isEnabled(), timeout=WAIT_MS)
    assert page.folder.text() == str(folder)
    qtbot.mouseClick(page.start_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.desk is not None, timeout=WAIT_MS)
