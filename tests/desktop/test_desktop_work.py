"""Long work in child processes: progress, cancel, a killed console, a script that repeats it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from churnkit_desktop.actions import Action
from churnkit_desktop.session.memory import Memory
from churnkit_desktop.session.script import Script
from churnkit_desktop.work.bench import Job, Workbench

import churnkit as ck
from tests.desktop.conftest import WAIT_MS


def _bench(folder: Path, memory: Memory) -> Workbench:
    return Workbench(str(folder), memory.place(str(folder)), Script(place=str(folder)))


def _wait(qtbot: Any, job: Job) -> None:
    qtbot.waitUntil(lambda: not job.running, timeout=WAIT_MS)


@pytest.mark.long
def test_training_tells_its_trials_and_the_script_repeats_it(
    qtbot: Any, qapp: Any, folder: Path, memory: Memory, tmp_path: Path
) -> None:
    bench = _bench(folder, memory)
    script = bench._script
    job = bench.start(Action("train", {"budget_seconds": 3.0, "seed": 7}, "Training"))
    again = bench.start(Action("train", {"budget_seconds": 1.0}, "Training"))
    assert again is job, "one training at a time"
    _wait(qtbot, job)
    assert job.state == "finished", job.error
    assert any("roc_auc" in step.figures for step in job.steps)
    path = tmp_path / "session.py"
    path.write_text(script.text(), encoding="utf-8")
    subprocess.run([sys.executable, path], check=True, timeout=120, env=os.environ)
    with ck.open_project(folder) as project:
        versions = ck.list_models(project).versions
        first, second = (ck.show_model(project, v.version).record for v in versions[-2:])
    assert versions[-2].version == job.result["version"]
    # The same data, settings and seed; a search that had the same time tries the same models.
    if [t.params for t in first.trials] == [t.params for t in second.trials]:
        assert first.predictions_hash == second.predictions_hash
    bench.close()


def test_cancelled_stays_cancelled_and_the_project_is_as_before(
    qtbot: Any, qapp: Any, folder: Path, memory: Memory
) -> None:
    bench = _bench(folder, memory)
    with ck.open_project(folder) as project:
        before = ck.list_models(project).to_json()
    job = bench.start(Action("train", {"budget_seconds": 60.0}, "Training"))
    qtbot.waitUntil(lambda: any("search" in s.stage for s in job.steps), timeout=WAIT_MS)
    bench.cancel("train")
    assert job.state == "cancelled"
    qtbot.waitUntil(lambda: not bench._children, timeout=WAIT_MS)
    assert job.state == "cancelled"
    with ck.open_project(folder) as project:
        assert ck.list_models(project).to_json() == before
        with project.lease("looking whether it is free"):
            pass
    assert bench._script.lines() == ()
    bench.close()


def test_an_error_of_the_child_is_told_with_what_and_fix(
    qtbot: Any, qapp: Any, folder: Path, memory: Memory
) -> None:
    bench = _bench(folder, memory)
    job = bench.start(Action("import_data", {"data": "/no/such/file.csv"}, "Importing"))
    _wait(qtbot, job)
    assert job.state == "failed" and job.error is not None
    assert "no such file" in job.error.what
    assert job.error.where["file"] == "/no/such/file.csv"
    bench.close()


def test_a_killed_child_is_told_as_what_it_is(
    qtbot: Any, qapp: Any, folder: Path, memory: Memory
) -> None:
    bench = _bench(folder, memory)
    job = bench.start(Action("train", {"budget_seconds": 60.0}, "Training"))
    qtbot.waitUntil(lambda: bool(job.steps), timeout=WAIT_MS)
    pid = bench.pid("train")
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    _wait(qtbot, job)
    assert job.state == "failed" and job.error is not None
    assert "Nothing is half-written" in job.error.fix
    bench.close()


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
window.begin(sys.argv[1])

def train():
    if window.desk is None:
        return
    timer.stop()
    window.go("train")
    view = window._views["train"]
    view.budget.setValue(333)
    view.why.setText("the reason that must not be los")
    view.presenter.begin()
    job = view.presenter.job
    job.changed.connect(lambda: print("step", flush=True))

timer = QTimer()
timer.timeout.connect(train)
timer.start(50)
app.exec()
"""


def test_kill_9_in_the_middle_of_a_training_loses_no_entry_and_leaves_no_process(
    folder: Path, memory: Memory
) -> None:
    console = subprocess.Popen(
        [sys.executable, "-c", _CONSOLE, str(folder), str(memory.folder)],
        stdout=subprocess.PIPE,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
    )
    assert console.stdout is not None
    assert console.stdout.readline() == b"step\n"
    children = psutil.Process(console.pid).children(recursive=True)
    assert children
    console.kill()
    console.wait()
    console.stdout.close()
    _, alive = psutil.wait_procs(children, timeout=30)
    assert not alive, "the child outlived its console"
    place = Memory(memory.folder).place(str(folder))
    assert place.get("train.budget") == 333
    assert place.get("train.why") == "the reason that must not be los"
    bench = _bench(folder, Memory(memory.folder))
    assert [action.verb for action in bench.interrupted] == ["train"]
    assert not _bench(folder, Memory(memory.folder)).interrupted, "it is told once"
    with ck.open_project(folder) as project, project.lease("looking whether it is free"):
        pass
    bench.close()


def test_what_another_window_does_is_not_interrupted(folder: Path, memory: Memory) -> None:
    first = _bench(folder, memory)
    first.start(Action("train", {"budget_seconds": 60.0, "why": "long"}))
    for kept in (memory, Memory(memory.folder)):
        second = _bench(folder, kept)
        assert not second.interrupted, "the other window's training goes on"
        second.close()
    memory.settle()
    assert len(list(memory.folder.glob("running-*.lock"))) == 1
    first.close()
    third = _bench(folder, Memory(memory.folder))
    assert not third.interrupted, "the first window ended in order"
    third.close()
    memory.settle()
    assert not list(memory.folder.glob("running-*.lock"))
    assert not [key for key in memory.place(str(folder)).names() if key.startswith("running")]


def test_the_child_speaks_only_json(folder: Path, tmp_path: Path) -> None:
    action = Action("score", {"output": str(tmp_path / "scores.parquet")})
    order = json.dumps({"place": str(folder), "action": action.to_json()}) + "\n"
    with subprocess.Popen(
        [sys.executable, "-m", "churnkit_desktop.work.child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdin is not None and child.stdout is not None
        child.stdin.write(order)
        child.stdin.flush()
        said = [json.loads(line) for line in child.stdout]
        assert child.wait(timeout=60) == 0
    assert {key for line in said for key in line} == {"step", "result"}
    assert said[-1]["result"]["output"] == str(tmp_path / "scores.parquet")
