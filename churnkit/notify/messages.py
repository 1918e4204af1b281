"""What is sent: one message for all alerts of a moment, as JSON and as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Line:
    """One alert."""

    severity: str
    subject: str
    what: str
    since: datetime | None
    evidence: dict[str, float]
    request: str


@dataclass(frozen=True)
class Message:
    """All alerts that leave together."""

    project: str
    at: datetime
    lines: Sequence[Line]
    ended: Sequence[str] = ()
    """Alerts that were sent earlier and are over."""

    @property
    def title(self) -> str:
        """One line for all."""
        worst = self.lines[0].severity if self.lines else "info"
        n = len(self.lines)
        if not n:
            return f"{self.project}: {len(self.ended)} alerts have ended"
        return f"{self.project}: {worst}: {self.lines[0].subject}" + (
            f" and {n - 1} more" if n > 1 else ""
        )

    @property
    def text(self) -> str:
        """For a person."""
        parts = [self.title, ""]
        for line in self.lines:
            since = f" (since {line.since:%Y-%m-%d})" if line.since else ""
            parts.append(f"[{line.severity}] {line.what}{since}")
            if line.request == "pause":
                parts.append("  A rollout should be paused until somebody has looked.")
        parts += [f"Ended: {name}" for name in self.ended]
        parts += ["", "'churnkit monitor' shows the figures."]
        return "\n".join(parts)

    def to_json(self) -> dict[str, object]:
        """For a program; chat services show ``text``."""
        return {
            "text": self.text,
            "project": self.project,
            "at": self.at.isoformat(),
            "alerts": [
                {
                    "severity": line.severity,
                    "subject": line.subject,
                    "what": line.what,
                    "since": None if line.since is None else line.since.isoformat(),
                    "evidence": line.evidence,
                    "request": line.request,
                }
                for line in self.lines
            ],
            "ended": list(self.ended),
        }
