"""The tables of an event project in its DuckDB file: their names, columns and meaning.

customer_numbers   customer_no INTEGER, customer_id VARCHAR; one row per customer ever seen
events             customer_no INTEGER, t_us BIGINT, known_us BIGINT, dayno INTEGER,
                   event_type VARCHAR (or an ENUM of it), v_<value> BIGINT, c_<category> VARCHAR,
                   and event_key UHUGEINT (MD5 of the key's columns; Spark does not read it);
                   nothing but values and categories may be null
attributes         customer_no INTEGER, valid_from_us BIGINT, known_us BIGINT, a_<name>:
                   DOUBLE (number), BOOLEAN or VARCHAR; of the versions that were known, the one
                   with the latest valid_from_us holds, and of several the last known
subscriptions      customer_no INTEGER, start_us BIGINT, end_us BIGINT (null: open),
                   known_us BIGINT; a renewal is a further period of the same customer; rows
                   with the same start are versions of one period, the last known holds, and of
                   two known at the same moment the one that ends later

The prefixes keep users' names apart from ours. Spark reads the same tables from Parquet.
"""

from __future__ import annotations

CUSTOMERS = "customer_numbers"
EVENTS = "events"
ATTRIBUTES = "attributes"
SUBSCRIPTIONS = "subscriptions"
LOG_SCHEMA = "log_schema"
"""The key of the ``LogSchema`` (JSON) in the file's own description."""


def value_column(name: str) -> str:
    """The SQL name of a value column, quoted."""
    return quoted(value_name(name))


def category_column(name: str) -> str:
    """The SQL name of an event's text column, quoted."""
    return quoted(f"c_{name}")


def attribute_column(name: str) -> str:
    """The SQL name of an attribute, quoted."""
    return quoted(f"a_{name}")


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def value_name(name: str) -> str:
    """The column of a value, as it is called in the table."""
    return f"v_{name}"
