"""Which columns of attributes and subscriptions are what: guesses, each with its ground."""

from __future__ import annotations

from collections.abc import Callable

from churnkit.data.column_facts import ColumnFacts, Sample
from churnkit.data.event_roles import (
    ambiguous,
    guess_customer,
    guess_format,
    pick,
    speaks_of_knowing,
)
from churnkit.domain.events import Guess
from churnkit.settings import AttributesTable, SubscriptionsTable

_VALID = frozenset("valid from since effective changed updated modified as_of snapshot".split())
_START = frozenset("start started begin began from since opened purchased subscribed".split())
_END = frozenset("end ended ends until to expire expires expiry expiration cancelled canceled "
                 "cancel closed terminated stop".split())  # fmt: skip


def guess_attributes(
    sample: Sample, source: str, *, query: str, id_column: str
) -> tuple[AttributesTable, tuple[Guess, ...]]:
    """[attributes] of churnkit.toml for a file.

    Parameters
    ----------
    id_column : the customer's column in the log; it is taken if the file has it

    Raises
    ------
    AmbiguousLog : it is not clear which column is meant
    """
    customer, known = _who_and_known(sample, id_column)
    times = [c for c in sample.columns if c.is_time and c.name not in (customer, known)]
    found = pick(
        [c for c in times if set(c.words) & (_VALID | {"date", "time", "month"})],
        lambda c: len(set(c.words) & _VALID),
    )
    if len(found) > 1:
        raise ambiguous(
            "several columns could say from when an attribute holds",
            [c.name for c in found], "attributes.valid_from in churnkit.toml", sample,
        )  # fmt: skip
    valid = found[0].name if found else ""
    form = guess_format(sample, (valid, known), "", "attributes.time_format in churnkit.toml")
    columns = tuple(
        c.name
        for c in sample.columns
        if c.name not in (customer, known, valid) and c.n_distinct and not c.is_time
        and (c.n_distinct <= 1_000 or c.is_number)
    )  # fmt: skip
    told = AttributesTable(
        source=(source,), query=query, customer_id=customer, known_at=known,
        valid_from=valid, time_format=form, columns=columns,
    )  # fmt: skip
    return told, (
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
    sample: Sample, source: str, *, query: str, id_column: str
) -> tuple[SubscriptionsTable, tuple[Guess, ...]]:
    """[subscriptions] of churnkit.toml for a file.

    Raises
    ------
    AmbiguousLog : it is not clear which column is meant
    """
    customer, known = _who_and_known(sample, id_column)

    def one(words: frozenset[str], what: str, skip: Callable[[ColumnFacts], bool]) -> str:
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
            )  # fmt: skip
        return found[0].name

    start = one(_START, "start", lambda c: False)
    end = one(_END, "end", lambda c: c.name == start)
    form = guess_format(
        sample, (start, end, known), "", "subscriptions.time_format in churnkit.toml"
    )
    facts = sample.column(end)
    some_open = facts is not None and facts.n_missing > 0
    # Where periods are open, an end that is there was written when it happened.
    ends = "observed" if some_open and not known else "planned"
    told = SubscriptionsTable(
        source=(source,), query=query, customer_id=customer, known_at=known, start=start,
        end=end, time_format=form, ends=ends,
    )  # fmt: skip
    ground = (
        "some are open, so an end is written when it happens" if ends == "observed"
        else "the file says when it was known" if known
        else "every period has its end from the start"
    )  # fmt: skip
    return told, (
        Guess(what="subscriptions", value=sample.name, ground=f"of '{customer}'"),
        Guess(what="start", value=start, ground="its name says so"),
        Guess(what="end", value=end, ground=f"its name says so; {ends}: {ground}"),
    )


def _who_and_known(sample: Sample, id_column: str) -> tuple[str, str]:
    customer = id_column if sample.column(id_column) is not None else ""
    customer = customer or guess_customer(sample, "", "the log's own name for it")[0]
    return customer, next((c.name for c in sample.columns if speaks_of_knowing(c)), "")
