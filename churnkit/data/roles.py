"""What each column is for: guesses, each with its ground; the target is never guessed silently."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from churnkit.data import target as targets
from churnkit.data.codes import as_array
from churnkit.domain.columns import TableColumn, TableSchema
from churnkit.domain.profiles import RoleGuess
from churnkit.errors import AmbiguousTarget

FREE_TEXT_SHARE = 0.5
"""A text column with more distinct values than this share of the rows is no category."""
NEAR_UNIQUE_SHARE = 0.95

_CHURN_WORDS = frozenset(
    "churn churned churner churners attrition attrited exited exit left leaver cancelled canceled "
    "cancellation cancel unsubscribed defected lapsed terminated".split()
)
_LABEL_WORDS = frozenset("target label class outcome response y".split())
_FILLERS = frozenset(
    "is has flag status value label yn indicator customer client the bank account ind".split()
)
_WHO = frozenset(
    "customer client account user member subscriber policy cust person contract household "
    "party acct".split()
)
_NAMING = frozenset("id ids num number no nr code key uuid guid ref".split())
_GLUED = re.compile(
    r"(customer|client|account|user|member|subscriber|cust)(id|num|number|no|nr|code|key)"
)
_ROW_NUMBER = re.compile(r"(unnamed \d+|unnamed|index|row|row ?(number|num|no|id|index)|)")
_AS_OF = frozenset("of snapshot reference observation month period date time timestamp day".split())
_LIFE = frozenset(
    "birth born dob signup sign joined join start started created registration registered end "
    "ended cancel cancelled churn exit left closed activation last first".split()
)


def guess_roles(
    table: pa.Table,
    schema: TableSchema,
    *,
    target: str | None = None,
    positive: str | None = None,
    id_column: str | None = None,
) -> tuple[RoleGuess, ...]:
    """One guess for each column, in the table's order.

    Parameters
    ----------
    table : typed columns; missing is null
    schema : the table's columns
    target, positive, id_column : what the person has already said; None: guess

    Raises
    ------
    ColumnMissing : a named column is not there
    AmbiguousTarget : no column, or several, could be the target, or it is not clear which of
        its values means 'left'; ``where["choices"]`` lists them
    TargetInvalid : the target has blanks, one value, or more than two
    """
    distinct = {name: _n_distinct(table, name) for name in table.column_names}
    if id_column:
        targets.require_column(table, id_column, "id")
    if target:
        targets.require_column(table, target, "target")
        ground = "you named it"
    else:
        target, ground = _guess_target(table, distinct, skip=id_column or "")
    if positive:
        positive = targets.matching_value(table, target, positive)
    else:
        positive, why = targets.guess_positive(table, target)
        ground = f"{ground}; {why}"
    targets.check_target(table, target, positive)

    guesses = {target: RoleGuess(column=target, role="target", ground=ground, positive=positive)}
    chosen = (
        (id_column, "you named it") if id_column else _guess_id(table, schema, distinct, target)
    )
    if chosen is not None:
        guesses[chosen[0]] = RoleGuess(column=chosen[0], role="id", ground=chosen[1])
    as_of = _guess_time(table, schema, guesses)
    for column in schema.columns:
        if column.name not in guesses:
            guesses[column.name] = _guess_rest(table, column, distinct[column.name], as_of)
    return tuple(guesses[column.name] for column in schema.columns)


# --- target -------------------------------------------------------------------------------


def _guess_target(table: pa.Table, distinct: Mapping[str, int], *, skip: str) -> tuple[str, str]:
    names = [name for name in table.column_names if name != skip]
    binary = [name for name in names if distinct[name] == 2]
    rated = {name: target_likeness(name) for name in names}
    best = max((rated[name] for name in binary), default=0)
    if best:
        found = [name for name in binary if rated[name] == best]
        if len(found) == 1:
            return found[0], "its name speaks of leaving and it has two values" if best > 1 else (
                "its name says that it is the target and it has two values"
            )
        raise _ambiguous("several columns could be the target", found)
    # A column that is called 'churn' but has one value or three is reported as what it is.
    broken = [name for name in names if rated[name] == 3 and distinct[name] <= 10]
    if len(broken) == 1:
        return broken[0], "its name speaks of leaving"
    raise _ambiguous("no column is clearly the target", binary)


def target_likeness(name: str) -> int:
    """3: the name says 'left' and nothing else; 2: it contains it; 1: a label; 0: none."""
    words = name_words(name)
    if any(word in _CHURN_WORDS for word in words):
        return 3 if all(word in _CHURN_WORDS or word in _FILLERS for word in words) else 2
    return 1 if words and all(word in _LABEL_WORDS for word in words) else 0


def _ambiguous(what: str, choices: list[str]) -> AmbiguousTarget:
    if not choices:
        return AmbiguousTarget(
            f"{what}: no column has exactly two values.",
            fix="Add a column that says for each customer whether he left, and name it "
            "with --target.",
        )
    shown = ", ".join(choices[:20])
    return AmbiguousTarget(
        f"{what}.",
        fix=f"Name it with --target; these have two values: {shown}"
        f"{' …' if len(choices) > 20 else ''}.",
        options=choices,
        choices=shown,
    )


# --- id, time, the rest ------------------------------------------------------------------------


def _guess_id(
    table: pa.Table, schema: TableSchema, distinct: Mapping[str, int], target: str
) -> tuple[str, str] | None:
    n = table.num_rows
    rated: list[tuple[tuple[int, int], str]] = []
    for column in schema.columns:
        name, share = column.name, distinct[column.name] / max(n, 1)
        if name == target or column.kind not in ("number", "category"):
            continue
        if column.kind == "number" and not pa.types.is_integer(table.schema.field(name).type):
            continue
        likeness = id_likeness(name)
        repeats_are_fine = likeness == 2 and distinct[name] > 2 and share >= 0.05
        if likeness and (share >= NEAR_UNIQUE_SHARE or repeats_are_fine):
            rated.append(((likeness, distinct[name]), name))
    if rated:
        # Ties go to the column that comes first.
        (_, n_values), name = max(rated, key=lambda pair: pair[0])
        return name, f"its name says so and it has {n_values:,} values in {n:,} rows"
    for column in schema.columns:
        if (
            column.kind == "category"
            and column.name != target
            and n > 20
            and distinct[column.name] == n
            and pc.max(pc.utf8_length(table.column(column.name))).as_py() <= 40
            and not pc.any(pc.match_substring(table.column(column.name), " ")).as_py()
        ):
            return column.name, f"each of its {n:,} values is a different short word"
    return None


def id_likeness(name: str) -> int:
    """2: names a customer; 1: names something; 0: no name."""
    words = name_words(name)
    if _GLUED.fullmatch("".join(words)) or (
        any(word in _WHO for word in words) and any(word in _NAMING for word in words)
    ):
        return 2
    if (
        words
        and words[-1] in {"id", "uuid", "guid", "key"}
        and not _ROW_NUMBER.fullmatch(" ".join(words))
    ):
        return 2 if len(words) == 1 else 1
    return 0


def _guess_time(table: pa.Table, schema: TableSchema, taken: Mapping[str, RoleGuess]) -> str:
    """The date that rows look from; dates of a customer's life are not one."""
    rated: list[tuple[int, str]] = []
    for column in schema.columns:
        if column.kind != "time" or column.name in taken:
            continue
        words = set(name_words(column.name))
        if words & _LIFE or table.column(column.name).null_count:
            continue
        rated.append(
            (
                2 if {"as", "of"} <= words or "snapshot" in words else 1 if words & _AS_OF else 0,
                column.name,
            )
        )
    return max(rated, key=lambda pair: pair[0])[1] if rated else ""


