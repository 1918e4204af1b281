"""Experiments: does an offer, or another model, do better? Plan, start, read, stop."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from churnkit_desktop.actions import Action
from churnkit_desktop.backend.experiment_facts import (
    ExperimentFacts,
    ExperimentLine,
    ExperimentPlanFacts,
)
from churnkit_desktop.backend.facts import Answer, ModelList
from churnkit_desktop.desk import Desk
from churnkit_desktop.language import tr
from churnkit_desktop.screens.experiments.state import Choice, PlanForm
from churnkit_desktop.screens.presenter import Presenter
from churnkit_desktop.session.undo import History

Seen = tuple[tuple[ExperimentLine, ...], ExperimentFacts | None]


class ExperimentsPresenter(Presenter):
    """Shows one experiment; plans, starts and stops."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk, "experiments")
        self.lines: tuple[ExperimentLine, ...] | None = None
        self.facts: ExperimentFacts | None = None
        self.wanted = str(self.draft("experiment", ""))
        self.drawn = str(self.draft("drawn", ""))
        self.why = str(self.draft("why", ""))
        self.said = ""
        self.planning = bool(self.draft("planning", False))
        self.form: History[PlanForm] = History(PlanForm.from_kept(self.draft("form", {})))
        self.form.changed.connect(self._form_changed)
        self.models: ModelList | None = None
        self.plan: ExperimentPlanFacts | None = None
        """The sizes that were computed last."""
        self.plan_of: dict[str, Any] = {}
        """From what they were computed."""

    # --- looking -----------------------------------------------------------------------

    def choose(self, subject: str) -> None:
        """Show this experiment."""
        self.wanted = subject
        self.keep("experiment", subject)
        self.load()

    def load(self) -> None:
        """Read all experiments, and one of them whole."""
        self.read(self._look, self._seen, "list")
        if self.planning and self.models is None:
            self.begin_plan()

    def tick(self) -> None:
        """Look whether something happened; for a timer, so nothing shows that it reads."""
        if self.shown and self.facts is not None and not self.busy and not self.planning:
            self.desk.runner.run("experiments tick", self._look, self._ticked, self.fail)

    @property
    def choice(self) -> Choice:
        """The comparison that is drawn."""
        return Choice(self.facts.effects if self.facts else (), self.drawn)

    def draw(self, key: str) -> None:
        """Draw another comparison."""
        self.drawn = key
        self.keep("drawn", key)
        self.changed()

    # --- stopping ----------------------------------------------------------------------

    def set_why(self, text: str) -> None:
        """The reason for stopping."""
        self.why = text
        self.keep("why", text)

    @property
    def can_stop(self) -> bool:
        """Whether it runs, and a reason is given."""
        running = self.facts is not None and self.facts.line.condition == "running"
        return running and bool(self.why.strip())

    def stop(self) -> None:
        """Let nobody enter any more."""
        if self.facts is None or not self.can_stop:
            return
        name = self.facts.line.experiment_id
        arguments = {"experiment_id": name, "why": self.why.strip()}
        self.apply(
            Action("stop_experiment", dict(arguments), tr("Stop {name}").format(name=name)),
            self._stopped,
        )

    def assign(self, customers: str, output: str) -> None:
        """Draw the customers of a file into the arms; who is in which goes into another file."""
        if self.facts is None:
            return
        arguments = {
            "experiment_id": self.facts.line.experiment_id,
            "customers": customers,
            "output": output,
        }
        self.apply(
            Action("assign_experiment", dict(arguments), tr("Draw customers")), self._assigned
        )

    @property
    def can_assign(self) -> bool:
        """Whether customers are drawn from a list."""
        line = self.facts.line if self.facts else None
        return line is not None and line.kind == "treatments" and line.condition == "running"

    # --- planning ----------------------------------------------------------------------

    def begin_plan(self) -> None:
        """Show the plan."""
        self.planning = True
        self.keep("planning", True)
        self.read(self.desk.backend.models, self._models_read, "models")

    def leave_plan(self) -> None:
        """Back; what was entered is kept."""
        self.planning = False
        self.keep("planning", False)
        self.error = None
        self.changed()

    def edit(self, what: str, **changes: Any) -> None:
        """Something was entered."""
        self.form.edit(what, replace(self.form.value, **changes))

    def edit_arm(self, place: int, **changes: Any) -> None:
        """Something was entered about an arm."""
        self.form.edit(
            tr("arm {place}").format(place=place + 1), self.form.value.with_arm(place, **changes)
        )

    def choose_kind(self, kind: str) -> None:
        """Compare models or treatments."""
        champion, challenger = "", ""
        if self.models is not None:
            champion = self.models.champion or ""
            others = [v.version for v in self.models.versions if v.version != champion]
            challenger = self.models.challenger or (others[-1] if others else "")
        self.form.edit("kind", self.form.value.of_kind(kind, champion, challenger))

    def more_arms(self) -> None:
        """One arm more."""
        self.form.edit(tr("one arm more"), self.form.value.with_more())

    def fewer_arms(self) -> None:
        """One arm less."""
        self.form.edit(tr("one arm less"), self.form.value.with_less())

    def undo(self) -> None:
        """The plan as it was before the last edit."""
        self.form.undo()

    def redo(self) -> None:
        """Do again what was taken back."""
        self.form.redo()

    @property
    def undoable(self) -> str:
        """What undo would take back."""
        return self.form.undoable if self.planning else ""

    @property
    def redoable(self) -> str:
        """What redo would do again."""
        return self.form.redoable if self.planning else ""

    def compute(self) -> None:
        """How many customers it takes, by both methods; some seconds."""
        if self.form.value.problem:
            return
        arguments = self.form.value.planning()

        def planned(plan: ExperimentPlanFacts) -> None:
            self.plan, self.plan_of = plan, arguments

        backend = self.desk.backend
        self.read(lambda: backend.plan_experiment(arguments), planned, "plan")

    @property
    def plan_is_old(self) -> bool:
        """Whether something was entered since the sizes were computed."""
        return self.plan is not None and self.plan_of != self.form.value.planning()

    def start_experiment(self) -> None:
        """Start what the plan says."""
        form = self.form.value
        if form.problem:
            return
        arguments: dict[str, Any] = {"plan": form.plan()}
        if form.why.strip():
            arguments["why"] = form.why.strip()
        self.apply(Action("start_experiment", arguments, tr("Start an experiment")), self._started)

    # --- answers -----------------------------------------------------------------------

    def _look(self) -> Seen:
        lines = self.desk.backend.experiments()
        names = [line.experiment_id for line in lines]
        going = [line.experiment_id for line in lines if line.condition == "running"]
        chosen = self.wanted if self.wanted in names else (going or names or [""])[-1]
        return lines, self.desk.backend.experiment(chosen) if chosen else None

    def _seen(self, seen: Seen) -> None:
        self.lines, self.facts = seen

    def _ticked(self, seen: Seen) -> None:
        if seen != (self.lines, self.facts):
            self.lines, self.facts = seen
            self.changed()

    def _models_read(self, listed: ModelList) -> None:
        self.models = listed

    def _form_changed(self) -> None:
        self.keep("form", self.form.value.kept())
        self.changed()

    def _started(self, _answer: Answer) -> None:
        self.planning = False
        self.keep("planning", False)
        self.wanted, self.plan = "", None
        self.keep("experiment", "")
        kind = self.form.value.kind
        self.form.reset(PlanForm())
        self.said = (
            tr("The experiment has begun: customers enter with their first request.")
            if kind == "models"
            else tr("The experiment has begun. Now draw customers into its arms.")
        )

    def _assigned(self, answer: Answer) -> None:
        self.said = answer.text

    def _stopped(self, _answer: Answer) -> None:
        self.said = ""
        self.set_why("")
