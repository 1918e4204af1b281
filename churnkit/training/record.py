"""What a run's record is compared by, and what differs now."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from churnkit.domain.columns import ModelSchema
from churnkit.domain.runs import RunRecord
from churnkit.settings.whole import Settings

_USED = ("columns", "money", "training")
_NOTHING = object()


def used_settings(settings: Settings) -> dict[str, Any]:
    """The part of churnkit.toml that a run depends on, as plain data."""
    return {name: getattr(settings, name).model_dump(mode="json") for name in _USED}


def predictions_hash(p: npt.NDArray[np.float64]) -> str:
    """SHA-256 (hex) of probabilities as little-endian float64: equal only bit for bit."""
    return hashlib.sha256(np.ascontiguousarray(p, dtype="<f8").tobytes()).hexdigest()


def feature_hash(schema: ModelSchema) -> str:
    """SHA-256 (hex) of the names and kinds of the columns a model reads, in order."""
    text = json.dumps([[column.name, column.kind] for column in schema.inputs])
    return hashlib.sha256(text.encode()).hexdigest()


def differences(
    record: RunRecord,
    *,
    data_fingerprint: str,
    settings: Mapping[str, Any],
    versions: Mapping[str, str],
) -> tuple[str, ...]:
    """What is not as it was when the run was made, one phrase each; empty: nothing.

    Parameters
    ----------
    data_fingerprint : of the customers now
    settings : the tables ``columns``, ``money`` and ``training`` as plain data
    versions : of the libraries now
    """
    found = []
    if data_fingerprint != record.data_fingerprint:
        found.append(
            f"data: fingerprint {record.data_fingerprint[:12]} then, {data_fingerprint[:12]} now"
        )
    pairs = [
        ("settings", dict(_flat(record.settings)), dict(_flat(settings))),
        ("versions", dict(record.versions), dict(versions)),
    ]
    for what, then, now in pairs:
        for name in sorted(then.keys() | now.keys()):
            before, after = then.get(name, _NOTHING), now.get(name, _NOTHING)
            if before != after:
                found.append(f"{what}: {name} {_shown(before)} then, {_shown(after)} now")
    return tuple(found)


def _flat(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in content.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            # JSON knows no tuples: what was read from a file has lists.
            yield f"{prefix}{name}", list(value) if isinstance(value, tuple) else value


def _shown(value: object) -> str:
    return "absent" if value is _NOTHING else str(value)
