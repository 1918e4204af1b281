"""Features: definitions with undo, and one customer's values as of a date."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from churnkit.errors import ChurnkitError, FeatureError
from churnkit_desktop.actions import Action
from churnkit_desktop.backend.facts import Answer
from churnkit_desktop.backend.feature_facts import (
    FeatureFacts,
    FeatureLine,
    FeatureValues,
    Timeline,
)
from churnkit_desktop.desk import Desk
from churnkit_desktop.language import tr
from churnkit_desktop.notice import Notice
from churnkit_desktop.screens.features.state import (
    Definitions,
    added,
    cleaned,
    removed,
    replaced,
    snapped,
    users_of,
)
from churnkit_desktop.screens.presenter import Presenter
from churnkit_desktop.session.undo import History

Found = tuple[tuple[str, int], ...]


class FeaturesPresenter(Presenter):
    """Edits a copy of the definitions; writes it when a person says so."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk, "features")
        self.facts: FeatureFacts | None = None
        self.history: History[Definitions] = History(())
        self.history.changed.connect(self._edited)
        self.lines: tuple[FeatureLine, ...] = ()
        """Those that could be checked last, with types and meanings."""
        self.problem: ChurnkitError | None = None
        """Why what was edited cannot be used; it is kept all the same."""
        self.base_hash = ""
        """Of the set that the edits began with."""
        self.selected = str(self.draft("selected", ""))
        self.said = ""
        self.found: Found = ()
        self.customer = str(self.draft("customer", ""))
        self.timeline: Timeline | None = None
        self.as_of: datetime | None = None
        self.values: FeatureValues | None = None
        self.before: FeatureValues | None = None
        """The values at the date before this one: to see what changed."""
        self.customer_changed = Notice()
        self.values_changed = Notice()

    # --- definitions -------------------------------------------------------------------

    def load(self) -> None:
        """Read the definitions; what was edited and not saved goes on."""
        self.read(self.desk.backend.features, self._loaded, "list")
        if self.customer and self.timeline is None:
            self.choose(self.customer)
        elif not self.found:
            self.search("")

    @property
    def definitions(self) -> Definitions:
        """As they are edited."""
        return self.history.value

    @property
    def unsaved(self) -> bool:
        """Whether features.toml holds something else."""
        return self.facts is not None and self.history.value != _plain(self.facts)

    def select(self, name: str) -> None:
        """Show this one in the editor."""
        self.selected = name
        self.keep("selected", name)
        self.changed()

    def change(self, name: str, kind: str, entered: dict[str, Any]) -> None:
        """Replace a definition by what was entered."""
        new = cleaned(kind, entered)
        self.selected = str(new["name"])
        self.keep("selected", self.selected)
        self.history.edit(
            tr("change {name}").format(name=name), replaced(self.definitions, name, new)
        )

    def add(self) -> None:
        """A new one after the selected one."""
        definitions, name = added(self.definitions, self.selected)
        self.selected = name
        self.history.edit(tr("add {name}").format(name=name), definitions)

    def remove(self) -> None:
        """Take the selected one out."""
        name = self.selected
        users = users_of(self.definitions, name)
        if users:
            self.problem = FeatureError(
                tr("{name} is a part of {users}.").format(name=name, users=", ".join(users)),
                fix=tr("Remove or change those first."),
            )
            self.changed()
            return
        self.history.edit(tr("remove {name}").format(name=name), removed(self.definitions, name))

    def undo(self) -> None:
        """Take the last edit back."""
        self.history.undo()

    def redo(self) -> None:
        """Do again what was taken back."""
        self.history.redo()

    @property
    def undoable(self) -> str:
        """What undo would take back."""
        return self.history.undoable

    @property
    def redoable(self) -> str:
        """What redo would do again."""
        return self.history.redoable

    def suggest(self) -> None:
        """Let churnkit propose features; what is there is replaced."""
        self.desk.memory.drop("features.definitions")
        action = Action("suggest_features", {"force": True}, tr("Suggest features"))
        self.apply(action, self._suggested)

    def save(self) -> None:
        """Write features.toml; refused where somebody else changed it."""
        if self.facts is None:
            return
        action = Action(
            "set_features",
            {"features": self.definitions},
            tr("Save the features"),
            {"expected_hash": self.base_hash},
        )
        self.apply(action, self._saved)

    def discard(self) -> None:
        """Back to what features.toml holds; that can be undone, too."""
        if self.facts is not None:
            self.history.edit(tr("discard all edits"), _plain(self.facts))
            self.base_hash = self.facts.content_hash
            self.keep("base_hash", self.base_hash)

    def _loaded(self, facts: FeatureFacts) -> None:
        fresh = self.facts is None
        self.facts = facts
        kept = self.draft("definitions", None)
        if kept is not None:
            # Edits go on from the set that they began with, whatever the file holds by now.
            self.base_hash = str(self.draft("base_hash", ""))
            if fresh:
                self.history.reset(tuple(dict(one) for one in kept))
            return
        if not self.selected and facts.lines:
            self.selected = facts.lines[0].name
        self.lines, self.base_hash = facts.lines, facts.content_hash
        self.keep("base_hash", self.base_hash)
        if self.history.value != _plain(facts):
            self.history.reset(_plain(facts))

    def _edited(self) -> None:
        if self.facts is not None:
            if self.unsaved:
                self.keep("definitions", [dict(one) for one in self.definitions])
            else:
                self.desk.memory.drop("features.definitions")
        self.said = ""
        definitions = self.definitions
        if definitions:
            self.desk.runner.run(
                "features check",
                lambda: self.desk.backend.check_features(definitions),
                self._checked,
                self._not_checked,
            )
        self.changed()

    def _checked(self, lines: tuple[FeatureLine, ...]) -> None:
        self.lines, self.problem = lines, None
        self.changed()
        self._evaluate()

    def _not_checked(self, error: ChurnkitError) -> None:
        self.problem = error
        self.changed()

    def _suggested(self, answer: Answer) -> None:
        self.facts = None
        self.said = answer.text.splitlines()[0]

    def _saved(self, answer: Answer) -> None:
        self.desk.memory.drop("features.definitions")
        self.said = answer.text.splitlines()[0]

    # --- one customer ------------------------------------------------------------------

    def search(self, text: str) -> None:
        """Look for customers; the busiest come first."""
        self.desk.runner.run(
            "features search",
            lambda: self.desk.backend.find_customers(text),
            self._customers_found,
            self.fail,
        )

    def choose(self, subject: str) -> None:
        """Show this customer's timeline."""
        self.customer = subject
        self.keep("customer", subject)
        self.desk.runner.run(
            "features timeline",
            lambda: self.desk.backend.timeline(subject),
            self._timeline_read,
            self._no_timeline,
        )

    def look_from(self, seconds: float) -> None:
        """Values as of the midnight nearest to a place on the axis."""
        if self.timeline is not None:
            self.set_as_of(snapped(seconds, self.timeline))

    def set_as_of(self, moment: datetime) -> None:
        """Values as of a moment; they are computed in the background."""
        if moment == self.as_of:
            return
        self.as_of = moment
        self.keep("as_of", moment.isoformat())
        self.values_changed()
        self._evaluate()

    def _evaluate(self) -> None:
        timeline, as_of, definitions = self.timeline, self.as_of, self.definitions
        if timeline is None or as_of is None or not definitions or self.problem is not None:
            return
        customer = timeline.customer_id
        # In one lane: while a date is dragged only the latest one is computed.
        self.desk.runner.run(
            "features values",
            lambda: self.desk.backend.feature_values(customer, as_of, definitions),
            self._valued,
            self.fail,
        )

    def _customers_found(self, found: Found) -> None:
        self.found = found
        if not self.customer and found:
            self.choose(found[0][0])
        self.customer_changed()

    def _timeline_read(self, timeline: Timeline) -> None:
        self.timeline, self.values, self.before = timeline, None, None
        kept = self.draft("as_of", "")
        last = timeline.facts[-1].at if timeline.facts else timeline.ends
        if kept:
            self.as_of = datetime.fromisoformat(kept)
        elif last is not None:
            self.as_of = snapped(last.timestamp() + 43_200, timeline)
        self.customer_changed()
        self._evaluate()

    def _no_timeline(self, error: ChurnkitError) -> None:
        self.customer = ""
        self.keep("customer", "")
        self.fail(error)

    def _valued(self, values: FeatureValues) -> None:
        same = self.values is not None and self.values.as_of == values.as_of
        if not same:
            self.before = self.values
        self.values = values
        self.values_changed()


def _plain(facts: FeatureFacts) -> Definitions:
    return tuple(dict(line.definition) for line in facts.lines)
