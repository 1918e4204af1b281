"""features.toml: round trips, and every mistake named."""

from __future__ import annotations

from pathlib import Path

import pytest

from churnkit.errors import FeatureError, FeaturesExist
from churnkit.features.checking import check_features
from churnkit.features.definitions import EventFeature, FeatureSet
from churnkit.features.toml import (
    features_from_text,
    features_text,
    read_features,
    write_features,
)
from tests.features.event_logs import Log
from tests.features.sets import EVERYTHING

SCHEMA = Log().schema()
GOOD = """
[[feature]]
name = "buys_30"
aggregate = "count"
event_types = ["buy"]
window_days = 30

[[feature]]
name = "buys_90"
aggregate = "count"
event_types = ["buy"]
window_days = 90

[[feature]]
kind = "trend"
name = "trend"
recent = "buys_30"
base = "buys_90"
"""


def test_the_text_of_a_set_gives_the_set_again() -> None:
    again = features_from_text(features_text(EVERYTHING))
    assert again == EVERYTHING
    assert again.content_hash() == EVERYTHING.content_hash()


def test_the_hash_is_pinned_and_sees_every_change() -> None:
    """Model versions record it: it may not change with churnkit's version."""
    features = features_from_text(GOOD)
    assert features.content_hash() == (
        "2855a4f55e1d95936bbb505e17d95d577e5e68407028c3fcae411e0d3d3b6fc4"
    )
    other = features_from_text(GOOD.replace("window_days = 30", "window_days = 31"))
    assert other.content_hash() != features.content_hash()


def test_a_file_is_not_replaced_unless_told(tmp_path: Path) -> None:
    path = tmp_path / "features.toml"
    write_features(path, EVERYTHING)
    before = path.read_bytes()
    with pytest.raises(FeaturesExist, match="there already"):
        write_features(path, features_from_text(GOOD))
    assert path.read_bytes() == before
    write_features(path, features_from_text(GOOD), replace=True)
    assert read_features(path) == features_from_text(GOOD)
    assert [one.name for one in tmp_path.iterdir()] == ["features.toml"]


MISTAKES = [
    ('aggregate = "count"', 'aggregate = "cuont"', "buys_30", "aggregate", "'count'"),
    ("window_days = 30", "window_day = 30", "buys_30", "window_day", "'window_days'"),
    ("window_days = 30", "window_days = 0", "buys_30", "window_days", ""),
    ('kind = "trend"', 'kind = "tred"', "trend", "kind", "'trend'"),
    ('name = "buys_30"', 'name = "buys 30"', "buys 30", "name", ""),
    ('name = "buys_90"\n', "", "number 2", "name", "Add name"),
    ('event_types = ["buy"]', 'event_types = ["by"]', "buys_30", "event_types", "'buy'"),
    ('recent = "buys_30"', 'recent = "buys_3"', "trend", "recent", "'buys_30'"),
    ('recent = "buys_30"', 'recent = "trend"', "trend", None, "other features"),
    ('name = "trend"', 'name = "BUYS_30"', "BUYS_30", "name", "Rename"),
    ('name = "trend"', 'name = "as_of"', "as_of", "name", "Rename"),
    ("window_days = 30", "window_days = 90", "trend", "recent", "Swap"),
    ("window_days = 90", "", "trend", "base", "window_days"),
    ('event_types = ["buy"]\nwindow_days = 90', "window_days = 90", "trend", "base", "ratio"),
    ('aggregate = "count"\nevent_types = ["buy"]\nwindow_days = 30',
     'aggregate = "active_days"\nwindow_days = 30', "trend", "recent", "ratio"),
    ("window_days = 30", 'column = "amount"', "buys_30", "column", "where"),
    ('aggregate = "count"', 'aggregate = "sum"', "buys_30", "column", "amount"),
    ('aggregate = "count"', 'aggregate = "sum"\ncolumn = "amuont"', "buys_30", "column",
     "'amount'"),
    ('aggregate = "count"', 'aggregate = "distinct"\ncolumn = "amount"', "buys_30", "column",
     "channel"),
    ("window_days = 30", 'where = [{ column = "amount", op = "in", value = ["1"] }]', "buys_30",
     "where[0]", "="),
    ("window_days = 30", 'where = [{ column = "channel", op = ">", value = "a" }]', "buys_30",
     "where[0]", "in"),
    ("window_days = 30", 'where = [{ column = "chanel", op = "=", value = "a" }]', "buys_30",
     "where[0]", "'channel'"),
    ("window_days = 30", 'where = [{ column = "channel", op = "=", value = 3 }]', "buys_30",
     "where[0]", "quotes"),
    ("window_days = 30", 'where = [{ column = "amount", op = "<", vale = 3 }]', "buys_30",
     "where[0].vale", "'value'"),
    ("window_days = 30", 'where = [{ column = "amount", op = "<", value = nan }]', "buys_30",
     "where[0]", "quotes"),
    ('kind = "trend"\nname = "trend"\nrecent = "buys_30"\nbase = "buys_90"',
     'kind = "attribute"\nname = "plan"\ncolumn = "plam"', "plan", "column", "'plan'"),
    ('kind = "trend"\nname = "trend"\nrecent = "buys_30"\nbase = "buys_90"',
     'kind = "subscription"\nname = "t"\nfigure = "tenur_days"', "t", "figure", "'tenure_days'"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "feature", "key", "hint"), MISTAKES)
