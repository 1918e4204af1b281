"""The tables of outcomes, treatments and hold-outs: appended to, never changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, TypeVar

import sqlalchemy as sa

from churnkit.domain.outcomes import Holdout, Outcome, Recorded, Treatment
from churnkit.ledger.suppressions import ErasedWithin
from churnkit.ledger.tables import holdouts, outcomes, treatments
from churnkit.ledger.transactions import reading, writing

_CHUNK = 1_000
_LOCK = 0x6F7574636F6D65  # "outcome"
_INSTANT = timedelta(microseconds=1)
_STATED = ("customer_id", "churned", "source", "as_of", "observed_from", "observed_to",
           "churned_at", "value", "known_at")  # fmt: skip
T = TypeVar("T", Outcome, Treatment)
U = TypeVar("U")


def record_outcomes(
    engine: sa.Engine,
    rows: Iterable[Outcome],
    *,
    now: datetime,
    strict: bool = False,
    erased: ErasedWithin | None = None,
) -> Recorded:
    """Add outcomes in one transaction: what says nothing new is left out.

    A row without ``known_at`` is a correction where it says otherwise than the last one of its
    subject. A row with it is new unless the ledger said the same at that moment.

    Parameters
    ----------
    strict : record nothing where one row contradicts another
    erased : tells erased customers, of whom nothing is recorded
    """
    return _record(engine, rows, _add_outcomes, now, strict, erased)


def _add_outcomes(connection: sa.Connection, rows: Sequence[Outcome], now: datetime) -> Recorded:
    known: dict[tuple[str, str], list[Outcome]] = defaultdict(list)
    for old in _read_outcomes(connection, {row.customer_id for row in rows}):
        known[old.customer_id, old.subject].append(old)
    new: list[Outcome] = []
    n_known = n_corrected = 0
    contradictory: list[int] = []
    for place, row in enumerate(rows):
        line = known[row.customer_id, row.subject]  # by known_at, rising
        if row.known_at is None:
            # A row without a moment is compared with what holds now, whenever that was known.
            before = line[-1] if line else None
            at = now
            if before is not None and before.known_at is not None and before.known_at > now:
                at = before.known_at + _INSTANT
        else:
            at = row.known_at
            before = next((old for old in reversed(line) if (old.known_at or at) <= at), None)
        if before is not None and before.content == row.content:
            n_known += 1
            continue
        if before is not None and before.known_at == at:
            contradictory.append(place)
            continue
        told = row.known(at)
        n_corrected += bool(line)
        line.append(told)
        line.sort(key=lambda old: old.known_at or now)
        new.append(told)
    if new:
        connection.execute(
            sa.insert(outcomes),
            [
                {
                    "outcome_id": row.outcome_id(),
                    "recorded_at": now,
                    **{name: getattr(row, name) for name in _STATED},
                }
                for row in new
            ],
        )
    return Recorded(
        n_new=len(new),
        n_known=n_known,
        n_corrected=n_corrected,
        n_contradictory=len(contradictory),
        contradictory=tuple(contradictory),
    )


def outcomes_of(engine: sa.Engine, customer_ids: Iterable[str]) -> dict[str, list[Outcome]]:
    """All outcomes of some customers, each one's by the moment they were known."""
    found: dict[str, list[Outcome]] = defaultdict(list)
    with reading(engine) as connection:
        for chunk in _chunks(customer_ids):
            for row in _read_outcomes(connection, set(chunk)):
                found[row.customer_id].append(row)
    return found


def outcomes_page(
    engine: sa.Engine,
    *,
    customer_id: str | None = None,
    after: tuple[datetime, str] | None = None,
    limit: int,
) -> list[tuple[datetime, str, Outcome]]:
    """Recorded outcomes, the last recorded first: (recorded_at, outcome_id, outcome).

    Parameters
    ----------
    after : the end of the page before
    """
    query = sa.select(outcomes)
    if customer_id is not None:
        query = query.where(outcomes.c.customer_id == customer_id)
    query = _page(query, outcomes.c.recorded_at, outcomes.c.outcome_id, after, limit)
    with reading(engine) as connection:
        rows = connection.execute(query).mappings().all()
    return [(row["recorded_at"], row["outcome_id"], _outcome(row)) for row in rows]


