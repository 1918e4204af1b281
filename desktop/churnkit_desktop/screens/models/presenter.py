"""Models: two versions beside each other, who serves, and why that was decided."""

from __future__ import annotations

from churnkit_desktop.actions import Action
from churnkit_desktop.backend.facts import ModelDetail, ModelList
from churnkit_desktop.desk import Desk
from churnkit_desktop.language import tr
from churnkit_desktop.screens.presenter import Presenter


class ModelsPresenter(Presenter):
    """Compares a version with another one.

    ``left`` and ``right`` are the compared versions; the right one is the one that may move.
    """

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk, "models")
        self.listed: ModelList | None = None
        self.left = str(self.draft("left", ""))
        self.right = str(self.draft("right", ""))
        self.why = str(self.draft("why", ""))
        self.details: dict[str, ModelDetail] = {}
        self.said = ""

    def choose(self, subject: str) -> None:
        """Show this version at the right."""
        self.compare(right=subject)

    def load(self) -> None:
        """Read all versions."""
        self.details.clear()
        self.read(self.desk.backend.models, self._loaded, "list")

    def compare(self, left: str = "", right: str = "") -> None:
        """Put versions beside each other."""
        self.left, self.right = left or self.left, right or self.right
        self.keep("left", self.left)
        self.keep("right", self.right)
        self._read_details()
        self.changed()

    def set_why(self, text: str) -> None:
        """The reason for the next decision."""
        self.why = text
        self.keep("why", text)

    def promote(self) -> None:
        """Let the right version serve."""
        arguments = {"version": self.right, "why": self.why.strip()}
        self.apply(
            Action("promote", dict(arguments), tr("Promote {right}").format(right=self.right)),
            self._moved,
        )

    def roll_back(self) -> None:
        """Let the champion before this one serve again."""
        self.apply(Action("rollback", {"why": self.why.strip()}, tr("Roll back")), self._moved)

    @property
    def can_promote(self) -> bool:
        """Whether the right version may be made the champion, with a reason."""
        return bool(
            self.listed and self.right and self.right != self.listed.champion and self.why.strip()
        )

    @property
    def can_roll_back(self) -> bool:
        """Whether there was a champion before, and a reason is given."""
        moves = [e for e in (self.listed.journal if self.listed else ()) if e.alias == "champion"]
        return len(moves) > 1 and bool(self.why.strip())

    def _moved(self, answer: object) -> None:
        self.said = str(getattr(answer, "text", ""))
        self.set_why("")

    def _loaded(self, listed: ModelList) -> None:
        self.listed = listed
        names = [version.version for version in listed.versions]
        if self.left not in names:
            self.left = listed.champion or (names[0] if names else "")
        if self.right not in names:
            others = [name for name in names if name != self.left]
            self.right = listed.challenger or (others[-1] if others else self.left)
        self._read_details()

    def _read_details(self) -> None:
        names = sorted({self.left, self.right} - set(self.details) - {""})
        if names:
            # Both in one go: each answer draws the whole screen.
            backend = self.desk.backend
            self.read(lambda: [backend.model(name) for name in names], self._detailed, "details")

    def _detailed(self, details: list[ModelDetail]) -> None:
        self.details.update((detail.version.version, detail) for detail in details)
