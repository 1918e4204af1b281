"""Conditions, streams and literals as SQL that DuckDB and Spark read alike."""

from __future__ import annotations

from dataclasses import dataclass

from churnkit.data.event_tables import category_column, value_column
from churnkit.domain.events import LogSchema
from churnkit.features.definitions import EVENT_TYPE, Condition, EventFeature


@dataclass(frozen=True)
class Stream:
    """The events that pass one filter: these types (none: all), and all of these conditions."""

    event_types: tuple[str, ...]
    where: tuple[Condition, ...]

    @classmethod
    def of(cls, feature: EventFeature) -> Stream:
        """The stream of a feature; the order of types and conditions changes nothing."""
        where = {condition.model_dump_json(): condition for condition in feature.where}
        return cls(
            tuple(sorted(set(feature.event_types))), tuple(where[key] for key in sorted(where))
        )

    @property
    def everything(self) -> bool:
        """Whether all events pass."""
        return not self.event_types and not self.where


def text(value: str) -> str:
    r"""A string literal; a backslash would be an escape in Spark, so it is written as a code."""
    parts = ["'" + part.replace("'", "''") + "'" for part in value.split("\\")]
    return parts[0] if len(parts) == 1 else "concat(" + ", chr(92), ".join(parts) + ")"


def double(value: float) -> str:
    """A literal of type DOUBLE: a plain 0.5 would be DECIMAL, in Spark with other results."""
    shown = repr(float(value))
    if shown in ("inf", "-inf", "nan"):
        return f"CAST('{shown}' AS DOUBLE)"
    return shown if "e" in shown else f"{shown}e0"


def scaled(sql: str, column: str, schema: LogSchema) -> str:
    """A stored whole number as the user's number (DOUBLE)."""
    found = schema.value(column)
    assert found is not None, column  # a set is checked against its log before it is compiled
    return f"CAST({sql} AS DOUBLE) / 1e{found.decimals}"


def condition_sql(condition: Condition, schema: LogSchema, table: str = "e") -> str:
    """A condition as a predicate; nothing compares with a missing value."""
    if condition.column == EVENT_TYPE:
        stored = f"{table}.event_type"
    elif schema.value(condition.column):
        stored = f"{table}.{value_column(condition.column)}"
    else:
        stored = f"{table}.{category_column(condition.column)}"
    if condition.op in ("missing", "present"):
        return f"{stored} IS {'NOT ' if condition.op == 'present' else ''}NULL"
    if schema.value(condition.column) and condition.column != EVENT_TYPE:
        assert isinstance(condition.value, float)
        return (
            f"{scaled(stored, condition.column, schema)} {condition.op} {double(condition.value)}"
        )
    wanted = condition.value
    if isinstance(wanted, tuple):
        return f"{stored} {condition.op.upper()} ({', '.join(text(word) for word in wanted)})"
    assert isinstance(wanted, str)
    return f"{stored} {condition.op} {text(wanted)}"


def stream_sql(stream: Stream, schema: LogSchema, table: str = "e") -> str:
    """A stream as a predicate over a row of events; empty: every event passes."""
    parts = []
    if stream.event_types:
        types = ", ".join(text(kind) for kind in stream.event_types)
        parts.append(f"{table}.event_type IN ({types})")
    parts += [condition_sql(condition, schema, table) for condition in stream.where]
    return " AND ".join(parts)
