"""The service's messages as the facts that screens show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from churnkit.client.messages.customers import CustomerScore
from churnkit.client.messages.datasets import DatasetProfile
from churnkit.client.messages.explanations import (
    CustomerExplanation,
    ExplanationsAnswer,
    RecordedExplanation,
)
from churnkit.client.messages.models import Figure, JournalRow, Model, ModelColumn
from churnkit.client.messages.predictions import PredictionReason, RecordedPrediction
from churnkit.domain.evaluation import Estimate
from churnkit.domain.models import JournalEntry, ModelVersion
from churnkit.domain.predictions import Explanation, PredictionRow, Reason
from churnkit.domain.profiles import TableProfile
from churnkit_desktop.backend.facts import FormField, RiskyCustomer
from churnkit_desktop.language import tr
from churnkit_desktop.words import day, points


def model_version(told: Model) -> ModelVersion:
    """A version without its aliases."""
    return ModelVersion(
        version=told.version,
        run_id=told.run_id,
        candidate=told.candidate,
        created_at=told.created_at,
        bundle_hash=told.bundle_hash,
        data_fingerprint=told.data_fingerprint,
        metrics=estimates(told.metrics),
    )


def estimates(told: Mapping[str, Figure]) -> dict[str, Estimate]:
    """Figures with their intervals."""
    return {
        name: Estimate(value=figure.value, low=figure.low, high=figure.high)
        for name, figure in told.items()
    }


def journal_entry(told: JournalRow) -> JournalEntry:
    """A row of the journal."""
    return JournalEntry.model_validate(told.model_dump())


def table_profile(name: str, told: DatasetProfile) -> TableProfile:
    """A table in figures."""
    return TableProfile.model_validate({"source": name, **told.model_dump()})


def reasons(told: Sequence[PredictionReason]) -> tuple[Reason, ...]:
    """The reasons of a prediction."""
    return tuple(Reason(column=r.column, value=r.value, points=r.points) for r in told)


def recorded_explanation(told: RecordedExplanation, base_rate: float) -> Explanation:
    """The reasons that were recorded when a customer was scored."""
    found = reasons(told.reasons)
    notes = [] if found else [tr("No reasons were asked for when this customer was scored.")]
    if found and abs(told.other_points) >= 0.0005:
        notes.append(
            tr("All other columns together: {other_points} points.").format(
                other_points=points(told.other_points)
            )
        )
    return Explanation(
        customer_id=told.customer_id,
        probability=told.probability,
        risk_band=told.risk_band,
        model_version=told.model_version,
        base_probability=told.base_probability,
        base_rate=base_rate,
        reasons=found,
        notes=(*notes, *_unknown(told.unknown_categories)),
    )


def explanation(told: CustomerExplanation, answer: ExplanationsAnswer) -> Explanation:
    """What the model says now."""
    return Explanation(
        customer_id=told.customer_id,
        probability=told.probability,
        risk_band=told.risk_band,
        model_version=answer.model_version,
        base_probability=answer.base_probability,
        base_rate=answer.base_rate,
        reasons=reasons(told.reasons),
        notes=_unknown(told.unknown_categories),
    )


def prediction(told: RecordedPrediction) -> PredictionRow:
    """A prediction as the ledger keeps it."""
    return PredictionRow(
        prediction_id=told.prediction_id,
        customer_id=told.customer_id,
        model_version=told.model_version,
        probability=told.probability,
        risk_band=told.risk_band,
        variant=told.variant,
        made_at=told.made_at,
        reasons=reasons(told.reasons),
        as_of=told.as_of,
        request_id=told.request_id,
        unknown_categories=told.unknown_categories,
    )


def risky(told: CustomerScore, strongest: Sequence[PredictionReason]) -> RiskyCustomer:
    """A customer at the top, with the strongest reason in words."""
    reason = ""
    if strongest:
        first = strongest[0]
        value = "missing" if first.value is None else first.value
        reason = f"{first.column}: {value} ({points(first.points)})"
    return RiskyCustomer(told.customer_id, told.probability, told.risk_band, reason)


def form_field(told: ModelColumn) -> FormField:
    """One input; where the service knows no example, the middle of what the model learnt."""
    example: object = None
    if told.kind == "category":
        example = told.categories[0] if told.categories else None
    elif told.kind == "boolean":
        example = False
    elif told.low is not None and told.high is not None:
        middle = (told.low + told.high) / 2
        whole = told.low.is_integer() and told.high.is_integer()
        example = float(round(middle)) if whole else middle
    return FormField(
        name=told.name,
        kind=told.kind,
        categories=told.categories,
        low=told.low,
        high=told.high,
        example=example,
    )


def customer_row(told: CustomerScore) -> tuple[object, ...]:
    """A row of the table, in the order of ``customers.COLUMNS``."""
    return (
        told.customer_id,
        told.probability,
        told.risk_band,
        day(told.made_at),
        told.model_version,
    )


def _unknown(columns: Sequence[str]) -> tuple[str, ...]:
    return tuple(
        tr("{name}: a word that the model never saw; it counted as missing.").format(name=name)
        for name in columns
    )
