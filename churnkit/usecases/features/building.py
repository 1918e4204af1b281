"""Build the features of many customers at one or many moments."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from rich.console import Group, RenderableType

from churnkit.data.database import opened
from churnkit.data.writing import open_writer
from churnkit.data.zones import shown_moment
from churnkit.domain.moments import from_us
from churnkit.domain.progress import Cancel, Progress, Step, silent
from churnkit.features.as_of import parse_as_of
from churnkit.features.moment import Moment
from churnkit.features.offline import memory_within, stream_features
from churnkit.features.requests import ask
from churnkit.project import Project
from churnkit.reporting.tables import escape_text
from churnkit.usecases.features.feature_set import AsOf, open_features
from churnkit.usecases.result import Result
from churnkit.usecases.suppressing import ErasureWatch


@dataclass(frozen=True, repr=False)
class BuiltFeatures(Result):
    """Features of customers at moments."""

    n_rows: int
    moments: tuple[datetime, ...]
    names: tuple[str, ...]
    zone: str
    feature_hash: str
    output: Path | None
    table: pa.Table | None
    """customer_id, as_of and the features, when no output file was named."""
    unknown: int
    """Requested customers of whom the log knows nothing."""
    missing: dict[str, int] = field(default_factory=dict)
    """Feature → rows without a value, where there are any."""

    def to_pandas(self) -> Any:
        """The features as a pandas DataFrame (only when no output file was named)."""
        return None if self.table is None else self.table.to_pandas()

    def __rich__(self) -> RenderableType:
        where = f" into {self.output}" if self.output else ""
        dates = [shown_moment(Moment.of(moment, self.zone).as_of_us, self.zone)
                 for moment in self.moments]  # fmt: skip
        shown = ", ".join(dates[:6]) + (f" … {dates[-1]}" if len(dates) > 6 else "")
        lines: list[RenderableType] = [
            escape_text(
                f"Built {len(self.names)} features of {self.n_rows:,} rows{where} "
                f"(as of {shown}, {self.zone})."
            )
        ]
        if self.unknown:
            lines.append(f"{self.unknown:,} customers are not in the log; their rows are empty.")
        often = sorted(self.missing.items(), key=lambda item: -item[1])
        if often and self.n_rows:
            told = ", ".join(f"{name} {n / self.n_rows:.0%}" for name, n in often[:6])
            lines.append(escape_text(f"Missing values: {told}{' …' if len(often) > 6 else ''}"))
        return Group(*lines)

    def to_json(self) -> dict[str, object]:
        return {
            "n_rows": self.n_rows,
            "as_of": [moment.isoformat() for moment in self.moments],
            "features": list(self.names),
            "feature_hash": self.feature_hash,
            "output": str(self.output) if self.output else None,
            "unknown_customers": self.unknown,
            "missing": self.missing,
        }


def build_features(
    project: Project,
    as_of: AsOf | Sequence[AsOf],
    output: Path | str | None = None,
    *,
    customers: Sequence[str] | None = None,
    memory_bytes: int | None = None,
    progress: Progress = silent,
    cancel: Cancel | None = None,
) -> BuiltFeatures:
    """Compute the project's features for many customers at one or many moments.

    Parameters
    ----------
    as_of : moments with a zone, or texts: a date is that midnight in the project's zone
    output : a .parquet or .csv file; None keeps the rows in ``result.table``
    customers : their ids; None: all customers of the log
    memory_bytes : how much memory may be used; what does not fit goes to the disk

    Raises
    ------
    FeatureError, AsOfInvalid : features.toml or a moment cannot be used
    FolderReadOnly, DiskFull : the output cannot be written; a file that was there is unchanged
    """
    features, schema = open_features(project)
    given = [as_of] if isinstance(as_of, str | datetime) else list(as_of)
    moments = [parse_as_of(one, schema.zone) if isinstance(one, str) else one for one in given]
    path = None if output is None else Path(output).expanduser()
    names = tuple(feature.name for feature in features.features)
    kept: list[pa.RecordBatch] = []
    n_rows, nulls = 0, dict.fromkeys(names, 0)
    erasures = None if path is None else ErasureWatch(project)
    with ExitStack() as stack:
        writing = stack.enter_context(ExitStack())
        writer = writing.enter_context(open_writer(path)) if path else None
        connection = stack.enter_context(opened(project.database))
        stack.enter_context(memory_within(connection, memory_bytes, project.store))
        progress(Step("building features", None, f"{len(moments)} dates"))
        ids = None if customers is None else pa.array(list(customers), pa.string())
        asked = ask(connection, schema.zone, as_of=moments, customers=ids)
        for batch in stream_features(
            connection,
            features,
            schema,
            asked,
            memory_bytes=memory_bytes,
            progress=progress,
            cancel=cancel,
        ):
            if writer is None:
                kept.append(batch)
            else:
                writer.write(batch)
            n_rows += batch.num_rows
            for name in names:
                nulls[name] += batch.column(name).null_count
        if erasures is not None:
            with erasures.keeping(path):
                writing.close()
    return BuiltFeatures(
        n_rows=n_rows,
        moments=tuple(from_us(moment.as_of_us) for moment in asked.moments),
        names=names,
        zone=schema.zone,
        feature_hash=features.content_hash(),
        output=path,
        table=pa.Table.from_batches(kept) if writer is None else None,
        unknown=asked.n_unknown,
        missing={name: n for name, n in nulls.items() if n},
    )
