"""What a search has told so far, taken from its progress."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from churnkit.domain.progress import Step


@dataclass(frozen=True)
class Tried:
    """One candidate with one choice of parameters, by cross-validation."""

    candidate: str
    roc_auc: float
    log_loss: float
    seconds: float


@dataclass
class SearchNews:
    """Candidates tried, in their order, and the stages so far."""

    trials: list[Tried] = field(default_factory=list)
    stages: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, steps: Sequence[Step]) -> SearchNews:
        """From all reports of a job."""
        news = cls()
        for step in steps:
            if not news.stages or news.stages[-1] != step.stage:
                news.stages.append(step.stage)
            if "roc_auc" in step.figures:
                told = step.figures
                news.trials.append(
                    Tried(
                        candidate=str(told["candidate"]),
                        roc_auc=float(told["roc_auc"]),
                        log_loss=float(told["log_loss"]),
                        seconds=float(told["seconds"]),
                    )
                )
        return news

    @property
    def best_log_loss(self) -> list[float]:
        """The lowest log loss after each trial; the search chooses by it."""
        best: list[float] = []
        for trial in self.trials:
            best.append(min(trial.log_loss, best[-1]) if best else trial.log_loss)
        return best
