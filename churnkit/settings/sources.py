"""[data], [columns], [events], [attributes], [subscriptions]: where customers come from."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from churnkit.settings.kinds import (
    SOURCE_ZONE,
    TIME_FORMAT,
    Decimals,
    Table,
    TimeFormat,
    Words,
    Zone,
    one_source,
)

_DELAY = "Days until a fact is known, where no column says when it was."
BUILT_COLUMNS = {"target": "churned", "positive": "true", "id": "customer_id", "time": "as_of"}
"""[columns] of the table that is built from events."""


class DataTable(Table):
    """Where the customers come from."""

    source: str = Field(
        "",
        description="A file (CSV, Parquet, Excel) or a database URL, in which ${NAME} is an "
        "environment variable; empty: [events].",
    )
    query: str = Field("", description="The SQL query, when the source is a database URL.")
    sheet: str = Field("", description="The sheet, when the source is an Excel file.")


class ColumnsTable(Table):
    """What each column is for. Columns that are not named are inputs of the model."""

    target: str = Field(description="The column that says whether the customer left.")
    positive: str = Field(description="The value of the target that means 'left'.")
    id: str = Field("", description="The column that names the customer; empty: the row's number.")
    time: str = Field("", description="The date a row looks from, if rows have one.")
    ignore: tuple[str, ...] = Field((), description="Columns the model must not see.")
    allow_leaking: tuple[str, ...] = Field(
        (), description="Columns to use although churnkit suspects that they know the answer."
    )
    segments: tuple[str, ...] = Field(
        (), description="Columns by which quality is shown; empty: churnkit chooses."
    )


class _Facts(Table):
    source: Annotated[tuple[str, ...], BeforeValidator(one_source)] = Field(
        min_length=1,
        description="Files, globs, folders of partitioned Parquet, or one database URL.",
    )
    query: str = Field("", description="The SQL query, when the source is a database URL.")
    customer_id: str = Field(description="The column that names the customer.")
    known_at: str = Field("", description="The column that says when a fact became known.")
    time_format: TimeFormat = Field("", description=TIME_FORMAT)
    source_zone: Zone = Field("", description=SOURCE_ZONE)
    arrival_delay_days: float = Field(0.0, ge=0, le=3_650, description=_DELAY)
    max_broken_share: float = Field(
        0.5, ge=0, le=1, description="More broken rows than this share end an import."
    )


class EventsTable(_Facts):
    """The log of events; a project that has it is built from events."""

    event_time: str = Field(description="The column that says when it happened.")
    event_type: str = Field("", description="The column that says what; empty: always 'event'.")
    values: Decimals = Field({}, description="Number columns and how many decimals are kept.")
    round_values: bool = Field(
        False,
        description="Round a value with more decimals half to even; false: set its row aside.",
    )
    decimal_mark: Literal[".", ","] = Field(".", description="Of numbers written as text.")
    categories: Words = Field((), description="Text columns that features may filter on.")
    key: Words = Field((), description="Columns that make an event the same; empty: all of them.")
    duplicates: Literal["drop", "keep"] = Field(
        "drop",
        description="Rows with the same key in one import are one event (drop) or several (keep).",
    )


class AttributesTable(_Facts):
    """Facts about customers that change slowly."""

    valid_from: str = Field(
        "", description="The column from when a fact holds; empty: it always held, and was known."
    )
    decimal_mark: Literal[".", ","] = Field(".", description="Of numbers written as text.")
    columns: Words = Field((), description="The facts; empty: all other columns.")


class SubscriptionsTable(_Facts):
    """Periods that a customer paid for; a renewal is a further period."""

    start: str = Field(description="The column with a period's start.")
    end: str = Field(description="The column with a period's end; blank: it is open.")
    ends: Literal["planned", "observed"] = Field(
        "planned",
        description="Without known_at: an end is known from the start, or only once it happened.",
    )
