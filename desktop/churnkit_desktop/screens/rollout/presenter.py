"""Rollout: may the challenger take over? Stages, evidence, and what a person decides."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from churnkit_desktop.actions import Action
from churnkit_desktop.backend.facts import Answer
from churnkit_desktop.backend.rollout_facts import PlanFacts, RolloutFacts, RolloutLine
from churnkit_desktop.desk import Desk
from churnkit_desktop.language import tr
from churnkit_desktop.screens.presenter import Presenter
from churnkit_desktop.screens.rollout.state import (
    Course,
    Moves,
    StartForm,
    course,
    course_keys,
)

Seen = tuple[tuple[RolloutLine, ...], RolloutFacts | None]


class RolloutPresenter(Presenter):
    """Shows one rollout, the running one first; starts, pauses, resumes, promotes, aborts."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk, "rollout")
        self.lines: tuple[RolloutLine, ...] | None = None
        self.facts: RolloutFacts | None = None
        self.wanted = str(self.draft("rollout", ""))
        self.metric = str(self.draft("metric", ""))
        self.why = str(self.draft("why", ""))
        self.said = ""
        self.starting = bool(self.draft("starting", False))
        self.versions: tuple[str, ...] = ()
        """Who could be the challenger."""
        self.usual: StartForm | None = None
        self.form: StartForm | None = None
        self.plan: PlanFacts | None = None
        """What the form would give."""

    # --- looking -----------------------------------------------------------------------

    def choose(self, subject: str) -> None:
        """Show this rollout."""
        self.wanted = subject
        self.keep("rollout", subject)
        self.load()

    def load(self) -> None:
        """Read all rollouts, and one of them whole."""
        self.read(self._look, self._seen, "list")
        if self.starting:
            self.begin_start()

    def tick(self) -> None:
        """Look whether something happened; for a timer, so nothing shows that it reads."""
        if self.shown and self.running and not self.busy:
            self.desk.runner.run("rollout tick", self._look, self._ticked, self.fail)

    @property
    def running(self) -> bool:
        """Whether the shown rollout has not ended."""
        return self.facts is not None and self.facts.line.outcome is None

    @property
    def someone_runs(self) -> bool:
        """Whether any rollout has not ended: only one may run."""
        return any(line.outcome is None for line in self.lines or ())

    @property
    def course(self) -> Course | None:
        """The evidence that is drawn."""
        facts = self.facts
        if facts is None:
            return None
        keys = [key for key, _ in course_keys(facts.plan)]
        return course(facts.looks, self.metric if self.metric in keys else keys[0], facts.plan)

    def show_metric(self, key: str) -> None:
        """Draw another gate or guardrail."""
        self.metric = key
        self.keep("metric", key)
        self.changed()

    # --- deciding ----------------------------------------------------------------------

    @property
    def moves(self) -> Moves:
        """What may be done now."""
        return Moves.of(self.facts.line if self.facts else None, self.why)

    def set_why(self, text: str) -> None:
        """The reason for the next decision."""
        self.why = text
        self.keep("why", text)

    def look_now(self) -> None:
        """Take in what matured, and do what is decided."""
        if self.facts is not None:
            arguments = {"rollout_id": self.facts.line.rollout_id}
            self.apply(Action("advance_rollout", dict(arguments), tr("Look now")), self._looked)

    def move(self, verb: str) -> None:
        """Pause, resume, promote or abort, with the reason that was given."""
        if self.facts is None or not getattr(self.moves, verb):
            return
        line = self.facts.line
        action = Action(
            tr("{verb}_rollout").format(verb=verb),
            {"rollout_id": line.rollout_id, "why": self.why.strip()},
            f"{verb.capitalize()} {line.rollout_id}",
            # What another window has done meanwhile is looked at before it is changed.
            {"expected_revision": line.revision},
        )
        self.apply(action, self._moved)

    # --- starting ----------------------------------------------------------------------

    def begin_start(self) -> None:
        """Show the form, with the project's defaults and their forecast."""
        self.starting = True
        self.keep("starting", True)
        self.read(self._defaults, self._defaults_read, "defaults")

    def leave_start(self) -> None:
        """Back; what was entered is kept."""
        self.starting = False
        self.keep("starting", False)
        self.error = None
        self.changed()

    def enter_form(self, **changes: Any) -> None:
        """Something was entered; the forecast follows."""
        if self.form is None or self.usual is None:
            return
        self.form = replace(self.form, **changes)
        self.keep("form", self.form.kept())
        if set(changes) != {"why"}:
            self._forecast()

    def start_rollout(self) -> None:
        """Start what the form says."""
        if self.form is None or self.usual is None:
            return
        arguments = self.form.arguments(self.usual)
        self.apply(Action("start_rollout", arguments, tr("Start a rollout")), self._started)

    def _forecast(self) -> None:
        assert self.form is not None and self.usual is not None
        arguments = self.form.arguments(self.usual)
        backend = self.desk.backend
        self.read(lambda: backend.plan_rollout(arguments), self._planned, "forecast")

    def _defaults(self) -> tuple[tuple[str, ...], PlanFacts]:
        listed = self.desk.backend.models()
        names = tuple(v.version for v in listed.versions if v.version != listed.champion)
        arguments = {} if listed.challenger else {"challenger": names[-1] if names else None}
        return tuple(reversed(names)), self.desk.backend.plan_rollout(arguments)

    def _defaults_read(self, answer: tuple[tuple[str, ...], PlanFacts]) -> None:
        self.versions, self.plan = answer
        self.usual = StartForm.of(self.plan)
        kept = self.draft("form", {})
        self.form = StartForm.from_kept(kept) if kept else self.usual
        if self.form.challenger not in self.versions:
            self.form = replace(self.form, challenger=self.usual.challenger)
        if self.form != self.usual:
            self._forecast()

    def _planned(self, plan: PlanFacts) -> None:
        self.plan = plan

    def _started(self, _answer: Answer) -> None:
        self.starting = False
        self.keep("starting", False)
        self.keep("form", {})
        self.wanted = ""
        self.keep("rollout", "")
        self.said = tr("The rollout has begun, in shadow.")

    # --- answers -----------------------------------------------------------------------

    def _look(self) -> Seen:
        lines = self.desk.backend.rollouts()
        names = [line.rollout_id for line in lines]
        going = [line.rollout_id for line in lines if line.outcome is None]
        chosen = self.wanted if self.wanted in names else (going or names or [""])[-1]
        return lines, self.desk.backend.rollout(chosen) if chosen else None

    def _seen(self, seen: Seen) -> None:
        self.lines, self.facts = seen

    def _ticked(self, seen: Seen) -> None:
        if seen != (self.lines, self.facts):
            self.lines, self.facts = seen
            self.changed()

    def _looked(self, answer: Answer) -> None:
        self.said = answer.text.splitlines()[0] if answer.text else ""

    def _moved(self, _answer: Answer) -> None:
        self.said = ""
        self.set_why("")
