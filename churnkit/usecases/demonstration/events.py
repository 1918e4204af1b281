"""The second act of the demo: a real log of purchases, from events to scores as of a date."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Group, RenderableType

from churnkit.data.samples.locate import cdnow_path
from churnkit.domain.progress import Cancel, Progress, silent
from churnkit.project import Project, open_project
from churnkit.settings.file import FILE_NAME, write_settings
from churnkit.usecases.features.feature_set import suggest_features
from churnkit.usecases.features.labels import labels
from churnkit.usecases.features.showing import show_features
from churnkit.usecases.projects.create_events import create_event_project
from churnkit.usecases.projects.log_settings import LogOptions
from churnkit.usecases.result import Result
from churnkit.usecases.scoring.explaining import explain
from churnkit.usecases.scoring.verbs import score
from churnkit.usecases.training.verbs import train

FOLDER = "cdnow"
DATES = ("1997-05-01", "1997-06-01", "1997-07-01", "1998-01-01")
"""Learnt from the first three, whose half years were over when the last one came."""
HORIZON_DAYS = 180
CANDIDATES = ("logistic_regression", "hist_gradient_boosting")
Tell = Callable[[str, Result | None], None]


@dataclass(frozen=True, repr=False)
class EventsDemonstrated(Result):
    """What the second act made."""

    project: Project
    scores: Path
    metrics: dict[str, str]
    customer_id: str

    def __rich__(self) -> RenderableType:
        return Group(f"The project of events is in {self.project.folder}")

    def to_json(self) -> dict[str, object]:
        return {
            "folder": str(self.project.folder),
            "scores": str(self.scores),
            "metrics": self.metrics,
            "customer_id": self.customer_id,
        }


def demo_events(
    home: Path,
    *,
    budget_seconds: float = 20.0,
    tell: Tell | None = None,
    progress: Progress = silent,
    cancel: Cancel | None = None,
) -> EventsDemonstrated:
    """Learn from the CDNOW log who stops buying, and score its customers at its end.

    In a folder that holds it already, another model is trained as the challenger.

    Parameters
    ----------
    home : the folder of the demo; the project is in ``cdnow`` below it
    budget_seconds : for the search of models
    """
    say = tell or (lambda heading, result: None)
    folder = home / FOLDER
    if (folder / FILE_NAME).exists():
        project = open_project(folder)
        say(f"The log's project is in {folder}; a further model joins it.", None)
    else:
        created = create_event_project(
            folder,
            cdnow_path(),
            LogOptions(horizon_days=HORIZON_DAYS),
            name="cdnow-demo",
            progress=progress,
            cancel=cancel,
        )
        project = created.project
        settings = project.settings
        project.settings = settings.model_copy(
            update={
                "churn": settings.churn.model_copy(update={"as_of": DATES}),
                "training": settings.training.model_copy(update={"candidates": CANDIDATES}),
            }
        )
        write_settings(project.folder, project.settings)
        say("8. A log of events: 69,659 purchases, no column says who left", created)
    with project:
        say("9. Labels: who stopped buying, and since when is it known?", labels(project))
        if not project.features_file.exists():
            say("10. Features: what a customer looked like at a date", suggest_features(project))
        trained = train(project, budget_seconds=budget_seconds, progress=progress, cancel=cancel)
        say("11. Train: learnt at earlier dates, judged at a later one", trained)
        output = folder / "scores.csv"
        scored = score(project, None, output, record=True, progress=progress, cancel=cancel)
        say("12. Score: everybody, as of the end of the log", scored)
        customer = _undecided(output)
        say("13. Explain: why this customer?", explain(project, customer, k=5))
        shown = show_features(
            project, customer, str(scored.as_of), names=["recency_days"], at_most=5
        )
        say("14. Where does a value come from?", shown)
    return EventsDemonstrated(
        project=project,
        scores=output,
        metrics={name: str(value) for name, value in trained.version.metrics.items()},
        customer_id=customer,
    )


def _undecided(scores: Path) -> str:
    """The customer whose probability is nearest to a half: those are worth a look."""
    from pyarrow import compute as pc
    from pyarrow import csv

    table = csv.read_csv(
        scores,
        convert_options=csv.ConvertOptions(
            include_columns=["customer_id", "probability"], column_types={"customer_id": "string"}
        ),
    )
    distance = pc.abs(pc.subtract(table["probability"], 0.5))
    return str(table["customer_id"][pc.sort_indices(distance)[0].as_py()].as_py())
