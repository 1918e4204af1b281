"""``churnkit-desktop --self-test``: does this installation do the whole job?

A window without a screen does what a person would: opens the sample, trains, scores, exports,
writes the report and looks at every screen. Its files are in a temporary folder, and it says
what it did.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6.QtCore import QEventLoop
from PySide6.QtWidgets import QApplication

from churnkit_desktop.actions import Action
from churnkit_desktop.app import end, make_application
from churnkit_desktop.main_window import MainWindow
from churnkit_desktop.screens.catalog import SCREENS
from churnkit_desktop.session.memory import Memory
from churnkit_desktop.theme.style import Theme

PATIENCE_SECONDS = 240.0
"""For one step, on a slow machine."""
SEARCH_SECONDS = 3
N_EXPORTED = 100


class SelfTestFailed(Exception):
    """A step did not do what it should."""


def self_test(began: float, *, only_window: bool = False) -> int:
    """Do the whole job; 0 if all of it worked, 1 after saying what did not.

    Parameters
    ----------
    began : when the program started, by ``time.time()``
    only_window : stop when the window is there, to measure the start
    """
    with tempfile.TemporaryDirectory(prefix="churnkit-self-test-") as name:
        home = Path(name)
        # The key that signs journals belongs to the user; this one is for the test alone.
        os.environ["XDG_CONFIG_HOME"] = str(home / "config")
        application = make_application()
        window = MainWindow(Theme(application, "light"), Memory(home / "memory"))
        try:
            window.show()
            window.begin()
            application.processEvents()
            _say(f"window: {time.time() - began:.2f} s after the start")
            if not only_window:
                _whole_job(window, home)
        except SelfTestFailed as error:
            _say(f"FAILED: {error}")
            return 1
        finally:
            end(application, window)
    _say("passed")
    return 0


def _whole_job(window: MainWindow, home: Path) -> None:
    from churnkit.usecases.projects.previewing import sample_file

    folder, exported = home / "sample", home / "riskiest.csv"
    page = window.welcome.import_page
    window.import_file(str(sample_file()))
    page.use_folder(str(folder))
    page.start_when_ready()
    refused = (page.banner, window.welcome.banner)
    _wait(
        "opening the sample",
        lambda: window.desk is not None,
        lambda: any(banner.isVisible() for banner in refused),
    )
    _say(f"sample: {len(_presenter(window, 'data').facts.profile.columns)} columns")

    train = _presenter(window, "train")
    train.set_budget(SEARCH_SECONDS)
    train.begin()
    _finish("training", train)
    _say(f"trained: {train.made.version.version}, ROC AUC {train.made.version.metrics['roc_auc']}")
    for note in train.job.result.get("notes", ()):
        _say(f"note: {note}")

    customers = _presenter(window, "customers")
    customers.score_all()
    _finish("scoring", customers)
    _wait("reading scores", lambda: customers.view is not None and customers.view.n_all > 0)
    _say(f"scored: {customers.view.n_all:,} customers")
    customers.export_top(str(exported), N_EXPORTED)
    _wait("exporting", lambda: exported.is_file(), lambda: customers.error is not None)
    n_lines = len(exported.read_text(encoding="utf-8").splitlines())
    if n_lines != N_EXPORTED + 1:
        raise SelfTestFailed(f"the exported file has {n_lines} lines")
    _say(f"exported: the {N_EXPORTED} riskiest, {_size(exported)}")

    report = customers.start(Action("write_report", {}, "Writing the report"))
    _wait("writing the report", lambda: not report.running)
    _succeeded("the report", report.state, report.error)
    (written,) = (folder / "reports").glob("*.html")
    _say(f"report: {_size(written)}")
    for entry in SCREENS:
        presenter = _presenter(window, entry.key)
        if presenter is not None and presenter.error is not None:
            raise SelfTestFailed(f"screen {entry.title}: {presenter.error}")
    _say(f"screens: {', '.join(entry.title for entry in SCREENS)}")


def _presenter(window: MainWindow, key: str) -> Any:
    """The presenter of a screen that is now shown and has read what it shows."""
    window.go(key)
    presenter = getattr(window.stack.currentWidget(), "presenter", None)
    _wait(f"showing {key}", lambda: presenter is None or not presenter.busy)
    return presenter


def _finish(what: str, presenter: Any) -> None:
    job = presenter.job
    _wait(what, lambda: not job.running)
    _succeeded(what, job.state, job.error)
    _wait(what, lambda: not presenter.busy)


def _succeeded(what: str, state: str, error: object) -> None:
    if state != "finished":
        raise SelfTestFailed(f"{what}: {error}")


def _wait(what: str, done: Callable[[], bool], failed: Callable[[], bool] | None = None) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not done():
        QApplication.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents, 50)
        if failed is not None and failed():
            raise SelfTestFailed(f"{what} failed")
        if time.monotonic() > end:
            raise SelfTestFailed(f"{what} did not end within {PATIENCE_SECONDS:.0f} s")


def _size(path: Path) -> str:
    return f"{path.stat().st_size:,} bytes"


def _say(text: str) -> None:
    if sys.stdout is not None:  # a windowed program on Windows has none
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
