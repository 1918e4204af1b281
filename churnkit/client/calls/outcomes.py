"""Requests about outcomes and treatments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from churnkit.client.call import Call, new_key
from churnkit.client.messages.outcomes import (
    OnError,
    OutcomeItem,
    OutcomesPage,
    OutcomesRequest,
    RecordedAnswer,
    RecordedOutcome,
    RecordedTreatment,
    TreatmentItem,
    TreatmentsPage,
    TreatmentsRequest,
)
from churnkit.client.methods import Pages


def record_outcomes(
    items: Iterable[OutcomeItem | Mapping[str, object]],
    *,
    on_error: OnError = "fail",
    idempotency_key: str | None = None,
) -> Call[RecordedAnswer]:
    """Record what became true.

    Parameters
    ----------
    items : 1 to 1,000 outcomes
    idempotency_key : the same key does the same work once; None: a new one
    """
    rows = [
        one if isinstance(one, OutcomeItem) else OutcomeItem.model_validate(one) for one in items
    ]
    return Call(
        "POST",
        "/v1/outcomes",
        RecordedAnswer,
        body=OutcomesRequest(items=rows, on_error=on_error),
        idempotency_key=idempotency_key or new_key(),
    )


def record_treatments(
    items: Iterable[TreatmentItem | Mapping[str, object]],
    *,
    on_error: OnError = "fail",
    idempotency_key: str | None = None,
) -> Call[RecordedAnswer]:
    """Record who got which offer.

    Parameters
    ----------
    items : 1 to 1,000 treatments
    idempotency_key : the same key does the same work once; None: a new one
    """
    rows = [
        one if isinstance(one, TreatmentItem) else TreatmentItem.model_validate(one)
        for one in items
    ]
    return Call(
        "POST",
        "/v1/treatments",
        RecordedAnswer,
        body=TreatmentsRequest(items=rows, on_error=on_error),
        idempotency_key=idempotency_key or new_key(),
    )


def outcomes(
    *, customer_id: str | None = None, cursor: str | None = None, limit: int = 100
) -> Call[OutcomesPage]:
    """A page of recorded outcomes, the last recorded first."""
    given = (("customer_id", customer_id), ("cursor", cursor), ("limit", str(limit)))
    return Call("GET", "/v1/outcomes", OutcomesPage, query=_query(given))


def treatments(
    *,
    customer_id: str | None = None,
    campaign: str | None = None,
    cursor: str | None = None,
    limit: int = 100,
) -> Call[TreatmentsPage]:
    """A page of recorded treatments, the latest first."""
    given = (
        ("customer_id", customer_id),
        ("campaign", campaign),
        ("cursor", cursor),
        ("limit", str(limit)),
    )
    return Call("GET", "/v1/treatments", TreatmentsPage, query=_query(given))


def each_outcome(
    *, customer_id: str | None = None, page_size: int = 100
) -> Pages[OutcomesPage, RecordedOutcome]:
    """Recorded outcomes, the last recorded first; pages are fetched as they are needed."""
    return Pages(
        lambda cursor: outcomes(customer_id=customer_id, cursor=cursor, limit=page_size),
        lambda page: page.outcomes,
        lambda page: page.next_cursor,
    )


def each_treatment(
    *, customer_id: str | None = None, campaign: str | None = None, page_size: int = 100
) -> Pages[TreatmentsPage, RecordedTreatment]:
    """Recorded treatments, the latest first; pages are fetched as they are needed."""
    return Pages(
        lambda cursor: treatments(
            customer_id=customer_id, campaign=campaign, cursor=cursor, limit=page_size
        ),
        lambda page: page.treatments,
        lambda page: page.next_cursor,
    )


def _query(given: Sequence[tuple[str, str | None]]) -> dict[str, str]:
    return {name: value for name, value in given if value is not None}
