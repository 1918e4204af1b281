"""A small event log in memory, and the tables that churnkit keeps of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa

from churnkit.data.event_tables import (
    ATTRIBUTES,
    CUSTOMERS,
    EVENTS,
    SUBSCRIPTIONS,
    quoted,
)
from churnkit.domain.events import AttributeColumn, LogSchema, ValueColumn
from churnkit.domain.moments import day_number, to_us

_ARROW = {"number": pa.float64(), "boolean": pa.bool_(), "category": pa.string()}


@dataclass(frozen=True)
class Event:
    """``value`` is in cents, as it is stored."""

    customer: str
    t_us: int
    kind: str = "buy"
    known_us: int = -1
    amount: int | None = 100
    channel: str | None = "web"

    @property
    def known(self) -> int:
        return self.t_us if self.known_us < 0 else self.known_us


@dataclass(frozen=True)
class Version:
    customer: str
    valid_from_us: int
    known_us: int
    plan: str | None = None
    age: float | None = None
    vip: bool | None = None


@dataclass(frozen=True)
class Period:
    customer: str
    start_us: int
    end_us: int | None
    known_us: int


@dataclass(frozen=True)
class Log:
    """All facts of a test."""

    events: tuple[Event, ...] = ()
    versions: tuple[Version, ...] = ()
    periods: tuple[Period, ...] = ()
    zone: str = "UTC"
    customers: tuple[str, ...] = field(default=())

    def plus(self, *facts: Event | Version | Period) -> Log:
        """The log with further facts."""
        return replace(
            self,
            events=self.events + tuple(f for f in facts if isinstance(f, Event)),
            versions=self.versions + tuple(f for f in facts if isinstance(f, Version)),
            periods=self.periods + tuple(f for f in facts if isinstance(f, Period)),
        )

    def numbers(self) -> dict[str, int]:
        facts = (*self.events, *self.versions, *self.periods)
        ids = sorted({*self.customers, *(fact.customer for fact in facts)})
        return {name: number for number, name in enumerate(ids, 1)}

    def schema(self) -> LogSchema:
        times = [event.t_us for event in self.events]
        return LogSchema(
            zone=self.zone,
            values=(ValueColumn(name="amount", decimals=2),),
            categories=("channel",),
            event_types=("buy", "login", "it's"),
            attributes=(
                AttributeColumn(name="plan", kind="category"),
                AttributeColumn(name="age", kind="number"),
                AttributeColumn(name="vip", kind="boolean"),
            ),
            has_subscriptions=True,
            n_events=len(times),
            n_customers=len(self.numbers()),
            first_us=min(times, default=None),
            last_us=max(times, default=None),
        )

    def tables(self) -> dict[str, pa.Table]:
        """The tables as they are stored."""
        number = self.numbers()

        def table(rows: list[tuple[Any, ...]], **columns: pa.DataType) -> pa.Table:
            return pa.table(
                {
                    name: pa.array([row[at] for row in rows], kind)
                    for at, (name, kind) in enumerate(columns.items())
                }
            )

        i32, i64, word = pa.int32(), pa.int64(), pa.string()
        return {
            CUSTOMERS: table(
                [(n, name) for name, n in number.items()], customer_no=i32, customer_id=word
            ),
            EVENTS: table(
                [
                    (
                        number[e.customer],
                        e.t_us,
                        e.known,
                        day_number(e.t_us, self.zone),
                        e.kind,
                        e.amount,
                        e.channel,
                        str(at),
                    )
                    for at, e in enumerate(self.events)
                ],
                customer_no=i32,
                t_us=i64,
                known_us=i64,
                dayno=i32,
                event_type=word,
                v_amount=i64,
                c_channel=word,
                event_key=word,
            ),
            ATTRIBUTES: table(
                [
                    (number[v.customer], v.valid_from_us, v.known_us, v.plan, v.age, v.vip)
                    for v in self.versions
                ],
                customer_no=i32,
                valid_from_us=i64,
                known_us=i64,
                a_plan=word,
                a_age=pa.float64(),
                a_vip=pa.bool_(),
            ),
            SUBSCRIPTIONS: table(
                [(number[p.customer], p.start_us, p.end_us, p.known_us) for p in self.periods],
                customer_no=i32,
                start_us=i64,
                end_us=i64,
                known_us=i64,
            ),
        }

    def connection(self) -> duckdb.DuckDBPyConnection:
        """A database that holds the log."""
        connection = duckdb.connect(":memory:", config={"threads": 2})
        fill(connection, self.tables())
        return connection


def fill(connection: duckdb.DuckDBPyConnection, tables: dict[str, pa.Table]) -> None:
    """Write the tables."""
    for name, table in tables.items():
        connection.register("given", table)
        connection.execute(f"CREATE TABLE {quoted(name)} AS SELECT * FROM given")
        connection.unregister("given")


def us(*parts: int) -> int:
    """A moment in UTC: year, month, day, hour, …"""
    return to_us(datetime(*parts, tzinfo=UTC))  # type: ignore[arg-type,misc]


def at(moment_us: int) -> datetime:
    """The moment as a datetime."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=moment_us)