def _guess_rest(table: pa.Table, column: TableColumn, n_distinct: int, as_of: str) -> RoleGuess:
    name, n = column.name, table.num_rows
    values = table.column(name)

    def ignored(ground: str) -> RoleGuess:
        return RoleGuess(column=name, role="ignore", ground=ground)

    if name == as_of:
        return RoleGuess(column=name, role="time", ground="a date in every row")
    if n_distinct == 0:
        return ignored("it is empty")
    if n_distinct == 1 and not values.null_count:
        return ignored(f"it is constant: always '{targets.value_text(values[0].as_py())}'")
    if column.kind == "time":
        return ignored("a date, which the model cannot read as it is")
    unique = n_distinct >= NEAR_UNIQUE_SHARE * n and n > 20
    if unique and (
        id_likeness(name)
        or (_ROW_NUMBER.fullmatch(" ".join(name_words(name))) and column.kind == "number")
    ):
        return ignored(f"it names or counts rows: {n_distinct:,} values in {n:,} rows")
    if column.kind == "category" and n_distinct > max(20, FREE_TEXT_SHARE * n):
        return ignored(f"free text or a name: {n_distinct:,} different values in {n:,} rows")
    return RoleGuess(column=name, role="input", ground=f"a {column.kind}, {n_distinct:,} values")


def _n_distinct(table: pa.Table, name: str) -> int:
    return int(pc.count_distinct(as_array(table.column(name)), mode="only_valid").as_py())


def name_words(name: str) -> list[str]:
    """A name's words in lower case; ``customerID`` and ``Customer_id`` have the same two."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return re.findall(r"[a-z]+|\d+", spaced.casefold())
