"""The target: which of its two values means 'left', and the labels that follow."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from churnkit.data.codes import column_codes
from churnkit.errors import AmbiguousTarget, ColumnMissing, TargetInvalid, did_you_mean

_LEFT = frozenset(
    "yes y true t churn churned churner attrited attrition left leaver exited exit cancelled "
    "canceled cancel lost gone closed terminated defected unsubscribed lapsed".split()
)
_STAYED = frozenset(
    "no n false f stay stayed existing active retained current loyal remained kept open "
    "subscribed none".split()
)
_NOT = frozenset("not non never no un didn't".split())
_TRUE = frozenset({"true", "t", "yes", "y", "1"})
_FALSE = frozenset({"false", "f", "no", "n", "0"})
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)


def value_text(value: object) -> str:
    """A value as churnkit.toml writes it: ``true``, ``1`` (also for 1.0), ``Yes``."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def require_column(table: pa.Table, name: str, what: str) -> None:
    """Check that the column is there.

    Raises
    ------
    ColumnMissing : it is not; the fix names the closest column
    """
    if name not in table.column_names:
        raise ColumnMissing(
            f"there is no column '{name}' to be the {what}.",
            fix=f"{did_you_mean(name, table.column_names)} Name it exactly as the file does.",
            column=name,
        )


def labels(table: pa.Table, target: str, positive: str) -> npt.NDArray[np.bool_]:
    """Who left: whether the target's value is ``positive``.

    ``positive`` is compared as text: ``1`` is 1, 1.0 and true; letter case and blanks around it
    count only where two values differ in nothing else.

    Returns
    -------
    left : shape (n_rows,)

    Raises
    ------
    ColumnMissing : no such column
    TargetInvalid : some rows have no value
    """
    require_column(table, target, "target")
    codes, values = column_codes(table.column(target))
    n_blank = int((codes < 0).sum())
    if n_blank:
        raise TargetInvalid(
            f"{n_blank:,} of {len(codes):,} rows have no value in the target.",
            fix="Fill them in, or leave these rows out of the file.",
            column=target,
            row=int(np.argmax(codes < 0)) + 1,
        )
    chosen = _position(values.to_pylist(), positive)
    if chosen is None:
        return np.zeros(len(codes), dtype=np.bool_)
    return np.asarray(codes == chosen, dtype=np.bool_)


def check_target(table: pa.Table, target: str, positive: str) -> None:
    """Check that the target can be learnt: no blanks, two values, one of them ``positive``.

    Raises
    ------
    ColumnMissing : no such column
    TargetInvalid : blanks, one class, more than two, or ``positive`` is not among the values
    """
    require_column(table, target, "target")
    counted = target_counts(table, target)
    texts = [text for text, _ in counted]
    if len(counted) != 2:
        raise _not_binary(target, counted, table.num_rows)
    n_left = int(labels(table, target, positive).sum())
    if n_left in (0, table.num_rows):
        raise TargetInvalid(
            f"no row has the value '{positive}', which is said to mean 'left'; "
            f"the values are {_shown(counted)}.",
            fix=did_you_mean(positive, texts),
            column=target,
        )


def target_counts(table: pa.Table, target: str) -> list[tuple[str, int]]:
    """The target's values as text with their counts, the most frequent first."""
    counts = pc.value_counts(pc.drop_null(table.column(target))).to_pylist()
    pairs = [(value_text(pair["values"]), int(pair["counts"])) for pair in counts]
    return sorted(pairs, key=lambda pair: (-pair[1], pair[0]))


def guess_positive(table: pa.Table, target: str) -> tuple[str, str]:
    """The value that means 'left', and why.

    Raises
    ------
    TargetInvalid : not two values
    AmbiguousTarget : neither value clearly means 'left'
    """
    counted = target_counts(table, target)
    if len(counted) != 2:
        raise _not_binary(target, counted, table.num_rows)
    texts = [text for text, _ in counted]
    if set(texts) in ({"0", "1"}, {"-1", "1"}):
        return "1", "of two numbers, 1 says that it happened"
    left = [text for text in texts if _means(text) == "left"]
    stayed = [text for text in texts if _means(text) == "stayed"]
    if len(left) == 1:
        return left[0], f"'{left[0]}' reads as 'left'"
    if len(stayed) == 1 and not left:
        other = texts[1 - texts.index(stayed[0])]
        return other, f"'{stayed[0]}' reads as 'stayed', so '{other}' means 'left'"
    choices = ", ".join(sorted(texts))
    raise AmbiguousTarget(
        f"it is not clear which value of '{target}' means that a customer left: {_shown(counted)}.",
        fix=f"Say it with --positive; choose one of: {choices}.",
        options=sorted(texts),
        column=target,
        choices=choices,
    )


def matching_value(table: pa.Table, target: str, positive: str) -> str:
    """``positive`` as the column writes it, or unchanged where no value fits."""
    values = pc.unique(pc.drop_null(table.column(target))).to_pylist()
    position = _position(values, positive)
    return positive if position is None else value_text(values[position])


def _position(values: Sequence[object], positive: str) -> int | None:
    """Where the value is that ``positive`` means; exact text before looser readings."""
    texts = [value_text(value) for value in values]
    for reading in (str, _folded):
        wanted = reading(positive)
        found = [i for i, text in enumerate(texts) if reading(text) == wanted]
        if len(found) == 1:
            return found[0]
    if all(isinstance(value, bool) for value in values):
        wanted = _folded(positive)
        meant = "true" if wanted in _TRUE else "false" if wanted in _FALSE else None
        return texts.index(meant) if meant in texts else None
    if _folded(positive) in {"true", "false"}:
        digit = "1" if _folded(positive) == "true" else "0"
        folded = [_folded(text) for text in texts]
        return folded.index(digit) if digit in folded else None
    return None


def _folded(text: str) -> str:
    """Without blanks around it, case and a number's spelling: ' 1.0' and '1' are the same."""
    text = text.strip().casefold()
    return value_text(float(text)) if _NUMBER.fullmatch(text) else text


def _means(text: str) -> str:
    words = re.findall(r"[a-z']+", text.casefold())
    denied = len(words) > 1 and any(word in _NOT for word in words)
    if any(word in _LEFT for word in words):
        return "stayed" if denied else "left"
    if any(word in _STAYED for word in words):
        return "left" if denied and words[0] not in _STAYED else "stayed"
    return ""


def _shown(counted: Sequence[tuple[str, int]]) -> str:
    shown = ", ".join(f"'{text}' ({count:,} rows)" for text, count in counted[:5])
    return shown + (f" and {len(counted) - 5:,} more" if len(counted) > 5 else "")


def _not_binary(target: str, counted: list[tuple[str, int]], n_rows: int) -> TargetInvalid:
    if not counted:
        return TargetInvalid(
            f"all {n_rows:,} rows have a blank target.",
            fix="Name another column with --target.",
            column=target,
        )
    if len(counted) == 1:
        return TargetInvalid(
            f"the target has one value only: {_shown(counted)}; there is nothing to learn.",
            fix="Add customers of the other kind, or name another column with --target.",
            column=target,
        )
    return TargetInvalid(
        f"the target has {len(counted):,} values, but two are needed: {_shown(counted)}.",
        fix="Leave out or merge the rows of the others, or name another column with --target.",
        column=target,
    )