def count_outcomes(engine: sa.Engine) -> tuple[int, int]:
    """How many rows there are, and how many of their subjects were corrected."""
    subject = (outcomes.c.customer_id, outcomes.c.as_of, outcomes.c.observed_from)
    corrected = sa.select(*subject).group_by(*subject).having(sa.func.count() > 1).subquery()
    with reading(engine) as connection:
        n = connection.execute(sa.select(sa.func.count()).select_from(outcomes)).scalar_one()
        many = sa.select(sa.func.count()).select_from(corrected)
        return int(n), int(connection.execute(many).scalar_one())


def record_treatments(
    engine: sa.Engine,
    rows: Iterable[Treatment],
    *,
    now: datetime,
    strict: bool = False,
    erased: ErasedWithin | None = None,
) -> Recorded:
    """Add treatments in one transaction; a second delivery of one changes nothing.

    Parameters
    ----------
    strict : record nothing where one row contradicts another
    erased : tells erased customers, of whom nothing is recorded
    """
    return _record(engine, rows, _add_treatments, now, strict, erased)


def _add_treatments(
    connection: sa.Connection, rows: Sequence[Treatment], now: datetime
) -> Recorded:
    query = sa.select(treatments).where(
        treatments.c.treatment_id.in_({row.treatment_id for row in rows})
    )
    known = {
        row["treatment_id"]: _treatment(row).content for row in connection.execute(query).mappings()
    }
    new: list[dict[str, Any]] = []
    n_known = 0
    contradictory: list[int] = []
    for place, row in enumerate(rows):
        before = known.get(row.treatment_id)
        if before is None:
            known[row.treatment_id] = row.content
            new.append({**{name: getattr(row, name) for name in Treatment.__slots__},
                        "recorded_at": now})  # fmt: skip
        elif before == row.content:
            n_known += 1
        else:
            contradictory.append(place)
    if new:
        connection.execute(sa.insert(treatments), new)
    return Recorded(
        n_new=len(new),
        n_known=n_known,
        n_contradictory=len(contradictory),
        contradictory=tuple(contradictory),
    )


def treatments_of(engine: sa.Engine, customer_ids: Iterable[str]) -> dict[str, list[Treatment]]:
    """All treatments of some customers, each one's in the order of time."""
    found: dict[str, list[Treatment]] = defaultdict(list)
    with reading(engine) as connection:
        for chunk in _chunks(customer_ids):
            query = (
                sa.select(treatments)
                .where(treatments.c.customer_id.in_(set(chunk)))
                .order_by(treatments.c.at, treatments.c.treatment_id)
            )
            for row in connection.execute(query).mappings():
                found[row["customer_id"]].append(_treatment(row))
    return found


def any_treatment(engine: sa.Engine) -> bool:
    """Whether anybody was ever treated."""
    query = sa.select(sa.literal(1)).where(treatments.c.hold_out.is_(False)).limit(1)
    with reading(engine) as connection:
        return connection.execute(query).first() is not None


def iterate_treated(engine: sa.Engine) -> Iterator[Treatment]:
    """All who were treated, in the order of time."""
    query = (
        sa.select(treatments)
        .where(treatments.c.hold_out.is_(False))
        .order_by(treatments.c.at, treatments.c.treatment_id)
    )
    with reading(engine) as connection:
        result = connection.execution_options(yield_per=_CHUNK).execute(query)
        for row in result.mappings():
            yield _treatment(row)


