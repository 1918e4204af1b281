"""Which columns of attributes and subscriptions are what: guesses, each with its ground."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from churnkit.data.column_facts import ColumnFacts, Sample
from churnkit.data.event_roles import (
    ambiguous,
    guess_customer,
    guess_format,
    pick,
    speaks_of_knowing,
)
from churnkit.domain.events import Guess
from churnkit.settings.sources import AttributesTable, SubscriptionsTable

_VALID = frozenset("valid from since effective changed updated modified as_of snapshot".split())
_START = frozenset("start started begin began from since opened purchased subscribed".split())
_END = frozenset("end ended ends until to expire expires expiry expiration cancelled canceled "
                 "cancel closed terminated stop".split())  # fmt: skip


def guess_attributes(
    sample: Sample,
    source: str,
    *,
    query: str,
    id_column: str,
    told: Mapping[str, str] = MappingProxyType({}),
) -> tuple[AttributesTable, tuple[Guess, ...]]:
    """[attributes] of churnkit.toml for a file.

    Parameters
    ----------
    id_column : the customer's column in the log; it is taken if the file has it
    told : question of an ``AmbiguousLog`` → what the person answered

    Raises
    ------
    AmbiguousLog : it is not clear which column is meant
    """
    customer, known = _who_and_known(
        sample, told.get("attributes.customer") or id_column, "attributes"
    )
    times = [c for c in sample.columns if c.is_time and c.name not in (customer, known)]
    found = pick(
        [c for c in times if set(c.words) & (_VALID | {"date", "time", "month"})],
        lambda c: len(set(c.words) & _VALID),
    )
    valid = told.get("attributes.valid_from", "")
    if not valid and len(found) > 1:
        raise ambiguous(
            "several columns could say from when an attribute holds",
            [c.name for c in found], _in_settings("attributes", "valid_from"), sample,
            question="attributes.valid_from",
        )  # fmt: skip
    valid = valid or (found[0].name if found else "")
    form = guess_format(
        sample, (valid, known), told.get("attributes.time_format", ""),
        _in_settings("attributes", "time_format"), "attributes.time_format",
    )  # fmt: skip
    columns = tuple(
        c.name
        for c in sample.columns
        if c.name not in (customer, known, valid) and c.n_distinct and not c.is_time
        and (c.n_distinct <= 1_000 or c.is_number)
    )  # fmt: skip
    made = AttributesTable(
        source=(source,), query=query, customer_id=customer, known_at=known,
        valid_from=valid, time_format=form, decimal_mark=sample.mark, columns=columns,
    )  # fmt: skip
    return made, (
        Guess(what="attributes", value=sample.name, ground=f"of '{customer}'"),
        Guess(
            what="valid from",
            value=valid or "(always)",
            ground="its name says so"
            if valid
            else "no date says since when; taken as always known",
        ),
        *(Guess(what="attribute", value=name, ground="a column of that file") for name in columns),
    )


def guess_subscriptions(
    sample: Sample,
    source: str,
    *,
    query: str,
    id_column: str,
    told: Mapping[str, str] = MappingProxyType({}),
) -> tuple[SubscriptionsTable, tuple[Guess, ...]]:
    """[subscriptions] of churnkit.toml for a file.

    Parameters
    ----------
    told : question of an ``AmbiguousLog`` → what the person answered

    Raises
    ------
    AmbiguousLog : it is not clear which column is meant
    """
    customer, known = _who_and_known(
        sample, told.get("subscriptions.customer") or id_column, "subscriptions"
    )

    def one(words: frozenset[str], what: str, skip: Callable[[ColumnFacts], bool]) -> str:
        if answer := told.get(f"subscriptions.{what}"):
            return answer
        found = [
            c
            for c in sample.columns
            if c.name not in (customer, known)
            and set(c.words) & words
            and not skip(c)
            and (c.is_time or not c.n_distinct)
        ]
        if len(found) != 1:
            raise ambiguous(
                f"{'several columns could be' if found else 'no column is clearly'} "
                f"the {what} of a subscription",
                [c.name for c in found] or list(sample.table.column_names),
                f"its name: call it '{what}' in the file", sample,
                question=f"subscriptions.{what}",
            )  # fmt: skip
        return found[0].name

    start = one(_START, "start", lambda c: False)
    end = one(_END, "end", lambda c: c.name == start)
    form = guess_format(
        sample, (start, end, known), told.get("subscriptions.time_format", ""),
        _in_settings("subscriptions", "time_format"), "subscriptions.time_format",
    )  # fmt: skip
    facts = sample.column(end)
    some_open = facts is not None and facts.n_missing > 0
    # Where periods are open, an end that is there was written when it happened.
    ends = "observed" if some_open and not known else "planned"
    made = SubscriptionsTable(
        source=(source,), query=query, customer_id=customer, known_at=known, start=start,
        end=end, time_format=form, ends=ends,
    )  # fmt: skip
    ground = (
        "some are open, so an end is written when it happens" if ends == "observed"
        else "the file says when it was known" if known
        else "every period has its end from the start"
    )  # fmt: skip
    return made, (
        Guess(what="subscriptions", value=sample.name, ground=f"of '{customer}'"),
        Guess(what="start", value=start, ground="its name says so"),
        Guess(what="end", value=end, ground=f"its name says so; {ends}: {ground}"),
    )


def _in_settings(table: str, field: str) -> str:
    return f"{table}.{field} in churnkit.toml (make the project without --{table} first)"


def _who_and_known(sample: Sample, id_column: str, table: str) -> tuple[str, str]:
    customer = id_column if sample.column(id_column) is not None else ""
    if not customer:
        customer, _ = guess_customer(
            sample, "", "the log's own name for it", question=f"{table}.customer"
        )
    return customer, next((c.name for c in sample.columns if speaks_of_knowing(c)), "")
