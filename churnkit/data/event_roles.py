"""Which column of a log is what: guesses, each with its ground; unclear ones are not guessed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from churnkit.data.column_facts import ColumnFacts, Sample
from churnkit.data.fact_sources import OpenPart, Part
from churnkit.data.fixed_point import decimals_needed
from churnkit.data.roles import id_likeness, name_words, target_likeness
from churnkit.domain.events import Guess
from churnkit.domain.progress import Cancel, Progress, Step, silent
from churnkit.errors import AmbiguousLog, ColumnMissing, DataEmpty, did_you_mean

_NO_CUSTOMER = frozenset(
    "order invoice transaction event row session product item sku ticket payment message request "
    "store shop campaign device visit basket log entry record trip".split()
)
_KNOWN = frozenset(
    "known ingested ingest received recorded arrived arrival loaded inserted processed".split()
)
_ALONE = frozenset("customer client user member subscriber account".split())
_HAPPENED = frozenset("event occurred happened timestamp ts purchase transaction invoice".split())
_LIFE = frozenset("birth dob signup registered joined updated modified valid".split())
_TYPE_NAMES = (
    "event_type",
    "eventtype",
    "event_name",
    "event",
    "action",
    "activity",
    "type",
    "kind",
)
_MOST_TYPES = 200
_MOST_CATEGORIES = 100
_CODE_WORDS = frozenset("id code no nr key zip postcode phone sku".split())


@dataclass(frozen=True)
class Told:
    """What the person has already said; empty: guess."""

    customer_id: str = ""
    event_time: str = ""
    event_type: str = ""
    known_at: str = ""
    values: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    time_format: str = ""


@dataclass(frozen=True)
class LogRoles:
    """What the columns of a log are for, as [events] of churnkit.toml has it."""

    customer_id: str
    event_time: str
    event_type: str
    known_at: str
    values: dict[str, int]
    round_values: bool
    categories: tuple[str, ...]
    time_format: str
    decimal_mark: str
    guesses: tuple[Guess, ...]


def recognise(sample: Sample, n_parts: int) -> tuple[str, str]:
    """Whether rows are events or customers, and the ground.

    ``events``, ``snapshot``, ``unclear``, or ``odd``: events, were it not for how times are
    written.
    """
    n_rows = sample.table.num_rows
    if n_parts > 1:
        return "events", f"there are {n_parts:,} files, and a snapshot is one"
    names = sample.table.column_names
    for name in names:
        facts = sample.column(name) if target_likeness(name) else None
        if facts is not None and facts.n_distinct == 2:
            return "snapshot", f"the column '{name}' says who left"
    time = next((column for column in sample.columns if _may_be_event_time(column)), None)
    customers = filter(None, map(sample.column, filter(_may_name_customer, names)))
    if time is None:
        odd = next((column for column in sample.columns if _should_be_event_time(column)), None)
        if odd is not None and any(column.n_distinct * 2 <= n_rows for column in customers):
            return "odd", f"'{odd.name}' holds no times that churnkit reads: '{odd.example}'"
        return "snapshot", "no column says when a row happened"
    for column in customers:
        if column.n_distinct:
            n = sample.table.num_rows - column.n_missing
            if column.n_distinct < n:
                return "events", (
                    f"{n / max(column.n_distinct, 1):.1f} rows for each '{column.name}', a time "
                    f"('{time.name}'), and no column that says who left"
                )
            if not sample.whole:
                return "events", "there is a time, and no column that says who left"
    if any(map(_may_name_customer, names)):
        return "snapshot", "no customer has several rows"
    return "unclear", f"there is a time ('{time.name}'), but no column names the customer"


def guess_log(
    sample: Sample,
    parts: Sequence[Part],
    told: Told,
    *,
    query: str = "",
    progress: Progress = silent,
    cancel: Cancel | None = None,
) -> LogRoles:
    """Guess what the columns are for; the decimals of values come from all rows.

    Raises
    ------
    ColumnMissing : a named column is not there
    AmbiguousLog : it is not clear which column is meant; ``where["choices"]`` lists them
    """
    guesses: list[Guess] = []

    def note(what: str, value: str, ground: str) -> str:
        guesses.append(Guess(what=what, value=value, ground=ground))
        return value

    for name in (told.customer_id, told.event_time, told.event_type, told.known_at,
                 *told.values, *told.categories):  # fmt: skip
        require_column(sample, name)
    id_column = note("customer", *guess_customer(sample, told.customer_id))
    known = note("known at", *_guess_known(sample, told)) if _guess_known(sample, told)[0] else ""
    time = note("time", *_guess_time(sample, told, skip=(id_column, known)))
    form = guess_format(sample, (time, known), told.time_format, "--time-format")
    if form:
        note("time format", form, "its values can be read so and in no other way"
             if not told.time_format else "you named it")  # fmt: skip
    kind, ground = _guess_type(sample, told, skip=(id_column, time, known))
    note("type", kind or "(all are 'event')", ground)
    rest = [
        column
        for column in sample.columns
        if column.name not in (id_column, time, known, kind, *told.categories) and column.n_distinct
    ]
    names = told.values or tuple(column.name for column in rest if _may_be_value(column))
    decimals, rounded = _decimals(parts, names, sample, query, progress, cancel)
    for name in names:
        many = " (more are rounded half to even)" if name in rounded else ""
        note("value", name, f"numbers with {decimals[name]} decimals{many}")
    categories = told.categories or tuple(
        column.name for column in rest if column.name not in names and _may_be_category(column)
    )
    for name in categories:
        facts = sample.column(name)
        note("category", name, f"{facts.n_distinct if facts else 0:,} different texts")
    for column in sample.columns:
        if column.name not in (id_column, time, known, kind, *names, *categories):
            ground = "it is empty" if not column.n_distinct else (
                f"{column.n_distinct:,} different values: a name, a code or free text"
            )  # fmt: skip
            note("not kept", column.name, f"{ground}; it still tells events apart")
    return LogRoles(
        customer_id=id_column,
        event_time=time,
        event_type=kind,
        known_at=known,
        values=decimals,
        round_values=bool(rounded),
        categories=categories,
        time_format=form,
        decimal_mark=sample.mark,
        guesses=tuple(guesses),
    )


def require_column(sample: Sample, name: str) -> None:
    """Refuse a named column that is not there.

    Raises
    ------
    ColumnMissing
    """
    if name and sample.column(name) is None:
        raise ColumnMissing(
            f"there is no column '{name}'.",
            fix=did_you_mean(name, sample.table.column_names),
            file=sample.name,
            column=name,
        )


def guess_customer(
    sample: Sample, told: str, option: str = "--id", question: str = "customer"
) -> tuple[str, str]:
    """The column that names the customer, and the ground.

    Parameters
    ----------
    option, question : how the person says it, and what the error calls it

    Raises
    ------
    AmbiguousLog : no column, or several, could be it
    """
    if told:
        return told, "you named it"
    found = [column for column in sample.columns if _may_name_customer(column.name)]
    named = [column for column in found if _customer_likeness(column.name) == 2]
    best = named or found
    if len(best) == 1:
        return best[0].name, f"its name says so; {best[0].n_distinct:,} different values seen"
    choices = [column.name for column in best or sample.columns]
    raise ambiguous(
        "several columns could name the customer" if best else "no column names the customer",
        choices, option, sample, question=question,
    )  # fmt: skip


def guess_format(
    sample: Sample, names: Sequence[str], told: str, option: str, question: str = "time_format"
) -> str:
    """How the times of a source are written; empty: dates of the file's own type, or ISO text.

    Raises
    ------
    AmbiguousLog : they can be read in several ways, or in none
    """
    if told:
        return told
    left: list[str] | None = None
    for name in filter(None, names):
        facts = sample.column(name)
        if facts is None or facts.formats == ("native",) or not facts.n_distinct:
            continue
        if not facts.formats:
            raise AmbiguousLog(
                f"'{name}' holds no times that churnkit reads; one is '{facts.example}'.",
                fix="Name another column, or write times as 2024-03-01T12:00, 01.03.2024, "
                f"03/01/2024 2:30 PM or seconds since 1970. {option} says how most are written.",
                file=sample.name,
                column=name,
            )
        left = [form for form in left or facts.formats if form in facts.formats]
    if left is None:
        return ""
    if len(left) != 1:
        raise ambiguous(
            "the times can be read in several ways", left, option, sample, question=question
        )
    return "" if left[0] == "iso" else left[0]


def ambiguous(
    what: str, choices: Sequence[str], option: str, sample: Sample, *, question: str
) -> AmbiguousLog:
    """The error for a question that churnkit does not answer itself."""
    shown = ", ".join(choices[:20])
    return AmbiguousLog(
        f"{what}.",
        fix=f"Name the right one with {option}: {shown}{' …' if len(choices) > 20 else ''}.",
        options=choices,
        question=question,
        file=sample.name,
        choices=shown,
        option=option,
    )


def pick(columns: Sequence[ColumnFacts], rate: Callable[[ColumnFacts], int]) -> list[ColumnFacts]:
    """The columns that are rated highest."""
    best = max((rate(column) for column in columns), default=0)
    return [column for column in columns if rate(column) == best]


def speaks_of_knowing(column: ColumnFacts) -> bool:
    """Whether a column says when a fact became known."""
    return column.is_time and bool(set(column.words) & _KNOWN)


def _may_name_customer(name: str) -> bool:
    words = set(name_words(name))
    return _customer_likeness(name) > 0 and (not words & _NO_CUSTOMER or "customer" in words)


def _customer_likeness(name: str) -> int:
    words = name_words(name)
    return 2 if len(words) == 1 and words[0] in _ALONE else id_likeness(name)


def _may_be_event_time(column: ColumnFacts) -> bool:
    return column.is_time and not speaks_of_knowing(column) and not set(column.words) & _LIFE


def _should_be_event_time(column: ColumnFacts) -> bool:
    return (
        column.speaks_of_time
        and bool(column.n_distinct)
        and not column.formats
        and not column.numeric
        and not set(column.words) & (_LIFE | _KNOWN)
    )


def _guess_known(sample: Sample, told: Told) -> tuple[str, str]:
    if told.known_at:
        return told.known_at, "you named it"
    found = [c for c in sample.columns if speaks_of_knowing(c) and c.name != told.event_time]
    if len(found) > 1:
        raise ambiguous(
            "several columns could say when an event became known",
            [column.name for column in found], "--known-at", sample, question="known_at",
        )  # fmt: skip
    return (found[0].name, "its name says so") if found else ("", "")


def _guess_time(sample: Sample, told: Told, *, skip: Sequence[str]) -> tuple[str, str]:
    if told.event_time:
        return told.event_time, "you named it"
    found = [c for c in sample.columns if _may_be_event_time(c) and c.name not in skip]
    best = pick(found, lambda c: 2 if set(c.words) & _HAPPENED else 1 if c.speaks_of_time else 0)
    if len(best) == 1:
        return best[0].name, "it holds times" + (
            ", and its name speaks of one" if best[0].speaks_of_time else ""
        )
    choices = [column.name for column in best] or [
        column.name for column in sample.columns if column.name not in skip
    ]
    raise ambiguous(
        "several columns could say when an event happened" if best
        else "no column clearly says when an event happened",
        choices, "--time", sample, question="event_time",
    )  # fmt: skip


def _guess_type(sample: Sample, told: Told, *, skip: Sequence[str]) -> tuple[str, str]:
    if told.event_type:
        return told.event_type, "you named it"
    names = {"_".join(column.words): column for column in sample.columns}
    for name in _TYPE_NAMES:
        column = names.get(name)
        if (
            column is not None
            and column.name not in skip
            and column.n_distinct <= _MOST_TYPES
            and not column.n_missing
        ):
            return column.name, f"its name says so; {column.n_distinct:,} types seen"
    return "", "no column is called event_type, event, action, type or kind"


def _may_be_value(column: ColumnFacts) -> bool:
    is_code = bool(column.words) and column.words[-1] in _CODE_WORDS
    return column.is_number and not column.is_time and not id_likeness(column.name) and not is_code


def _may_be_category(column: ColumnFacts) -> bool:
    return column.is_text and 2 <= column.n_distinct <= _MOST_CATEGORIES and not column.is_time


def _decimals(
    parts: Sequence[Part],
    names: Sequence[str],
    sample: Sample,
    query: str,
    progress: Progress,
    cancel: Cancel | None,
) -> tuple[dict[str, int], set[str]]:
    needed = dict.fromkeys(names, 0)
    more: set[str] = set()
    if not names:
        return needed, more
    progress(Step("looking for decimals"))
    for part in parts:
        try:
            opened = OpenPart(part, query=query)
            held: Mapping[str, None] = dict.fromkeys(opened.columns())
            for batch, _, _ in opened.batches(cancel):
                for name in names:
                    if name in held and batch.num_rows and needed[name] < 7:
                        found, many = decimals_needed(batch.column(name), mark=sample.mark)
                        needed[name] = max(needed[name], found)
                        if many:
                            more.add(name)
        except DataEmpty:
            continue
    return needed, more
