"""Harm that several guardrails see together.

The guardrails on matured pairs look at the same pairs, so their capitals are martingales of one
history, and so is their average: while every guardrail is met it ever reaches 1/α with
probability at most α (Vovk & Wang 2021, "E-values: calibration, combination and applications").
With weights αⱼ/α it does so no later than one of them reaches its own 1/αⱼ: the average spends the
same budget as the split, and finds harm sooner that shows in several metrics at once. It says that
some guardrail is broken, not which. Error rate and latency come from another history and stay
apart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from churnkit.domain.frozen import Frozen
from churnkit.rollout.plan import MATURED
from churnkit.rollout.readings import UNITS, Reading, Stream


class Together(Frozen):
    """The average capital of a stream's aborting guardrails."""

    stream: Stream
    log_capital: float
    alpha: float
    breached: bool
    largest: str
    """The metric that has most of it."""

    def sentence(self) -> str:
        """The finding in words."""
        past = " (history)" if self.stream == "history" else ""
        return f"the guardrails{past} together show harm, most of all in {UNITS[self.largest]}"


def together(readings: Sequence[Reading]) -> tuple[Together, ...]:
    """One finding for each stream that has aborting guardrails on matured pairs.

    Parameters
    ----------
    readings : of guardrails; others are passed over
    """
    found = []
    for stream in ("live", "history"):
        members = [
            each
            for each in readings
            if each.role == "guardrail"
            and each.action == "abort"
            and each.stream == stream
            and each.metric in MATURED
        ]
        if not members:
            continue
        alpha = math.fsum(each.alpha for each in members)
        logs = {each.metric: math.log(each.alpha / alpha) + each.log_capital for each in members}
        largest = max(logs, key=lambda metric: logs[metric])
        top = logs[largest]
        capital = top + math.log(math.fsum(math.exp(log - top) for log in logs.values()))
        found.append(
            Together(
                stream=members[0].stream,
                log_capital=capital,
                alpha=alpha,
                # A member at its own level must not be lost to the rounding of the logarithms.
                breached=capital >= -math.log(alpha)
                or any(each.state == "breached" for each in members),
                largest=largest,
            )
        )
    return tuple(found)
