"""From customers to reasons; and to those of the same customers if something were different."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from churnkit.client.messages.problems import Fault
from churnkit.domain.predictions import FieldFault
from churnkit.usecases.operating.online import Explanation, Scorer

NOTE = (
    "Points are shares of a probability (0.12 is 12 points): Shapley values of the model's margin, "
    "scaled so that base_probability plus all points is the probability. They say what the model "
    "reacts to, not what causes customers to leave."
)
Row = Mapping[str, object]


def explain_rows(
    scorer: Scorer,
    customers: Sequence[str],
    rows: Sequence[Row],
    changes: Sequence[Row | None],
    k: int,
) -> tuple[list[dict[str, Any]], list[Fault]]:
    """Explain rows, each with its what-if; and all that is wrong with them."""
    told: list[dict[str, Any]] = []
    faults: list[Fault] = []
    for i, (customer, row, change) in enumerate(zip(customers, rows, changes, strict=True)):
        found = scorer.explain(row)
        if isinstance(found, tuple):
            faults += _faults(i, "features", found)
            continue
        one = {"customer_id": customer, **_score(found, k), "what_if": None}
        if change:
            strange = _strange(scorer, change, i)
            other = scorer.explain({**row, **change})
            if strange:
                faults += strange
                continue
            if isinstance(other, tuple):
                faults += _faults(i, "changes", other)
                continue
            one["what_if"] = _what_if(found, other, change, k)
        told.append(one)
    return told, faults


def _strange(scorer: Scorer, change: Row, place: int) -> list[Fault]:
    """A column that the model does not read would change nothing, and mislead."""
    known = scorer.schema.names()
    return [
        Fault(
            item=place,
            field=f"changes.{name[:60]}",
            given=repr(change[name])[:60],
            expected="a column that the model reads",
            fix="GET /v1/models/champion lists its columns.",
        )
        for name in change
        if name not in known
    ]


def _faults(place: int, where: str, found: Sequence[FieldFault]) -> list[Fault]:
    return [
        Fault(
            item=place,
            field=f"{where}.{fault.field}",
            given=fault.given,
            expected=fault.expected,
            fix=fault.fix,
        )
        for fault in found
    ]


def _score(found: Explanation, k: int) -> dict[str, Any]:
    return {
        "probability": found.probability,
        "risk_band": found.risk_band,
        "margin": found.margin,
        "reasons": [reason.model_dump() for reason in found.reasons[:k]],
        "other_points": float(sum(reason.points for reason in found.reasons[k:])),
        "unknown_categories": found.unknown,
    }


def _what_if(found: Explanation, other: Explanation, change: Row, k: int) -> dict[str, Any]:
    before = {reason.column: reason for reason in found.reasons}
    after = {reason.column: reason for reason in other.reasons}
    return {
        "changed": _score(other, k),
        "difference": other.probability - found.probability,
        "columns": [
            {
                "column": name,
                "before": before[name].value,
                "after": after[name].value,
                "points_before": before[name].points,
                "points_after": after[name].points,
            }
            for name in change
        ],
    }
