"""The main job on the shipped samples, a log of purchases, and two rollouts."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import RenderableType
from rich.text import Text

from churnkit.data.samples.locate import telco_path
from churnkit.domain.progress import Cancel, Progress, silent
from churnkit.errors import ProjectExists
from churnkit.project import Project, open_project
from churnkit.settings.file import FILE_NAME
from churnkit.usecases.demonstration.events import EventsDemonstrated, demo_events
from churnkit.usecases.demonstration.rollouts import RolloutDemonstrated, demo_rollout
from churnkit.usecases.models.reports import write_report
from churnkit.usecases.models.verbs import list_models
from churnkit.usecases.projects.create import create_project
from churnkit.usecases.projects.profiling import profile
from churnkit.usecases.result import Result
from churnkit.usecases.scoring.explaining import explain
from churnkit.usecases.scoring.verbs import score
from churnkit.usecases.training.verbs import train

DEMO_NAME = "telco-demo"
Tell = Callable[[str, Result | None], None]
"""Shows a heading and the result that belongs to it."""


@dataclass(frozen=True, repr=False)
class Demonstrated(Result):
    """What the demo made."""

    project: Project
    scores: Path
    report: Path
    version: str
    metrics: dict[str, str]
    customer_id: str
    events: EventsDemonstrated
    rollouts: RolloutDemonstrated

    def __rich__(self) -> RenderableType:
        home, program = _near(self.project.folder), _program()
        lines = [
            f"The project is in {home}, and the one of events in {home}/cdnow",
            f"  report  {_near(self.report)}   (open it in a browser)",
            f"  scores  {_near(self.scores)}, {_near(self.events.scores)}",
            f"  rollouts  {_near(self.rollouts.plot)}",
            "",
            "Next, try:",
            f"  {program} -C {home} explain --customer {self.customer_id}   why this customer",
            f"  {program} -C {home} models list   who serves",
            f"  {program} -C {home} train --budget 60s   a challenger",
            f"  {program} -C {home}/cdnow features list   what is computed from events",
            f"  {program} -C {home}/rollout rollout history   who decided what, when, why",
            f"  {program} init my-project --data customers.csv   your own data",
        ]
        return Text("\n".join(lines))

    def to_json(self) -> dict[str, object]:
        return {
            "folder": str(self.project.folder),
            "version": self.version,
            "metrics": self.metrics,
            "scores": str(self.scores),
            "report": str(self.report),
            "events": self.events.to_json(),
            "rollouts": self.rollouts.to_json(),
        }


def demo(
    folder: Path | str,
    *,
    budget_seconds: float = 40.0,
    tell: Tell | None = None,
    progress: Progress = silent,
    cancel: Cancel | None = None,
) -> Demonstrated:
    """Do the main job on the IBM Telco sample, then on the CDNOW log; then two rollouts.

    In a folder that holds the demo already, another model is trained as the challenger.

    Raises
    ------
    ProjectExists : the folder holds another project
    """
    say = tell or (lambda heading, result: None)
    home = Path(folder).expanduser().resolve()
    if (home / FILE_NAME).exists():
        project = open_project(home)
        if project.settings.project.name != DEMO_NAME:
            raise ProjectExists(
                "this folder holds a project of yours.",
                fix="Name another folder: 'churnkit demo DIR'.",
                folder=home,
            )
        say(f"The demo's project is in {home}; a further model joins it.", None)
    else:
        created = create_project(
            home, telco_path(), name=DEMO_NAME, progress=progress, cancel=cancel
        )
        project = created.project
        say("1. Import: what is each column for?", created)
    with project:
        say("2. Profile: is the data sound, and does a column know the answer?", profile(project))
        trained = train(project, budget_seconds=budget_seconds, progress=progress, cancel=cancel)
        say("3. Train: the best model, judged on customers it never saw", trained)
        say("4. Register: who serves?", list_models(project))
        output = home / "scores.csv"
        scored = score(project, telco_path(), output, record=True, progress=progress, cancel=cancel)
        say("5. Score: who is likely to leave?", scored)
        report = write_report(project, progress=progress, cancel=cancel)
        customer = _riskiest(output)
        say("6. Explain: why this customer?", explain(project, customer, k=8))
        say("7. Report", report)
    events = demo_events(home, tell=tell, progress=progress, cancel=cancel)
    rollouts = demo_rollout(home, tell=tell, progress=progress, cancel=cancel)
    return Demonstrated(
        project=project,
        scores=output,
        report=report.path,
        version=trained.version.version,
        metrics={name: str(value) for name, value in trained.version.metrics.items()},
        customer_id=customer,
        events=events,
        rollouts=rollouts,
    )


def _near(path: Path) -> str:
    """A path as one types it from here."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _program() -> str:
    """How the command line is called from here: in a virtual environment it has a path."""
    called = Path(sys.argv[0])
    if shutil.which("churnkit") or called.name != "churnkit":
        return "churnkit"
    return _near(called.absolute())


def _riskiest(scores: Path) -> str:
    from pyarrow import csv

    table = csv.read_csv(
        scores,
        convert_options=csv.ConvertOptions(include_columns=["customer_id", "probability"]),
    )
    return str(table.sort_by([("probability", "descending")])["customer_id"][0].as_py())
