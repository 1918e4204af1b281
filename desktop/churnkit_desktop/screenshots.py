"""Pictures of every screen in both themes at 100, 150 and 200 %: ``make screenshots``.

Each scale is a process of its own, because Qt reads the scale when it starts.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SCALES = (100, 150, 200)
SIZE = (1280, 860)
"""In points; a picture has so many pixels times the scale."""
PATIENCE_SECONDS = 120.0


@dataclass(frozen=True)
class Shot:
    """One picture.

    Parameters
    ----------
    name : of the file
    place : which project, by its key
    screen : which screen; empty: the first page
    prepare : what is done before, with the view
    ready : whether what is to be seen has arrived
    """

    name: str
    place: str
    screen: str
    prepare: Callable[[Any], None] = lambda view: None
    ready: Callable[[Any], bool] = field(default=lambda view: True)


def _customer_tab(view: Any) -> None:
    view.tabs.setCurrentIndex(1)


def _one_customer(view: Any) -> None:
    view.table.selectRow(0)


SHOTS = (
    Shot("welcome", "", ""),
    Shot("overview", "snapshot", "overview"),
    Shot("data", "snapshot", "data"),
    Shot("features", "events", "features"),
    Shot(
        "features-customer",
        "events",
        "features",
        _customer_tab,
        lambda view: view.presenter.values is not None,
    ),
    Shot("train", "snapshot", "train"),
    Shot("models", "rollout", "models"),
    Shot(
        "customers",
        "snapshot",
        "customers",
        _one_customer,
        lambda view: view.presenter.detail is not None,
    ),
    Shot("score-one", "snapshot", "score_one"),
    Shot("experiments", "rollout", "experiments"),
    Shot(
        "experiments-plan",
        "rollout",
        "experiments",
        lambda view: view.presenter.begin_plan(),
        lambda view: view.presenter.models is not None,
    ),
    Shot("rollout", "rollout", "rollout", lambda view: view.presenter.choose("r1")),
    Shot(
        "rollout-start",
        "rollout",
        "rollout",
        lambda view: view.presenter.begin_start(),
        lambda view: view.presenter.form is not None,
    ),
    Shot("monitor", "rollout", "monitor"),
    Shot("settings", "snapshot", "settings"),
)


def main() -> int:
    """Make the pictures; gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("demo", type=Path, help="the folder that 'churnkit demo' made")
    parser.add_argument("output", type=Path, help="a folder for the pictures")
    parser.add_argument("--scale", type=int, help="in percent; without it all of them")
    parser.add_argument("--only", default="", help="names of pictures, with commas between")
    parser.add_argument("--theme", default="", help="light or dark; without it both")
    asked = parser.parse_args()
    if asked.scale is None:
        return _all(asked)
    asked.output.mkdir(parents=True, exist_ok=True)
    return _take(asked)


def _all(asked: argparse.Namespace) -> int:
    for scale in SCALES:
        command = [sys.executable, "-m", "churnkit_desktop.screenshots", str(asked.demo)]
        command += [str(asked.output), "--scale", str(scale)]
        command += ["--only", asked.only, "--theme", asked.theme]
        environment = {
            **os.environ,
            "QT_SCALE_FACTOR": str(scale / 100),
            "QT_QPA_PLATFORM": "offscreen",
        }
        code = subprocess.run(command, env=environment, check=False).returncode
        if code:
            return code
    return 0


def _take(asked: argparse.Namespace) -> int:
    from churnkit_desktop.app import make_application
    from churnkit_desktop.main_window import MainWindow
    from churnkit_desktop.screens.catalog import SCREENS
    from churnkit_desktop.session.memory import Memory
    from churnkit_desktop.theme.style import Theme

    places = {
        "snapshot": asked.demo,
        "events": asked.demo / "cdnow",
        "rollout": asked.demo / "rollout",
    }
    for place in places.values():
        if not (place / "churnkit.toml").is_file():
            sys.stderr.write(f"{place} is no project: run 'churnkit demo {asked.demo}' first\n")
            return 2
    _prepare(places["snapshot"], places["rollout"])
    application = make_application()
    names = set(filter(None, asked.only.split(",")))
    known = {"", *(entry.key for entry in SCREENS)}
    failed = []
    with tempfile.TemporaryDirectory() as folder:
        for theme_name in filter(None, (asked.theme,)) if asked.theme else ("light", "dark"):
            theme = Theme(application, theme_name)
            for shot in SHOTS:
                if (names and shot.name not in names) or shot.screen not in known:
                    continue
                memory = Memory(Path(folder) / f"{theme_name}-{shot.name}")
                window = MainWindow(theme, memory)
                window.resize(*SIZE)
                window.show()
                path = asked.output / f"{shot.name}-{theme_name}-{asked.scale}.png"
                if _picture(window, shot, places, path):
                    sys.stdout.write(f"{path}\n")
                else:
                    failed.append(path.name)
                window.close()
                window.deleteLater()
    for name in failed:
        sys.stderr.write(f"{name} was not taken\n")
    return 1 if failed else 0


def _picture(window: Any, shot: Shot, places: dict[str, Path], path: Path) -> bool:
    """Take one picture; False: the screen did not get ready."""
    if not shot.screen:
        window.begin("")
        _wait(0.4)
        return bool(window.grab().save(str(path)))
    window.begin(str(places[shot.place]))
    if not _until(lambda: window.desk is not None):
        return False
    window.go(shot.screen)
    view = window._views[shot.screen]
    presenter = getattr(view, "presenter", None)

    def settled() -> bool:
        return presenter is None or not presenter.busy

    if not _until(settled):
        return False
    _wait(0.3)
    shot.prepare(view)
    if presenter is not None and not _until(lambda: settled() and shot.ready(view)):
        return False
    window.statusBar().hide()  # the path of a folder on this machine is nobody's business
    _wait(0.6)
    return bool(window.grab().save(str(path)))


def _prepare(snapshot: Path, rollout: Path) -> None:
    """Scores for the customers' table, and an experiment of some simulated weeks."""
    import churnkit
    from churnkit.usecases.demonstration.experiment import demo_experiment

    with churnkit.open_project(snapshot) as project:
        scores = project.store / "latest-scores.parquet"
        if not scores.exists():
            churnkit.score(project, output=scores)
    with churnkit.open_project(rollout) as project:
        if not churnkit.experiments(project).rows:
            demo_experiment(project)


def _until(true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true():
        if time.monotonic() > deadline:
            return False
        _wait(0.05)
    return True


def _wait(seconds: float) -> None:
    from PySide6.QtCore import QEventLoop, QTimer

    loop = QEventLoop()
    QTimer.singleShot(round(seconds * 1000), loop.quit)
    loop.exec()


if __name__ == "__main__":
    sys.exit(main())