def test_a_mistake_is_named(
    old: str, new: str, feature: str, key: str | None, hint: str, tmp_path: Path
) -> None:
    assert old in GOOD
    path = tmp_path / "features.toml"
    path.write_text(GOOD.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(FeatureError) as caught:
        check_features(read_features(path), SCHEMA, file=path)
    error = caught.value
    assert error.where.get("file") == path
    assert error.where.get("feature") == feature
    assert error.where.get("key") == key
    assert hint in error.fix, str(error)


def test_circles_are_found_wherever_they_begin() -> None:
    text = GOOD + "".join(
        f'[[feature]]\nkind = "ratio"\nname = "{name}"\nnumerator = "{part}"\n'
        'denominator = "buys_30"\n'
        for name, part in (("a", "b"), ("b", "c"), ("c", "d"), ("d", "b"))
    )
    with pytest.raises(FeatureError, match="b → c → d → b"):
        check_features(features_from_text(text), SCHEMA)


def test_a_ratio_of_texts_is_refused() -> None:
    text = GOOD + (
        '[[feature]]\nkind = "attribute"\nname = "plan"\ncolumn = "plan"\n'
        '[[feature]]\nkind = "ratio"\nname = "r"\nnumerator = "buys_30"\ndenominator = "plan"\n'
    )
    with pytest.raises(FeatureError, match="no number") as caught:
        check_features(features_from_text(text), SCHEMA)
    assert caught.value.where["key"] == "denominator"


@pytest.mark.parametrize("text", ["= 3", "format = 2", 'features = ["a"]', "feature = 3", "\udcff"])
def test_a_file_that_is_no_set(text: str, tmp_path: Path) -> None:
    path = tmp_path / "features.toml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(FeatureError) as caught:
        read_features(path)
    assert caught.value.where["file"] == path


def test_an_empty_set_is_refused() -> None:
    with pytest.raises(FeatureError, match="no features"):
        check_features(FeatureSet(features=()), SCHEMA)


def test_a_missing_file_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(FeatureError, match="suggest"):
        read_features(tmp_path / "features.toml")


def test_whole_numbers_in_conditions_are_numbers() -> None:
    text = (
        '[[feature]]\nname = "big"\naggregate = "count"\n'
        'where = [{ column = "amount", op = ">=", value = 10 }]\n'
    )
    features = features_from_text(text)
    check_features(features, SCHEMA)
    (feature,) = features.features
    assert isinstance(feature, EventFeature)
    assert feature.where[0].value == 10.0
    assert features_from_text(features_text(features)) == features
