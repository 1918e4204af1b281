"""features.toml: a FeatureSet as text that a person reads, reviews and versions."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import tomlkit
from pydantic import BaseModel, ValidationError
from tomlkit.items import Table

from churnkit.errors import FeatureError, FeaturesExist, did_you_mean
from churnkit.features.definitions import (
    Aggregate,
    AttributeFeature,
    Condition,
    EventFeature,
    Feature,
    FeatureSet,
    Ratio,
    SubscriptionFeature,
    Trend,
)
from churnkit.files import write_whole

FILE_NAME = "features.toml"
FORMAT = 1
KINDS: Mapping[str, type[Feature]] = {
    "event": EventFeature,
    "ratio": Ratio,
    "trend": Trend,
    "attribute": AttributeFeature,
    "subscription": SubscriptionFeature,
}
_HEAD = """\
What is computed for a customer at a moment, one [[feature]] per input of the model, in order.
Edit it freely; 'churnkit features list' checks it.

kind = "event" (the default)  an aggregate over events: count, sum, mean, min, max, distinct,
                              active_days, recency_days, since_first_days or mean_gap_days;
                              column (a value, or a text for distinct), event_types (none: all),
                              window_days (none: since ever),
                              where = [{ column = "price", op = ">=", value = 10.0 }]
kind = "ratio"                numerator divided by denominator, both names of features
kind = "trend"                the daily rate of a count or sum in a short window (recent) against
                              that in a longer one (base)
kind = "attribute"            the customer's attribute as of the moment
kind = "subscription"         figure: tenure_days, days_to_end or periods"""


def features_text(features: FeatureSet) -> str:
    """The set as a TOML document: one table per feature."""
    document = tomlkit.document()
    for line in _HEAD.splitlines():
        document.add(tomlkit.comment(line))
    document.add(tomlkit.nl())
    document.add("format", tomlkit.item(FORMAT))
    tables = tomlkit.aot()
    for feature in features.features:
        tables.append(_table(feature))
    if len(tables):
        document.add("feature", tables)
    return tomlkit.dumps(document)


def _table(feature: Feature) -> Table:
    table = tomlkit.table()
    for key in type(feature).model_fields:
        value = getattr(feature, key)
        if value in (None, ()) or (key, value) in (("kind", "event"), ("column", "")):
            continue
        if key == "where":
            conditions = tomlkit.array()
            for condition in value:
                inline = tomlkit.inline_table()
                for name, part in condition.model_dump(mode="json").items():
                    if part is not None:
                        inline.append(name, part)
                conditions.append(inline)
            table.add(key, conditions)
        else:
            table.add(key, list(value) if isinstance(value, tuple) else value)
    return table


def write_features(path: Path, features: FeatureSet, *, replace: bool = False) -> None:
    """Write features.toml in one step.

    Raises
    ------
    FeaturesExist : there is one, and ``replace`` is not set
    FolderReadOnly, DiskFull : it cannot be written; an earlier one is unchanged
    """
    if path.exists() and not replace:
        raise FeaturesExist(
            "the file is there already.",
            fix="Use --force to replace it, or move it away.",
            file=path,
        )
    write_whole(path, features_text(features).encode())


def read_features(path: Path) -> FeatureSet:
    """Read features.toml; check it against its log with ``check_features``.

    Raises
    ------
    FeatureError : it is not there, is not TOML, or has a key or value that is not allowed
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise FeatureError(
            "there is no features.toml.",
            fix="Let 'churnkit features suggest' write one.",
            file=path,
        ) from None
    except UnicodeDecodeError as error:
        raise FeatureError("the file is not UTF-8 text.", file=path) from error
    return features_from_text(text, file=path)


def features_from_text(text: str, *, file: Path | None = None) -> FeatureSet:
    """A set from its TOML; see ``read_features``."""
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FeatureError(f"the file is not TOML: {error}.", file=file) from error
    for key in content:
        if key not in ("format", "feature"):
            raise FeatureError(
                f"there is no key '{key}' here.",
                fix=did_you_mean(key, ("format", "feature")),
                file=file,
                key=key,
            )
    if content.get("format", FORMAT) != FORMAT:
        raise FeatureError(
            f"the file has format {content['format']}, this churnkit reads {FORMAT}.",
            fix="Update churnkit.",
            file=file,
            key="format",
        )
    tables = content.get("feature", [])
    if not isinstance(tables, list) or not all(isinstance(one, dict) for one in tables):
        raise FeatureError(
            "'feature' is no list of tables.",
            fix="Begin each feature with [[feature]].",
            file=file,
            key="feature",
        )
    return features_from_tables(tables, file=file)


def features_from_tables(
    tables: Sequence[Mapping[str, Any]], *, file: Path | None = None
) -> FeatureSet:
    """A set from plain tables, one per feature, with the keys of features.toml.

    Raises
    ------
    FeatureError : a key or a value is not allowed; it names the feature
    """
    found = [_feature(dict(table), number, file) for number, table in enumerate(tables, 1)]
    return FeatureSet(features=tuple(found))


def _feature(table: dict[str, Any], number: int, file: Path | None) -> Feature:
    name, kind = table.get("name"), table.get("kind", "event")
    label = name if isinstance(name, str) and name else f"number {number}"
    if kind not in KINDS:
        raise FeatureError(
            f"there is no kind '{kind}' of features.",
            fix=did_you_mean(str(kind), KINDS),
            file=file,
            feature=label,
            key="kind",
        )
    model = KINDS[kind]
    _check_keys(model, table, label, "", file)
    for at, condition in enumerate(table.get("where", []) or []):
        if isinstance(condition, dict):
            _check_keys(Condition, condition, label, f"where[{at}].", file)
    try:
        return model.model_validate({**table, "kind": kind})
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"] if isinstance(part, int | str))
        raise FeatureError(
            f"{_what(first['type'], first['msg'], first.get('input'))}.",
            fix=_fix(key, first.get("input")),
            file=file,
            feature=label,
            key=key,
        ) from error


def _check_keys(
    model: type[BaseModel], table: dict[str, Any], label: str, prefix: str, file: Path | None
) -> None:
    known = list(model.model_fields)
    for key in table:
        if key not in known:
            raise FeatureError(
                f"there is no key '{key}' here.",
                fix=did_you_mean(key, known),
                file=file,
                feature=label,
                key=f"{prefix}{key}",
            )
    for key in known:
        if model.model_fields[key].is_required() and key not in table:
            raise FeatureError(
                f"'{key}' is missing.",
                fix=f"Add {key} = …",
                file=file,
                feature=label,
                key=f"{prefix}{key}",
            )


def _what(kind: str, message: str, given: object) -> str:
    if kind == "string_pattern_mismatch":
        return (
            f"'{given}' is no name: letters of ASCII, digits and _, no digit first, "
            "at most 63 in all"
        )
    return f"{message} (found: {given!r})"


def _fix(key: str, given: object) -> str:
    known: tuple[str, ...] = {
        "aggregate": get_args(Aggregate),
        "figure": get_args(SubscriptionFeature.model_fields["figure"].annotation),
        "op": get_args(Condition.model_fields["op"].annotation),
    }.get(key.rsplit(".", 1)[-1], ())
    return did_you_mean(str(given), known) if known else "Mend this key."
