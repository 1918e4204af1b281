"""What a long run showed, as a text."""

from __future__ import annotations

from dataclasses import dataclass, field

from churnkit_stack.acknowledged import Acknowledged
from churnkit_stack.memory import HEAD, Curve
from churnkit_stack.reconcile import Reconciliation


@dataclass
class Soaked:
    """What a run showed.

    Parameters
    ----------
    seconds : for which there was load
    curves : memory of the processes that were seen
    wrong : what must not be; empty: nothing
    """

    seconds: float
    reconciliation: Reconciliation
    done: Acknowledged
    faults: dict[str, int]
    rollout: str
    curves: list[Curve] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def right(self) -> bool:
        """Whether nothing was wrong."""
        return not self.wrong

    def __str__(self) -> str:
        done = self.done
        other = f"{done.counts['events']:,} events, {len(done.outcomes):,} outcomes"
        refused = ", ".join(f"{n:,} {what}" for what, n in sorted(done.refused.items()))
        happened = ", ".join(f"{n} × {what}" for what, n in sorted(self.faults.items()))
        lines = [
            "",
            f"{done.total:,} predictions were acknowledged in {self.seconds:,.0f} s, beside "
            f"{other} and {len(done.batches)} batches.",
            f"Done to it on purpose: {happened or 'nothing'}.",
            f"Refused with 503 and not done: {refused or 'none'}.",
            "",
            str(self.reconciliation),
            "unknown: the answer was lost or said that the commit took too long, and nobody asked",
            "again under the same key: such a row may be there or not.",
            "",
            f"Rollout: {self.rollout}.",
            "",
            HEAD,
            *(str(curve) for curve in self.curves if len(curve.sizes) > 10),
            "",
        ]
        if self.wrong:
            lines += ["WRONG:", *(f"  {text}" for text in self.wrong)]
        else:
            lines.append("Right: nothing was lost, nothing doubled, and nothing stood still.")
        return "\n".join(lines)
