"""The parts of the statement about attributes and subscriptions: versions that were known."""

from __future__ import annotations

from collections.abc import Sequence

from churnkit.data.event_tables import ATTRIBUTES, SUBSCRIPTIONS, attribute_column
from churnkit.domain.events import US_PER_DAY, LogSchema
from churnkit.features.zone_days import offsets

_REQUESTS = "SELECT DISTINCT customer_no, as_of_us, as_of_day FROM feature_requests"


def attributes_sql(columns: Sequence[str], schema: LogSchema) -> str:
    """The version that holds per request: the latest ``valid_from``, of several the last known."""
    # The last keys only matter for versions that are the same in everything else.
    ties = ", ".join(f"a.{attribute_column(a.name)} DESC NULLS LAST" for a in schema.attributes)
    picked = ", ".join(f"a.{attribute_column(name)}" for name in columns)
    ranked = (
        f"SELECT q.customer_no, q.as_of_us, {picked}, row_number() OVER ("
        f"PARTITION BY q.customer_no, q.as_of_us "
        f"ORDER BY a.valid_from_us DESC, a.known_us DESC, {ties}) AS place\n"
        f"FROM ({_REQUESTS}) q JOIN {ATTRIBUTES} a ON a.customer_no = q.customer_no\n"
        f"WHERE a.valid_from_us <= q.as_of_us AND a.known_us <= q.as_of_us"
    )
    return f"SELECT * FROM ({ranked}) v WHERE place = 1"


def subscriptions_sql(schema: LogSchema) -> str:
    """Per request: ``periods``, ``tenure_days`` and ``days_to_end``.

    A period that is told again (the same start) holds as it was known last; if two were known at
    the same moment, the one that ends later.
    """
    ranked = (
        "SELECT q.customer_no, q.as_of_us, q.as_of_day, p.start_us, p.end_us, row_number() OVER ("
        "PARTITION BY q.customer_no, q.as_of_us, p.start_us "
        "ORDER BY p.known_us DESC, p.end_us DESC NULLS FIRST) AS place\n"
        f"FROM ({_REQUESTS}) q JOIN {SUBSCRIPTIONS} p ON p.customer_no = q.customer_no\n"
        "WHERE p.start_us <= q.as_of_us AND p.known_us <= q.as_of_us"
    )
    summed = (
        "SELECT customer_no, as_of_us, as_of_day, count(*) AS periods, min(start_us) AS start_us, "
        "CASE WHEN count(*) FILTER (WHERE end_us IS NULL) = 0 "
        "THEN max(end_us) FILTER (WHERE end_us > as_of_us) END AS end_us\n"
        f"FROM ({ranked}) v WHERE place = 1 GROUP BY customer_no, as_of_us, as_of_day"
    )
    zone = ", ".join(str(stretch) for stretch in offsets(schema.zone))
    zones = f"(SELECT * FROM (VALUES {zone}) z (from_us, until_us, offset_us))"
    started, ends = _day("t.start_us", "b"), _day("t.end_us", "c")
    return (
        f"SELECT t.customer_no, t.as_of_us, t.periods, t.as_of_day - {started} AS tenure_days, "
        f"{ends} - t.as_of_day AS days_to_end\n"
        f"FROM ({summed}) t\n"
        f"LEFT JOIN {zones} b ON t.start_us >= b.from_us AND t.start_us < b.until_us\n"
        f"LEFT JOIN {zones} c ON t.end_us >= c.from_us AND t.end_us < c.until_us"
    )


def _day(us: str, zone: str) -> str:
    """The day number of a moment: moments before 1970 round down, too."""
    moved = f"({us} + {zone}.offset_us)"
    whole = f"({moved} - (({moved} % {US_PER_DAY}) + {US_PER_DAY}) % {US_PER_DAY})"
    # Dividing a multiple as DOUBLE is exact, and needs neither // (DuckDB) nor div (Spark).
    return f"CAST(CAST({whole} AS DOUBLE) / {US_PER_DAY}e0 AS BIGINT)"
