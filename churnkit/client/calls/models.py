"""Requests about models."""

from __future__ import annotations

from datetime import datetime
from types import EllipsisType
from typing import Any, Literal
from urllib.parse import quote

from churnkit.client.call import Call, new_key
from churnkit.client.messages.models import (
    AliasChange,
    Aliases,
    JournalPage,
    JournalRow,
    ModelDetail,
    ModelLoad,
    ModelRun,
    ModelsAnswer,
    Rollback,
    Verified,
)
from churnkit.client.methods import Pages


def models() -> Call[ModelsAnswer]:
    """All model versions."""
    return Call("GET", "/v1/models", ModelsAnswer)


def model(version: str = "champion") -> Call[ModelDetail]:
    """A model version by name or alias."""
    return Call("GET", f"/v1/models/{quote(version, safe='')}", ModelDetail)


def model_run(version: str = "champion") -> Call[ModelRun]:
    """The run that made a model version, where it was trained by the service."""
    return Call("GET", f"/v1/models/{quote(version, safe='')}/run", ModelRun)


def aliases(at: datetime | None = None) -> Call[Aliases]:
    """Who holds which alias, now or at a moment of the past."""
    query = {} if at is None else {"at": at.isoformat()}
    return Call("GET", "/v1/models/aliases", Aliases, query=query)


def set_alias(
    version: str,
    *,
    why: str,
    alias: Literal["champion", "challenger"] = "champion",
    expected_previous: str | EllipsisType | None = ...,
    idempotency_key: str | None = None,
) -> Call[JournalRow]:
    """Let a version hold an alias.

    Parameters
    ----------
    expected_previous : who holds it now, None: nobody; left out: whoever it is
    """
    asked: dict[str, Any] = {"version": version, "why": why}
    if not isinstance(expected_previous, EllipsisType):
        asked["expected_previous"] = expected_previous
    return Call(
        "PUT",
        f"/v1/models/aliases/{alias}",
        JournalRow,
        body=AliasChange(**asked),
        idempotency_key=idempotency_key or new_key(),
    )


def rollback(
    *, why: str, expected_previous: str | None = None, idempotency_key: str | None = None
) -> Call[JournalRow]:
    """Let the champion before this one serve again.

    Parameters
    ----------
    expected_previous : the champion that is to go; None: whoever it is
    """
    asked: dict[str, Any] = {"why": why}
    if expected_previous is not None:
        asked["expected_previous"] = expected_previous
    return Call(
        "POST",
        "/v1/models/aliases/champion/rollback",
        JournalRow,
        body=Rollback(**asked),
        idempotency_key=idempotency_key or new_key(),
    )


def journal(*, before: int | None = None, limit: int = 100) -> Call[JournalPage]:
    """A page of the journal, the newest rows first."""
    query = {"limit": str(limit)} | ({} if before is None else {"before": str(before)})
    return Call("GET", "/v1/models/history", JournalPage, query=query)


def verify(*, files: bool = False) -> Call[Verified]:
    """Whether the journal, and with ``files`` every model's files, are what was written."""
    return Call("GET", "/v1/models/verify", Verified, query={"files": str(files).lower()})


def load_model(version: str) -> Call[ModelLoad]:
    """Let every replica make a model ready."""
    return Call("POST", f"/v1/models/{quote(version, safe='')}/load", ModelLoad)


def model_load(version: str) -> Call[ModelLoad]:
    """Where a model is ready."""
    return Call("GET", f"/v1/models/{quote(version, safe='')}/load", ModelLoad)


def each_change(*, page_size: int = 100) -> Pages[JournalPage, JournalRow]:
    """Every change of who serves, the newest first; pages are fetched as they are needed."""
    return Pages(
        lambda before: journal(before=before, limit=page_size),
        lambda page: page.journal,
        lambda page: page.next_before,
    )
