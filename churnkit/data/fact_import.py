"""Read parts of a source into one staged table, and set aside the rows that cannot be used."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa

from churnkit.data.column_facts import read_sample
from churnkit.data.event_store import DEFAULT_EVENT_KEY, EVENT_KEY_COLUMNS, EventStore, Merged
from churnkit.data.event_tables import ATTRIBUTES, EVENTS, SUBSCRIPTIONS
from churnkit.data.fact_batches import (
    AttributeReader,
    EventReader,
    FactReader,
    Read,
    SubscriptionReader,
    check_columns,
)
from churnkit.data.fact_columns import attribute_kind
from churnkit.data.fact_sources import OpenPart, Part
from churnkit.data.rejected import Rejected
from churnkit.data.suppressed import Suppressed, without_suppressed
from churnkit.domain.events import AttributeColumn
from churnkit.domain.frozen import Frozen
from churnkit.domain.progress import Cancel, Progress, Step
from churnkit.errors import DataEmpty, SettingsInvalid, TooManyBroken
from churnkit.settings.whole import Settings

FactTable = Literal["events", "attributes", "subscriptions"]
_TIMES = {"events": "t_us", "attributes": "valid_from_us", "subscriptions": "start_us"}
_TABLES = {"events": EVENTS, "attributes": ATTRIBUTES, "subscriptions": SUBSCRIPTIONS}
_REASONS = 10
_PANDAS_INDEX = re.compile(r"__index_level_\d+__")


@dataclass(frozen=True)
class Request:
    """Parts to read into one table."""

    table: FactTable
    parts: tuple[Part, ...]
    query: str = ""


class Reason(Frozen):
    """Why rows were set aside, and how many."""

    column: str
    reason: str
    n: int


class TableImported(Frozen):
    """What an import did to one table.

    ``n_rows`` were read, of which ``n_rejected`` were set aside in ``rejected_file``; ``ignored``
    are columns of the source that are not kept; ``n_twice`` and ``n_never`` count local times at
    a clock change; ``empty`` are files without rows.
    """

    table: FactTable
    n_parts: int
    n_rows: int
    n_rejected: int
    reasons: tuple[Reason, ...]
    first_rejected: str
    rejected_file: str
    merged: Merged
    ignored: tuple[str, ...]
    n_twice: int
    n_never: int
    empty: tuple[str, ...]


def import_request(
    store: EventStore,
    settings: Settings,
    request: Request,
    attributes: Sequence[AttributeColumn],
    aside: Rejected,
    progress: Progress,
    cancel: Cancel | None,
    suppressed: Suppressed | None = None,
) -> TableImported:
    """Read all parts, and add to the store what is new.

    Parameters
    ----------
    store : the file that is being written
    settings : churnkit.toml
    request : the parts and their table
    attributes : the facts about customers, for attributes
    aside : takes the rows that cannot be used
    suppressed : tells erased customers, whose rows are left out and kept nowhere

    Raises
    ------
    DataError : a part cannot be read as a table, or too many rows cannot be used
    """
    stage = f"reading the {request.table}"
    progress(Step(stage))
    n_rows = n_twice = n_never = 0
    seen: dict[str, None] = {}
    empty: list[str] = []
    reader, key = _reader(store, settings, request, attributes)
    customer = getattr(settings, request.table).customer_id
    for number, part in enumerate(request.parts):
        try:
            opened = OpenPart(part, query=request.query)
            check_columns(reader, opened.columns(), opened.name)
            seen |= dict.fromkeys(opened.columns())
            for batch, rows, broken in opened.batches(cancel):
                for bad in broken:
                    raw = "" if suppressed else bad.raw  # it might name an erased customer
                    aside.add(opened.name, bad.row, "", bad.reason, raw)
                n_rows += batch.num_rows + len(broken)
                batch, rows, _ = without_suppressed(batch, rows, customer, suppressed)
                if not batch.num_rows:
                    continue
                read = reader.read(batch)
                _set_aside(aside, opened.name, batch, rows, read)
                store.stage(reader.rows(read), len(key))
                n_twice, n_never = n_twice + read.n_twice, n_never + read.n_never
                done = number / len(request.parts) if len(request.parts) > 1 else None
                progress(Step(stage, done, f"{n_rows:,} rows"))
        except DataEmpty:
            if len(request.parts) == 1 and not n_rows:
                raise
            empty.append(part.location)
    if not n_rows:
        raise DataEmpty("the sources have no rows.", fix="Check what they name.",
                        file=", ".join(part.location for part in request.parts[:3]))  # fmt: skip
    _refuse_too_many(aside, n_rows, settings, request)
    progress(Step(f"adding the {request.table}"))
    if request.table == "events":
        assert settings.events is not None
        merged = store.merge_events(keep_duplicates=settings.events.duplicates == "keep")
    else:
        merged = store.merge_facts(_TABLES[request.table], _TIMES[request.table])
    used = {*reader.required()}
    ranked = aside.reasons.most_common(_REASONS)
    return TableImported(
        table=request.table,
        n_parts=len(request.parts),
        n_rows=n_rows,
        n_rejected=aside.n_rows,
        reasons=tuple(Reason(column=c, reason=r, n=n) for (c, r), n in ranked),
        first_rejected=aside.first,
        rejected_file="",
        merged=merged,
        ignored=tuple(name for name in seen if name not in used),
        n_twice=n_twice,
        n_never=n_never,
        empty=tuple(empty),
    )


def _reader(
    store: EventStore,
    settings: Settings,
    request: Request,
    attributes: Sequence[AttributeColumn],
) -> tuple[FactReader, tuple[str, ...]]:
    zone = settings.project.zone
    if request.table == "events":
        assert settings.events is not None
        key = settings.events.key
        if not key:
            told = store.entry(EVENT_KEY_COLUMNS)
            # The first import decides which columns make an event: a later file with one more
            # would otherwise hold nothing that is known already.
            key = tuple(json.loads(told)) if told else _default_key(
                request, json.loads(store.entry(DEFAULT_EVENT_KEY) or "[]")
            )  # fmt: skip
            store.set_entry(DEFAULT_EVENT_KEY, json.dumps(key))
        store.set_entry(EVENT_KEY_COLUMNS, json.dumps(key))
        return EventReader(settings.events, zone, key), key
    if request.table == "attributes":
        if settings.attributes is None:
            raise _no_table("attributes")
        return AttributeReader(settings.attributes, zone, attributes), ()
    if settings.subscriptions is None:
        raise _no_table("subscriptions")
    return SubscriptionReader(settings.subscriptions, zone), ()


def _default_key(request: Request, before: Sequence[str]) -> tuple[str, ...]:
    """All columns; in a rebuild those of before, so that the same files give the same log."""
    held: list[set[str]] = []
    for part in request.parts:
        try:
            held.append(set(OpenPart(part, query=request.query).columns()))
        except DataEmpty:
            continue
    names = set().union(*held)
    if before and names.issuperset(before):
        names = set(before).union(set.intersection(*held))
    # A row's place in a table of pandas, without a name, says nothing of the event.
    return tuple(sorted(name for name in names if not _PANDAS_INDEX.fullmatch(name)))


def attribute_columns(settings: Settings, request: Request) -> tuple[AttributeColumn, ...]:
    """The facts about customers with their kinds, from the first rows."""
    told = settings.attributes
    if told is None:
        raise _no_table("attributes")
    sample = read_sample(request.parts, query=request.query)
    roles = {told.customer_id, told.valid_from, told.known_at}
    names = told.columns or tuple(name for name in sample.table.column_names if name not in roles)
    # A column that is not there the reader reports, with its file.
    return tuple(
        AttributeColumn(
            name=name, kind=attribute_kind(sample.table.column(name), told.decimal_mark)
        )
        for name in names
        if name in sample.table.column_names
    )


def _set_aside(
    aside: Rejected, file: str, batch: pa.RecordBatch, rows: Sequence[int], read: Read
) -> None:
    places = np.flatnonzero(read.bad()).tolist()
    if not places:
        return
    raw = _shown(pa.Table.from_batches([batch]).take(pa.array(places)))
    for place, values in zip(places, raw, strict=True):
        problem = next(one for one in read.problems if one.where[place])
        aside.add(file, rows[place], problem.column, problem.reason, values)


def _shown(rows: pa.Table) -> list[dict[str, object]]:
    """Rows as they were; a moment that Python has no date for is the file's number."""
    columns = []
    for column in rows.columns:
        try:
            column.to_pylist()
        except (OverflowError, ValueError, KeyError):  # the last: an unknown zone
            column = column.cast(pa.int32() if pa.types.is_date32(column.type) else pa.int64())
        columns.append(column)
    shown: list[dict[str, object]] = pa.table(columns, names=rows.column_names).to_pylist()
    return shown


def _refuse_too_many(aside: Rejected, n_rows: int, settings: Settings, request: Request) -> None:
    told = getattr(settings, request.table)
    if aside.n_rows <= told.max_broken_share * n_rows:
        return
    shown = "; ".join(
        f"{n:,} × {column + ': ' if column else ''}{reason}"
        for (column, reason), n in aside.reasons.most_common(3)
    )
    raise TooManyBroken(
        f"{aside.n_rows:,} of {n_rows:,} rows cannot be used ({shown}); nothing was imported.",
        fix=f"Check [{request.table}] in churnkit.toml (columns, time_format, decimal_mark); or "
        "raise max_broken_share if so many broken rows are right.",
        first=aside.first,
    )


def _no_table(name: str) -> SettingsInvalid:
    return SettingsInvalid(
        f"churnkit.toml has no [{name}] table.",
        fix="Add one that names the source and its columns, then run 'churnkit import'.",
        field=name,
    )