def treatments_page(
    engine: sa.Engine,
    *,
    customer_id: str | None = None,
    campaign: str | None = None,
    after: tuple[datetime, str] | None = None,
    limit: int,
) -> list[Treatment]:
    """Recorded treatments, the latest first.

    Parameters
    ----------
    after : the moment and id of the page before's last one
    """
    query = sa.select(treatments)
    if customer_id is not None:
        query = query.where(treatments.c.customer_id == customer_id)
    if campaign is not None:
        query = query.where(treatments.c.campaign == campaign)
    query = _page(query, treatments.c.at, treatments.c.treatment_id, after, limit)
    with reading(engine) as connection:
        return [_treatment(row) for row in connection.execute(query).mappings()]


def add_holdout(engine: sa.Engine, holdout: Holdout) -> None:
    """Fix a hold-out; it is never changed afterwards, only ended."""
    with writing(engine, lock=_LOCK) as connection:
        connection.execute(sa.insert(holdouts), holdout.model_dump())


def end_holdout(engine: sa.Engine, holdout_id: str, at: datetime) -> bool:
    """Let a hold-out end; False when there is none of this name that goes on."""
    with writing(engine, lock=_LOCK) as connection:
        done = connection.execute(
            sa.update(holdouts)
            .where(
                holdouts.c.holdout_id == holdout_id,
                sa.or_(holdouts.c.valid_until.is_(None), holdouts.c.valid_until > at),
            )
            .values(valid_until=at)
        )
    return done.rowcount == 1


def read_holdouts(engine: sa.Engine) -> tuple[Holdout, ...]:
    """All hold-outs, the oldest first."""
    query = sa.select(holdouts).order_by(holdouts.c.created_at, holdouts.c.holdout_id)
    with reading(engine) as connection:
        return tuple(Holdout(**row) for row in connection.execute(query).mappings())


class _Contradicted(Exception):
    """Ends a transaction in which nothing may be recorded."""


def _record(
    engine: sa.Engine,
    rows: Iterable[T],
    add: Callable[[sa.Connection, Sequence[T], datetime], Recorded],
    now: datetime,
    strict: bool,
    erased: ErasedWithin | None,
) -> Recorded:
    done, offset = Recorded(), 0
    try:
        with writing(engine, lock=_LOCK) as connection:
            for chunk in _chunks(rows):
                gone = erased(connection, {row.customer_id for row in chunk}) if erased else set()
                kept = [place for place, row in enumerate(chunk) if row.customer_id not in gone]
                added = add(connection, [chunk[place] for place in kept], now)
                places = tuple(kept[place] for place in added.contradictory)
                done = done.plus(added.model_copy(update={"contradictory": places}), offset)
                offset += len(chunk)
            if strict and done.contradictory:
                raise _Contradicted
    except _Contradicted:
        return Recorded(n_contradictory=done.n_contradictory, contradictory=done.contradictory)
    return done


def _page(
    query: sa.Select[Any],
    moment: sa.Column[Any],
    name: sa.Column[Any],
    after: tuple[datetime, str] | None,
    limit: int,
) -> sa.Select[Any]:
    if after is not None:
        at, key = after
        query = query.where(sa.or_(moment < at, sa.and_(moment == at, name < key)))
    return query.order_by(moment.desc(), name.desc()).limit(limit)


def _read_outcomes(connection: sa.Connection, customers: set[str]) -> Iterator[Outcome]:
    query = (
        sa.select(*(outcomes.c[name] for name in _STATED))
        .where(outcomes.c.customer_id.in_(customers))
        .order_by(outcomes.c.known_at, outcomes.c.recorded_at)
    )
    for row in connection.execute(query).mappings():
        yield _outcome(row)


def _outcome(row: sa.RowMapping) -> Outcome:
    return Outcome(**{name: row[name] for name in _STATED})


def _treatment(row: sa.RowMapping) -> Treatment:
    return Treatment(**{name: row[name] for name in Treatment.__slots__})


def _chunks(rows: Iterable[U]) -> Iterator[list[U]]:
    stream = iter(rows)
    while chunk := list(islice(stream, _CHUNK)):
        yield chunk
