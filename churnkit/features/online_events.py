"""Events as they are delivered one by one: fields with names become what the online state keeps."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import NoReturn

from churnkit.data.zones import moment_us
from churnkit.domain.events import LogSchema
from churnkit.domain.moments import day_number
from churnkit.errors import BadValue, did_you_mean
from churnkit.features.online_layout import Number, OnlineEvent, Word

_OWN = ("customer_id", "event_time", "known_at", "event_type", "key")
_LARGEST = 2**53


def read_event(
    fields: Mapping[str, object], schema: LogSchema, *, now_us: int
) -> tuple[str, OnlineEvent]:
    """Read one delivered event.

    Parameters
    ----------
    fields : ``customer_id``, ``event_time`` (ISO text or a datetime; without a zone it is the
        project's wall clock), ``event_type``, and the log's values and categories, which may be
        missing; ``known_at`` is the present if it is not given. ``key`` tells a second delivery
        from another event; without it, events that are equal in all fields are one
    now_us : the present moment

    Returns
    -------
    customer_id, event

    Raises
    ------
    BadValue : a field is missing, not known, or cannot be read; it is named
    """
    names = [column.name for column in schema.values]
    for name in fields:
        if name not in _OWN and name not in names and name not in schema.categories:
            hint = did_you_mean(name, [*_OWN, *names, *schema.categories])
            _refuse(name, f"events of this log have no field '{name}'.", hint)
    customer = fields.get("customer_id")
    if not isinstance(customer, str) or not customer.strip():
        _refuse("customer_id", "an event needs its customer's id, as text.", "Give it.")
    if "\0" in customer:
        _refuse("customer_id", "an id cannot hold the character NUL.", "Leave it out.")
    kind = fields.get("event_type", schema.event_types[0] if len(schema.event_types) == 1 else None)
    if not isinstance(kind, str) or not kind:
        known = ", ".join(schema.event_types[:8])
        _refuse("event_type", "an event needs its type, as text.", f"The log has: {known}.")
    t_us = _moment(fields.get("event_time"), "event_time", schema.zone)
    told = fields.get("known_at")
    values = tuple(
        _scaled(fields.get(column.name), column.name, column.decimals) for column in schema.values
    )
    categories = tuple(_word(fields.get(name), name) for name in schema.categories)
    key = fields.get("key")
    if key is not None and not isinstance(key, str):
        _refuse("key", "a key is text.", "Write it in quotes.")
    return customer.strip(), OnlineEvent(
        t_us=t_us,
        known_us=now_us if told is None else _moment(told, "known_at", schema.zone),
        dayno=day_number(t_us, schema.zone),
        event_type=kind,
        values=values,
        categories=categories,
        key=key or content_key(t_us, kind, values, categories),
    )


def content_key(
    t_us: int, event_type: str, values: tuple[Number, ...], categories: tuple[Word, ...]
) -> str:
    """The key of an event that was given none: what it says. 128 bits of BLAKE2b as hex."""
    text = json.dumps([t_us, event_type, values, categories], ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _moment(value: object, field: str, zone: str) -> int:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            _refuse(field, f"'{value}' is no moment.", "Write it as 2026-01-31T12:00:00+01:00.")
    if not isinstance(value, datetime):
        _refuse(field, "a moment is missing.", "Write it as 2026-01-31T12:00:00+01:00.")
    try:
        return moment_us(value, zone)
    except OverflowError:
        return moment_us(value.replace(tzinfo=UTC), zone)


def _scaled(value: object, field: str, decimals: int) -> Number:
    if value is None:
        return None
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
            raise InvalidOperation
        # A float counts as the shortest decimal that reads back as it, as on import.
        scaled = Decimal(str(value)).scaleb(decimals)
        whole = int(scaled)
    except (InvalidOperation, ValueError, OverflowError):
        _refuse(field, f"{value!r} is no number.", "Give a number, or leave the field out.")
    if whole != scaled:
        _refuse(
            field,
            f"{value!r} has more than {decimals} decimals, which is what the log keeps.",
            "Round it, or set more decimals in events.values of churnkit.toml.",
        )
    if abs(whole) > _LARGEST:
        _refuse(field, f"{value!r} is too large.", "Give it in a larger unit.")
    return whole


def _word(value: object, field: str) -> Word:
    if value is None or isinstance(value, str):
        return value or None
    return _refuse(field, f"{value!r} is no text.", "Write it in quotes.")


def _refuse(field: str, what: str, fix: str) -> NoReturn:
    raise BadValue(what, fix=fix, field=field)
