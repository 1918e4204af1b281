"""The event project's DuckDB file while it is written: staging, merging, describing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from churnkit.data.database import FORMAT, META
from churnkit.data.event_tables import (
    ATTRIBUTES,
    CUSTOMERS,
    EVENTS,
    LOG_SCHEMA,
    SUBSCRIPTIONS,
    attribute_column,
    category_column,
    quoted,
    value_column,
)
from churnkit.data.fact_batches import KEY
from churnkit.domain.events import AttributeColumn, LogSchema, ValueColumn
from churnkit.domain.frozen import Frozen

EVENT_KEY_COLUMNS = "event_key_columns"
"""The entry that names the source's columns which make an event the same (JSON)."""
DEFAULT_EVENT_KEY = "default_event_key"
"""The same entry, where nobody chose the key; it outlives a rebuild."""
_INCOMING = "incoming"
_SEPARATOR = "chr(31)"
_NULL = "chr(30)"
_OF_THE_PRESENT = {
    "fingerprint", "known_until_us", "events_until_us", "subscriptions_until_us", "n_future"
}  # fmt: skip
_SQL_KINDS = {"number": "double", "boolean": "boolean", "category": "varchar"}


class Merged(Frozen):
    """What became of the rows that can be used.

    ``n_repeated`` had a key that came before in the same import, ``n_known`` one that was there
    already; ``n_changed`` of those differ in what is kept (possible only with a key of one's own).
    """

    n_new: int = 0
    n_known: int = 0
    n_repeated: int = 0
    n_changed: int = 0
    n_new_customers: int = 0
    first_us: int | None = None
    last_us: int | None = None
    new_types: tuple[str, ...] = ()


class EventStore:
    """A DuckDB file that is being written; nobody else sees it yet.

    Parameters
    ----------
    path : the file; it is created if it is not there
    spill : a folder for what does not fit into memory
    memory : how much memory DuckDB may use
    """

    def __init__(self, path: Path, *, spill: Path, memory: str = "2GB") -> None:
        self._db = duckdb.connect(
            str(path), config={"temp_directory": str(spill), "memory_limit": memory}
        )
        self._db.execute("set preserve_insertion_order = false")
        self._db.execute(
            f"create table if not exists {META} (key varchar primary key, value varchar)"
        )
        self._db.execute(
            f"create table if not exists {CUSTOMERS} (customer_no integer, customer_id varchar)"
        )

    def close(self) -> None:
        """Finish the file."""
        self._db.close()

    def entry(self, key: str) -> str | None:
        """An entry of the file's own description."""
        rows = self._db.execute(f"select value from {META} where key = ?", [key]).fetchall()
        return str(rows[0][0]) if rows else None

    def set_entry(self, key: str, value: str) -> None:
        """Write an entry of the file's own description."""
        self._db.execute(f"insert or replace into {META} values (?, ?)", [key, value])

    def log_schema(self) -> LogSchema | None:
        """What was known of the log before this import."""
        text = self.entry(LOG_SCHEMA)
        return None if text is None else LogSchema.model_validate_json(text)

    # --- staging -----------------------------------------------------------------------

    def stage(self, rows: pa.Table, key_columns: int) -> None:
        """Take in a batch of rows; ``key_columns`` is 0 for attributes and subscriptions."""
        names = [name for name in rows.column_names if not name.startswith(KEY)]
        listed = ", ".join(map(quoted, names))
        if key_columns:
            parts = ", ".join(
                f"coalesce({quoted(f'{KEY}{i}')}, {_NULL})" for i in range(key_columns)
            )
            listed += f", md5_number(concat_ws({_SEPARATOR}, {parts})) as event_key"
        self._db.register("batch", rows)
        exists = self._db.execute(
            "select count(*) from duckdb_tables() where table_name = ?", [_INCOMING]
        ).fetchone()
        if exists == (0,):
            self._db.execute(f"create temp table {_INCOMING} as select {listed} from batch limit 0")
        self._db.execute(f"insert into {_INCOMING} select {listed} from batch")
        self._db.unregister("batch")

    def merge_events(self, *, keep_duplicates: bool) -> Merged:
        """Add the staged events that are new, and empty the stage."""
        db = self._db
        if keep_duplicates:
            # The second of two equal rows has a key of its own, the same in every import.
            db.execute(
                f"""create temp table counted as select * exclude (event_key, nth),
                case nth when 1 then event_key
                else md5_number(event_key::varchar || '#' || nth) end as event_key from (
                select *, row_number() over (partition by event_key order by known_us) as nth
                from {_INCOMING})"""
            )
            db.execute(f"drop table {_INCOMING}; alter table counted rename to {_INCOMING}")
            n_repeated = 0
        else:
            before = self._count(_INCOMING)
            db.execute(
                f"""create temp table repeated as
                select event_key from {_INCOMING} group by event_key having count(*) > 1"""
            )
            # Of several deliveries of one event the one counts that was known first.
            db.execute(
                f"""create temp table kept as select * from {_INCOMING}
                where event_key in (from repeated)
                qualify row_number() over (partition by event_key order by known_us, t_us) = 1"""
            )
            db.execute(f"delete from {_INCOMING} where event_key in (from repeated)")
            db.execute(f"insert into {_INCOMING} select * from kept")
            db.execute("drop table repeated; drop table kept")
            n_repeated = before - self._count(_INCOMING)
        n_changed = n_known = 0
        if self._has(EVENTS):
            columns = [name for name in self._columns(EVENTS)
                       if name not in ("customer_no", "event_key", "dayno")]  # fmt: skip
            differs = " or ".join(
                f"e.{quoted(name)} is distinct from i.{quoted(name)}" for name in columns
            )
            row = db.execute(
                f"""select count(*), count(*) filter ({differs}
                or c.customer_id is distinct from i.customer_id)
                from {_INCOMING} i join {EVENTS} e using (event_key)
                join {CUSTOMERS} c on c.customer_no = e.customer_no"""
            ).fetchone()
            assert row is not None
            n_known, n_changed = int(row[0]), int(row[1])
            db.execute(
                f"delete from {_INCOMING} where event_key in (select event_key from {EVENTS})"
            )
            new_types = (
                f"select distinct event_type from {_INCOMING} except "
                f"select distinct event_type from {EVENTS}"
            )
        else:
            new_types = f"select distinct event_type from {_INCOMING}"
        types = tuple(sorted(str(row[0]) for row in db.execute(new_types).fetchall()))
        merged = self._add(EVENTS, "t_us")
        return merged.model_copy(
            update={
                "n_known": n_known,
                "n_repeated": n_repeated,
                "n_changed": n_changed,
                "new_types": types,
            }
        )

    def merge_facts(self, table: str, time: str) -> Merged:
        """Add staged attributes or subscriptions; equal rows are one."""
        db = self._db
        before = self._count(_INCOMING)
        db.execute(f"create temp table different as select distinct * from {_INCOMING}")
        db.execute(f"drop table {_INCOMING}; alter table different rename to {_INCOMING}")
        n_repeated = before - self._count(_INCOMING)
        n_known = 0
        if self._has(table):
            names = [name for name in self._columns(table) if name != "customer_no"]
            same = " and ".join(
                f"f.{quoted(name)} is not distinct from i.{quoted(name)}" for name in names
            )
            exists = (
                f"exists (select 1 from {table} f join {CUSTOMERS} c using (customer_no) "
                f"where c.customer_id = i.customer_id and {same})"
            )
            row = db.execute(f"select count(*) from {_INCOMING} i where {exists}").fetchone()
            assert row is not None
            n_known = int(row[0])
            db.execute(f"delete from {_INCOMING} i where {exists}")
        merged = self._add(table, time)
        return merged.model_copy(update={"n_known": n_known, "n_repeated": n_repeated})

    def _add(self, table: str, time: str) -> Merged:
        db = self._db
        customers = db.execute(
            f"""insert into {CUSTOMERS}
            select ({self._next_number()}) - 1 + row_number() over (order by customer_id),
            customer_id from (select distinct customer_id from {_INCOMING}
            where customer_id not in (select customer_id from {CUSTOMERS}))"""
        ).fetchone()
        columns = [name for name in self._columns(_INCOMING) if name != "customer_id"]
        listed = ", ".join(f"i.{quoted(name)}" for name in columns)
        rows = (
            f"select c.customer_no, {listed} "
            f"from {_INCOMING} i join {CUSTOMERS} c using (customer_id)"
        )
        if not self._has(table) or not self._count(table):
            # An empty one may be from before its columns were known.
            db.execute(f"create or replace table {table} as {rows} limit 0")
        names = ", ".join(["customer_no", *map(quoted, columns)])
        added = db.execute(f"insert into {table} ({names}) {rows}").fetchone()
        span = db.execute(f"select min({time}), max({time}) from {_INCOMING}").fetchone()
        assert span is not None
        db.execute(f"drop table {_INCOMING}")
        return Merged(
            n_new=int(added[0]) if added else 0,
            n_new_customers=int(customers[0]) if customers else 0,
            first_us=span[0],
            last_us=span[1],
        )

    def _next_number(self) -> str:
        return f"select coalesce(max(customer_no), 0) + 1 from {CUSTOMERS}"

    # --- describing --------------------------------------------------------------------

    def describe(
        self,
        *,
        zone: str,
        values: Sequence[ValueColumn],
        categories: Sequence[str],
        attributes: Sequence[AttributeColumn],
        now_us: int,
    ) -> LogSchema:
        """Make sure that all tables are there, and write what is known of them at a moment."""
        db = self._db
        self._create(EVENTS, ["t_us bigint", "known_us bigint", "dayno integer",
                              "event_type varchar",
                              *(f"{value_column(value.name)} bigint" for value in values),
                              *(f"{category_column(name)} varchar" for name in categories),
                              "event_key uhugeint"])  # fmt: skip
        self._create(ATTRIBUTES, ["valid_from_us bigint", "known_us bigint",
                                  *(f"{attribute_column(column.name)} {_SQL_KINDS[column.kind]}"
                                    for column in attributes)])  # fmt: skip
        self._create(SUBSCRIPTIONS, ["start_us bigint", "end_us bigint", "known_us bigint"])
        row = db.execute(
            f"""select count(*), count(distinct customer_no), min(t_us), max(t_us),
            count(*) filter (known_us > {now_us}) from {EVENTS}"""
        ).fetchone()
        assert row is not None
        until = {table: self._known_until(table, now_us) for table in
                 (EVENTS, ATTRIBUTES, SUBSCRIPTIONS)}  # fmt: skip
        types = db.execute(f"select distinct event_type from {EVENTS} order by 1").fetchall()
        schema = LogSchema(
            zone=zone,
            values=tuple(values),
            categories=tuple(categories),
            event_types=tuple(str(found[0]) for found in types),
            attributes=tuple(attributes),
            has_subscriptions=bool(self._count(SUBSCRIPTIONS)),
            n_events=int(row[0]),
            n_customers=int(row[1]),
            first_us=row[2],
            last_us=row[3],
            known_until_us=max((us for us in until.values() if us is not None), default=None),
            events_until_us=until[EVENTS],
            subscriptions_until_us=until[SUBSCRIPTIONS],
            n_future=int(row[4]),
        )
        schema = schema.model_copy(update={"fingerprint": self._fingerprint(schema)})
        self.set_entry(LOG_SCHEMA, schema.model_dump_json())
        self.set_entry("format", str(FORMAT))
        return schema

    def _known_until(self, table: str, now_us: int) -> int | None:
        """The latest fact: one mistyped date in the future must not make all labels matured."""
        row = self._db.execute(
            f"select coalesce(max(known_us) filter (known_us <= {now_us}), max(known_us)) "
            f"from {table}"
        ).fetchone()
        return None if row is None or row[0] is None else int(row[0])

    def _create(self, table: str, columns: Sequence[str]) -> None:
        self._db.execute(
            f"create table if not exists {table} (customer_no integer, {', '.join(columns)})"
        )

    def _fingerprint(self, schema: LogSchema) -> str:
        """SHA-256 (hex) of the content, whatever the order in which it came."""
        sums = ["bit_xor(event_key)", "sum(t_us::hugeint)", "sum(known_us::hugeint)"]
        sums += [f"sum({value_column(value.name)}::hugeint)" for value in schema.values]
        sums += [f"count({value_column(value.name)})" for value in schema.values]
        found = [self._db.execute(f"select {', '.join(sums)} from {EVENTS}").fetchone()]
        for table in (ATTRIBUTES, SUBSCRIPTIONS):
            names = [name for name in self._columns(table) if name != "customer_no"]
            parts = ", ".join(f"coalesce({quoted(name)}::varchar, {_NULL})" for name in names)
            found.append(
                self._db.execute(
                    f"""select count(*), bit_xor(md5_number(concat_ws({_SEPARATOR}, customer_id,
                    {parts}))) from {table} join {CUSTOMERS} using (customer_no)"""
                ).fetchone()
            )
        head = schema.model_dump(mode="json", exclude=_OF_THE_PRESENT)
        text = json.dumps([head, [[str(x) for x in row or ()] for row in found]], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def _has(self, table: str) -> bool:
        row = self._db.execute(
            "select count(*) from duckdb_tables() where table_name = ? and not temporary", [table]
        ).fetchone()
        return row is not None and row[0] > 0

    def _columns(self, table: str) -> list[str]:
        return [str(row[0]) for row in self._db.execute(f"describe {table}").fetchall()]

    def _count(self, table: str) -> int:
        row = self._db.execute(f"select count(*) from {table}").fetchone()
        assert row is not None
        return int(row[0])
